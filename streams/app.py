"""The composition root: settings become a Faust app with its agent, its table of users, and a lane for each partition."""

import asyncio
import logging
import os
import secrets
import time
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Final

import faust
from prometheus_client import CollectorRegistry
from redis.asyncio import Redis

from streams import __version__
from streams.core.calibration import figures
from streams.core.learning import decode_learned
from streams.core.record import Outcome, Plan
from streams.errors import ConfigError, StreamsError
from streams.flow import Flow, Reading
from streams.garbage import collect_seldom
from streams.settings import Settings
from streams.shell.credentials import faust_credentials
from streams.shell.deadrate import DeadRate
from streams.shell.engine import StreamsApp, new_app
from streams.shell.faults import faulty_fold, faulty_publisher, faulty_store, reach_from
from streams.shell.fetching import FetchSettings
from streams.shell.figures import FigurePublisher
from streams.shell.hosting import Host
from streams.shell.inspection import redis_set_up
from streams.shell.lane import Lane, LaneSettings
from streams.shell.lanes import WorkerLanes
from streams.shell.meta import claim_meta
from streams.shell.parameters import ParameterBoard
from streams.shell.ports import Publisher, Store
from streams.shell.publish import KafkaPublisher
from streams.shell.sitewatch import SiteWatch
from streams.shell.source import KafkaSource
from streams.shell.status import Heartbeat
from streams.shell.table import RedisStore
from streams.shell.tally import Tally, rss_bytes
from streams.tasks import ended
from streams.telemetry.endpoint import endpoint
from streams.telemetry.exposition import Service, WorkerFigures
from streams.telemetry.lanewatch import LaneWatch, Seen
from streams.telemetry.process import process_registry
from streams.telemetry.readiness import Readiness, readiness
from streams.telemetry.tracing import traces_from

__all__ = ["Worker", "run_worker"]

log = logging.getLogger(__name__)

#: A lane without records says once a minute how far it has seen, so that a silence of the whole can be told from a lane that is behind.
_IDLE_STEP_MS: Final = 60_000
#: States rest as bytes: there is little garbage to find. A step of 8,000 records makes about 100,000 short-lived tuples, and a dozen lanes
#: are at work: below this the collector would run in every step (8 % of the CPU), and find nothing.
_GENERATIONS: Final = (2_000_000, 20, 50)


class WallClock:
    """The only clock of the worker."""

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000


