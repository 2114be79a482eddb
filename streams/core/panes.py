# cython: language_level=3, wraparound=False, boundscheck=True, embedsignature=False, annotation_typing=False
"""The pane table: one user's counts by time and event type, in panes that widen with age.

A pane is a minute wide while a minute window can still hold it, then an hour, then a day; after 30 days it is gone. The edges are the
edges of `WINDOWS`, so that every window read at the newest minute or later is exact. A table is a function of the events and the newest
minute alone: in which order they came, and when it was looked at, saved or loaded leaves no trace (unless it was full once).

One entry is 64 bits, so that a table is a sorted array and a state is copied, not parsed:

    minute since the start of the oldest day held   16 bits   30 days are 43,200 minutes; no date is too early or too late
    event type                                       8 bits
    count or sum, plus 2**39                        40 bits   signed; what does not fit goes on in a second entry of the pane
"""

from array import array
from typing import Final

from streams.core.rules import WINDOWS

__all__ = ["Panes"]

_MINUTE_SHIFT: Final = 48
_KEY_SHIFT: Final = 40
_VALUE_MASK: Final = (1 << 40) - 1
_BIAS: Final = 1 << 39

_HOUR: Final = 60
_DAY: Final = 1440
_FINE_PANES: Final = WINDOWS["1h"][0]
_HOUR_PANES: Final = WINDOWS["24h"][0]
_DAY_PANES: Final = WINDOWS["30d"][0]
#: Kept in minutes to the last when the table is full: the five-minute window is exact longest.
_LAST_MINUTES: Final = WINDOWS["5m"][0]
_WINDOWS: Final = len(WINDOWS)


