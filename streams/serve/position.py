"""Where a reader of the stream stands: the next offset of every partition of the told topics, as one opaque word.

The word is the same on every replica and valid across restarts, because it names records and not connections.
"""

import base64
import binascii
from collections.abc import Sequence
from typing import Final

__all__ = ["TOLD", "Position", "from_word", "to_word"]

#: The topics that the stream tells, by role, in the order in which a position names them.
TOLD: Final = ("scores", "alerts", "triage", "metrics")

#: One row for each topic of `TOLD`: the next offset by partition.
Position = tuple[tuple[int, ...], ...]

_VERSION: Final = 3
#: A topic of a thousand partitions fits; anything longer was not made here.
_MOST_BYTES: Final = 32_768


def to_word(position: Sequence[Sequence[int]]) -> str:
    """`position` as URL-safe text: a version, the number of partitions, and every offset as a varint."""
    packed = bytearray([_VERSION])
    _varint(packed, len(position[0]))
    for offsets in position:
        for offset in offsets:
            _varint(packed, offset)
    return base64.urlsafe_b64encode(packed).rstrip(b"=").decode()


def from_word(word: str, partitions: int) -> Position | None:
    """The position that `word` names; None when it is of another version or of another number of partitions.

    Raises `ValueError` for what is no such word at all.
    """
    if len(word) > _MOST_BYTES:
        raise ValueError("too long")
    try:
        packed = base64.urlsafe_b64decode(word + "=" * (-len(word) % 4))
    except (binascii.Error, UnicodeEncodeError) as problem:
        raise ValueError("not base64") from problem
    if not packed:
        raise ValueError("empty")
    if packed[0] != _VERSION:
        return None
    numbers = _varints(packed[1:])
    if not numbers or len(numbers) != 1 + len(TOLD) * numbers[0]:
        raise ValueError("of the wrong length")
    if numbers[0] != partitions:
        return None
    return tuple(tuple(numbers[1 + n * partitions : 1 + (n + 1) * partitions]) for n in range(len(TOLD)))


def _varint(into: bytearray, number: int) -> None:
    while number > 127:
        into.append(number & 127 | 128)
        number >>= 7
    into.append(number)


def _varints(packed: bytes) -> list[int]:
    numbers, number, shift = [], 0, 0
    for byte in packed:
        number |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            numbers.append(number)
            number = shift = 0
        elif shift > 63:
            raise ValueError("a number is too large")
    if shift:
        raise ValueError("cut off")
    return numbers
