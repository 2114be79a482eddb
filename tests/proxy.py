"""A TCP proxy on loopback that does to a connection what networks do: cut it, delay it, swallow it, slow it down, lead it elsewhere.

    async with Proxy(port=redis.port) as proxy:
        worker(redis=f"redis://127.0.0.1:{proxy.port}/0")
        proxy.blackhole()
        ...
        proxy.restore()

Faults hold for connections that are open and for those to come, until `restore()`. No root, no kernel settings, one event loop.
"""

import asyncio
import socket
import struct
from contextlib import suppress
from typing import Final, Self

__all__ = ["Proxy"]

#: Read at most this much at a time, so that a throttle of a few KiB/s is smooth.
_CHUNK_BYTES: Final = 16_384
#: Chunks under way per direction, 4 MiB: more than a socket buffer, less than a test machine's memory.
_WIRE_CHUNKS: Final = 256


class Proxy:
    """Listens on `port` (free, on loopback) and carries bytes to and from the target."""

    def __init__(self, host: str = "127.0.0.1", port: int = 0) -> None:
        self._target = (host, port)
        self._server: asyncio.Server | None = None
        self._links: set[asyncio.Task[None]] = set()
        self._refusing = False
        self._delay_s = 0.0
        self._bytes_s = 0.0
        self._flowing = asyncio.Event()
        self._flowing.set()
        #: Connections accepted so far: tests see by it that a client came back.
        self.accepted = 0

    @property
    def port(self) -> int:
        assert self._server is not None, "not started"
        return int(self._server.sockets[0].getsockname()[1])

    async def start(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        return self

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
            links = self._abort()
            await asyncio.gather(*links, return_exceptions=True)
            await self._server.wait_closed()

    async def __aenter__(self) -> Self:
        return await self.start()

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    # The verbs.

    def cut(self) -> None:
        """Every connection is reset, and new ones are reset at once."""
        self._refusing = True
        self._abort()

    def drop(self) -> None:
        """Every open connection is reset; new ones are carried."""
        self._abort()

    def delay(self, ms: float) -> None:
        """Every chunk, each way, arrives `ms` later (and chunks behind it do not overtake)."""
        self._delay_s = ms / 1000

    def blackhole(self) -> None:
        """Nothing is carried and nothing is closed: peers see a network that went silent. What was sent arrives after `restore()`."""
        self._flowing.clear()

    def throttle(self, bytes_s: float) -> None:
        """Each way of each connection carries at most `bytes_s` bytes per second; 0 lifts the bound."""
        self._bytes_s = bytes_s

    def retarget(self, host: str = "127.0.0.1", *, port: int) -> None:
        """New connections go to `host:port`; open ones are reset, as by a failover."""
        self._target = (host, port)
        self._abort()

    def restore(self) -> None:
        """No fault is left; the target stays."""
        self._refusing, self._delay_s, self._bytes_s = False, 0.0, 0.0
        self._flowing.set()

    # How it is carried.

    def _abort(self) -> list[asyncio.Task[None]]:
        links = list(self._links)
        for link in links:
            link.cancel()
        return links

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, from accept to its end: orderly when both sides had their say, else a reset for both."""
        self.accepted += 1
        link = asyncio.current_task()
        assert link is not None
        self._links.add(link)
        ends = [writer]
        orderly = False
        try:
            if not self._refusing:
                await self._flowing.wait()
                inward, outward = await asyncio.open_connection(*self._target)
                ends.append(outward)
                async with asyncio.TaskGroup() as ways:
                    ways.create_task(self._carry(reader, outward))
                    ways.create_task(self._carry(inward, writer))
                orderly = True
        except* (OSError, asyncio.CancelledError):
            pass  # the target is gone, a peer hung up, or a verb cut the link
        finally:
            self._links.discard(link)
            for end in ends:
                if orderly:
                    end.close()
                else:
                    _reset(end)

    async def _carry(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        """Bytes go one way until the source ends; then the sink is told so, and the other way goes on."""
        loop = asyncio.get_running_loop()
        # What is under way. Chunks wait beside each other, not after each other: a delay is no throttle.
        wire: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(_WIRE_CHUNKS)

        async def arrive() -> None:
            while True:
                sent_s, chunk = await wire.get()
                while (early_s := sent_s + self._delay_s - loop.time()) > 0:
                    await asyncio.sleep(early_s)
                if self._bytes_s:
                    await asyncio.sleep(len(chunk) / self._bytes_s)
                await self._flowing.wait()
                if not chunk:
                    with suppress(OSError):
                        sink.write_eof()
                    return
                sink.write(chunk)
                await sink.drain()

        async with asyncio.TaskGroup() as way:
            way.create_task(arrive())
            chunk = b"-"
            while chunk:
                chunk = await source.read(_CHUNK_BYTES)
                await wire.put((loop.time(), chunk))


def _reset(end: asyncio.StreamWriter) -> None:
    """The peer gets a reset, not an orderly end: closing with a linger time of zero sends one."""
    with suppress(OSError):
        end.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    end.transport.abort()
