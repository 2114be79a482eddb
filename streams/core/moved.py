"""The row of an id whose state is another user's by now: it says whose, for as long as events of the id may come.

Such a row begins with a byte that no state begins with, so that whoever takes it for one is refused.
"""

from struct import Struct
from typing import Final, NamedTuple

from streams.core.rules import DAY_MS

__all__ = ["KEEP_MS", "MARK", "Moved", "is_moved", "leads_to"]

#: Cookies last 400 days at the most, in the browsers that limit them, and every source topic is kept for less.
KEEP_MS: Final = 400 * DAY_MS
#: A row that is used is written again so often, to be kept as long as the cookie is.
_REFRESH_MS: Final = 30 * DAY_MS
#: First byte of such a row.
MARK: Final = 0xF0
#: First byte, since, used.
_HEAD: Final = Struct("<B7xqq")


class Moved(NamedTuple):
    """`user` has the state since `since_ms`; the row was last written for an event of `used_ms`."""

    user: str
    since_ms: int
    used_ms: int

    def encode(self) -> bytes:
        return _HEAD.pack(MARK, self.since_ms, self.used_ms) + self.user.encode()

    @classmethod
    def decode(cls, row: bytes) -> "Moved":
        """The row that `encode` made."""
        _, since_ms, used_ms = _HEAD.unpack_from(row)
        return cls(row[_HEAD.size :].decode(), since_ms, used_ms)

    def used(self, at_ms: int) -> "Moved":
        """The row after an event at `at_ms`: the same one, mostly."""
        return self._replace(used_ms=at_ms) if at_ms - self.used_ms > _REFRESH_MS else self


def is_moved(row: bytes | None) -> bool:
    """Whether a row of the users says where its state has gone."""
    return row is not None and row[0] == MARK


def leads_to(row: bytes | None) -> str | None:
    """The user who has the state that was in this row; None where the row is a state, or none is there."""
    return Moved.decode(row).user if row is not None and row[0] == MARK else None
