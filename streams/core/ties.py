# cython: language_level=3, annotation_typing=False, wraparound=False
"""The other names of one user: which ids a known user has taken in, and whether an anonymous one is shared by several people."""

from array import array
from typing import Final

__all__ = ["IDS_MAX", "SIZE_MAX", "Ties"]

#: More names than this has no person, but a broken tracker, or a computer in a library.
IDS_MAX: Final = 50
_IDS: Final = IDS_MAX
#: A time, and the ids.
SIZE_MAX: Final = 1 + IDS_MAX


class Ties:
    """`clear` or `read` begins another user.

    count      ids taken in
    shared     whether this anonymous id has been linked to more than one known user: then it stays itself
    since_ms   when the first id was taken in, or when it was known that this one is shared; -1 before
    """

    count: int
    shared: bool
    since_ms: int

    def __init__(self) -> None:
        self._ids = array("Q", bytes(8 * _IDS))
        self.clear()

    def clear(self) -> None:
        """No other name is known."""
        self.count = 0
        self.shared = False
        self.since_ms = -1

    def take_in(self, ident: int, at_ms: int) -> int:
        """The id (a hash) is this user's: 1. 0 when it was already, -1 when there is no room for another one."""
        for i in range(self.count):
            if self._ids[i] == ident:
                return 0
        if self.count == _IDS:
            return -1
        self._ids[self.count] = ident
        self.count += 1
        if self.since_ms < 0:
            self.since_ms = at_ms
        return 1

    def merge(self, other: "Ties") -> None:
        """The ids that the same person has taken in under another name are this user's, as far as there is room."""
        for i in range(other.count):
            if self.take_in(other._ids[i], other.since_ms) < 0:
                break
        if 0 <= other.since_ms < self.since_ms:
            self.since_ms = other.since_ms

    def share(self, at_ms: int) -> None:
        """More than one known user has been seen under this anonymous id."""
        self.shared = True
        self.since_ms = at_ms

    # -- words: since; ids. How many there are stands in the header of the state: ids (6), shared (1) ---------------------

    def head(self) -> int:
        """Seven bits for the header of the state."""
        return self.count | (64 if self.shared else 0)

    def size(self) -> int:
        """Words of the section."""
        return 1 + self.count if self.since_ms >= 0 else 0

    def write(self, image: "array[int]", at: int) -> int:
        """The section is in the image from word `at` on; returns the word after it."""
        if self.since_ms < 0:
            return at
        image[at] = self.since_ms
        for i in range(self.count):
            image[at + 1 + i] = self._ids[i]
        return at + 1 + self.count

    def read(self, head: int, image: "array[int]", at: int, end: int) -> int:
        """The section that begins with word `at` is here; returns the word after it, -1 when the image ends before it."""
        self.clear()
        if not head:
            return at
        count = head & 63
        if count > _IDS or at + 1 + count > end:
            return -1
        self.count, self.shared = count, head >= 64
        self.since_ms = image[at]
        for i in range(count):
            self._ids[i] = image[at + 1 + i]
        return at + 1 + count
