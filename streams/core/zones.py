"""Local time: what a time zone's clocks showed at an instant, from tables that came in with the rules."""

from bisect import bisect_right
from zlib import crc32

import msgspec

__all__ = ["Zones", "local", "minute_of"]

_MINUTE_MS = 60_000
_DAY_MINUTES = 1440


class Zones(msgspec.Struct, frozen=True):
    """Time zones, as the release of the time zone database named by `version` has them.

    names   IANA name -> index into `tables`; several names may share one
    tables  (instants in seconds since 1970 at which the offset changes, minutes east of UTC before the first and after each)
    """

    version: str = ""
    names: dict[str, int] = {}
    tables: tuple[tuple[tuple[int, ...], tuple[int, ...]], ...] = ()

    def __repr__(self) -> str:
        return f"Zones({self.version}, {len(self.names)} names)"

    def codes(self) -> dict[str, int]:
        """Name -> a number of 32 bits that stands for it in states, whatever the release; never 0."""
        return {name: crc32(name.encode()) for name in self.names}

    def by_code(self) -> dict[int, tuple[tuple[int, ...], tuple[int, ...]]]:
        """Code -> table."""
        return {crc32(name.encode()): self.tables[index] for name, index in self.names.items()}


def local(table: tuple[tuple[int, ...], tuple[int, ...]] | None, at_ms: int) -> tuple[int, int]:
    """Day since 1970 and minute of the day that the clocks of a zone show; of UTC for None."""
    minute = at_ms // _MINUTE_MS
    if table is not None:
        starts, offsets = table
        minute += offsets[bisect_right(starts, at_ms // 1000)]
    return minute // _DAY_MINUTES, minute % _DAY_MINUTES


def minute_of(time: str) -> int:
    """The minute of the day of HH:MM."""
    hours, _, minutes = time.partition(":")
    return 60 * int(hours) + int(minutes)
