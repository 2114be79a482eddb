"""The last records of the told topics, in a bounded number of bytes: what a reader that was away has missed."""

from collections import deque
from collections.abc import Sequence
from typing import Final, NamedTuple

from streams.serve.position import TOLD, Position

__all__ = ["Missed", "Recall"]

#: Bytes of each topic: at 800 bytes a record that is 20,000 records, ten seconds of scores at full speed and weeks of alerts.
_BYTES: Final = 16 << 20


class Missed(NamedTuple):
    """What a reader has not seen, in the order in which it was read here; one list for each topic of `TOLD`."""

    records: tuple[list[bytes], ...]


class _Kept(NamedTuple):
    partition: int
    offset: int
    value: bytes


class Recall:
    """Keeps records by topic, the youngest up to a number of bytes, and knows from which offset on it has them all."""

    def __init__(self, partitions: int, most_bytes: int = _BYTES) -> None:
        self._most = most_bytes
        self._kept: tuple[deque[_Kept], ...] = tuple(deque() for _ in TOLD)
        self._bytes = [0] * len(TOLD)
        self._floors = [[0] * partitions for _ in TOLD]
        self._next = [[0] * partitions for _ in TOLD]

    @property
    def position(self) -> Position:
        """Behind the last record that was kept."""
        return tuple(tuple(offsets) for offsets in self._next)

    def begin(self, topic: int, partition: int, offset: int) -> None:
        """Reading begins at `offset`: nothing before it will be here."""
        self._floors[topic][partition] = self._next[topic][partition] = offset

    def keep(self, topic: int, partition: int, offset: int, value: bytes) -> None:
        """`value` is the youngest record; the oldest ones go when the bytes are used up."""
        kept = self._kept[topic]
        kept.append(_Kept(partition, offset, value))
        self._next[topic][partition] = offset + 1
        self._bytes[topic] += len(value)
        while self._bytes[topic] > self._most and len(kept) > 1:
            gone = kept.popleft()
            self._bytes[topic] -= len(gone.value)
            self._floors[topic][gone.partition] = gone.offset + 1

    def since(self, position: Position, topics: Sequence[int]) -> Missed | None:
        """The records of `topics` from `position` on; None when some of them are no longer here.

        A position ahead of ours is that of a reader of a replica that is ahead: it has missed nothing.
        """
        records: tuple[list[bytes], ...] = tuple([] for _ in TOLD)
        for topic in topics:
            at, floors = position[topic], self._floors[topic]
            if any(offset < floor for offset, floor in zip(at, floors, strict=True)):
                return None
            records[topic].extend(each.value for each in self._kept[topic] if each.offset >= at[each.partition])
        return Missed(records)
