"""Which ids may name a user, the key of that user, and the partition where the user lives."""

from typing import Final

import cython

from streams.core.record import Rejected
from streams.core.rules import Limits

__all__ = ["ANONYMOUS", "Identities", "home_partition", "murmur2", "user_key"]

#: Prefix of the user key of somebody who is known by an `anonymousId` only. No `userId` may begin so.
ANONYMOUS: Final = "anon:"

_BAD: Final = "bad_id"
_BLOCKED: Final = "blocked_id"


@cython.cclass
class Identities:
    """Judges ids by `limits`. An id stays as the tracker spelled it: nothing is trimmed or folded, only compared so."""

    _bytes: cython.Py_ssize_t
    _blocked: frozenset  # type: ignore[type-arg]

    def __init__(self, limits: Limits) -> None:
        self._bytes = limits.id_bytes
        self._blocked = frozenset(text.strip().casefold() for text in limits.blocked_ids)

    @cython.ccall
    def refusal(self, raw_id: str) -> str:
        """Why `raw_id` may not name a user (`blocked_id`, `bad_id`), or "" when it may.

        Refused are the fillers of broken trackers (`null`, `undefined`, ..., without regard to case and space), unprintable characters,
        and more than `id_bytes` bytes of UTF-8.
        """
        # One character is four bytes at the most: only long ids are encoded to be measured.
        size: cython.Py_ssize_t = len(raw_id)
        if size > self._bytes or (size * 4 > self._bytes and len(raw_id.encode("utf-8", "replace")) > self._bytes):
            return _BAD
        if raw_id.strip().casefold() in self._blocked:
            return _BLOCKED
        return "" if raw_id.isprintable() else _BAD


def user_key(user_id: str | int | None, anonymous_id: str | int | None, limits: Limits) -> str | Rejected:
    """The key of a user: `userId`, else `anon:` + `anonymousId`; `Rejected` when neither may name one.

    An id that a tracker sent as a JSON integer is its decimal text, as Segment's own libraries make it before they send.
    A refused `userId` is never replaced by the `anonymousId` beside it: the event would count for the wrong person in silence.
    """
    if user_id is not None:
        raw_id, prefix, at = str(user_id), "", "$.userId"
    elif anonymous_id is not None:
        raw_id, prefix, at = str(anonymous_id), ANONYMOUS, "$.anonymousId"
    else:
        return Rejected("missing_field", "$.userId")
    reason = Identities(limits).refusal(raw_id)
    if not reason and not prefix and raw_id.startswith(ANONYMOUS):
        reason = _BAD
    return Rejected(reason, at) if reason else prefix + raw_id


@cython.ccall
@cython.boundscheck(False)
@cython.wraparound(False)
def murmur2(data: bytes) -> cython.uint:
    """MurmurHash2 (Austin Appleby) as Kafka's Java client computes it: 32 bits, seed 0x9747b28c, read as unsigned."""
    # Typed, because a literal above 2**31 would be a Python object in compiled code.
    seed: cython.ulonglong = 0x9747B28C
    low: cython.ulonglong = 0xFFFFFFFF
    m: cython.ulonglong = 0x5BD1E995
    size: cython.Py_ssize_t = len(data)
    whole: cython.Py_ssize_t = size & ~3
    i: cython.Py_ssize_t
    k: cython.ulonglong
    h: cython.ulonglong = seed ^ size
    for i in range(0, whole, 4):
        k = data[i + 3]
        k = k << 8 | data[i + 2]
        k = k << 8 | data[i + 1]
        k = k << 8 | data[i]
        k = (k * m) & low
        k = ((k ^ (k >> 24)) * m) & low
        h = ((h * m) & low) ^ k
    if size > whole:
        for i in range(whole, size):
            h ^= data[i] << 8 * (i - whole)
        h = (h * m) & low
    h = ((h ^ (h >> 13)) * m) & low
    return h ^ (h >> 15)


@cython.ccall
def home_partition(raw_id: str, partitions: cython.int) -> cython.int:
    """The partition that the default partitioner of Kafka's Java client chooses for the key `raw_id` (without our prefix)."""
    return (murmur2(raw_id.encode("utf-8", "replace")) & 0x7FFFFFFF) % partitions
