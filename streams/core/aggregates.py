# cython: language_level=3, wraparound=False, annotation_typing=False
"""One user's aggregates over a property of the events of a type, as `aggregates` in catalogue.yaml declare them; since the first event.

- **Numbers** are counted in thousandths, so that sums are exact in any order: count, sum, least, greatest, first and last.
- **Texts**: count, first and last; the most frequent one by space-saving (Metwally, Agrawal, El Abbadi 2005) with `TEXTS_MAX` entries,
  exact up to so many different ones; how many different ones there are, by the `HASHES_MAX` smallest hashes (Bar-Yossef et al. 2002), exact
  below so many. Texts are kept by their first 24 bytes.

First and last go by the time of the event, and by value where times are equal: late events, and users who become one, end in the same state
whatever the order, as long as there are no more texts than entries. Every part takes words only where there is something in it.
"""

from array import array
from typing import Final, NamedTuple

from streams.core.properties import Aggregated
from streams.core.rules import Aggregate

__all__ = ["AGGREGATES_MAX", "EVENT_MAX", "HASHES_MAX", "TEXTS_MAX", "Aggregates", "NumberSeen", "TextSeen", "words_of"]

#: The state says in four bits how many there are.
AGGREGATES_MAX: Final = 8
TEXTS_MAX: Final = 8
HASHES_MAX: Final = 32
#: A sum of so many of the largest values (10**9, in thousandths) is far from the end of 63 bits. What comes then is not added.
_COUNT_MAX: Final = 1 << 22
_SUM_MAX: Final = 1 << 62
_TEXTS, _HASHES = TEXTS_MAX, HASHES_MAX
_LOW: Final = 0xFFFFFFFF

# Words of one: 0 count (32 bits), entries (8), hashes (8), id (8), kind (8: 0 numbers, 1 texts). Numbers: 1 sum, 2 least, 3 greatest,
# 4 first, 5 its time, 6 last, 7 its time. Texts: 1 time of the first, 2..4 it, 5 time of the last, 6..8 it; then the entries, in the order
# of their texts: count (32 bits) with error above, text (3); then the hashes, ascending, two to a word.
_NUMBER: Final = 8
_TEXT: Final = 9
_ENTRY: Final = 4
_HASHED: Final = _TEXT + _ENTRY * TEXTS_MAX
_SLOT: Final = _HASHED + HASHES_MAX // 2
#: Words that an event may add to one: a text that is new, all that there is of one, its hash among it.
EVENT_MAX: Final = max(_NUMBER, _TEXT + _ENTRY + 1)


def words_of(aggregate: Aggregate) -> int:
    """Words of a state that an aggregate takes at the most."""
    return _SLOT if aggregate.kind == "text" else _NUMBER


class NumberSeen(NamedTuple):
    """What is known of `n` numbers, in thousandths. Times in ms."""

    n: int
    sum: int
    least: int
    greatest: int
    first: int
    first_ms: int
    last: int
    last_ms: int


class TextSeen(NamedTuple):
    """What is known of `n` texts. Times in ms.

    most_frequent     the most frequent one; of equal ones the first in the alphabet
    most_frequent_n   how often it came: not more often than this ...
    error             ... and not less often than this less the error, 0 while there are few different ones
    unique, exact     how many different ones; whether that is counted or estimated
    """

    n: int
    first: str
    first_ms: int
    last: str
    last_ms: int
    most_frequent: str
    most_frequent_n: int
    error: int
    unique: int
    exact: bool


