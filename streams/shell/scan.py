"""Reads a whole topic as it is now: from the beginning (or a time) to the ends that its partitions had at the start."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import Final

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from streams.errors import ConfigError, Unavailable

__all__ = ["log_bounds", "require_topics", "scan"]

#: After this long without a record the broker is asked whether it is there at all.
_QUIET_MS: Final = 1000
_ANSWER_S: Final = 2.0
#: A broker that answers but yields nothing of what it says it holds.
_STALLED_S: Final = 30.0


async def require_topics(consumer: AIOKafkaConsumer, topics: Iterable[str]) -> None:
    """All `topics` exist. Raises `ConfigError` that names the first one that does not."""
    async with asyncio.timeout(_ANSWER_S):
        there = await consumer.topics()
    for topic in topics:
        if topic not in there:
            raise ConfigError("the topic does not exist; `streams topics create` makes it", file=topic)


async def log_bounds(consumer: AIOKafkaConsumer, topics: Iterable[str], partitions: int) -> dict[tuple[str, int], tuple[int, int]]:
    """(topic, partition) -> first offset still held, and the offset that comes next."""
    asked = [TopicPartition(topic, p) for topic in topics for p in range(partitions)]
    async with asyncio.timeout(_ANSWER_S):
        starts = await consumer.beginning_offsets(asked)
        ends = await consumer.end_offsets(asked)
    return {(at.topic, at.partition): (starts[at], ends[at]) for at in asked}


async def scan(consumer: AIOKafkaConsumer, topic: str, partitions: int, *, since_ms: int | None = None) -> AsyncIterator[ConsumerRecord]:
    """Every record of `topic` that was there when the scan began, in offset order per partition.

    Raises `ConfigError` without the topic, `Unavailable` when the broker stops to answer.
    """
    await require_topics(consumer, [topic])
    bounds = await log_bounds(consumer, [topic], partitions)
    asked = [TopicPartition(topic, p) for p in range(partitions)]
    begins = {at: bounds[topic, at.partition][0] for at in asked}
    if since_ms is not None:
        async with asyncio.timeout(_ANSWER_S):
            found = await consumer.offsets_for_times(dict.fromkeys(asked, since_ms))
        begins = {at: bounds[topic, at.partition][1] if found.get(at) is None else found[at].offset for at in asked}
    left = {at: bounds[topic, at.partition][1] for at in asked if begins[at] < bounds[topic, at.partition][1]}
    if not left:
        return
    consumer.assign(list(left))
    for at in left:
        consumer.seek(at, begins[at])
    quiet_since = asyncio.get_running_loop().time()
    while left:
        batches = await consumer.getmany(*left, timeout_ms=_QUIET_MS)
        if not batches:
            async with asyncio.timeout(_ANSWER_S):
                await consumer.end_offsets(list(left))
            if asyncio.get_running_loop().time() - quiet_since > _STALLED_S:
                raise Unavailable(f"{topic}: the broker answers, but yields no records")
        else:
            quiet_since = asyncio.get_running_loop().time()
        for at, records in batches.items():
            for record in records:
                if record.offset < left[at]:
                    yield record
        left = {at: end for at, end in left.items() if await consumer.position(at) < end}
