"""The server, put together: what reads, what it knows, what it answers."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from urllib.parse import parse_qs

import msgspec
from fastapi import FastAPI, Request
from redis.asyncio import Redis
from starlette.middleware import Middleware
from starlette.responses import RedirectResponse, Response

from streams import __version__
from streams.serve.access import COOKIE, SESSION_S, Access, Guard
from streams.serve.api import alerts, standing, stream, users
from streams.serve.api.typed import describe
from streams.serve.assets import Assets
from streams.serve.feed import Feed
from streams.serve.headers import Hardened
from streams.serve.hub import Hub
from streams.serve.inbox import Inbox
from streams.serve.metrics import Metrics, Timed
from streams.serve.now import Now, now_of
from streams.serve.people import People
from streams.serve.position import to_word
from streams.serve.problems import Problem, install
from streams.serve.pulse import Pulse
from streams.serve.recall import Recall
from streams.serve.standing import Standing
from streams.serve.users import Profiles
from streams.settings import Settings

__all__ = ["Server"]

_REDIS_S = 2.5
_LOGIN_BYTES = 4096
_ABOUT = "Profiles, alerts and a live stream of everything that is told. Reads; never writes."


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
        self.standing = Standing(settings, self._redis, self._seen)
        self._metrics = Metrics(self.hub, self.now, lambda: self.standing.stats)
        self.app = self._app()

    def now(self) -> Now:
        """The figures of this moment."""
        trouble = [self.feed.trouble] if self.feed.trouble and not self.standing.kafka_trouble else []
        now_ms = time.time_ns() // 1_000_000
        return now_of(self._people, self._inbox, self._pulse, self.standing.stats, whole=self.feed.whole, trouble=trouble, now_ms=now_ms)

    def waiting_for(self) -> list[str]:
        """What is not up to date, in words."""
        return [why for why in (self.feed.trouble, self.standing.redis_trouble, self.standing.kafka_trouble) if why]

    def close(self) -> None:
        self.hub.close()

    def _seen(self) -> None:
        # Nobody pays for figures that nobody reads.
        if self.feed.live and self.hub.readers:
            self.hub.publish("now", self._figures())

    def _figures(self) -> bytes:
        return msgspec.json.encode(self.now())

    @contextlib.asynccontextmanager
    async def _running(self, _: FastAPI) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(self.feed.run()), asyncio.create_task(self.standing.run())]
        try:
            yield
        finally:
            self.close()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._redis.aclose()

    def _app(self) -> FastAPI:
        rules = self._settings.rules
        app = FastAPI(
            title="streams",
            version=__version__,
            description=_ABOUT,
            lifespan=self._running,
            docs_url=None,  # these two load their scripts from elsewhere
            redoc_url=None,
            middleware=[Middleware(Hardened), Middleware(Timed, metrics=self._metrics), Middleware(Guard, access=self._access)],
        )
        install(app)
        app.include_router(users.router(Profiles(rules, self._redis), rules.limits.id_bytes))
        app.include_router(alerts.router(self._inbox, lambda: to_word(self._recall.position)))
        app.include_router(stream.router(self.hub, rules.partitions, self._figures))
        app.include_router(
            standing.router(
                version=__version__,
                rules_version=rules.version,
                now=self.now,
                stats=lambda: self.standing.stats,
                waiting_for=self.waiting_for,
                metrics=self._metrics,
            )
        )
        self._page(app)
        describe(app)
        return app

    def _page(self, app: FastAPI) -> None:
        @app.get("/", include_in_schema=False)
        async def index(request: Request) -> Response:
            return self._assets["index.html"].answer(request)

        @app.get("/page/{name}", include_in_schema=False)
        async def asset(name: str, request: Request) -> Response:
            if name not in self._assets or name.endswith(".html"):
                raise Problem(404, "there is no such file")
            return self._assets[name].answer(request)

        @app.get("/login", include_in_schema=False)
        async def form(request: Request) -> Response:
            return self._assets["login.html"].answer(request) if self._access.signed_in_only else RedirectResponse("/", 303)

        @app.post("/login", include_in_schema=False)
        async def sign_in(request: Request) -> Response:
            body = b""
            async for part in request.stream():
                body += part
                if len(body) > _LOGIN_BYTES:
                    raise Problem(413, "that is no token")
            word = parse_qs(body.decode("ascii", errors="replace")).get("token", [""])[0]
            if not self._access.knows(word):
                return self._assets["login.html"].answer(request)
            answer = RedirectResponse("/", 303)
            answer.set_cookie(COOKIE, self._access.session(), max_age=SESSION_S, secure=True, httponly=True, samesite="strict")
            return answer

        @app.post("/logout", include_in_schema=False)
        async def sign_out() -> Response:
            answer = RedirectResponse("/login", 303)
            answer.delete_cookie(COOKIE, secure=True, httponly=True, samesite="strict")
            return answer
