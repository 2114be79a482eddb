"""Brings the figures of the business, and those of alerts and forecasts, to the metrics topic, now and then, from the worker that owns
partition 0.

A record is a whole figure, so telling it twice changes nothing, and readers keep the highest `rev` of a series: two workers that both
believe to own the partition do no harm. What is new is told, then `<app>:metrics` remembers up to which revisions each day has been told:
who comes after a crash tells the rest, and late events of long ago change the figures of their day.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec
from redis.asyncio import Redis
from redis.exceptions import RedisError

from streams.core.envelope import Envelope
from streams.core.identity import home_partition
from streams.core.ledger import Window, windows_at
from streams.core.metric_record import MetricRecord, days_of, metric_record, records_at
from streams.core.metrics import Figure
from streams.core.record import Output
from streams.core.rules import DAY_MS, Rules
from streams.shell.ports import Publisher
from streams.shell.quality import QualityFollower
from streams.shell.sums import Moment, SumsReader

__all__ = ["FigurePublisher"]

log = logging.getLogger(__name__)

#: Lanes have their turn after so long: figures can wait, events not.
_TURN_S: Final = 0.001
#: Days of the past brought up to date in one round: a replay of years is told over several.
_DAYS_AT_ONCE: Final = 8
#: Records handed over together.
_RECORDS_AT_ONCE: Final = 500


class FigurePublisher:
    """One per worker; works only while `owns` says so."""

    def __init__(self, rules: Rules, redis: Redis, publisher: Publisher, owns: Callable[[], bool]) -> None:
        self._rules, self._redis, self._publisher, self._owns = rules, redis, publisher, owns
        self._envelope = Envelope("engagement.metric.v1", f"/{rules.app_id}")
        self._key = f"{rules.app_id}:metrics"
        self._reader: SumsReader | None = None
        self._quality = QualityFollower(redis, rules)
        self._told: dict[str, tuple[object, ...]] = {}

    async def run(self) -> None:
        """Runs until it is cancelled. Trouble with Redis is the lanes' business, who say so: the next round tries again."""
        while True:
            await asyncio.sleep(self._rules.business.publish_s)
            if not self._owns():
                self._reader = None
                continue
            try:
                await self.tell()
            except (RedisError, OSError, TimeoutError) as problem:
                log.info("business figures are late: Redis does not answer (%s)", type(problem).__name__)

    async def tell(self) -> int:
        """What has changed since it was told is on the topic; returns how many records that took."""
        if self._reader is None:
            self._reader, self._told = SumsReader(self._redis, self._rules.app_id, self._rules.partitions), {}
            self._quality = QualityFollower(self._redis, self._rules)
        reader = self._reader
        moment = await reader.look()
        if moment.time_ms < 0:
            return 0
        versions = reader.versions()
        stored: dict[Any, Any] = await self._redis.hgetall(self._key)
        told = {name.decode(): int(rev) for name, rev in stored.items()}
        today = moment.time_ms // DAY_MS
        changed = sorted({int(name[1:]) for name, rev in versions.items() if told.get(name) != rev}, reverse=True)
        some = changed[:_DAYS_AT_ONCE]
        # Who came back after a day, a week or a month is noted on the day of the first visit, and told of the day of the return.
        affected = {day + later for day in some for later in (0, 1, 7, 30) if day + later <= today}
        windows = windows_at(moment.time_ms, affected)
        await reader.load(days_of(windows))
        quality = await self._quality.figures(reader, today)
        sent = await self._send(self._records(windows, quality, moment))
        # Only what is told and stays so is remembered; names that are gone are forgotten.
        settled = {name: rev for name, rev in versions.items() if int(name[1:]) in some and told.get(name) != rev}
        await self._remember(settled, [name for name in told if name not in versions])
        return sent

    def _records(self, windows: list[Window], quality: Sequence[Figure], moment: Moment) -> Iterator[MetricRecord]:
        assert self._reader is not None
        time_ms, rev, version = moment.time_ms, moment.rev, self._rules.version
        yield from records_at(self._reader.ledger, windows, self._rules.business, time_ms=time_ms, rev=rev, rules_version=version)
        for figure in quality:
            yield metric_record(figure, time_ms=time_ms, rev=rev, rules_version=version)

    async def _send(self, records: Iterator[MetricRecord]) -> int:
        outputs, sent = list[Output](), 0
        told: dict[str, tuple[object, ...]] = {}
        due_s = time.monotonic() + _TURN_S
        for record in records:
            what = (record.value, record.numerator, record.denominator, record.starts_at, record.definition)
            told[record.series] = what
            if self._told.get(record.series) != what:
                outputs.append(self._output(record))
                sent += 1
            if len(outputs) >= _RECORDS_AT_ONCE:
                await self._publisher.publish(outputs)
                outputs = []
            if time.monotonic() >= due_s:
                await asyncio.sleep(0)
                due_s = time.monotonic() + _TURN_S
        if outputs:
            await self._publisher.publish(outputs)
        self._told = told
        return sent

    def _output(self, record: MetricRecord) -> Output:
        key = record.series.encode()
        headers = self._envelope.headers(f"{record.series}@{record.rev}", key, record.as_of.encode())
        at = home_partition(record.series, self._rules.partitions)
        return Output(self._rules.topics.metrics, at, key, msgspec.json.encode(record), headers)

    async def _remember(self, settled: Mapping[str, int], gone: Sequence[str]) -> None:
        # A full Redis refuses it: then the same days are told again, which changes nothing.
        with contextlib.suppress(RedisError):
            if settled:
                await self._redis.hset(self._key, mapping={name: str(rev) for name, rev in settled.items()})
            if gone:
                await self._redis.hdel(self._key, *gone)
