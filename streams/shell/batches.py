"""One Faust event is one fetch: what Faust does per event is slow, so it gets few of them, and all lanes wake in the same turn."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from aiokafka.consumer.fetcher import PartitionRecords
from faust.serializers.schemas import Schema
from faust.transport.utils import DefaultSchedulingStrategy
from faust.types import TP

from streams.core.headers import STREAMS_CLOCK
from streams.core.record import LogRecord
from streams.shell.ports import Batch

__all__ = ["LOST", "BatchSchema", "Fetch", "FetchScheduler", "LogRecords", "RecordBatch"]

#: Start of a batch that stands for "the log did not have that position": no lane ever expects it, so the lane opens again and looks.
LOST: Final = -1

#: Headers that records have as their only one, and the list of it.
_SHARED: Final = {header: (header,) for header in ((STREAMS_CLOCK, b"event"), (STREAMS_CLOCK, b"wall"))}


class LogRecords(PartitionRecords):  # type: ignore[misc]
    """What was fetched of a topic-partition, read as `LogRecord`s. Which records those are, aiokafka says: it unpacks as ever."""

    def __iter__(self) -> Iterator[LogRecord]:
        """The generator itself, which otherwise is asked record by record, by way of `__next__`."""
        return self._records_iterator  # type: ignore[no-any-return]

    def _consumer_record(self, tp: TP, record: Any) -> LogRecord:
        headers = record.headers
        if not headers:
            headers = ()
        elif len(headers) == 1:  # most often the same one, as that of a replay: what thousands of records share stays at hand
            headers = _SHARED.get(headers[0], headers)
        return LogRecord(tp.topic, tp.partition, record.offset, record.timestamp, record.key, record.value, headers)


class RecordBatch:
    """Records of one topic-partition, fetched together. `batch` is what a lane wants to know; `size_bytes` counts keys and values."""

    __slots__ = ("batch", "partition", "size_bytes")

    def __init__(self, tp: TP, start: int, end: int, epoch: int, records: Sequence[Any]) -> None:
        self.partition = tp.partition
        self.batch = Batch(tp.topic, start, end, epoch, records)
        self.size_bytes = sum([len(r.value or b"") + len(r.key or b"") for r in records])

    def __repr__(self) -> str:
        return f"<RecordBatch {self.batch.topic}/{self.partition} [{self.batch.start}, {self.batch.end}) epoch {self.batch.epoch}>"


class Fetch:
    """Batches of several topic-partitions that arrived together, in the shape of one message.

    The other attributes are those that Faust reads from a record of aiokafka. It takes the fetch for a record of its first
    topic-partition; whose records they are, the batches say.
    """

    __slots__ = ("batches", "offset", "partition", "topic")

    timestamp: Final = 0
    timestamp_type: Final = None
    headers: Final = ()
    key: Final = None
    checksum: Final = None
    serialized_key_size: Final = 0
    serialized_value_size: Final = 0

    def __init__(self, batches: Sequence[RecordBatch]) -> None:
        self.batches = batches
        first = batches[0]
        self.topic, self.partition, self.offset = first.batch.topic, first.partition, first.batch.end - 1

    @property
    def value(self) -> "Fetch":
        return self


class FetchScheduler(DefaultSchedulingStrategy):
    """Hands on what was fetched as it is: a lane merges its topics by append time itself, so there is nothing to interleave here."""

    def iterate(self, records: Mapping[TP, Any]) -> Iterator[tuple[TP, Any]]:
        """Yields one message, under the topic-partition of its first batch; none when nothing was fetched."""
        if records:
            yield next(iter(records)), Fetch(list(records.values()))


class BatchSchema(Schema[Any, Any]):
    """The value of an event is the whole fetch; nothing is decoded here, so nothing can fail here."""

    def __init__(self, **options: Any) -> None:
        super().__init__(key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw", **options)

    def loads_key(self, app: Any, message: Any, *, loads: Any = None, serializer: Any = None) -> None:
        return None

    def loads_value(self, app: Any, message: Any, *, loads: Any = None, serializer: Any = None) -> Any:
        return message.value
