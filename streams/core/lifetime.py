# cython: language_level=3, annotation_typing=False, wraparound=False
"""One user's counts and sums by event type since the first event: exact, and never forgotten."""

from array import array
from typing import Final

__all__ = ["Lifetime"]

#: An entry is the type in the top 8 bits, and below it the count or sum, plus 2**55.
_SHIFT: Final = 56
_BIAS: Final = 1 << 55
_MASK: Final = (1 << 56) - 1


class Lifetime:
    """Counters in the order of their types; the first `size` of `entries` are in use."""

    size: int

    def __init__(self) -> None:
        self.entries = array("Q", bytes(8 * 256))
        self.size = 0

    def add(self, type_id: int, value: int) -> None:
        """`value` is in the counter of the type. Raises `OverflowError` beyond 56 bits."""
        at = 0
        while at < self.size and self.entries[at] >> _SHIFT < type_id:
            at += 1
        if at == self.size or self.entries[at] >> _SHIFT != type_id:
            for i in range(self.size, at, -1):
                self.entries[i] = self.entries[i - 1]
            self.entries[at] = type_id << _SHIFT | _BIAS
            self.size += 1
        total = (self.entries[at] & _MASK) - _BIAS + value
        if not -_BIAS <= total < _BIAS:
            raise OverflowError("a lifetime counter is full")
        self.entries[at] = type_id << _SHIFT | (total + _BIAS)

    def merge(self, other: "Lifetime") -> None:
        """The counts of the same person under another id are in these. What does not fit any more stays at the most that does."""
        mine = self.counts()
        for type_id, value in other.counts().items():
            there = mine.get(type_id, 0)
            self.add(type_id, max(-_BIAS - there, min(value, _BIAS - 1 - there)))

    def counts(self) -> dict[int, int]:
        """Type id -> count or sum."""
        counts: dict[int, int] = {}
        for i in range(self.size):
            value = (self.entries[i] & _MASK) - _BIAS
            counts[self.entries[i] >> _SHIFT] = value
        return counts
