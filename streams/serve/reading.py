"""Consumers as the server has them: of no group, since every replica reads everything, and stopped whatever happens."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaConsumer

from streams.settings import Settings

__all__ = ["no_answer", "reading"]


@asynccontextmanager
async def reading(settings: Settings, **options: Any) -> AsyncIterator[AIOKafkaConsumer]:
    """A consumer that has started runs inside the block. Raises what aiokafka raises."""
    consumer = AIOKafkaConsumer(bootstrap_servers=settings.broker, **settings.kafka.client(), enable_auto_commit=False, **options)
    try:
        await consumer.start()
        yield consumer
    finally:
        await consumer.stop()


def no_answer(settings: Settings, problem: BaseException) -> str:
    """That Kafka is away, in the words of `trouble`: the same from whoever notices, so that it is told once."""
    return f"Kafka at {settings.broker} does not answer ({type(problem).__name__})"
