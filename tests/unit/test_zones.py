"""Local days and minutes, against the zones of Python's own library."""

import random
from datetime import UTC, datetime
from importlib.resources import files
from zoneinfo import ZoneInfo

import pytest

from streams.core.zones import Zones, local
from streams.timezones import all_zones


def ms(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp() * 1000)


@pytest.mark.parametrize(
    ("name", "at", "expected"),
    [
        ("Europe/Berlin", "2026-03-29T00:59:59Z", (1, 59)),  # the last minute of winter time
        ("Europe/Berlin", "2026-03-29T01:00:00Z", (3, 0)),  # an hour is missing
        ("Europe/Berlin", "2026-10-25T00:59:00Z", (2, 59)),
        ("Europe/Berlin", "2026-10-25T01:00:00Z", (2, 0)),  # an hour comes twice
        ("America/New_York", "2026-07-01T03:30:00Z", (23, 30)),  # the day before
        ("Asia/Kathmandu", "2026-07-01T00:00:00Z", (5, 45)),
        ("Pacific/Auckland", "2026-01-01T11:00:00Z", (0, 0)),  # the day after
        ("Australia/Lord_Howe", "2026-01-01T00:00:00Z", (11, 0)),
    ],
)
def test_clocks_show_what_people_read(name: str, at: str, expected: tuple[int, int]) -> None:
    zones = all_zones()
    _, minute = local(zones.tables[zones.names[name]], ms(at))
    assert divmod(minute, 60) == expected


def test_no_zone_is_utc() -> None:
    assert local(None, ms("2026-01-01T12:34:56Z")) == (20_454, 12 * 60 + 34)


def test_every_zone_is_the_library_s_at_random_instants() -> None:
    zones, draw = all_zones(), random.Random(1)
    root = files("tzdata").joinpath("zoneinfo")
    for name in draw.sample(sorted(zones.names), 60):
        with root.joinpath(*name.split("/")).open("rb") as file:
            zone = ZoneInfo.from_file(file)
        for _ in range(20):
            at_s = draw.randrange(946_684_800, 2_145_916_800)
            offset = datetime.fromtimestamp(at_s, UTC).astimezone(zone).utcoffset()
            assert offset is not None
            minute = (at_s + offset.days * 86_400 + offset.seconds) // 60
            assert local(zones.tables[zones.names[name]], at_s * 1000) == divmod(minute, 1440), (name, at_s)


def test_no_two_zones_share_a_code() -> None:
    codes = all_zones().codes()
    assert len(set(codes.values())) == len(codes) > 500
    assert 0 not in codes.values()


def test_rules_show_zones_in_short() -> None:
    assert repr(Zones("2026a", {"UTC": 0}, (((), (0,)),))) == "Zones(2026a, 1 names)"
