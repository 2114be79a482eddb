"""The band in which a tick of the whole usually is."""

from streams.core.sitedrop import Slot, band


def test_the_band_is_even_in_the_scale_that_is_judged() -> None:
    """Mean 10 of sqrt(y + 3/8), Poisson noise alone: 3 deviations of 0.5 each way, 8.5 and 11.5."""
    assert band(Slot(5, 10.0, 0.0), 3.0) == (99.62, 71.88, 131.88)


def test_nothing_is_below_nothing() -> None:
    assert band(Slot(5, 1.0, 0.75), 3.0) == (0.62, 0.0, 15.62)


def test_an_hour_seen_twice_is_not_known() -> None:
    assert band(Slot(2, 10.0, 0.0), 3.0) is None
