"""The calendar of the whole: which hour of the week a tick is in the product's time zone, and whether somebody has muted it."""

from collections.abc import Sequence
from datetime import UTC, datetime, tzinfo
from typing import Final

from streams.core.rules import Mute

__all__ = ["muted", "slot"]

_MIDNIGHT: Final = "T00:00"


def slot(at_ms: int, zone: tzinfo) -> int:
    """The hour of the week, 0 to 167 from Monday, as clocks on the wall show it: when they change, habits stay where they are."""
    local = datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(zone)
    return local.weekday() * 24 + local.hour


def muted(at_ms: int, zone: tzinfo, mutes: Sequence[Mute]) -> tuple[str, ...]:
    """Prefixes of the series that are muted at `at_ms`. Times in `mutes` are local; the end is not part of a mute."""
    local = datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(zone).strftime("%Y-%m-%dT%H:%M")
    return tuple(mute.series for mute in mutes if _covers(mute, local))


def _covers(mute: Mute, local: str) -> bool:
    begin, end = _full(mute.begin), _full(mute.end)
    if not mute.yearly:
        return begin <= local < end
    # Without the year; a mute may run over New Year.
    begin, end, local = begin[5:], end[5:], local[5:]
    return begin <= local < end if begin <= end else local >= begin or local < end


def _full(text: str) -> str:
    return text.replace(" ", "T") if len(text) > len("2026-12-24") else text + _MIDNIGHT
