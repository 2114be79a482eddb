"""Topics read whole, from offset 0 to their end, as plain lines: what an oracle looks at."""

from collections.abc import Iterable
from typing import Any, NamedTuple

from aiokafka import AIOKafkaConsumer, TopicPartition

__all__ = ["Line", "Logs", "Place", "home_partition", "read_logs"]


class Place(NamedTuple):
    """Coordinates of a record."""

    topic: str
    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.topic}/{self.partition}/{self.offset}"


class Line(NamedTuple):
    """A record as it lies in a log; `timestamp` is the append time where the topic stamps it."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]

    @property
    def place(self) -> Place:
        return Place(self.topic, self.partition, self.offset)

    def header(self, name: str) -> str | None:
        """The first header of that name, as text."""
        return next((value.decode("utf-8", "replace") for key, value in self.headers if key == name), None)


#: (topic, partition) -> its records in offset order.
Logs = dict[tuple[str, int], list[Line]]


async def read_logs(bootstrap: str, topics: Iterable[str]) -> Logs:
    """Every record that `topics` hold at the time of the call."""
    consumer: Any = AIOKafkaConsumer(
        bootstrap_servers=bootstrap, enable_auto_commit=False, max_partition_fetch_bytes=4 << 20, fetch_max_wait_ms=50
    )
    await consumer.start()
    try:
        await consumer._client.force_metadata_update()
        cluster: Any = consumer._client.cluster
        places = [TopicPartition(topic, p) for topic in topics for p in sorted(cluster.partitions_for_topic(topic) or ())]
        if not places:
            return {}
        ends = await consumer.end_offsets(places)
        consumer.assign(places)
        await consumer.seek_to_beginning(*places)
        logs: Logs = {(place.topic, place.partition): [] for place in places}
        behind = set(places)
        while True:
            behind = {place for place in behind if await consumer.position(place) < ends[place]}
            if not behind:
                return logs
            for place, records in (await consumer.getmany(timeout_ms=200)).items():
                logs[place.topic, place.partition].extend(
                    Line(r.topic, r.partition, r.offset, r.timestamp, r.key, r.value, tuple(r.headers))
                    for r in records
                    if r.offset < ends[place]
                )
    finally:
        await consumer.stop()


def home_partition(raw_id: str, partitions: int) -> int:
    """Where Kafka's Java client puts the key `raw_id`: murmur2 (Austin Appleby), seed 0x9747b28c, sign bit cleared, modulo."""
    data, m, mask = raw_id.encode("utf-8", "replace"), 0x5BD1E995, 0xFFFFFFFF
    h = 0x9747B28C ^ len(data)
    whole = len(data) // 4 * 4
    for i in range(0, whole, 4):
        k = int.from_bytes(data[i : i + 4], "little") * m & mask
        h = (h * m & mask) ^ ((k ^ k >> 24) * m & mask)
    if data[whole:]:
        h = (h ^ int.from_bytes(data[whole:], "little")) * m & mask
    h = (h ^ h >> 13) * m & mask
    return ((h ^ h >> 15) & 0x7FFFFFFF) % partitions
