"""One Faust event is one fetch: what Faust does per event is slow, so it gets few of them, and all lanes wake in the same turn."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from faust.serializers.schemas import Schema
from faust.transport.utils import DefaultSchedulingStrategy
from faust.types import TP

from streams.shell.fetched import RecordBatch

__all__ = ["BatchSchema", "Fetch", "FetchScheduler"]


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
