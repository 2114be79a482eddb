# cython: language_level=3, annotation_typing=False, wraparound=False
"""The ids of one user's last events, so that an event that is sent again is known."""

from array import array

import cython

__all__ = ["RecentIds"]


class RecentIds:
    """The last `limit` ids, of those accepted since the previous active day began.

    Entries [start, end) of `ids` are in use, the oldest first; those from `day` on were accepted since the last active day began. They
    wander through the array and are moved to its beginning at its end, so that a state is copied in one piece.
    """

    start: int
    day: int
    end: int

    def __init__(self, limit: int, capacity: int) -> None:
        self.ids = array("Q", bytes(8 * capacity))
        self._limit = limit
        self._capacity = capacity
        self.clear()

    def clear(self) -> None:
        """Nothing is remembered."""
        self.start = self.day = self.end = 0

    def restore(self, size: int, today: int) -> None:
        """The first `size` ids, which the caller has filled in, are remembered (as far as the limit allows), `today` of them since the
        last active day began."""
        self.start, self.end = max(0, size - self._limit), size
        self.day = max(self.start, size - today)

    def size(self) -> int:
        """Number of ids remembered."""
        return self.end - self.start

    def knows(self, id_hash: int) -> bool:
        """Whether the id is among them."""
        if not cython.compiled:
            return id_hash in self.ids[self.start : self.end]
        for i in range(self.start, self.end):  # pragma: no cover  # noqa: SIM110  (a generator is no C loop)
            if self.ids[i] == id_hash:
                return True
        return False  # pragma: no cover

    def remember(self, id_hash: int) -> None:
        """The id is the youngest of them."""
        if self.end - self.start >= self._limit:
            self.start += 1
            self.day = max(self.day, self.start)
        if self.end == self._capacity:
            for i in range(self.start, self.end):
                self.ids[i - self.start] = self.ids[i]
            self.day -= self.start
            self.end -= self.start
            self.start = 0
        self.ids[self.end] = id_hash
        self.end += 1

    def new_day(self) -> None:
        """An active day begins: what was accepted before the last one is forgotten."""
        self.start = self.day
        self.day = self.end

    def merge(self, other: "RecentIds", earlier: bool, later: bool) -> None:
        """The ids of the same person under another id are remembered, too, as far as the limit allows.

        `earlier`, `later`: this user's last active day is before that of the other one, or after it. What was accepted on a day that is not
        the last one any more counts as of the day before.
        """
        mine, theirs = list(self.ids[self.start : self.end]), list(other.ids[other.start : other.end])
        my_day = len(mine) if earlier else self.day - self.start
        their_day = len(theirs) if later else other.day - other.start
        before = dict.fromkeys(theirs[:their_day] + mine[:my_day])
        today = dict.fromkeys(theirs[their_day:] + mine[my_day:])
        kept = [ident for ident in before if ident not in today] + list(today)
        for i in range(len(kept)):
            self.ids[i] = kept[i]
        self.restore(len(kept), len(today))
