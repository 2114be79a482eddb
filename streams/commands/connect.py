"""Kafka and Redis for commands: they answer within seconds, or the command ends and says which address did not and what to do.

A worker waits for its servers; a person at a terminal does not. Every path here ends within `DEADLINE_S`.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any, Final

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.errors import KafkaConnectionError, KafkaError
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from streams.errors import Unavailable
from streams.shell.refusals import GREETING_S, require_welcome

if TYPE_CHECKING:
    from streams.settings import Settings

__all__ = ["DEADLINE_S", "greet_kafka", "kafka_trouble", "open_consumer", "open_producer", "open_redis", "redis_trouble"]

DEADLINE_S: Final = GREETING_S


@asynccontextmanager
async def open_redis(settings: "Settings") -> AsyncIterator[Redis]:
    """A client that has answered a ping. Raises `Unavailable` when Redis does not answer, here or later in the block."""
    client: Redis = Redis.from_url(
        settings.redis, socket_timeout=DEADLINE_S, socket_connect_timeout=DEADLINE_S, retry=Retry(NoBackoff(), 0), protocol=2
    )
    try:
        with redis_trouble(settings):
            async with asyncio.timeout(DEADLINE_S):
                await client.ping()
            yield client
    finally:
        await client.aclose()


@asynccontextmanager
async def open_consumer(settings: "Settings", **options: Any) -> AsyncIterator[AIOKafkaConsumer]:
    """A consumer without a group. Raises `Unavailable` when Kafka does not answer, here or later in the block."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=settings.broker, **settings.kafka.client(), enable_auto_commit=False, request_timeout_ms=15_000, **options
    )
    with kafka_trouble(settings):
        async with _started(consumer, settings):
            yield consumer


@asynccontextmanager
async def open_producer(settings: "Settings", **options: Any) -> AsyncIterator[AIOKafkaProducer]:
    """A producer that waits for all replicas; idempotent, so that a retry does not repeat a record, wherever the broker can do it."""
    producer = AIOKafkaProducer(
        bootstrap_servers=settings.broker,
        **settings.kafka.client(),
        acks="all",
        enable_idempotence=settings.kafka.idempotence,
        request_timeout_ms=15_000,
        **options,
    )
    with kafka_trouble(settings):
        async with _started(producer, settings):
            yield producer


async def greet_kafka(settings: "Settings") -> None:
    """A broker answers; otherwise `Unavailable`, within seconds. For what is done by clients with more patience than a person has."""
    async with open_consumer(settings):
        pass


@contextmanager
def redis_trouble(settings: "Settings") -> Iterator[None]:
    """What redis-py raises becomes `Unavailable` with the address and what to do."""
    try:
        yield
    except (RedisError, TimeoutError, OSError) as problem:
        raise Unavailable(
            f"Redis at {settings.redis_place} cannot be used{_why(problem)}: start it, or say where it is with STREAMS_REDIS"
        ) from problem


@contextmanager
def kafka_trouble(settings: "Settings") -> Iterator[None]:
    """What aiokafka raises becomes `Unavailable` with the address and what to do."""
    try:
        yield
    except (KafkaError, TimeoutError, OSError) as problem:
        raise Unavailable(
            f"Kafka at {settings.broker} cannot be used{_why(problem)}: start it, or say where it is with STREAMS_BROKER"
        ) from problem


@asynccontextmanager
async def _started(client: AIOKafkaConsumer | AIOKafkaProducer, settings: "Settings") -> AsyncIterator[None]:
    # aiokafka logs what it also raises, and a command says it in one line.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    try:
        try:
            async with asyncio.timeout(DEADLINE_S):
                await client.start()
        except KafkaConnectionError:
            await require_welcome(settings.broker.split(","), settings.kafka.client())
            raise
        # A task of aiokafka's that is cancelled before it first ran makes `stop` raise: let all of them begin.
        await asyncio.sleep(0)
        yield
    finally:
        async with asyncio.timeout(DEADLINE_S):
            await client.stop()


def _why(problem: BaseException) -> str:
    """The cause in few words, in brackets, where there is more to say than that nobody answered."""
    text = " ".join(str(problem).split())
    if isinstance(problem, TimeoutError) or "timeout" in type(problem).__name__.lower():
        return f" (no answer within {DEADLINE_S:g} s)"
    if "Connect call failed" in text or "Unable to bootstrap" in text or "refused" in text.lower():
        return " (nobody answers there)"
    return f" ({text[:160] or type(problem).__name__})"