class Worker:
    """One worker process: what its lanes share, and what is known of it from outside."""

    def __init__(self, settings: Settings, host: Host, redis: Redis) -> None:
        knobs = settings.worker
        self.settings, self.host, self.redis, self.clock = settings, host, redis, WallClock()
        self.starting: str | None = "starting"
        self.tally, self.dead_rate = Tally(), DeadRate(knobs.dead_rate_max, knobs.dead_rate_min)
        self.started_ms = self.clock.now_ms()
        # Looked at only where somebody asks.
        self.traces = traces_from(os.environ, "streams-worker", settings.instance)
        self.seen = None if settings.observe.metrics is None and self.traces is None else Seen()
        self._watches: dict[int, LaneWatch] = {}
        self.reach = reach_from(os.environ)
        self.flow = Flow(settings.rules, faulty_fold(settings.rules, os.environ))
        self.lanes: WorkerLanes[KafkaSource, Lane] = WorkerLanes(self._lane, host.fatal)
        self.board = ParameterBoard(redis, settings.rules, know=self.flow.know, publishes=self.does_what_is_done_once)
        self.publisher = KafkaPublisher(
            settings.broker,
            fatal=host.fatal,
            idempotence=settings.kafka.idempotence,
            access=settings.kafka.client(),
            batch_bytes=settings.batch_bytes,
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
            idle_step_ms=_IDLE_STEP_MS if settings.rules.site.enabled else None,
        )
        self.site: SiteWatch | None = None

    def _lane(self, partition: int, source: KafkaSource) -> Lane:
        store: Store = self._lane_store
        publisher: Publisher = self._lane_publisher
        observe = self._observe
        if self.seen is not None:
            watch = LaneWatch(
                partition,
                self.seen,
                source=source,
                store=store,
                publisher=publisher,
                clock=self.clock,
                traces=self.traces,
            )
            store = publisher = self._watches[partition] = watch
            observe = partial(self._observe, watch=watch)
        return Lane(
            partition,
            source=source,
            store=store,
            publisher=publisher,
            clock=self.clock,
            flow=self.flow,
            settings=self._lane_settings,
            # Random, so that no two openings ever share one: not of this process, not of its next life under the same name.
            new_owner=lambda: f"{self.settings.instance}/{secrets.token_hex(8)}",
            observe=observe,
            reach=self.reach,
            hold=lambda: None if self.site is None else self.site.hold_ms(),
            published=self.board,
        )

    def _observe(self, plan: Plan, reading: Reading, outcome: Outcome, watch: LaneWatch | None = None) -> None:
        """Sees every step before anything of it is said; may stop the worker."""
        if watch is not None:
            watch.observe(plan, reading, outcome)
        self.dead_rate.add(plan.now_ms, outcome)
        self.tally.add(self.clock.now_ms(), outcome)

    def trouble(self) -> str | None:
        """What this worker waits for, in words; None when all is well."""
        return next((why for why in self.troubles() if why), None)

    def troubles(self) -> tuple[str | None, ...]:
        """What it waits for: the store, the outputs, the inputs."""
        return tuple(user.trouble for users in self.services().values() for user in users)

    def services(self) -> dict[str, list[Service]]:
        """Who waits for a service while it is away, by its name."""
        inputs = [] if self.app.feed is None else [self.app.feed]
        return {"redis": [self.store], "kafka": [self.publisher, *inputs]}

    def snapshot(self) -> dict[str, Any]:
        """How this worker is, for its heartbeat."""
        now_ms = self.clock.now_ms()
        return {
            "partitions": self.lanes.partitions(),
            "steps": self.tally.steps,
            "records": self.tally.records,
            "events_per_s": round(self.tally.per_s(now_ms), 1),
            "lag": sum(lane.lag() for lane in self.lanes.lanes()),
            "waiting_s": round(self.app.feed.waiting_ms(now_ms) / 1000, 1) if self.app.feed is not None else 0.0,
            "trouble": self.trouble(),
            "started_ms": self.started_ms,
            "version": __version__,
            "rules_version": self.settings.rules.version,
            "parameters_version": self.board.current(),
            "learning": self.learning(),
            "rss_bytes": rss_bytes(),
        }

    def learning(self) -> dict[str, float]:
        """How good the forecasts have been on the partitions of this worker."""
        parts = [decode_learned(lane.head.learned, self.settings.rules) for lane in self.lanes.lanes() if lane.opened]
        return figures([(part.churn, part.calibration) for part in parts])

    def does_what_is_done_once(self) -> bool:
        """Whether this is the worker that adds up all partitions, publishes parameters, watches the whole: the one that has partition 0."""
        return 0 in self.lanes.partitions()

    def beside(self) -> list[Coroutine[Any, Any, None]]:
        """What runs beside the lanes, as long as they do."""
        rules, once = self.settings.rules, self.does_what_is_done_once
        jobs = [
            Heartbeat(self.settings, self.redis, self.snapshot).run(),
            FigurePublisher(rules, self.redis, self.publisher, once).run(),
        ]
        if rules.site.enabled:
            self.site = SiteWatch(rules, self.redis, self.publisher, self.clock, once)
            jobs.append(self.site.run())
        if rules.learning.enabled:
            jobs.append(self.board.run(self.clock.now_ms))
        return jobs

    def watches(self) -> list[LaneWatch]:
        """What is seen of the lanes that run now, by partition."""
        return [self._watches[partition] for partition in self.lanes.partitions() if partition in self._watches]

    def readiness(self) -> Readiness:
        """Whether this worker does what it should, for /ready."""
        return readiness(
            instance=self.settings.instance,
            version=__version__,
            rules_version=self.settings.rules.version,
            starting=self.starting,
            joining=not self.app.rebalancing_count or self.app.rebalancing,
            lanes=self.watches(),
            trouble=self.troubles(),
            promised=self.settings.observe,
        )

    def registry(self) -> CollectorRegistry:
        """What /metrics says."""
        registry = process_registry()
        if self.seen is not None:
            figures = WorkerFigures(
                self.settings,
                tally=self.tally,
                seen=self.seen,
                flight=self.publisher.flight,
                lanes=self.watches,
                services=self.services,
                ready=lambda: self.readiness().ready,
                learning=self.learning,
            )
            registry.register(figures)
        return registry

    def failed(self, task: "asyncio.Task[None]") -> None:
        """A part of the worker has ended that never should: the worker ends with it."""
        if not task.cancelled() and (error := task.exception()) is not None:
            self.host.fatal(error)

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
    worker = Worker(settings, host, redis)
    async with redis, endpoint(settings.observe.metrics, worker.registry(), worker.readiness):
        await _claim(redis, settings, worker)
        host.watch = worker.watch
        beside = [asyncio.create_task(job) for job in worker.beside()]
        for task in beside:
            task.add_done_callback(worker.failed)
        collect_seldom(*_GENERATIONS)
        try:
            yield worker.app
        finally:
            await ended(beside)
            await worker.publisher.close()
            if worker.traces is not None:
                await asyncio.to_thread(worker.traces.close)


async def _claim(redis: Redis, settings: Settings, worker: Worker) -> None:
    """Redis keeps what it is given, and agrees with the settings on partitions and event ids; waits while there is no Redis."""
    from redis.exceptions import ConnectionError, TimeoutError

    waiting = False
    while True:
        try:
            for finding in redis_set_up(settings, await redis.info()):
                raise ConfigError(f"{finding.text}. {finding.fix}", file=finding.where)
            await claim_meta(redis, settings)
            await worker.board.look()
            worker.starting = None
            return
        except (ConnectionError, TimeoutError, OSError) as problem:
            if not waiting:
                log.warning("waiting for Redis at %s (%s)", settings.redis_place, type(problem).__name__)
            waiting = True
            worker.starting = f"waiting for Redis at {settings.redis_place}"
        await asyncio.sleep(1.0)


def run_worker(settings: Settings) -> int:
    """Runs a worker in this process until it is told to stop; returns its exit code (0 done, 1 bug, 2 configuration, 4 missing history)."""
    host = Host(stop_s=settings.worker.stop_timeout_s)
    try:
        return host.run(lambda running: _app(settings, running))
    except StreamsError as error:
        host.fatal(error)
        raise
