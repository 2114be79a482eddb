"""One Faust event is one fetched batch of one topic-partition: what Faust does per event is slow, so it gets few of them."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, Final

from faust.serializers.schemas import Schema
from faust.transport.utils import DefaultSchedulingStrategy
from faust.types import TP

from streams.core.record import Record
from streams.shell.ports import Batch

__all__ = ["LOST", "BatchScheduler", "BatchSchema", "RecordBatch"]

#: Start of a batch that stands for "the log did not have that position": no lane ever expects it, so the lane opens again and looks.
LOST: Final = -1


class RecordBatch:
    """Records of one topic-partition, fetched together, in the shape of one message.

    `batch` is what a lane wants to know; `size_bytes` counts keys and values. The other attributes are those that Faust reads from a record
    of aiokafka; its `offset` is the last one that the batch covers.
    """

    __slots__ = ("batch", "offset", "partition", "size_bytes", "timestamp", "topic")

    timestamp_type: Final = None
    headers: Final = ()
    key: Final = None
    checksum: Final = None
    serialized_key_size: Final = 0
    serialized_value_size: Final = 0

    def __init__(self, tp: TP, start: int, end: int, epoch: int, records: Sequence[Any]) -> None:
        self.topic, self.partition = tp
        self.batch = Batch(tp.topic, start, end, epoch, records)
        self.offset = end - 1
        self.timestamp = records[-1].timestamp if records else 0
        self.size_bytes = sum([r.serialized_value_size + r.serialized_key_size for r in records])

    @property
    def value(self) -> "RecordBatch":
        return self

    def parts(self, max_records: int) -> Iterator["RecordBatch"]:
        """The batch in slices of at most `max_records`, each beginning where the one before ends."""
        batch = self.batch
        if len(batch.records) <= max_records:
            yield self
            return
        start = batch.start
        for at in range(0, len(batch.records), max_records):
            records: Sequence[Record] = batch.records[at : at + max_records]
            last = at + max_records >= len(batch.records)
            end = batch.end if last else records[-1].offset + 1
            yield RecordBatch(TP(self.topic, self.partition), start, end, batch.epoch, records)
            start = end

    def __repr__(self) -> str:
        return f"<RecordBatch {self.topic}/{self.partition} [{self.batch.start}, {self.batch.end}) epoch {self.batch.epoch}>"


class BatchScheduler(DefaultSchedulingStrategy):
    """Hands batches on as they were fetched, capped: a lane merges its topics by append time itself, so there is nothing to interleave
    here."""

    #: Records of one Faust event at the most.
    max_records: ClassVar[int] = 8000

    def iterate(self, records: Mapping[TP, Any]) -> Iterator[tuple[TP, Any]]:
        """Yields (topic-partition, batch) in the order fetched."""
        for tp, batch in records.items():
            for part in batch.parts(self.max_records):
                yield tp, part


class BatchSchema(Schema[Any, Any]):
    """The value of an event is the whole batch; nothing is decoded here, so nothing can fail here."""

    def __init__(self, **options: Any) -> None:
        super().__init__(key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw", **options)

    def loads_key(self, app: Any, message: Any, *, loads: Any = None, serializer: Any = None) -> None:
        return None

    def loads_value(self, app: Any, message: Any, *, loads: Any = None, serializer: Any = None) -> Any:
        return message.value
