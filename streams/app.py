"""The composition root: settings become a Faust app with its agent, its table of users, and a lane for each partition."""

import asyncio
import gc
import logging
import os
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import faust
from redis.asyncio import Redis

from streams import __version__
from streams.core.record import Outcome, Plan
from streams.errors import ConfigError, StreamsError
from streams.flow import Flow, Reading
from streams.settings import Settings
from streams.shell.credentials import faust_credentials
from streams.shell.deadrate import DeadRate
from streams.shell.engine import StreamsApp, new_app
from streams.shell.faults import faulty_fold, faulty_publisher, faulty_store, reach_from
from streams.shell.fetching import FetchSettings
from streams.shell.hosting import Host
from streams.shell.inspection import redis_set_up
from streams.shell.lane import Lane, LaneSettings
from streams.shell.lanes import WorkerLanes
from streams.shell.meta import claim_meta
from streams.shell.publish import KafkaPublisher
from streams.shell.source import KafkaSource
from streams.shell.status import Heartbeat
from streams.shell.table import RedisStore
from streams.shell.tally import Tally, rss_bytes

__all__ = ["Worker", "run_worker"]

log = logging.getLogger(__name__)


class WallClock:
    """The only clock of the worker."""

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000


class Worker:
    """One worker process: what its lanes share, and what is known of it from outside."""

    def __init__(self, settings: Settings, host: Host) -> None:
        knobs = settings.worker
        self.settings, self.host, self.clock = settings, host, WallClock()
        self.tally, self.dead_rate = Tally(), DeadRate(knobs.dead_rate_max, knobs.dead_rate_min)
        self.started_ms = self.clock.now_ms()
        self.reach = reach_from(os.environ)
        self.flow = Flow(settings.rules, faulty_fold(settings.rules, os.environ))
        self.lanes: WorkerLanes[KafkaSource, Lane] = WorkerLanes(self._lane, host.fatal)
        self.publisher = KafkaPublisher(
            settings.broker, fatal=host.fatal, idempotence=settings.kafka.idempotence, access=settings.kafka.client()
        )
        self.app: StreamsApp = new_app(
            settings.rules.app_id,
            broker=settings.broker,
            store=settings.redis,
            inputs=settings.rules.topics.inputs,
            lanes=self.lanes,
            fetch=FetchSettings(
                min_bytes=knobs.fetch_min_bytes,
                max_wait_ms=knobs.fetch_max_wait_ms,
                budget_bytes=knobs.buffer_bytes,
                close_s=knobs.stop_timeout_s / 2,
            ),
            instance=settings.instance,
            session_s=knobs.session_timeout_s,
            credentials=faust_credentials(settings.kafka.client()),
        )
        self.table = self.app.Table("users", partitions=settings.rules.partitions)
        store = self.table.data
        assert isinstance(store, RedisStore)
        self.store = store.open_partitions(on_reconnect=self.lanes.compare, timeout_s=knobs.redis_timeout_s)
        self._lane_store = faulty_store(self.store, self.reach)
        self._lane_publisher = faulty_publisher(self.publisher, self.reach)
        self._lane_settings = LaneSettings(
            max_batch_records=knobs.max_batch_records,
            due_limit=knobs.due_limit,
            timer_grace_ms=int(knobs.timer_grace_s * 1000),
            cache_users=max(1, knobs.cache_users // settings.rules.partitions),
            on_gap=knobs.on_gap,
        )

    def _lane(self, partition: int, source: KafkaSource) -> Lane:
        return Lane(
            partition,
            source=source,
            store=self._lane_store,
            publisher=self._lane_publisher,
            clock=self.clock,
            flow=self.flow,
            settings=self._lane_settings,
            # Random, so that no two openings ever share one: not of this process, not of its next life under the same name.
            new_owner=lambda: f"{self.settings.instance}/{secrets.token_hex(8)}",
            observe=self._observe,
            reach=self.reach,
        )

    def _observe(self, plan: Plan, reading: Reading, outcome: Outcome) -> None:
        """Sees every step before anything of it is said; may stop the worker."""
        self.dead_rate.add(plan.now_ms, outcome)
        self.tally.add(self.clock.now_ms(), outcome)

    def trouble(self) -> str | None:
        """What this worker waits for, in words; None when all is well."""
        return self.store.trouble or self.publisher.trouble

    def snapshot(self) -> dict[str, Any]:
        """How this worker is, for its heartbeat."""
        now_ms = self.clock.now_ms()
        return {
            "partitions": self.lanes.partitions(),
            "steps": self.tally.steps,
            "records": self.tally.records,
            "events_per_s": round(self.tally.per_s(now_ms), 1),
            "lag": sum(lane.lag() for lane in self.lanes.lanes()),
            "trouble": self.trouble(),
            "started_ms": self.started_ms,
            "version": __version__,
            "rules_version": self.settings.rules.version,
            "rss_bytes": rss_bytes(),
        }

    def watch(self) -> str | None:
        """Why this worker must end: it is assigned, records wait, nothing is saved, and nobody is being waited for."""
        if self.trouble() is not None or self.app.feed is None:
            return None
        return self.app.feed.stalled(self.settings.worker.watchdog_s)


@asynccontextmanager
async def _app(settings: Settings, host: Host) -> AsyncIterator[faust.App]:
    """The app of a worker, with what it needs started before it and closed after it."""
    redis = Redis.from_url(
        settings.redis, socket_timeout=settings.worker.redis_timeout_s, socket_connect_timeout=settings.worker.redis_timeout_s
    )
    async with redis:
        worker = Worker(settings, host)
        await _claim(redis, settings)
        host.watch = worker.watch
        heartbeat = asyncio.create_task(Heartbeat(settings, redis, worker.snapshot).run())
        _calm_gc()
        try:
            yield worker.app
        finally:
            await worker.publisher.close()
            heartbeat.cancel()
            await asyncio.gather(heartbeat, return_exceptions=True)


async def _claim(redis: Redis, settings: Settings) -> None:
    """Redis keeps what it is given, and agrees with the settings on partitions and event ids; waits while there is no Redis."""
    from redis.exceptions import ConnectionError, TimeoutError

    waiting = False
    while True:
        try:
            for finding in redis_set_up(settings, await redis.info()):
                raise ConfigError(f"{finding.text}. {finding.fix}", file=finding.where)
            await claim_meta(redis, settings)
            return
        except (ConnectionError, TimeoutError, OSError) as problem:
            if not waiting:
                log.warning("waiting for Redis at %s (%s)", settings.redis_place, type(problem).__name__)
            waiting = True
        await asyncio.sleep(1.0)


def _calm_gc() -> None:
    """What is there now stays for ever, and states rest as bytes: the collector has little to find and should look for it seldom."""
    gc.collect()
    gc.freeze()
    # A step of 8,000 records makes about 100,000 short-lived tuples, and a dozen lanes are at work: below this the collector would run in
    # every step (8 % of the CPU), and find nothing.
    gc.set_threshold(2_000_000, 20, 50)


def run_worker(settings: Settings) -> int:
    """Runs a worker in this process until it is told to stop; returns its exit code (0 done, 1 bug, 2 configuration, 4 missing history)."""
    host = Host(stop_s=settings.worker.stop_timeout_s)
    try:
        return host.run(lambda running: _app(settings, running))
    except StreamsError as error:
        host.fatal(error)
        raise
