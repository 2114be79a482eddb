# cython: language_level=3, annotation_typing=False, wraparound=False
"""What one step adds to the business sums, gathered under numbers: a hash table that can take back what one user added.

A sum is named by five small numbers: measure, day (since 1970), part (of the day: `WHOLE_DAY`, `FIRST_HOUR` + hour; or a gap in days, 0 to
31), segment dimension and value. They are packed into one key, so that an event that adds to a dozen sums costs a dozen array accesses.
"""

from array import array
from typing import Final

__all__ = ["FIRST_HOUR", "WHOLE_DAY", "Sums", "unpacked"]

WHOLE_DAY: Final = 32
FIRST_HOUR: Final = 33

_MEASURE, _DAY, _PART, _DIMENSION = 52, 34, 28, 24
_FEWEST: Final = 1024
_WORD: Final = (1 << 64) - 1
#: 2**64 divided by the golden ratio: multiplying by it spreads neighbouring keys (Knuth, TAOCP 6.4).
_SPREAD: Final = 0x9E3779B97F4A7C15


class Sums:
    """Sums of a step. Entries are never removed; `take` empties the table."""

    def __init__(self) -> None:
        self._grow(_FEWEST)

    def _grow(self, capacity: int) -> None:
        """The table has `capacity` slots, a power of two, and is empty."""
        self._capacity = capacity
        self._shift = 64 - (capacity.bit_length() - 1)
        self._keys = array("Q", bytes(8 * capacity))  # 0: free; a measure is never 0, so no key is
        self._values = array("q", bytes(8 * capacity))
        self._used = array("q", bytes(8 * capacity))
        self._size = 0
        self._log_keys = array("Q", bytes(8 * capacity))
        self._log_values = array("q", bytes(8 * capacity))
        self._logged = 0
        self._logs = capacity

    def add(self, measure: int, day: int, part: int, dimension: int, value: int, n: int) -> None:
        """The sum has grown by `n`."""
        key = measure << _MEASURE | day << _DAY | part << _PART | dimension << _DIMENSION | value
        if self._logged == self._logs:
            self._lengthen()
        self._log_keys[self._logged], self._log_values[self._logged] = key, n
        self._logged += 1
        self._put(key, n)

    def mark(self) -> None:
        """What was added so far stays."""
        self._logged = 0

    def undo(self) -> None:
        """What was added since the mark is taken back."""
        for i in range(self._logged):
            self._put(self._log_keys[i], -self._log_values[i])
        self._logged = 0

    def take(self) -> list[tuple[int, int]]:
        """Keys and sums that are not 0, in the order in which they were first added to; the table is empty again."""
        taken: list[tuple[int, int]] = []
        for i in range(self._size):
            slot = self._used[i]
            if self._values[slot]:
                taken.append((self._keys[slot], self._values[slot]))
            self._keys[slot] = 0
            self._values[slot] = 0
        self._size = self._logged = 0
        return taken

    def _put(self, key: int, n: int) -> None:
        slot = (key * _SPREAD & _WORD) >> self._shift
        while self._keys[slot] and self._keys[slot] != key:
            slot = slot + 1 & self._capacity - 1
        if not self._keys[slot]:
            if 2 * self._size >= self._capacity:
                self._widen()
                self._put(key, n)
                return
            self._keys[slot] = key
            self._used[self._size] = slot
            self._size += 1
        self._values[slot] += n

    def _widen(self) -> None:
        """Four times the room, with the same content in the same order."""
        keys, values, used, size = self._keys, self._values, self._used, self._size
        log_keys, log_values, logged, logs = self._log_keys, self._log_values, self._logged, self._logs
        self._grow(4 * self._capacity)
        for i in range(size):
            self._put(keys[used[i]], values[used[i]])
        self._log_keys, self._log_values, self._logged, self._logs = log_keys, log_values, logged, logs

    def _lengthen(self) -> None:
        """The log has room for twice as much."""
        keys, values = array("Q", bytes(16 * self._logs)), array("q", bytes(16 * self._logs))
        for i in range(self._logged):
            keys[i], values[i] = self._log_keys[i], self._log_values[i]
        self._log_keys, self._log_values, self._logs = keys, values, 2 * self._logs


def unpacked(key: int) -> tuple[int, int, int, int, int]:
    """Measure, day, part, dimension, value."""
    return key >> _MEASURE, key >> _DAY & 0x3FFFF, key >> _PART & 63, key >> _DIMENSION & 15, key & 0xFFFFFF
