"""The drop detector of a whole site: its golden values, worked by hand, and its rules."""

from math import inf, nan

import pytest

from streams.core.sitedrop import SLOTS, Series, observe


def week_after_week(y: float, weeks: int, slots: int = 3) -> Series:
    """A site with the same count in its first hours of every week."""
    series = Series()
    for _ in range(weeks):
        for slot in range(slots):
            series, _reading = observe(series, slot, y)
        series, _reading = observe(series, 167, None)  # the hours between say nothing
    return series


def test_half_of_the_usual_is_so_many_deviations() -> None:
    """(sqrt(50.375) - sqrt(100.375)) / sqrt(0 + .25)."""
    _, reading = observe(week_after_week(100, 5), 0, 50)
    assert (round(reading.residual, 6), round(reading.drop, 6)) == (-5.842395, 1.460599)
    assert reading.expected == pytest.approx(100)


def test_two_low_ticks_together_raise_the_alarm() -> None:
    """Not the first, with theta = 2: a single bad hour has to be a very bad one."""
    series, first = observe(week_after_week(100, 5), 0, 50)
    series, second = observe(series, 1, 50)
    assert (first.turn, second.turn, series.firing) == ("", "began", True)


def test_an_outage_raises_the_alarm_at_once() -> None:
    """Nothing where a hundred were usual."""
    series, reading = observe(week_after_week(100, 5), 0, 0)
    assert (reading.turn, round(reading.drop, 6)) == ("began", 4.70318)
    assert series.firing


def test_a_rise_is_no_alarm() -> None:
    """Not even a tenfold one."""
    series, reading = observe(week_after_week(100, 5), 0, 1000)
    series, after = observe(series, 1, 1000)
    assert (reading.drop, after.drop, after.turn, series.firing) == (0.0, 0.0, "", False)


@pytest.mark.parametrize(("y", "turn"), [(95, ""), (98, "ended")])
def test_an_alarm_ends_when_two_ticks_are_nearly_usual(y: float, turn: str) -> None:
    """Together less than half of theta = 2 low; the tick before is one of 85, which is 1.56 low."""
    series = week_after_week(100, 5)
    for slot, count in ((0, 0), (1, 85)):
        series, _ = observe(series, slot, count)
    assert series.firing
    series, reading = observe(series, 2, y)
    assert (reading.turn, series.firing) == (turn, turn == "")


def test_what_was_before_the_end_is_forgotten() -> None:
    """The day of an outage would still look low on average, and raise the alarm again at once."""
    series = week_after_week(100, 5, slots=6)
    turns = []
    for slot, count in enumerate((0, 0, 100, 100, 100, 100)):
        series, reading = observe(series, slot, count)
        turns.append(reading.turn)
    assert turns == ["began", "", "", "ended", "", ""]


def test_six_ticks_a_fifth_too_low_raise_the_alarm() -> None:
    """Each is 2.1 deviations low, which two of them together may be."""
    series = week_after_week(100, 5, slots=6)
    turns = []
    for slot in range(6):
        series, reading = observe(series, slot, 80)
        turns.append(reading.turn)
    assert turns == ["", "", "", "", "", "began"]
    assert round(reading.drop, 3) == 2.107


def test_a_day_a_sixth_too_low_raises_the_alarm() -> None:
    """1.8 deviations, weighed by 1.2."""
    series = week_after_week(100, 5, slots=24)
    turns = []
    for slot in range(24):
        series, reading = observe(series, slot, 83)
        turns.append(reading.turn)
    assert (turns.index("began"), round(reading.drop, 3)) == (22, 2.131)


def test_a_slot_is_judged_from_its_fourth_tick_on() -> None:
    """Before that its residual is 0, and nothing is expected."""
    _, third = observe(week_after_week(100, 2), 0, 0)
    _, fourth = observe(week_after_week(100, 3), 0, 0)
    assert (third.expected, third.residual, third.turn) == (None, 0.0, "")
    assert (fourth.expected, fourth.turn) == (pytest.approx(100), "began")


def test_mean_and_variance_of_the_first_ticks() -> None:
    """z = 3, 5, 4: mean 4 and variance 2/3, as of any three numbers."""
    series = Series()
    for z in (3, 5, 4):
        series, _ = observe(series, 0, z * z - 0.375)
    assert (series.slots[0].n, round(series.slots[0].mean, 9), round(series.slots[0].variance, 9)) == (3, 4.0, 0.666666667)


def test_an_outlier_moves_a_known_slot_by_four_deviations() -> None:
    """Five ticks of 100: mean 10.018732, deviation .5, gain 1/6."""
    series, _ = observe(week_after_week(100, 5), 0, 1_000_000)
    assert round(series.slots[0].mean, 6) == 10.352066
    assert round(series.slots[0].variance, 6) == 0.555556


def test_ten_weeks_are_remembered() -> None:
    """The gain stays at a tenth: after thirty weeks of 100, ten of 121 have moved z by 1 - .9 ** 10 of the way."""
    series = week_after_week(100, 30)
    for _ in range(10):
        series, _ = observe(series, 0, 121)
    assert round(series.slots[0].mean, 6) == 10.668947


def test_a_tick_that_says_nothing_changes_nothing_but_the_memory_of_the_last() -> None:
    """Muted, or the source was silent: a firing alarm stays, and nothing is learned."""
    series, _ = observe(week_after_week(100, 5), 0, 0)
    after, reading = observe(series, 1, None)
    assert (after.firing, after.recent[-1], after.slots, reading.turn) == (True, 0.0, series.slots, "")
    assert reading.expected == pytest.approx(100)


@pytest.mark.parametrize(("slot", "y"), [(-1, 5.0), (SLOTS, 5.0), (0, -1.0), (0, nan), (0, inf)])
def test_what_no_week_and_no_count_has_is_refused(slot: int, y: float) -> None:
    with pytest.raises(ValueError, match=r"slots|negative"):
        observe(Series(), slot, y)
