"""The demo's page: `streams serve` in a process of its own, where its packages are installed. The demo goes on without it."""

import asyncio
import contextlib
import socket
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Final

from streams.commands.serve import installed, url_of
from streams.demo.stage import spawn

__all__ = ["Page"]

_HOST: Final = "127.0.0.1"
#: Where `streams serve` listens when nothing is said, so that the address is easy to remember.
_PORT: Final = 8080
_LOOK_S: Final = 0.1


class Page:
    """`url` is where the page is, once it answers; "" before, when it has ended, and without the extra `serve`."""

    def __init__(self, process: asyncio.subprocess.Process | None, port: int) -> None:
        self._process, self._port = process, port
        self.url = ""

    @classmethod
    async def start(cls, env: Mapping[str, str], log: Path) -> "Page":
        if not installed():
            return cls(None, 0)
        port = _free_port()
        # For this machine alone, whatever the environment says of a token.
        own = {name: value for name, value in env.items() if not name.startswith("STREAMS_SERVE_")}
        return cls(await spawn(own, log, "serve", "--host", _HOST, "--port", str(port)), port)

    async def watch(self) -> None:
        """`url` is kept true; runs until it is cancelled."""
        if self._process is not None:
            while not self.url and self._process.returncode is None:
                if await _answers(self._port):
                    self.url = url_of(_HOST, self._port)
                await asyncio.sleep(_LOOK_S)
            await self._process.wait()
            self.url = ""
        await asyncio.Event().wait()

    async def stop(self) -> None:
        """It has ended: nothing of it needs to be finished."""
        self.url = ""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()


def _free_port() -> int:
    for port in (_PORT, 0):
        with closing(socket.socket()) as probe, contextlib.suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((_HOST, port))
            return int(probe.getsockname()[1])
    return _PORT


async def _answers(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection(_HOST, port)
    except OSError:
        return False
    writer.close()
    return True
