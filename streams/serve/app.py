"""The server, put together: what reads, what it knows, what it answers."""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable

import msgspec
from fastapi import FastAPI, Request
from prometheus_client import CollectorRegistry
from redis.asyncio import Redis
from redis.exceptions import RedisError
from starlette.middleware import Middleware
from starlette.responses import Response

from streams import __version__, asyncapi
from streams.serve import login
from streams.serve.access import Access
from streams.serve.acts import Acts
from streams.serve.api import accounts, alerts, business, dead, funnel, inspector, standing, stream, users, whole
from streams.serve.api.inspector import Collecting
from streams.serve.api.typed import describe
from streams.serve.assets import Assets
from streams.serve.audit import Auditor
from streams.serve.desk import Desk
from streams.serve.feed import Feed
from streams.serve.funnel import Funnels
from streams.serve.guard import Guard
from streams.serve.headers import Hardened
from streams.serve.hub import Hub
from streams.serve.inbox import Inbox
from streams.serve.metrics import Metrics, Timed
from streams.serve.now import Now, now_of
from streams.serve.people import People
from streams.serve.position import to_word
from streams.serve.problems import Problem, install
from streams.serve.pulse import Pulse
from streams.serve.ready import Ready, ready_of
from streams.serve.recall import Recall
from streams.serve.roles import ROLES
from streams.serve.scribe import Scribe, Timelines
from streams.serve.sessions import Session, Sessions
from streams.serve.standing import Standing
from streams.serve.tap import Tap
from streams.serve.users import Profiles
from streams.serve.whole import Wholes
from streams.settings import Settings
from streams.tasks import ended
from streams.telemetry.endpoint import endpoint

__all__ = ["Server"]

log = logging.getLogger(__name__)

_REDIS_S = 2.5
_ABOUT = "Profiles, alerts and a live stream of everything that is told; and what people do about it."


