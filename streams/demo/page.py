"""The demo's page: `streams serve` in a process of its own, where its packages are installed, and a link that lets the one who sees it in.

The demo goes on without it."""

import asyncio
import contextlib
import socket
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Final

from redis.asyncio import Redis
from redis.exceptions import RedisError

from streams.commands.serve import installed, url_of
from streams.demo.stage import spawn
from streams.tasks import ended

__all__ = ["Page"]

_HOST: Final = "127.0.0.1"
#: Where `streams serve` listens when nothing is said, so that the addresses are easy to remember.
_PORT: Final = 8080
_COLLECT_PORT: Final = 8081
_LOOK_S: Final = 0.1
#: A link is made anew so long before it is over: who copies it should have time to paste it.
_RENEW_S: Final = 60


class Page:
    """`url` is where the page is, once it answers, `collect_url` where the collector is; "" before, after, and without the extra `serve`.

    As long as nobody has used it, it is a link that signs in once, made anew before its five minutes are over.
    """

    def __init__(self, process: asyncio.subprocess.Process | None, port: int, collect_port: int) -> None:
        self._process, self._port, self._collect_port = process, port, collect_port
        self.url = self.collect_url = ""

    @property
    def coming(self) -> bool:
        """Whether there will be a `url` soon."""
        return not self.url and self._process is not None and self._process.returncode is None

    @classmethod
    async def start(cls, env: Mapping[str, str], log: Path) -> "Page":
        if not installed():
            return cls(None, 0, 0)
        port, collect_port = _free_port(_PORT), _free_port(_COLLECT_PORT)
        # By its link alone, whatever the environment says of tokens and users.
        own = {name: value for name, value in env.items() if not name.startswith(("STREAMS_SERVE_", "STREAMS_USERS"))}
        ports = ("--port", str(port), "--collect-port", str(collect_port))
        return cls(await spawn(own, log, "serve", "--host", _HOST, *ports, "--link"), port, collect_port)

    async def watch(self, redis: Redis, app_id: str) -> None:
        """`url` is kept true; runs until it is cancelled."""
        if self._process is not None:
            while self._process.returncode is None:
                if await _answers(self._port):
                    break
                await asyncio.sleep(_LOOK_S)
            self.collect_url = url_of(_HOST, self._collect_port)
            offering = asyncio.create_task(self._offer(redis, app_id))
            try:
                await self._process.wait()
            finally:
                await ended([offering])
            self.url = self.collect_url = ""
        await asyncio.Event().wait()

    async def _offer(self, redis: Redis, app_id: str) -> None:
        """`url` signs in, until somebody has done so."""
        from streams.serve.roles import ROLES
        from streams.serve.sessions import LINK_S, Session, Sessions

        sessions, place = Sessions(redis, app_id, LINK_S), url_of(_HOST, self._port)
        used = False
        while not used:
            try:
                code = await sessions.link(Session("local", ROLES, "link"))
                self.url = f"{place}login/{code}"
                for _ in range(LINK_S - _RENEW_S):
                    await asyncio.sleep(1)
                    used = not await sessions.waits(code)
                    if used:
                        break
            except RedisError:  # on a machine that is busy with something else; a link that nobody renews would be none in five minutes
                await asyncio.sleep(1)
        self.url = place

    async def stop(self) -> None:
        """It has ended: nothing of it needs to be finished."""
        self.url = self.collect_url = ""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()


def _free_port(wanted: int) -> int:
    for port in (wanted, 0):
        with closing(socket.socket()) as probe, contextlib.suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((_HOST, port))
            return int(probe.getsockname()[1])
    return wanted


async def _answers(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection(_HOST, port)
    except OSError:
        return False
    writer.close()
    return True
