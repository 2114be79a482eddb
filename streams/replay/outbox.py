"""Emissions on their way to the broker in batches of our own making: the cheapest way through the client, and the order stays."""

import asyncio
from collections.abc import AsyncIterator, MutableSequence, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, Final, NamedTuple

from aiokafka.errors import KafkaError, KafkaTimeoutError
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.structs import RecordMetadata

from streams.core.identity import home_partition
from streams.errors import ConfigError, Unavailable
from streams.settings import Settings
from streams.shell.producer import Pace, Producer, new_producer
from streams.sim.emission import Emission, Stream

__all__ = ["Header", "Outbox", "Sealed", "producing"]

Header = tuple[str, bytes]

#: Partitions of keys remembered; more users than that are hashed again.
_KEYS: Final = 1 << 18
#: A broker that is there answers within this time.
_HELLO_S: Final = 3.0


class Sealed(NamedTuple):
    """A batch that was handed to the producer. `delivered` gives its metadata; the offset in it is that of the first of `emissions`."""

    topic: str
    partition: int
    emissions: Sequence[Emission]
    delivered: "asyncio.Future[RecordMetadata]"

    async def metadata(self, patience_s: float) -> RecordMetadata:
        """The broker's acknowledgement. Raises the broker's error, and `KafkaTimeoutError` after `patience_s`: an idempotent producer
        itself never gives up."""
        await asyncio.wait([self.delivered], timeout=patience_s)
        if not self.delivered.done():
            raise KafkaTimeoutError("no acknowledgement")
        return self.delivered.result()

    def arrived(self) -> bool:
        """Whether the broker has acknowledged the batch by now."""
        return self.delivered.done() and not self.delivered.cancelled() and self.delivered.exception() is None


@asynccontextmanager
async def producing(settings: Settings) -> AsyncIterator[Producer]:
    """A producer that is connected and has seen both source topics with the right number of partitions.

    Idempotent where the broker can be. What was not acknowledged when the block ends is given up. Raises `Unavailable`, and `ConfigError`
    when a topic is missing or cut otherwise than topics.yaml says.
    """
    pace = Pace(batch_bytes=_batch_bytes(settings))
    producer = new_producer(settings.broker, settings.kafka.idempotence, settings.kafka.client(), pace)
    try:
        try:
            async with asyncio.timeout(_HELLO_S):
                await producer.start()
                await _check_topics(producer, settings)
        except (KafkaError, OSError) as error:
            raise Unavailable(f"Kafka at {settings.broker} cannot be reached ({type(error).__name__}): is it running?") from error
        yield producer
    finally:
        await producer.abandon()


def _batch_bytes(settings: Settings) -> int:
    """Either source topic takes a batch of so many bytes."""
    return min(settings.topics["clickstream"].max_bytes, settings.topics["campaigns"].max_bytes)


async def _check_topics(producer: Producer, settings: Settings) -> None:
    there = await producer.client.fetch_all_metadata()
    for topic in settings.rules.topics.inputs[:2]:
        found = there.partitions_for_topic(topic)
        if not found:
            raise ConfigError("is missing on the broker: streams topics create", file="topics.yaml", path=topic)
        if len(found) != settings.rules.partitions:
            message = f"has {len(found)} partitions on the broker, the file says {settings.rules.partitions}"
            raise ConfigError(message, file="topics.yaml", path=topic)


class Outbox:
    """Batches being filled, one for each topic and partition. All are sealed together, so that what one user did on two topics stays
    near each other in time, whatever the topics' sizes. Within a partition nothing is reordered: batches of it go out one at a time."""

    def __init__(self, producer: Producer, settings: Settings, headers: Sequence[Header] = (), *, patience_s: float) -> None:
        self._producer, self._headers, self._patience_s = producer, list(headers), patience_s
        topics = settings.rules.topics
        self._topics: dict[Stream, str] = {"clickstream": topics.clickstream, "campaigns": topics.campaigns}
        self._partitions, self._batch_bytes = settings.rules.partitions, _batch_bytes(settings)
        self._homes: dict[bytes, int] = {}
        self._open: dict[tuple[Stream, int], tuple[Any, list[Emission]]] = {}

    def add(self, emission: Emission) -> bool:
        """`emission` is in a batch; False when that batch is full: seal, and add it again."""
        key = emission.key
        home = self._homes.get(key)
        if home is None:
            if len(self._homes) >= _KEYS:
                self._homes.clear()
            home = self._homes[key] = home_partition(key.decode("utf-8", "replace"), self._partitions)
        at = (emission.topic, home)
        batch = self._open.get(at)
        if batch is None:
            batch = self._open[at] = (self._producer.batch(self._batch_bytes), [])
        builder, emissions = batch
        headers = [*self._headers, *emission.headers] if emission.headers else self._headers
        if builder.append(key=key, value=emission.value, timestamp=None, headers=headers) is None:
            return False
        emissions.append(emission)
        return True

    async def seal(self, sealed: MutableSequence[Sealed]) -> None:
        """Everything added so far is with the producer, in order, and in `sealed`: also what went before an error was raised.

        Waits while an earlier batch of the same partition has not left yet; raises `TimeoutError` after `patience_s` of that.
        """
        batches, self._open = self._open, {}
        for (stream, partition), (builder, emissions) in batches.items():
            topic = self._topics[stream]
            builder.close()
            sealed.append(Sealed(topic, partition, emissions, await self._send(builder, topic, partition)))

    async def _send(self, builder: BatchBuilder, topic: str, partition: int) -> "asyncio.Future[RecordMetadata]":
        async with asyncio.timeout(self._patience_s):
            while True:
                with suppress(KafkaTimeoutError):  # after a while it gives up waiting; the batch is still ours
                    delivered: asyncio.Future[RecordMetadata] = await self._producer.send_batch(builder, topic, partition=partition)
                    return delivered
