"""`streams serve`: API, live stream and page, and the collector beside them, until it is told to stop."""

import asyncio
import logging
import os
import socket
from collections.abc import Awaitable, Callable
from contextlib import ExitStack, closing
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING

from streams.commands.configured import configured, logged
from streams.commands.console import console
from streams.errors import ConfigError
from streams.garbage import collect_seldom

if TYPE_CHECKING:
    import uvicorn

    from streams.serve.app import Server

__all__ = ["installed", "listen", "run", "runner", "url_of"]

#: Requests under way get so long when the server is told to stop; streams end at once.
_GRACE_S = 2
#: Connections that wait to be accepted: a burst of trackers, or of browsers after a restart.
_BACKLOG = 2048
#: What comes is mostly scores that are kept: a look of the collector through all of them would keep every reader waiting.
_GENERATIONS = (50_000, 20, 100)


def installed() -> bool:
    """Whether the packages of the extra `serve` are here."""
    names = ("argon2", "fastapi", "uvicorn", "instaui_echarts", "httptools", "crawleruseragents")
    return all(find_spec(name) is not None for name in names)


def url_of(host: str, port: int) -> str:
    """Where a browser on this machine finds the page."""
    named = {"0.0.0.0": "127.0.0.1", "::": "[::1]", "::1": "[::1]"}.get(host, host)  # noqa: S104 (compared, not bound)
    return f"http://{named}:{port}/"


def run(*, host: str, port: int, collect_port: int | None, link: bool = False, log_format: str | None = None) -> int:
    """0, once it was told to stop. `collect_port` None: without a collector.

    Raises `ConfigError` for a missing extra, an open door, a port that is taken, or a Kafka that does not let us in.
    """
    if not installed():
        raise ConfigError("its packages are not installed: pip install 'streams[serve]'", file="serve")
    from streams.commands.collect import collector_of, serve_collector
    from streams.commands.listening import Service, answer_until, run_services
    from streams.serve.access import Access
    from streams.serve.app import Server
    from streams.serve.assets import load_assets
    from streams.shell.refusals import require_welcome

    logged(log_format)
    settings = configured()
    access = Access.of(host, os.environ, proxy=settings.serve.proxy, link=link)
    server = Server(settings, access, load_assets())
    # It says in words what it waits for; the client's own lines would only repeat it.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    asyncio.run(require_welcome(settings.broker.split(","), settings.kafka.client()))
    with ExitStack() as listeners:
        services: list[Service] = []
        if collect_port is not None:
            taking = listeners.enter_context(closing(listen(host, collect_port, "--collect-port")))
            collector = collector_of(settings, host, server.registry)
            server.collects(taking.getsockname()[1], lambda: not collector.keyring.empty)
            services.append(partial(serve_collector, collector, taking))
            console().print(f"{url_of(host, taking.getsockname()[1])}  takes events", soft_wrap=True)
        listener = listeners.enter_context(closing(listen(host, port)))
        url = url_of(host, listener.getsockname()[1])

        async def announce() -> None:
            console().print(f"{url}login/{await server.link()}" if link else url, soft_wrap=True)

        services.append(partial(answer_until, runner(server, announce), listener))
        collect_seldom(*_GENERATIONS)
        run_services(*services)
    return 0


def runner(server: "Server", announce: Callable[[], Awaitable[None]] | None = None) -> "uvicorn.Server":
    """What runs `server`: `serve(sockets=...)`. `announce` is called once it answers. Signals are for whoever runs it."""
    import uvicorn

    from streams.commands.listening import Quiet

    class Stopping(Quiet):
        """Watched while it serves. Streams never end by themselves: they are ended before the wait for requests under way."""

        async def serve(self, sockets: list[socket.socket] | None = None) -> None:
            server.give_up = self.give_up
            async with server.watched():
                await super().serve(sockets)
            if server.failure is not None:
                raise server.failure

        def give_up(self) -> None:
            self.should_exit = True

        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            # Beside it: it may have to wait for Redis, and must not keep anybody else waiting.
            self.announcing = asyncio.ensure_future(announce()) if announce is not None else None

        async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
            server.close()
            await super().shutdown(sockets)

    config = uvicorn.Config(
        server.app,
        log_config=None,  # its lines leave like ours
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=_GRACE_S,
        ws="none",
    )
    return Stopping(config)


def listen(host: str, port: int, flag: str = "--port") -> socket.socket:
    """A socket that listens. Raises `ConfigError` when it cannot."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(_BACKLOG)  # whoever reads the address may connect at once, and waits until we accept
    except OSError as problem:
        listener.close()
        raise ConfigError(f"cannot listen on {host} port {port}: {problem.strerror}", file=flag) from problem
    return listener
