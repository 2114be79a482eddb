"""What was fetched of a log, for whoever reads logs: a worker's lanes, and the live page (which knows nothing of Faust)."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from aiokafka import TopicPartition
from aiokafka.consumer.fetcher import PartitionRecords

from streams.core.headers import STREAMS_CLOCK
from streams.core.record import LogRecord
from streams.shell.ports import Batch

__all__ = ["LOST", "LogRecords", "RecordBatch"]

#: Start of a batch that stands for "the log does not have that position": nobody ever expects it, so a lane opens again and looks, and so
#: does the live page.
LOST: Final = -1

#: Headers that records have as their only one, and the list of it.
_SHARED: Final = {header: (header,) for header in ((STREAMS_CLOCK, b"event"), (STREAMS_CLOCK, b"wall"))}


class LogRecords(PartitionRecords):  # type: ignore[misc]
    """What was fetched of a topic-partition, read as `LogRecord`s. Which records those are, aiokafka says: it unpacks as ever."""

    def __iter__(self) -> Iterator[LogRecord]:
        """The generator itself, which otherwise is asked record by record, by way of `__next__`."""
        return self._records_iterator  # type: ignore[no-any-return]

    def _consumer_record(self, tp: TopicPartition, record: Any) -> LogRecord:
        headers = record.headers
        if not headers:
            headers = ()
        elif len(headers) == 1:  # most often the same one, as that of a replay: what thousands of records share stays at hand
            headers = _SHARED.get(headers[0], headers)
        return LogRecord(tp.topic, tp.partition, record.offset, record.timestamp, record.key, record.value, headers)


class RecordBatch:
    """Records of one topic-partition, fetched together. `batch` is what a lane wants to know; `size_bytes` counts keys and values."""

    __slots__ = ("batch", "partition", "size_bytes")

    def __init__(self, tp: TopicPartition, start: int, end: int, epoch: int, records: Sequence[Any]) -> None:
        self.partition = tp.partition
        self.batch = Batch(tp.topic, start, end, epoch, records)
        self.size_bytes = sum([len(r.value or b"") + len(r.key or b"") for r in records])

    def __repr__(self) -> str:
        return f"<RecordBatch {self.batch.topic}/{self.partition} [{self.batch.start}, {self.batch.end}) epoch {self.batch.epoch}>"
