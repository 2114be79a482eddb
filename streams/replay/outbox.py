"""Emissions on their way to the broker in batches of our own making: the cheapest way through the client, and the order stays."""

import asyncio
from collections.abc import AsyncIterator, MutableSequence, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, Final, NamedTuple

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from streams.core.identity import home_partition
from streams.errors import ConfigError, Unavailable
from streams.settings import Settings
from streams.sim.emission import Emission, Stream

__all__ = ["Header", "Outbox", "Sealed", "producing"]

Header = tuple[str, bytes]

#: Below the 128 KiB that the source topics take (config/topics.yaml), with room for the frame.
_BATCH_BYTES: Final = 98_304
#: Partitions of keys remembered; more users than that are hashed again.
_KEYS: Final = 1 << 18
#: A broker that is there answers within this time.
_HELLO_S: Final = 3.0
#: A producer whose broker has gone would wait for its last batches: they have failed by then.
_GOODBYE_S: Final = 5.0


class Sealed(NamedTuple):
    """A batch that was handed to the producer. `delivered` gives its metadata; the offset in it is that of the first of `emissions`."""

    topic: str
    partition: int
    emissions: Sequence[Emission]
    delivered: "asyncio.Future[Any]"


@asynccontextmanager
async def producing(settings: Settings, *, patience_s: float = 30.0) -> AsyncIterator[AIOKafkaProducer]:
    """A producer that is connected and has seen both source topics with the right number of partitions.

    Idempotent where the broker can be. What is not acknowledged within `patience_s` fails. Raises `Unavailable`, and `ConfigError` when
    a topic is missing or cut otherwise than topics.yaml says.
    """
    producer = AIOKafkaProducer(
        bootstrap_servers=settings.broker,
        acks="all",
        enable_idempotence=settings.kafka.idempotence,
        max_batch_size=_BATCH_BYTES,
        request_timeout_ms=int(patience_s * 1000),
        **settings.kafka.client(),
    )
    try:
        try:
            async with asyncio.timeout(_HELLO_S):
                await producer.start()
                await _check_topics(producer, settings)
        except (KafkaError, OSError, TimeoutError) as error:
            raise Unavailable(f"Kafka at {settings.broker} cannot be reached ({type(error).__name__}): is it running?") from error
        yield producer
    finally:
        with suppress(KafkaError, TimeoutError):
            async with asyncio.timeout(_GOODBYE_S):
                await producer.stop()


async def _check_topics(producer: AIOKafkaProducer, settings: Settings) -> None:
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

    def __init__(self, producer: AIOKafkaProducer, settings: Settings, headers: Sequence[Header] = ()) -> None:
        self._producer, self._headers = producer, list(headers)
        topics = settings.rules.topics
        self._topics: dict[Stream, str] = {"clickstream": topics.clickstream, "campaigns": topics.campaigns}
        self._partitions = settings.rules.partitions
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
            batch = self._open[at] = (self._producer.create_batch(), [])
        builder, emissions = batch
        headers = [*self._headers, *emission.headers] if emission.headers else self._headers
        if builder.append(key=key, value=emission.value, timestamp=None, headers=headers) is None:
            return False
        emissions.append(emission)
        return True

    async def seal(self, sealed: MutableSequence[Sealed]) -> None:
        """Everything added so far is with the producer, in order, and in `sealed`: also what went before an error was raised.

        Waits while an earlier batch of the same partition has not left yet.
        """
        batches, self._open = self._open, {}
        for (stream, partition), (builder, emissions) in batches.items():
            topic = self._topics[stream]
            builder.close()
            sealed.append(Sealed(topic, partition, emissions, await self._producer.send_batch(builder, topic, partition=partition)))
