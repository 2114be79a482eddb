# cython: annotation_typing=False
"""Which ids may name a user, the key of that user, and the partition where the user lives."""

from typing import Final

import cython
from xxhash import xxh3_64_intdigest

from streams.core.record import Rejected
from streams.core.rules import Limits

__all__ = ["ANONYMOUS", "Identities", "hash_of_id", "home_partition", "murmur2", "user_key"]

#: Prefix of the user key of somebody who is known by an `anonymousId` only. No `userId` may begin so.
ANONYMOUS: Final = "anon:"

_BAD: Final = "bad_id"
_BLOCKED: Final = "blocked_id"


class Identities:
    """Judges ids by `limits`. An id stays as the tracker spelled it: nothing is trimmed or folded, only compared so."""

    def __init__(self, limits: Limits) -> None:
        self._bytes = limits.id_bytes
        self._blocked = frozenset(text.strip().casefold() for text in limits.blocked_ids)
        self._starts = "".join({text[:1] + text[:1].upper() for text in self._blocked})
        # A set as bits. The lengths pass through a list, as Python integers: compiled, `1 << len(text)` would be a shift of a C int.
        lengths = list({min(len(text), 63) for text in self._blocked})
        self._lengths = sum(1 << length for length in lengths)

    def of(self, user_id: str | int | None, anonymous_id: str | int | None) -> tuple[str, str] | Rejected:
        """User key and raw id: `userId`, else `anon:` + `anonymousId`; `Rejected` when neither may name a user.

        An id that a tracker sent as a JSON integer is its decimal text, as Segment's own libraries make it before they send. A refused
        `userId` is never replaced by the `anonymousId` beside it: the event would count for the wrong person in silence.
        """
        if user_id is not None:
            raw_id = user_id if isinstance(user_id, str) else str(user_id)
            reason = self.refusal(raw_id)
            if reason or (len(raw_id) > 4 and raw_id[4] == ":" and raw_id.startswith(ANONYMOUS)):
                return Rejected(reason or _BAD, "$.userId")
            return raw_id, raw_id
        if anonymous_id is not None:
            raw_id = anonymous_id if isinstance(anonymous_id, str) else str(anonymous_id)
            reason = self.refusal(raw_id)
            return Rejected(reason, "$.anonymousId") if reason else (ANONYMOUS + raw_id, raw_id)
        return Rejected("missing_field", "$.userId")

    def linked(self, raw_id: str, other_id: str | int | None, anonymous: bool) -> str:
        """The name beside `raw_id` under which the same person was seen: an anonymous user key, or a raw id where it is open what it names.
        Empty when there is none, or none that may name a user: then nothing is linked."""
        if other_id is None:
            return ""
        other = other_id if isinstance(other_id, str) else str(other_id)
        if self.refusal(other):
            return ""
        if anonymous:
            return ANONYMOUS + other
        return "" if other == raw_id or other.startswith(ANONYMOUS) else other

    def refusal(self, raw_id: str) -> str:
        """Why `raw_id` may not name a user (`blocked_id`, `bad_id`), or "" when it may.

        Refused are the fillers of broken trackers (`null`, `undefined`, ..., without regard to case and space), unprintable characters,
        and more than `id_bytes` bytes of UTF-8.
        """
        size = len(raw_id)
        # A character is four bytes at the most: only long ids are encoded to be measured.
        if size * 4 > self._bytes and (size > self._bytes or len(raw_id.encode("utf-8", "replace")) > self._bytes):
            return _BAD
        if size > 0 and _graphic(raw_id):
            # Nearly every id is told from all blocked ones by its length (in a set of 64 bits: 63 is "63 or more") or first character.
            if not (self._lengths >> min(size, 63)) & 1 or raw_id[0] not in self._starts:
                return ""
        if raw_id.strip().casefold() in self._blocked:
            return _BLOCKED
        return "" if raw_id.isprintable() else _BAD


def _graphic(text: str) -> bool:
    """Whether `text` is all ASCII letters, digits and signs, without spaces."""
    if cython.compiled:  # pragma: no cover
        for sign in text:  # noqa: SIM110 (a C loop; `all` would make a generator)
            if not " " < sign < "\x7f":
                return False
        return True
    return text.isascii() and text.isprintable() and " " not in text


def user_key(user_id: str | int | None, anonymous_id: str | int | None, limits: Limits) -> str | Rejected:
    """The key of the user that the two ids name: see `Identities.of`."""
    who = Identities(limits).of(user_id, anonymous_id)
    return who if isinstance(who, Rejected) else who[0]


def murmur2(data: bytes) -> int:
    """MurmurHash2 (Austin Appleby) as Kafka's Java client computes it: 32 bits, seed 0x9747b28c, read as unsigned."""
    # Named, because a literal above 2**31 would be a Python object in compiled code.
    seed = 0x9747B28C
    low = 0xFFFFFFFF
    m = 0x5BD1E995
    size = len(data)
    whole = size & ~3
    h = seed ^ size
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


def hash_of_id(raw_id: str) -> int:
    """Eight bytes that stand for an id in the states of others."""
    digest: int = xxh3_64_intdigest(raw_id.encode("utf-8", "replace"))
    return digest


def home_partition(raw_id: str, partitions: int) -> int:
    """The partition that the default partitioner of Kafka's Java client chooses for the key `raw_id` (without our prefix)."""
    return (murmur2(raw_id.encode("utf-8", "replace")) & 0x7FFFFFFF) % partitions
