"""`streams serve`: API, live stream and page, until it is told to stop."""

import logging
import os
import socket
from contextlib import closing
from importlib.util import find_spec
from typing import TYPE_CHECKING

from streams.commands.configured import configured
from streams.commands.console import console
from streams.errors import ConfigError

if TYPE_CHECKING:
    import uvicorn

    from streams.serve.app import Server

__all__ = ["installed", "listen", "run", "runner", "url_of"]

#: Requests under way get so long when the server is told to stop; streams end at once.
_GRACE_S = 2


def installed() -> bool:
    """Whether the packages of the extra `serve` are here."""
    return all(find_spec(name) is not None for name in ("fastapi", "uvicorn", "instaui_echarts"))


def url_of(host: str, port: int) -> str:
    """Where a browser on this machine finds the page."""
    named = {"0.0.0.0": "127.0.0.1", "::": "[::1]", "::1": "[::1]"}.get(host, host)  # noqa: S104 (compared, not bound)
    return f"http://{named}:{port}/"


def run(*, host: str, port: int) -> int:
    """0, once it was told to stop. Raises `ConfigError` for a missing extra, an open door or a port that is taken."""
    if not installed():
        raise ConfigError("its packages are not installed: pip install 'streams[serve]'", file="serve")
    from streams.serve.access import Access
    from streams.serve.app import Server
    from streams.serve.assets import load_assets

    settings = configured()
    access = Access.of(host, os.environ)
    server = Server(settings, access, load_assets())
    # It says in words what it waits for; the client's own lines would only repeat it.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    with closing(listen(host, port)) as listener:
        console().print(url_of(host, listener.getsockname()[1]), soft_wrap=True)
        runner(server).run(sockets=[listener])
    return 0


def runner(server: "Server") -> "uvicorn.Server":
    """What runs `server`: `run(sockets=...)`, or `serve(sockets=...)` in a loop that is there."""
    import uvicorn

    class Stopping(uvicorn.Server):
        """Streams never end by themselves: they are ended before the wait for requests under way."""

        async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
            server.close()
            await super().shutdown(sockets)

    config = uvicorn.Config(
        server.app,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=_GRACE_S,
        ws="none",
    )
    return Stopping(config)


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens. Raises `ConfigError` when it cannot."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
    except OSError as problem:
        listener.close()
        raise ConfigError(f"cannot listen on {host} port {port}: {problem.strerror}", file="--port") from problem
    return listener
