"""Hours of the week and mutes, as clocks on the wall show them."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from streams.core.rules import Mute
from streams.core.sitecalendar import muted, slot

BERLIN = ZoneInfo("Europe/Berlin")


def ms(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp() * 1000)


@pytest.mark.parametrize(
    ("at", "hour"),
    [
        ("2026-01-05T00:00:00+01:00", 0),  # a Monday
        ("2026-01-05T08:59:59+01:00", 8),
        ("2026-07-06T08:00:00+02:00", 8),  # in summer it is still eight o'clock
        ("2026-01-11T23:00:00+01:00", 167),
        ("2026-10-25T02:30:00+02:00", 146),  # the hour that comes twice
        ("2026-10-25T02:30:00+01:00", 146),
        ("2026-03-29T03:00:00+02:00", 147),  # two o'clock does not exist on this Sunday
    ],
)
def test_the_hour_of_the_week(at: str, hour: int) -> None:
    assert slot(ms(at), BERLIN) == hour


@pytest.mark.parametrize(
    ("mute", "at", "is_muted"),
    [
        (Mute(begin="2026-12-24", end="2026-12-27"), "2026-12-24T00:00:00+01:00", True),
        (Mute(begin="2026-12-24", end="2026-12-27"), "2026-12-23T23:59:00+01:00", False),
        (Mute(begin="2026-12-24", end="2026-12-27"), "2026-12-27T00:00:00+01:00", False),
        (Mute(begin="2026-12-24", end="2026-12-27"), "2027-12-25T00:00:00+01:00", False),
        (Mute(begin="2026-12-24", end="2026-12-27", yearly=True), "2027-12-25T00:00:00+01:00", True),
        (Mute(begin="2026-07-01 08:00", end="2026-07-01T10:00"), "2026-07-01T08:00:00+02:00", True),
        (Mute(begin="2026-07-01 08:00", end="2026-07-01 10:00"), "2026-07-01T10:00:00+02:00", False),
        (Mute(begin="2026-12-30", end="2026-01-02", yearly=True), "2029-12-31T12:00:00+01:00", True),
        (Mute(begin="2026-12-30", end="2026-01-02", yearly=True), "2029-01-01T12:00:00+01:00", True),
        (Mute(begin="2026-12-30", end="2026-01-02", yearly=True), "2029-01-02T00:00:00+01:00", False),
    ],
)
def test_a_mute_is_local_and_ends_before_its_end(mute: Mute, at: str, is_muted: bool) -> None:
    assert muted(ms(at), BERLIN, [mute]) == (("",) if is_muted else ())


def test_a_mute_may_be_of_some_series() -> None:
    mutes = [Mute(begin="2026-12-24", end="2026-12-27", series="campaign:"), Mute(begin="2026-12-25", end="2026-12-26")]
    assert muted(ms("2026-12-24T12:00:00+01:00"), BERLIN, mutes) == ("campaign:",)
    assert muted(ms("2026-12-25T12:00:00+01:00"), BERLIN, mutes) == ("campaign:", "")
