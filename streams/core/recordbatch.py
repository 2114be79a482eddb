# cython: language_level=3, annotation_typing=False, wraparound=False, cdivision=True
"""Outputs as Kafka's record batches: format v2 (https://kafka.apache.org/documentation/#recordbatch), not compressed.

A score leaves with every event. As Python's objects it is twelve, gone cold by the time when its batch is built; so it is `Packed` where it
is made. The bytes of a batch are those of aiokafka's builder; a test holds them to it.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from streams.core.record import Outgoing, Output
from streams.core.writer import Writer, varint_size

__all__ = ["HEADER_BYTES", "Encoded", "Packed", "arena", "encode", "prefixed"]

#: Before the records there is room for the header of the batch, which the producer fills in: it knows its id, the epoch and the sequence.
HEADER_BYTES: Final = 61
_ROOM: Final = bytes(HEADER_BYTES)
#: An arena, which lives as long as anything in it is kept, and the room that a score should find there.
_ARENA_BYTES: Final = 1 << 18
_ROOM_BYTES: Final = 1 << 12

#: Emptied by every batch, and by every body that is put into one at once; one of each for the process.
_out, _body = Writer(), Writer()
_arenas = [Writer()]


class Packed:
    """An `Output`, with its key, value and headers as they stand in a record: `size` bytes of a shared `arena`, from `start` on.

    It has the attributes of an `Output`; those three are read out of the bytes when somebody asks for them.
    """

    topic: str
    partition: int
    timestamp_ms: int
    arena: Writer
    start: int
    size: int

    def __init__(self, topic: str, partition: int, timestamp_ms: int, arena: Writer, start: int) -> None:
        """What was written into `arena` since `start` is the body."""
        self.topic, self.partition, self.timestamp_ms = topic, partition, timestamp_ms
        self.arena, self.start, self.size = arena, start, arena.size - start

    @property
    def key(self) -> bytes | None:
        return self.unpacked().key

    @property
    def value(self) -> bytes | None:
        return self.unpacked().value

    @property
    def headers(self) -> Sequence[tuple[str, bytes]]:
        return self.unpacked().headers

    def unpacked(self) -> Output:
        """The same as an `Output`."""
        reading = _Reading(self.arena.part(self.start, self.size))
        key, value = reading.text(), reading.text()
        headers = [((reading.text() or b"").decode(), reading.text() or b"") for _ in range(reading.number())]
        return Output(self.topic, self.partition, key, value, headers, self.timestamp_ms)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Packed) and self.unpacked() == other.unpacked()

    def __repr__(self) -> str:
        return f"Packed({self.unpacked()})"


class Encoded(msgspec.Struct, frozen=True):
    """A batch without its header.

    text      `HEADER_BYTES` zeros, then the records
    count     records in it
    first_ms  timestamp of the first one, which the others are told from
    newest_ms the newest timestamp
    """

    text: bytearray
    count: int
    first_ms: int
    newest_ms: int


def encode(outputs: Sequence[Outgoing], at: int, limit_bytes: int, now_ms: int) -> Encoded:
    """The outputs from the place `at` on, as many as fit into a batch of `limit_bytes`; the first one always does.

    `now_ms` is the timestamp of those that name none.
    """
    out, count, first_ms, newest_ms = _out, 0, 0, 0
    out.begin()
    out.raw(_ROOM)
    for place in range(at, len(outputs)):
        output = outputs[place]
        if isinstance(output, Packed):
            packed = output
        else:
            packed = _packed(output, now_ms)
        at_ms = packed.timestamp_ms
        if count == 0:
            first_ms = newest_ms = at_ms
        size = 1 + varint_size(at_ms - first_ms) + varint_size(count) + packed.size
        if count and out.size + varint_size(size) + size > limit_bytes:
            break
        out.varint(size)
        out.byte(0)  # attributes: there are none
        out.varint(at_ms - first_ms)
        out.varint(count)
        out.text(packed.arena, packed.start, packed.size)
        newest_ms = max(newest_ms, at_ms)
        count += 1
    return Encoded(out.copy(), count, first_ms, newest_ms)


def arena() -> Writer:
    """Where the next body is written, behind others: memory for each alone would be asked for and given back with every event."""
    last = _arenas[0]
    if last.size > _ARENA_BYTES - _ROOM_BYTES:
        last = _arenas[0] = Writer(_ARENA_BYTES)
    return last


def prefixed(text: bytes | None) -> bytes:
    """`text` as it stands in a record: its length, then the bytes."""
    _body.begin()
    _write(_body, text)
    return _body.done()


def _packed(output: Outgoing, now_ms: int) -> Packed:
    body, headers = _body, output.headers
    body.begin()
    _write(body, output.key)
    _write(body, output.value)
    body.varint(len(headers))
    for name, text in headers:
        _write(body, name.encode())
        _write(body, text)
    at_ms = output.timestamp_ms
    return Packed(output.topic, output.partition, now_ms if at_ms is None else at_ms, body, 0)


def _write(body: Writer, text: bytes | None) -> None:
    """`text` with its length before it; nothing has the length -1."""
    if text is None:
        body.varint(-1)
    else:
        body.varint(len(text))
        body.raw(text)


class _Reading:
    """Reads a body from its beginning to its end."""

    def __init__(self, body: bytes) -> None:
        self._body, self._at = body, 0

    def number(self) -> int:
        rest = shift = 0
        while True:
            byte = self._body[self._at]
            self._at += 1
            rest |= (byte & 127) << shift
            if byte < 128:
                return -(rest + 1 >> 1) if rest & 1 else rest >> 1
            shift += 7

    def text(self) -> bytes | None:
        length = self.number()
        if length < 0:
            return None
        self._at += length
        return self._body[self._at - length : self._at]
