"""How the workers stand, looked up every second or two: heads and heartbeats in Redis, the ends of the logs in Kafka."""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from typing import Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError
from redis.asyncio import Redis
from redis.exceptions import RedisError

from streams.core.record import Head
from streams.errors import UnknownStateVersion
from streams.serve.reading import no_answer
from streams.settings import Settings
from streams.shell.pauses import Pauses
from streams.shell.quality import read_marks
from streams.shell.status import WorkerStatus, read_heads, read_workers, redis_complaints
from streams.stats import Stats, stats_of

__all__ = ["Standing"]

log = logging.getLogger(__name__)

_PERIOD_S: Final = 1.0
#: Asking a broker for the ends of 50 partitions is cheap, but every replica of this server does it.
_ENDS_PERIOD_S: Final = 2.0
_ANSWER_S: Final = 3.0


class Standing:
    """`stats` is what was seen last; `seen` is called after each look at the store.

    redis_trouble, kafka_trouble   why that one could not be asked the last time; None when it could
    """

    def __init__(self, settings: Settings, redis: Redis, seen: Callable[[], None]) -> None:
        self._settings, self._redis, self._seen = settings, redis, seen
        self._heads: list[Head] = []
        self._workers: list[WorkerStatus] = []
        self._complaints: list[str] = []
        self._marks: dict[str, int] = {}
        self._bounds: dict[tuple[str, int], tuple[int, int]] = {}
        self.redis_trouble: str | None = "Redis has not been asked yet"
        self.kafka_trouble: str | None = "Kafka has not been asked yet"

    @property
    def stats(self) -> Stats:
        """What follows from what was seen last; who could not be asked is named in `trouble`."""
        trouble = [*filter(None, (self.redis_trouble, self.kafka_trouble)), *self._complaints]
        bounds = {} if self.kafka_trouble else self._bounds
        return stats_of(self._settings.rules, self._heads, self._workers, bounds, trouble, self._marks)

    async def watch_store(self) -> None:
        """Looks at the store until it is cancelled; not together with the logs, as one that hangs must not hide the other."""
        rules = self._settings.rules
        while True:
            try:
                async with asyncio.timeout(_ANSWER_S):
                    self._heads = await read_heads(self._redis, rules.app_id, range(rules.partitions))
                    self._workers = await read_workers(self._redis, rules.app_id)
                    self._complaints = await redis_complaints(self._redis)
                    self._marks = await read_marks(self._redis, rules)
                self.redis_trouble = None
            except (RedisError, OSError, TimeoutError) as problem:
                self._workers = []
                self.redis_trouble = f"Redis at {self._settings.redis_place} does not answer ({type(problem).__name__})"
            except UnknownStateVersion as problem:
                self.redis_trouble = str(problem)
            self._seen()
            await asyncio.sleep(_PERIOD_S)

    async def watch_logs(self) -> None:
        """Asks where the logs begin and end, until it is cancelled."""
        pauses = Pauses(_PERIOD_S)
        while True:
            # Never assigned: it only asks where the logs begin and end.
            consumer = AIOKafkaConsumer(
                bootstrap_servers=self._settings.broker,
                **self._settings.kafka.client(),
                enable_auto_commit=False,
                request_timeout_ms=10_000,
            )
            try:
                async with asyncio.timeout(_ANSWER_S):
                    await consumer.start()
                while True:
                    async with asyncio.timeout(_ANSWER_S):
                        self._bounds = await self._ends(consumer)
                    self.kafka_trouble = None
                    pauses.begin_again()
                    await asyncio.sleep(_ENDS_PERIOD_S)
            except (KafkaError, OSError, TimeoutError) as problem:
                self.kafka_trouble = no_answer(self._settings, problem)
                log.warning("waiting for Kafka: %s", type(problem).__name__)
            finally:
                with contextlib.suppress(KafkaError, OSError):
                    await consumer.stop()
            await pauses.pause()

    async def _ends(self, consumer: AIOKafkaConsumer) -> dict[tuple[str, int], tuple[int, int]]:
        rules = self._settings.rules
        asked = [TopicPartition(topic, p) for topic in (*rules.topics.inputs, rules.topics.dead) for p in range(rules.partitions)]
        starts, ends = await consumer.beginning_offsets(asked), await consumer.end_offsets(asked)
        return {(at.topic, at.partition): (starts[at], ends[at]) for at in asked}
