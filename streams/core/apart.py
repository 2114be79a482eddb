"""What a journal line says of the records that its step did not count: the first ones by name, the rest by a bit each.

A step of thousands of repeats must not make a line of megabytes, and yet whoever counts again has to know of each record.
"""

from base64 import b64decode, b64encode
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from streams.core.record import Apart

__all__ = ["Rest", "Spans", "named", "rest_of", "unpacked"]

#: Records of one step that are named, with the reason why.
_NAMED: Final = 200

#: Topic -> offsets [from, to) of the step.
Spans = Mapping[str, tuple[int, int]]
#: Fate -> topic -> bits in base64: bit n, from the lowest one of the first byte on, is set where the record at `from + n` met this fate.
Rest = Mapping[str, Mapping[str, str]]


def named(apart: Sequence[Apart]) -> Sequence[Apart]:
    """Those of `apart` that are named."""
    return apart[:_NAMED]


def rest_of(apart: Sequence[Apart], spans: Spans) -> dict[str, dict[str, str]]:
    """Those of `apart` that are not named."""
    bits: dict[str, dict[str, bytearray]] = {}
    for each in apart[_NAMED:]:
        start, to = spans[each.topic]
        field = bits.setdefault(each.fate, {}).setdefault(each.topic, bytearray((to - start + 7) // 8))
        place, bit = divmod(each.offset - start, 8)
        field[place] |= 1 << bit
    return {fate: {topic: b64encode(field).decode() for topic, field in topics.items()} for fate, topics in bits.items()}


def unpacked(rest: Rest, spans: Spans) -> Iterator[Apart]:
    """The records that `rest_of` packed, without reasons. Raises `ValueError` for what is no base64, `KeyError` for a topic that the step
    has no records of."""
    for fate, topics in rest.items():
        for topic, text in topics.items():
            start = spans[topic][0]
            for place, byte in enumerate(b64decode(text, validate=True)):
                for bit in range(8):
                    if byte >> bit & 1:
                        yield Apart(topic, start + 8 * place + bit, fate)
