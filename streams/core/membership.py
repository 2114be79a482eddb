# cython: language_level=3, annotation_typing=False, wraparound=False
"""The account that a user is a member of, and what it was told last. One section of a state; no words while there is no account.

A user is a member of one account at a time: the one that the newest `group` event (by event time) names.
"""

from array import array
from typing import Final

from streams.errors import StreamsError

__all__ = ["ACCOUNT_ID_MAX", "SIZE_MAX", "Membership"]

#: Words beside the id.
_FIXED: Final = 3
#: Longest id of an account in bytes: it lies in the state of each member.
ACCOUNT_ID_MAX: Final = 64
_ID_MAX: Final = ACCOUNT_ID_MAX
#: Words of the section.
SIZE_MAX: Final = _FIXED + ACCOUNT_ID_MAX // 8

# Words: 0 bytes of the id (8), weight (8), day told + 1 (from bit 32 on); 1 since_ms; 2 points told; then
# the id, eight bytes to a word, little endian, zeros at the end.


class Membership:
    """The section of one user; `clear` or `read` begins another.

    account       id of the account, empty when there is none
    since_ms      time of the group event that says so, or of the newest one that says it again
    weight        what the user counts for in it; 0: there is no account
    told_points, told_day   points and last active day as the account knows them
    """

    account: str
    since_ms: int
    weight: int
    told_points: float
    told_day: int

    def __init__(self, step: float) -> None:
        """`step`: points are told when they have grown by so much."""
        self._step = step
        self._id = b""
        self.clear()

    def clear(self) -> None:
        """There is no account."""
        self.account, self._id = "", b""
        self.since_ms = self.told_day = -1
        self.weight = 0
        self.told_points = 0.0

    def join(self, account: str, since_ms: int, weight: int) -> None:
        """The user is a member of `account`. Raises `ValueError` for an id that does not fit."""
        ident = account.encode("utf-8", "surrogatepass")
        if not 0 < len(ident) <= _ID_MAX:
            raise ValueError("no id of an account")
        self.account, self._id = account, ident
        self.since_ms, self.weight = since_ms, weight

    def tell(self, points: float, day: int) -> None:
        """The account knows these points as of this active day."""
        self.told_points, self.told_day = points, day

    def has_news(self, points: float, day: int) -> bool:
        """Whether the account should be told: a new active day, or points that have grown by a step."""
        return day > self.told_day or points - self.told_points >= self._step

    # -- words ----------------------------------------------------------------------------------------------------------

    def size(self) -> int:
        """Words of the section."""
        return _FIXED + (len(self._id) + 7) // 8 if self._id else 0

    def write(self, image: "array[int]", reals: "memoryview[float]", at: int) -> int:
        """The section is in the image from word `at` on; returns the word after it. `reals` is the image, seen as doubles."""
        size = len(self._id)
        if size == 0:
            return at
        ident: bytes = self._id
        weight = self.weight  # words of their own, so that C shifts 64 bits
        since = self.since_ms
        day = self.told_day + 1
        image[at] = size | weight << 8 | day << 32
        image[at + 1] = since
        reals[at + 2] = self.told_points
        at += _FIXED
        for i in range((size + 7) // 8):
            word = 0
            for j in range(min(8, size - 8 * i)):
                byte = ident[8 * i + j]
                word |= byte << 8 * j
            image[at + i] = word
        return at + (size + 7) // 8

    def read(self, image: "array[int]", reals: "memoryview[float]", at: int, end: int) -> int:
        """The section that begins with word `at` is here; returns the word after it, -1 when the image ends before it, or holds none."""
        if at >= end:
            return -1
        size = image[at] & 255
        if size == 0 or size > _ID_MAX or at + _FIXED + (size + 7) // 8 > end:
            return -1
        self.weight = image[at] >> 8 & 255
        self.told_day = image[at] >> 32
        self.told_day -= 1
        self.since_ms = image[at + 1]
        self.told_points = reals[at + 2]
        at += _FIXED
        ident = bytearray(size)
        for i in range(size):
            ident[i] = image[at + i // 8] >> 8 * (i % 8) & 255
        self._id = bytes(ident)
        try:
            self.account = self._id.decode("utf-8", "surrogatepass")
        except UnicodeDecodeError:
            raise StreamsError("a state is damaged: the id of an account is no text") from None
        return at + (size + 7) // 8