class Server:
    """Everything that one process serves. `app` is what runs under uvicorn; `close` ends the streams."""

    def __init__(self, settings: Settings, access: Access, assets: Assets) -> None:
        rules = settings.rules
        self._settings, self._access, self._assets = settings, access, assets
        self._recall = Recall(rules.partitions)
        self._people, self._inbox, self._pulse = People(rules), Inbox(), Pulse()
        self.hub = Hub(self._recall)
        self.feed = Feed(settings, self.hub, self._recall, self._people, self._inbox, self._pulse)
        self._redis: Redis = Redis.from_url(settings.redis, socket_timeout=_REDIS_S, socket_connect_timeout=_REDIS_S, protocol=2)
        self.sessions = Sessions(self._redis, rules.app_id, settings.serve.session_hours * 3600)
        self.standing = Standing(settings, self._redis, self._seen)
        self._tap = Tap(settings)
        self._collector: Callable[[], Collecting] = Collecting
        self._desk, self._auditor = Desk(self._redis, rules.app_id), Auditor(settings)
        self._scribe = Scribe(settings, self._redis)
        self._acts = Acts(settings, self.hub, self._recall, self._desk)
        self._metrics = Metrics(rules.version, self.hub, self.now, lambda: self.standing.stats, lambda: not self.waiting_for())
        #: Why it cannot go on; whoever runs it is told by `give_up`.
        self.failure: BaseException | None = None
        self.give_up: Callable[[], None] = lambda: None
        self.app = self._app()

    def now(self) -> Now:
        """The figures of this moment."""
        trouble = self._feed_trouble
        now_ms = time.time_ns() // 1_000_000
        return now_of(self._people, self._inbox, self._pulse, self.standing.stats, whole=self.feed.whole, trouble=trouble, now_ms=now_ms)

    def waiting_for(self) -> list[str]:
        """What is not up to date, in words; each reason once."""
        found = (*self._feed_trouble, self.standing.redis_trouble, self.standing.kafka_trouble, *self._acts_trouble)
        return [why for why in dict.fromkeys(found) if why]

    @property
    def _feed_trouble(self) -> list[str]:
        """Told once: while Kafka is away, that is said already."""
        said = self.feed.away and self.standing.kafka_trouble
        return [self.feed.trouble] if self.feed.trouble and not said else []

    @property
    def _acts_trouble(self) -> list[str]:
        """Told once: while Redis or Kafka is away, that is said already."""
        away = self.standing.redis_trouble or self.standing.kafka_trouble
        return [self._acts.trouble] if self._acts.trouble and not away else []

    def ready(self) -> Ready:
        """Whether what is served is up to date, for /ready."""
        return ready_of(self.standing.stats, self.waiting_for(), self._settings.observe)

    @property
    def registry(self) -> CollectorRegistry:
        """What /metrics says; whatever else runs in this process adds to it."""
        return self._metrics.registry

    def watched(self) -> contextlib.AbstractAsyncContextManager[str | None]:
        """/metrics, /health and /ready answer inside the block where the settings say, without a login. Raises `ConfigError`."""
        return endpoint(self._settings.observe.metrics, self.registry, self.ready)

    async def link(self) -> str:
        """The code of a link that lets whoever opens it do everything, once. Waits for Redis."""
        while True:
            try:
                return await self.sessions.link(Session("local", ROLES, "link"))
            except (RedisError, OSError) as problem:
                log.warning("waiting for Redis at %s (%s)", self._settings.redis_place, type(problem).__name__)
                await asyncio.sleep(1.0)

    def collects(self, port: int, keyed: Callable[[], bool]) -> None:
        """A collector stands beside this server, on `port`; `keyed` says whether it asks for a write key."""
        self._collector = lambda: Collecting(port, keyed())

    def close(self) -> None:
        """Every stream ends."""
        self.hub.close()
        self._tap.close()

    def _seen(self) -> None:
        # Nobody pays for figures that nobody reads.
        if self.feed.live and self.hub.readers:
            self.hub.publish("now", self._figures())

    def _figures(self) -> bytes:
        return msgspec.json.encode(self.now())

    @contextlib.asynccontextmanager
    async def _running(self, _: FastAPI) -> AsyncIterator[None]:
        beside = (self._acts.run(), self._feed_on(), self._scribe.run(), self.standing.watch_store(), self.standing.watch_logs())
        tasks = {asyncio.create_task(each) for each in beside}
        for task in tasks:
            task.add_done_callback(self._done)
        try:
            yield
        finally:
            self.close()
            await ended(tasks)
            await self._auditor.close()
            with contextlib.suppress(RedisError, OSError):  # else the turn is over by itself, seconds later
                await self._scribe.close()
            await self._redis.aclose()

    def _done(self, task: "asyncio.Task[None]") -> None:
        """What runs beside the answers has met what nobody has foreseen: better no page than one that stands still."""
        if not task.cancelled() and (error := task.exception()) is not None:
            self.failure = error
            self.give_up()

    async def _feed_on(self) -> None:
        """The stream opens when it is known where each of its topics begins; without Redis it does not wait for that."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_REDIS_S):
                await self._acts.begun.wait()
        await self.feed.run()

    def _app(self) -> FastAPI:
        rules = self._settings.rules
        app = FastAPI(
            title="streams",
            version=__version__,
            description=_ABOUT,
            lifespan=self._running,
            docs_url=None,  # these two load their scripts from elsewhere
            redoc_url=None,
            middleware=[
                Middleware(Hardened),
                Middleware(Timed, metrics=self._metrics),
                Middleware(Guard, access=self._access, sessions=self.sessions),
            ],
        )
        install(app)
        timelines = Timelines(self._settings, self._redis)
        about = users.router(Profiles(rules, self._redis), timelines, self._inbox, self._desk, self._auditor, rules.limits.id_bytes)
        app.include_router(about)
        app.include_router(alerts.router(self._inbox, self._desk, self._auditor, lambda: to_word(self._recall.position)))
        app.include_router(dead.router(self._settings, self._auditor))
        app.include_router(stream.router(self.hub, rules.partitions, self._figures))
        app.include_router(whole.router(Wholes(rules, self._redis)))
        app.include_router(funnel.router(Funnels(rules, self._redis)))
        app.include_router(inspector.router(self._tap, rules.limits.id_bytes, lambda: self._collector()))
        app.include_router(business.router(rules, self._redis))
        app.include_router(accounts.router(rules, self._redis))
        app.include_router(
            standing.router(
                version=__version__,
                rules_version=rules.version,
                now=self.now,
                stats=lambda: self.standing.stats,
                ready=self.ready,
                metrics=self._metrics,
            )
        )
        app.include_router(login.router(self._access, self.sessions, self._auditor, self._assets["login.html"].plain.decode()))
        self._page(app)
        describe(app)
        return app

    def _page(self, app: FastAPI) -> None:
        topics = msgspec.json.encode(asyncapi.document(self._settings))

        @app.get("/asyncapi.json", include_in_schema=False)
        async def of_topics() -> Response:
            return Response(topics, media_type="application/json")

        @app.get("/", include_in_schema=False)
        async def index(request: Request) -> Response:
            return self._assets["index.html"].answer(request)

        @app.get("/page/{name}", include_in_schema=False)
        async def asset(name: str, request: Request) -> Response:
            if name not in self._assets or name.endswith(".html"):
                raise Problem(404, "there is no such file")
            return self._assets[name].answer(request)