class Panes:
    """One pane table; `clear` or `restore` begins another user. `size` entries of `entries` are in use.

    newest         newest minute since 1970 (-1: no event yet)
    truncated_day  days before this one (since 1970) lack panes that were evicted for room; -1 when none
    types          after `tally`: the `seen` types with panes in the longest window, ascending
    """

    def __init__(self, capacity: int) -> None:
        self.entries = array("Q", bytes(8 * capacity))
        self.types = array("q", bytes(8 * 256))
        self._marks = array("B", bytes(256))
        self._tally = array("q", bytes(8 * 256 * _WINDOWS))
        self._edges = array("q", bytes(8 * _WINDOWS))
        self._panes = array("q", [panes for panes, _ in WINDOWS.values()])
        self._widths = array("q", [width for _, width in WINDOWS.values()])
        self.size = self.seen = 0
        self.newest = self.truncated_day = -1
        self._base = 0

    def clear(self) -> None:
        """No event has been seen."""
        self.size = 0
        self.newest = self.truncated_day = -1
        self._base = 0

    def restore(self, size: int, newest: int, truncated_day: int) -> None:
        """The first `size` entries, which the caller has filled in, are the table."""
        self.size, self.newest, self.truncated_day = size, newest, truncated_day
        self._base = self._base_at(newest) if newest >= 0 else 0

    def oldest_day(self) -> int:
        """The first day (since 1970) that the longest window at the newest minute holds."""
        return self._base // _DAY

    def holds(self, minute: int) -> bool:
        """Whether what began in `minute` is still counted: it is not too old, and its day was not given up for room."""
        return minute >= self._base and minute // _DAY >= self.truncated_day

    # -- writing ----------------------------------------------------------------------------------------------------

    def advance(self, minute: int) -> None:
        """`minute` is the newest one, if it is newer: panes that got too old for their width are widened or gone."""
        if minute <= self.newest:
            return
        hour_edge = self._hour_edge()
        fine_edge = self._fine_edge()
        shift = self._base_at(minute) - self._base
        self.newest = minute
        if self.size == 0:
            self._base += shift
            return
        if shift:
            self._rebase(shift)
            hour_edge = max(hour_edge - shift, 0)
            fine_edge = max(fine_edge - shift, 0)
        # Everything before the old edges is as wide as it must be; only what lies between the old and the new ones changes. It may merge
        # with panes that already are in the hour or day that the old edge cuts.
        end = self._find(self._fine_edge(), self.size)
        middle = self._find(self._hour_edge(), end)
        if self._find(hour_edge, middle) < middle:
            self._widen(self._find(hour_edge - hour_edge % _DAY, middle), end, self._hour_edge(), self._fine_edge())
        elif self._find(fine_edge, end) < end:
            self._widen(self._find(fine_edge - fine_edge % _HOUR, end), end, self._hour_edge(), self._fine_edge())

    def add(self, minute: int, type_id: int, value: int) -> None:
        """`value` counts in the pane of `minute` (not newer than the newest, not older than the oldest day). Needs room for one entry.

        Raises `OverflowError` when `value` alone does not fit in 40 bits.
        """
        if not -_BIAS <= value < _BIAS:
            raise OverflowError("an amount does not fit in a pane")
        at = minute - self._base
        if at < self._hour_edge():
            at -= at % _DAY
        elif at < self._fine_edge():
            at -= at % _HOUR
        self.size = self._put(0, self.size, at << 8 | type_id, value)

    def merge(self, other: "Panes") -> None:
        """The counts of the same person under another id are in these. Exact: the table is as if one id had been there from the start.

        Needs room for the entries of both; `shrink` gives it back."""
        self.advance(other.newest)
        self.truncated_day = max(self.truncated_day, other.truncated_day)
        for i in range(other.size):
            entry = other.entries[i]
            minute = other._base + (entry >> _MINUTE_SHIFT)
            if minute >= self._base:
                self.add(minute, entry >> _KEY_SHIFT & 255, (entry & _VALUE_MASK) - _BIAS)

    def shrink(self, limit: int) -> None:
        """At most `limit` entries are left. What is given up, in this order, until it is enough: minutes but the last five; hours before
        today; minutes; hours; then the oldest day, again and again."""
        today = self.newest - self._base
        last = today - _LAST_MINUTES + 1
        after = today + 1
        today -= today % _DAY
        if self.size > limit:
            self._widen(0, self.size, self._hour_edge(), last)
        if self.size > limit:
            self._widen(0, self.size, min(today, last), last)
        if self.size > limit:
            self._widen(0, self.size, today, after)
        if self.size > limit:
            self._widen(0, self.size, after, after)
        while self.size > limit:
            day = (self.entries[0] >> _MINUTE_SHIFT) // _DAY + 1
            self._drop(self._find(day * _DAY, self.size))
            self.truncated_day = self._base // _DAY + day

    # -- reading ----------------------------------------------------------------------------------------------------

    def tally(self, minute: int) -> None:
        """`count` answers for the windows that end with `minute`, `types` says for which types. One pass, from the newest pane on."""
        now = minute - self._base
        for i in range(self.seen):
            for w in range(_WINDOWS):
                self._tally[w << 8 | self.types[i]] = 0
            self._marks[self.types[i]] = 0
        self.seen = 0
        for w in range(_WINDOWS):
            self._edges[w] = (minute // self._widths[w] - self._panes[w] + 1) * self._widths[w] - self._base
        w = 0
        for i in range(self.size - 1, -1, -1):
            entry = self.entries[i]
            at = entry >> _MINUTE_SHIFT
            if at > now:
                continue
            while w < _WINDOWS and at < self._edges[w]:
                w += 1
            if w == _WINDOWS:
                break
            kind = entry >> _KEY_SHIFT & 255
            if not self._marks[kind]:
                self._mark(kind)
            self._tally[w << 8 | kind] += (entry & _VALUE_MASK) - _BIAS
        for i in range(self.seen):
            for w in range(1, _WINDOWS):
                self._tally[w << 8 | self.types[i]] += self._tally[(w - 1) << 8 | self.types[i]]

    def by_day(self) -> dict[int, dict[int, int]]:
        """Day (since 1970) -> type -> count, of all days that are held."""
        days: dict[int, dict[int, int]] = {}
        for i in range(self.size):
            entry = int(self.entries[i])
            counts = days.setdefault((int(self._base) + (entry >> 48)) // 1440, {})
            kind = entry >> 40 & 255
            counts[kind] = counts.get(kind, 0) + (entry & (1 << 40) - 1) - (1 << 39)
        return days

    def count(self, window: int, type_id: int) -> int:
        """Count or sum of a type in a window (index into `WINDOWS`), as of the last `tally`."""
        return self._tally[window << 8 | type_id]

    # -- inside: minutes relative to the oldest day held ---------------------------------------------------------------

    def _base_at(self, newest: int) -> int:
        return (newest // _DAY - _DAY_PANES + 1) * _DAY

    def _fine_edge(self) -> int:
        """First minute that a minute window can hold."""
        return self.newest - _FINE_PANES + 1 - self._base

    def _hour_edge(self) -> int:
        """First minute that an hour window can hold."""
        return (self.newest // _HOUR - _HOUR_PANES + 1) * _HOUR - self._base

    def _find(self, minute: int, high: int) -> int:
        """Index of the first of the entries [0, high) at `minute` or later."""
        low = 0
        if minute <= 0:
            return 0
        while low < high:
            middle = (low + high) // 2
            if self.entries[middle] >> _MINUTE_SHIFT < minute:
                low = middle + 1
            else:
                high = middle
        return low

    def _rebase(self, shift: int) -> None:
        """Minutes count from `shift` minutes later; older panes are gone."""
        self._drop(self._find(shift, self.size))
        self._base += shift
        less = shift
        less <<= _MINUTE_SHIFT
        for i in range(self.size):
            self.entries[i] -= less

    def _drop(self, n: int) -> None:
        """The first `n` entries are gone."""
        if n:
            for i in range(n, self.size):
                self.entries[i - n] = self.entries[i]
            self.size -= n

    def _widen(self, start: int, end: int, hour_edge: int, fine_edge: int) -> None:
        """Of the entries [start, end), those before `hour_edge` are a day wide, those before `fine_edge` an hour; equal panes are one."""
        size = start
        for i in range(start, end):
            entry = self.entries[i]
            at = entry >> _MINUTE_SHIFT
            if at < hour_edge:
                at -= at % _DAY
            elif at < fine_edge:
                at -= at % _HOUR
            size = self._put(start, size, at << 8 | (entry >> _KEY_SHIFT & 255), (entry & _VALUE_MASK) - _BIAS)
        if size < end:
            for i in range(end, self.size):
                self.entries[size + i - end] = self.entries[i]
            self.size -= end - size

    def _put(self, start: int, end: int, key: int, value: int) -> int:
        """`value` is in the pane `key` among the sorted entries [start, end); returns their new end. Needs room for one entry at `end`."""
        at = end
        while at > start and self.entries[at - 1] >> _KEY_SHIFT > key:
            at -= 1
        if at > start and self.entries[at - 1] >> _KEY_SHIFT == key:
            total = (self.entries[at - 1] & _VALUE_MASK) - _BIAS + value
            if -_BIAS <= total < _BIAS:
                self.entries[at - 1] = key << _KEY_SHIFT | (total + _BIAS)
                return end
        for i in range(end, at, -1):
            self.entries[i] = self.entries[i - 1]
        self.entries[at] = key << _KEY_SHIFT | (value + _BIAS)
        return end + 1

    def _mark(self, kind: int) -> None:
        """`kind` is among the types seen."""
        at = self.seen
        while at > 0 and self.types[at - 1] > kind:
            self.types[at] = self.types[at - 1]
            at -= 1
        self.types[at] = kind
        self._marks[kind] = 1
        self.seen += 1
