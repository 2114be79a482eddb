"""The time zones of the world, as tables that the core can be given: it reads no files."""

import struct
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from importlib.resources import files
from io import BytesIO
from typing import Final
from zoneinfo import ZoneInfo

import tzdata  # type: ignore[import-untyped]

from streams.core.zones import Zones

__all__ = ["all_zones"]

_Table = tuple[tuple[int, ...], tuple[int, ...]]

#: From the first events that are taken to as far as a 32-bit clock goes: today's rules are not kept for longer.
_FIRST_S: Final = 946_684_800
_LAST_S: Final = 2_145_916_800
_QUARTER_S: Final = 900
#: Summer times by a rule are longer than this, and so are the winters between them.
_STEP_S: Final = 120 * 86_400
#: RFC 8536: magic, version, 15 bytes unused, six counts.
_HEADER: Final = struct.Struct(">4sc15x6l")


@lru_cache(maxsize=1)
def all_zones() -> Zones:
    """Every zone of the `tzdata` package, whatever this machine has installed: equal rules are equal everywhere."""
    root = files("tzdata")
    names: dict[str, int] = {}
    tables: list[_Table] = []
    known: dict[bytes, int] = {}
    for name in sorted(root.joinpath("zones").read_text().split()):
        content = root.joinpath("zoneinfo", *name.split("/")).read_bytes()
        if content not in known:
            known[content] = len(tables)
            tables.append(_table(content))
        names[name] = known[content]
    return Zones(version=tzdata.IANA_VERSION, names=names, tables=tuple(tables))


def _table(content: bytes) -> _Table:
    """What a TZif file says: its own list of changes, then those that its rule makes (a file without one ends with its last change)."""
    listed, rule = _listed(content)
    changes = [at_s for at_s in listed if _FIRST_S < at_s < _LAST_S]
    zone = ZoneInfo.from_file(BytesIO(content))
    if b"," in rule:
        changes += _ruled(zone, max([*listed[-1:], _FIRST_S]))
    starts: list[int] = []
    offsets = [_minutes(zone, _FIRST_S)]
    for at_s in changes:
        offset = _minutes(zone, at_s)
        if offset != offsets[-1]:
            starts.append(at_s)
            offsets.append(offset)
    return tuple(starts), tuple(offsets)


def _listed(content: bytes) -> tuple[list[int], bytes]:
    """Instants at which anything changes, and the rule for later ones. The second block of a file has 64-bit times."""
    first = _HEADER.unpack_from(content)[2:]
    at = _HEADER.size + _size(first, 4)
    counts = _HEADER.unpack_from(content, at)[2:]
    at += _HEADER.size
    return list(struct.unpack_from(f">{counts[3]}q", content, at)), content[at + _size(counts, 8) :]


def _size(counts: tuple[int, ...], width: int) -> int:
    isut, isstd, leap, times, types, chars = counts
    return times * (width + 1) + types * 6 + chars + leap * (width + 4) + isstd + isut


def _ruled(zone: tzinfo, after_s: int) -> list[int]:
    """The changes after an instant, looked for step by step and then by halving: clocks are changed on the quarter of an hour."""
    changes: list[int] = []
    for begin_s in range(after_s // _QUARTER_S * _QUARTER_S, _LAST_S, _STEP_S):
        low, high = begin_s // _QUARTER_S, (begin_s + _STEP_S) // _QUARTER_S
        before = _minutes(zone, begin_s)
        if _minutes(zone, begin_s + _STEP_S) == before:
            continue
        while high - low > 1:
            middle = (low + high) // 2
            if _minutes(zone, middle * _QUARTER_S) == before:
                low = middle
            else:
                high = middle
        changes.append(high * _QUARTER_S)
    return changes


def _minutes(zone: tzinfo, at_s: int) -> int:
    offset = datetime.fromtimestamp(at_s, UTC).astimezone(zone).utcoffset()
    assert offset is not None
    return offset // timedelta(minutes=1)
