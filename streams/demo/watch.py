"""Reads what the engine says and how far it is: the output topics into a tally; heads and the ends of the logs into fates, rates, lag."""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from typing import Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError
from redis.asyncio import Redis
from redis.exceptions import RedisError

from streams.core.record import FATES
from streams.demo.tally import ActiveAlert, Resolved, Tally
from streams.settings import Settings
from streams.shell.status import read_heads, read_workers
from streams.stats import stats_of

__all__ = ["Watch"]

#: Figures of one second each, as many as a wide terminal shows.
_SECONDS_SHOWN: Final = 120
_LOOK_S: Final = 0.5
#: Live events whose score has not come: most never get one of their own (`emit.mode: meaningful`), so the oldest are forgotten.
_PRODUCED_KEPT: Final = 50_000
_ENDS_S: Final = 5.0


class Watch:
    """Everything that is known of the run so far, kept up to date by `outputs` and `heads`, which run until they are cancelled.

    read   records that are counted, over all input topics
    lag    records in the logs that are not
    """

    def __init__(self, settings: Settings, told: Callable[[ActiveAlert | Resolved], None]) -> None:
        """`told` is called for each alert that begins or ends in the live part."""
        self._settings, self._told = settings, told
        self.tally = Tally(settings.rules.scoring.band_names)
        self.rates: deque[float] = deque(maxlen=_SECONDS_SHOWN)
        self.read = self.lag = 0
        self.fates: dict[str, int] = dict.fromkeys(FATES, 0)
        self.trouble: tuple[str, ...] = ()
        self.first_score_s: float | None = None
        self._produced: dict[str, float] = {}
        self._early: dict[str, float] = {}
        self._consumer: AIOKafkaConsumer | None = None
        self._looks = 0
        self._changed = asyncio.Condition()

    def go_live(self) -> None:
        """What is told from now on is live; figures of the history would only dwarf it."""
        self.tally.go_live(time.time_ns() // 1_000_000)
        self.rates.clear()

    async def caught_up(self) -> None:
        """Everything that is in the logs by now is counted."""
        await self.looked()
        while self.lag:
            await self._news()

    async def looked(self) -> None:
        """What is known is not older than this call."""
        under_way = self._looks + 1
        while self._looks <= under_way:
            await self._news()

    def produced(self, coordinates: str, at_s: float) -> None:
        """A live event is in the log at `coordinates`; it was sent at `at_s` (monotonic clock). Its score may have been read already."""
        told_s = self._early.pop(coordinates, None)
        if told_s is not None:
            self._measured(told_s - at_s)
            return
        _keep(self._produced, coordinates, at_s)

    async def outputs(self) -> None:
        """Reads scores and alerts from their beginning."""
        topics = self._settings.rules.topics
        assigned = [TopicPartition(topic, p) for topic in (topics.scores, topics.alerts) for p in range(self._settings.rules.partitions)]
        self._consumer = consumer = AIOKafkaConsumer(
            bootstrap_servers=self._settings.broker,
            **self._settings.kafka.client(),
            enable_auto_commit=False,
            fetch_min_bytes=65_536,
            fetch_max_wait_ms=250,
            max_poll_records=1000,
        )
        await consumer.start()
        try:
            consumer.assign(assigned)
            for at in assigned:
                consumer.seek(at, 0)
            while True:
                batches = await consumer.getmany(timeout_ms=200)
                now_s = time.monotonic()
                for at, records in batches.items():
                    for record in records:
                        if at.topic == topics.scores:
                            self._score(record.key, record.value, now_s)
                        elif record.value is not None:
                            self._alert(record.value, record.timestamp)
                await self._tell()
        finally:
            self._consumer = None
            await consumer.stop()

    async def heads(self, redis: Redis) -> None:
        """Follows the heads of all partitions and the ends of their logs, and what the worker says of itself."""
        consumer = AIOKafkaConsumer(bootstrap_servers=self._settings.broker, **self._settings.kafka.client(), enable_auto_commit=False)
        await consumer.start()
        try:
            before_s, before = time.monotonic(), 0
            while True:
                try:
                    await self._look(redis, consumer)
                    now_s = time.monotonic()
                    if now_s - before_s >= 1.0:
                        self.rates.append((self.read - before) / (now_s - before_s))
                        before_s, before = now_s, self.read
                except RedisError as problem:  # on a machine that is busy with something else; the next look will tell
                    self.trouble = (f"Redis does not answer ({type(problem).__name__})",)
                except KafkaError as problem:
                    self.trouble = (f"Kafka does not answer ({type(problem).__name__})",)
                await asyncio.sleep(_LOOK_S)
        finally:
            await consumer.stop()

    async def _look(self, redis: Redis, consumer: AIOKafkaConsumer) -> None:
        rules = self._settings.rules
        heads, workers = await read_heads(redis, rules.app_id, range(rules.partitions)), await read_workers(redis, rules.app_id)
        # After the heads: what their steps have written for other partitions is behind these ends.
        inputs = [TopicPartition(topic, p) for topic in rules.topics.inputs for p in range(rules.partitions)]
        ends = await consumer.end_offsets(inputs)
        stats = stats_of(rules, heads, workers, {(at.topic, at.partition): (0, end) for at, end in ends.items()}, ())
        self.read, self.fates, self.lag = stats.read, stats.fates, sum(stats.lag.values())
        self.trouble = tuple(worker.trouble for worker in workers if worker.trouble)
        self._looks += 1
        await self._tell()

    async def read_to_the_end(self) -> None:
        """Everything that was said until now is in the tally."""
        consumer = self._consumer
        if consumer is None:
            return
        assigned = list(consumer.assignment())
        async with asyncio.timeout(_ENDS_S):
            ends = await consumer.end_offsets(assigned)
            while any([await consumer.position(at) < end for at, end in ends.items()]):
                await self._news()
            await self._news()  # what was fetched last is taken in

    async def _news(self) -> None:
        async with self._changed:
            await self._changed.wait()

    async def _tell(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    def _score(self, key: bytes, value: bytes | None, now_s: float) -> None:
        score = self.tally.score(key, value)
        if score is None or not self.tally.live:
            return
        # A score is named by the last record folded into it, so the time between sending that record and reading the score is the latency.
        coordinates = score.score_id.rpartition("@")[2]
        sent_s = self._produced.pop(coordinates, None)
        if sent_s is not None:
            self._measured(now_s - sent_s)
        elif score.cause != "timer":
            _keep(self._early, coordinates, now_s)

    def _measured(self, latency_s: float) -> None:
        self.tally.latencies.add(1000 * latency_s)
        if self.first_score_s is None:
            self.first_score_s = time.monotonic()

    def _alert(self, value: bytes, at_ms: int) -> None:
        change = self.tally.alert(value, at_ms)
        if change is not None and change.live:
            self._told(change)


def _keep(times: dict[str, float], coordinates: str, at_s: float) -> None:
    if len(times) >= _PRODUCED_KEPT:
        del times[next(iter(times))]
    times[coordinates] = at_s