class Aggregates:
    """The section of one user; `clear` or `read` begins another.

    used   aggregates that have seen a value: those are stored
    """

    used: int

    def __init__(self, declared: "tuple[Aggregate, ...]") -> None:
        self._count = len(declared)
        self._ids = array("Q", [each.id for each in declared] or [0])
        self._kinds = array("Q", [int(each.kind == "text") for each in declared] or [0])
        self._words = array("Q", bytes(8 * _SLOT * (len(declared) or 1)))
        self._signed = memoryview(self._words).cast("B").cast("q")
        self.used = 0

    def clear(self) -> None:
        """Nothing has been seen."""
        if self.used:
            for slot in range(self._count):
                self._words[slot * _SLOT] = 0
            self.used = 0

    # -- events ---------------------------------------------------------------------------------------------------------

    def add(self, at_ms: int, values: "tuple[Aggregated, ...]") -> None:
        """An event of `at_ms` has these values."""
        for slot, number, text, hashed in values:
            if text is None:
                self.add_number(slot, at_ms, number)
            else:
                self.add_text(slot, at_ms, text, hashed)

    def add_number(self, slot: int, at_ms: int, value: int) -> None:
        """The aggregate (by its place in the declaration) has seen a number, in thousandths."""
        base = slot * _SLOT
        if self._words[base] & _LOW >= _COUNT_MAX:
            return
        if not self._begin(slot):
            if at_ms < self._signed[base + 5] or (at_ms == self._signed[base + 5] and value < self._signed[base + 4]):
                self._signed[base + 4], self._signed[base + 5] = value, at_ms
            if at_ms > self._signed[base + 7] or (at_ms == self._signed[base + 7] and value > self._signed[base + 6]):
                self._signed[base + 6], self._signed[base + 7] = value, at_ms
            self._signed[base + 2] = min(self._signed[base + 2], value)
            self._signed[base + 3] = max(self._signed[base + 3], value)
        else:
            self._signed[base + 1] = 0
            self._signed[base + 2] = self._signed[base + 3] = self._signed[base + 4] = self._signed[base + 6] = value
            self._signed[base + 5] = self._signed[base + 7] = at_ms
        self._words[base] += 1
        self._signed[base + 1] += value

    def add_text(self, slot: int, at_ms: int, text: "tuple[int, int, int]", hashed: int) -> None:
        """The aggregate has seen a text: three words of its bytes, and 32 bits of hash."""
        base = slot * _SLOT
        if self._words[base] & _LOW >= _COUNT_MAX:
            return
        a, b, c = text
        fresh = self._begin(slot)
        if fresh or at_ms < self._signed[base + 1] or (at_ms == self._signed[base + 1] and self._compare(base + 2, a, b, c) > 0):
            self._signed[base + 1] = at_ms
            self._put(base + 2, a, b, c)
        if fresh or at_ms > self._signed[base + 5] or (at_ms == self._signed[base + 5] and self._compare(base + 6, a, b, c) < 0):
            self._signed[base + 5] = at_ms
            self._put(base + 6, a, b, c)
        self._words[base] += 1
        self._see(base, a, b, c)
        self._hash(base, hashed)

    def _begin(self, slot: int) -> bool:
        """Whether this is the first value of the aggregate."""
        base = slot * _SLOT
        if self._words[base]:
            return False
        self._words[base] = self._ids[slot] << 48 | self._kinds[slot] << 56
        self.used += 1
        return True

    def _compare(self, at: int, a: int, b: int, c: int) -> int:
        """The text in the words from `at` on is before (-1), at (0) or after (1) another one, byte by byte."""
        words = self._words
        if words[at] != a:
            return 1 if words[at] > a else -1
        if words[at + 1] != b:
            return 1 if words[at + 1] > b else -1
        if words[at + 2] != c:
            return 1 if words[at + 2] > c else -1
        return 0

    def _put(self, at: int, a: int, b: int, c: int) -> None:
        self._words[at], self._words[at + 1], self._words[at + 2] = a, b, c

    def _see(self, base: int, a: int, b: int, c: int) -> None:
        """The text is among the entries. When they are full, the least frequent one gives way, and leaves its count as the error."""
        words, first = self._words, base + _TEXT
        entries = words[base] >> 32 & 255
        at = 0
        while at < entries and self._compare(first + _ENTRY * at + 1, a, b, c) < 0:
            at += 1
        if at < entries and self._compare(first + _ENTRY * at + 1, a, b, c) == 0:
            words[first + _ENTRY * at] += 1
            return
        head: int = 1
        if entries == _TEXTS:
            least = 0
            for i in range(1, entries):
                if words[first + _ENTRY * i] & _LOW < words[first + _ENTRY * least] & _LOW:
                    least = i
            n = words[first + _ENTRY * least] & _LOW
            head = n + 1 | n << 32
            for i in range(first + _ENTRY * least, first + _ENTRY * (entries - 1)):
                words[i] = words[i + _ENTRY]
            entries -= 1
            if least < at:
                at -= 1
        else:
            one: int = 1  # a word of its own, so that C shifts 64 bits
            words[base] += one << 32
        for i in range(first + _ENTRY * entries - 1, first + _ENTRY * at - 1, -1):
            words[i + _ENTRY] = words[i]
        words[first + _ENTRY * at] = head
        self._put(first + _ENTRY * at + 1, a, b, c)

    def _hash(self, base: int, hashed: int) -> None:
        """The hash is among the smallest, if it is one of them."""
        n = self._words[base] >> 40 & 255
        at = n
        while at > 0 and self._hash_at(base, at - 1) >= hashed:
            at -= 1
        if at < n and self._hash_at(base, at) == hashed:
            return
        if n == _HASHES:
            if at == n:
                return
        else:
            one: int = 1
            self._words[base] += one << 40
            n += 1
            if n & 1:
                self._words[base + _HASHED + (n - 1) // 2] = 0  # nothing of another user beside it
        for i in range(n - 1, at, -1):
            self._set_hash(base, i, self._hash_at(base, i - 1))
        self._set_hash(base, at, hashed)

    def _hash_at(self, base: int, i: int) -> int:
        return self._words[base + _HASHED + i // 2] >> 32 * (i & 1) & _LOW

    def _set_hash(self, base: int, i: int, hashed: int) -> None:
        at, shift = base + _HASHED + i // 2, 32 * (i & 1)
        low: int = _LOW
        self._words[at] = self._words[at] & ~(low << shift) & 0xFFFFFFFFFFFFFFFF | hashed << shift

    # -- reading --------------------------------------------------------------------------------------------------------

    def number(self, slot: int) -> NumberSeen | None:
        """What is known of the numbers of an aggregate, None before the first."""
        base, signed = slot * _SLOT, self._signed
        if not self._words[base]:
            return None
        said = [int(signed[base + i]) for i in range(1, _NUMBER)]
        return NumberSeen(int(self._words[base] & _LOW), *said)

    def text(self, slot: int) -> TextSeen | None:
        """What is known of the texts of an aggregate, None before the first."""
        base, signed = slot * _SLOT, self._signed
        if not self._words[base]:
            return None
        entries = self._entries(base)
        n, error, most = min([(-n, error, text) for text, (n, error) in entries.items()], key=_by_count_and_text)
        hashes = self._hashes(base)
        exact = len(hashes) < _HASHES
        unique = len(hashes) if exact else round((_HASHES - 1) * 2.0**32 / (hashes[_HASHES - 1] + 1))
        return TextSeen(
            int(self._words[base] & _LOW),
            _spelled(self._text_at(base + 2)),
            int(signed[base + 1]),
            _spelled(self._text_at(base + 6)),
            int(signed[base + 5]),
            _spelled(most),
            -n,
            error,
            unique,
            exact,
        )

    def _text_at(self, at: int) -> tuple[int, int, int]:
        return int(self._words[at]), int(self._words[at + 1]), int(self._words[at + 2])

    def _entries(self, base: int) -> dict[tuple[int, int, int], tuple[int, int]]:
        """Text -> count and error."""
        found: dict[tuple[int, int, int], tuple[int, int]] = {}
        for i in range(self._words[base] >> 32 & 255):
            at = base + _TEXT + _ENTRY * i
            found[self._text_at(at + 1)] = (int(self._words[at] & _LOW), int(self._words[at] >> 32))
        return found

    def _hashes(self, base: int) -> list[int]:
        return [int(self._hash_at(base, i)) for i in range(self._words[base] >> 40 & 255)]

    # -- two users become one -------------------------------------------------------------------------------------------

    def merge(self, other: "Aggregates") -> None:
        """What another user of the same rules has seen is seen by this one, too.

        Exact, but for texts of which either has seen more than entries hold: a text that one has and the other may have given up is counted
        with what the other's least frequent one has, as error (Agarwal et al. 2012), so `most_frequent_n` stays an upper bound.
        """
        for slot in range(self._count):
            base = slot * _SLOT
            if not other._words[base]:
                continue
            if not self._words[base]:
                self.used += 1
                for i in range(_SLOT):
                    self._words[base + i] = other._words[base + i]
            elif self._kinds[slot]:
                self._merge_texts(other, base)
            else:
                self._merge_numbers(other, base)

    def _merge_numbers(self, other: "Aggregates", base: int) -> None:
        mine, its = self._signed, other._signed
        self._words[base] += other._words[base] & _LOW
        # Where both were full before they became one, the sum stays at the end of what it can hold.
        mine[base + 1] = max(-_SUM_MAX, min(_SUM_MAX, int(mine[base + 1]) + int(its[base + 1])))
        mine[base + 2] = min(int(mine[base + 2]), int(its[base + 2]))
        mine[base + 3] = max(int(mine[base + 3]), int(its[base + 3]))
        first = min((int(mine[base + 5]), int(mine[base + 4])), (int(its[base + 5]), int(its[base + 4])))
        last = max((int(mine[base + 7]), int(mine[base + 6])), (int(its[base + 7]), int(its[base + 6])))
        mine[base + 5], mine[base + 4] = first
        mine[base + 7], mine[base + 6] = last

    def _merge_texts(self, other: "Aggregates", base: int) -> None:
        mine, its = self._signed, other._signed
        count = int(self._words[base] & _LOW) + int(other._words[base] & _LOW)
        first_ms, first = min((int(mine[base + 1]), self._text_at(base + 2)), (int(its[base + 1]), other._text_at(base + 2)))
        last_ms, last = max((int(mine[base + 5]), self._text_at(base + 6)), (int(its[base + 5]), other._text_at(base + 6)))
        mine[base + 1], mine[base + 5] = first_ms, last_ms
        self._put(base + 2, first[0], first[1], first[2])
        self._put(base + 6, last[0], last[1], last[2])
        entries = _merged(self._entries(base), other._entries(base))
        hashes = sorted({*self._hashes(base), *other._hashes(base)})[:_HASHES]
        head = int(self._words[base]) & 0xFFFF << 48
        self._words[base] = head | count | len(entries) << 32 | len(hashes) << 40
        at = base + _TEXT
        for text in sorted(entries):
            n, error = entries[text]
            self._words[at] = n | error << 32
            self._put(at + 1, text[0], text[1], text[2])
            at += _ENTRY
        for i in range(_HASHES // 2):
            self._words[base + _HASHED + i] = 0
        for i in range(len(hashes)):
            self._set_hash(base, i, hashes[i])

    # -- words ----------------------------------------------------------------------------------------------------------

    def size(self) -> int:
        """Words that the section takes in a state."""
        if not self.used:
            return 0
        total = 0
        for slot in range(self._count):
            if self._words[slot * _SLOT]:
                total += self._extent(self._words[slot * _SLOT])
        return total

    def _extent(self, head: int) -> int:
        """Words of an aggregate with this first word."""
        if not head >> 56:
            return _NUMBER
        return _TEXT + _ENTRY * (head >> 32 & 255) + ((head >> 40 & 255) + 1) // 2

    def write(self, image: "array[int]", at: int) -> int:
        """The section is in the words from `at` on; returns the word after it."""
        if not self.used:
            return at
        for slot in range(self._count):
            base = slot * _SLOT
            head = self._words[base]
            if not head:
                continue
            if not head >> 56:
                for i in range(_NUMBER):
                    image[at + i] = self._words[base + i]
                at += _NUMBER
                continue
            entries = _TEXT + _ENTRY * (head >> 32 & 255)
            for i in range(entries):
                image[at + i] = self._words[base + i]
            at += entries
            hashed = ((head >> 40 & 255) + 1) // 2
            for i in range(hashed):
                image[at + i] = self._words[base + _HASHED + i]
            at += hashed
        return at

    def read(self, image: "array[int]", at: int, end: int, stored: int) -> int:
        """`stored` aggregates in the words from `at` on are here, as far as they are declared; returns the word after them, -1 when the
        image ends before it, or holds none."""
        self.clear()
        for _ in range(stored):
            if at >= end:
                return -1
            head = image[at]
            entries = head >> 32 & 255
            hashes = head >> 40 & 255
            if head >> 57 or entries > _TEXTS or hashes > _HASHES or at + self._extent(head) > end:
                return -1
            slot = self._slot_of(head)
            if slot >= 0:
                base = slot * _SLOT
                self.used += 1
                kept = _NUMBER
                if head >> 56:
                    kept = _TEXT + _ENTRY * entries
                    for i in range((hashes + 1) // 2):
                        self._words[base + _HASHED + i] = image[at + kept + i]
                for i in range(kept):
                    self._words[base + i] = image[at + i]
            at += self._extent(head)
        return at

    def _slot_of(self, head: int) -> int:
        """Where the aggregate with this first word is declared, -1 where it is not any more, or as one of another kind."""
        for slot in range(self._count):
            if self._ids[slot] == head >> 48 & 255 and self._kinds[slot] == head >> 56 and not self._words[slot * _SLOT]:
                return slot
        return -1


def _by_count_and_text(entry: tuple[int, int, tuple[int, int, int]]) -> tuple[int, tuple[int, int, int]]:
    return entry[0], entry[2]


def _spelled(words: tuple[int, int, int]) -> str:
    """The text that three words hold."""
    return b"".join([word.to_bytes(8, "big") for word in words]).rstrip(b"\0").decode(errors="ignore")


def _merged(
    mine: dict[tuple[int, int, int], tuple[int, int]], its: dict[tuple[int, int, int], tuple[int, int]]
) -> dict[tuple[int, int, int], tuple[int, int]]:
    """The most frequent texts of both."""
    floors = [min([n for n, _ in each.values()]) if len(each) == TEXTS_MAX else 0 for each in (mine, its)]
    both: dict[tuple[int, int, int], tuple[int, int]] = {}
    for text in {**mine, **its}:
        n, error = mine.get(text, (floors[0], floors[0]))
        its_n, its_error = its.get(text, (floors[1], floors[1]))
        both[text] = (n + its_n, error + its_error)
    most = sorted([(-n, text) for text, (n, _) in both.items()])[:TEXTS_MAX]
    return {text: both[text] for _, text in most}
