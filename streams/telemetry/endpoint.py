"""`/metrics`, `/health` and `/ready` on a small port of their own: for Prometheus and for whatever restarts and balances processes.

It asks for no login, so it listens on loopback unless it is told otherwise, and says nothing about any user.
"""

import logging
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Protocol

import msgspec
from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from streams import __version__
from streams.errors import ConfigError

__all__ = ["Readable", "endpoint"]

log = logging.getLogger(__name__)


class Readable(Protocol):
    """The body of `/ready`: a msgspec struct with this field."""

    @property
    def ready(self) -> bool: ...


@asynccontextmanager
async def endpoint(place: str | None, registry: CollectorRegistry, ready: Callable[[], Readable]) -> AsyncIterator[str | None]:
    """It answers inside the block, at the URL that is yielded; None and nothing at all for no `place` (host:port; port 0: a free one).

    `/health` answers as long as the event loop does; it says nothing of Kafka or Redis, whose absence a restart would not mend. `/ready`
    answers 200 or 503 with what `ready` returns. Raises `ConfigError` when the port is taken.
    """
    if place is None:
        yield None
        return
    app = web.Application()
    app.add_routes(
        [
            web.get("/metrics", partial(_metrics, registry)),
            web.get("/health", _health),
            web.get("/ready", partial(_ready, ready)),
        ]
    )
    host, _, port = place.rpartition(":")
    # A stop must not wait for a scraper that keeps its connection open.
    runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=0.5)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, host.strip("[]"), int(port)).start()
        except OSError as problem:
            why = os.strerror(problem.errno) if problem.errno else str(problem)
            raise ConfigError(f"cannot listen on {place}: {why}", file="environment", path="STREAMS_METRICS") from problem
        url = f"http://{host}:{runner.addresses[0][1]}"
        log.info("metrics at %s/metrics", url)
        yield url
    finally:
        await runner.cleanup()


async def _metrics(registry: CollectorRegistry, request: web.Request) -> web.Response:
    encode, kind = choose_encoder(request.headers.get("Accept", ""))
    return web.Response(body=encode(registry), headers={"Content-Type": kind})


async def _health(_: web.Request) -> web.Response:
    return _json({"healthy": True, "version": __version__}, 200)


async def _ready(ready: Callable[[], Readable], _: web.Request) -> web.Response:
    body = ready()
    return _json(body, 200 if body.ready else 503)


def _json(body: object, status: int) -> web.Response:
    return web.Response(
        body=msgspec.json.encode(body), status=status, content_type="application/json", headers={"Cache-Control": "no-store"}
    )
