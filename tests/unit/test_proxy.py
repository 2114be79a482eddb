"""Each verb of the proxy does to a connection what its docstring says."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.proxy import Proxy


@asynccontextmanager
async def echo(greeting: bytes = b"") -> AsyncIterator[int]:
    """A server that answers `greeting`, then every byte it is sent; yields its port."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(greeting)
        try:
            while chunk := await reader.read(65_536):
                writer.write(chunk)
        except ConnectionError:
            pass  # the proxy cut it: that is what is tested
        writer.close()

    async with await asyncio.start_server(talk, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]


async def connect(proxy: Proxy) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection("127.0.0.1", proxy.port)


async def said(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, text: bytes) -> bytes:
    writer.write(text)
    return await reader.readexactly(len(text))


async def test_bytes_go_both_ways_and_ends_are_passed_on() -> None:
    """Without a fault the proxy is not there: a megabyte comes back whole, then the end of the stream."""
    async with echo() as port, Proxy(port=port) as proxy:
        reader, writer = await connect(proxy)
        big = bytes(range(256)) * 4096
        writer.write(big)
        writer.write_eof()
        assert await reader.read() == big
        writer.close()


async def test_cut_resets_open_connections_and_refuses_new_ones() -> None:
    """A peer sees a reset, not an orderly end; after `restore()` it may come again."""
    async with echo() as port, Proxy(port=port) as proxy:
        reader, writer = await connect(proxy)
        assert await said(reader, writer, b"a") == b"a"
        proxy.cut()
        with pytest.raises(ConnectionResetError):
            await reader.readexactly(1)
        writer.close()
        reader, writer = await connect(proxy)
        with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
            await reader.readexactly(1)
        writer.close()
        proxy.restore()
        reader, writer = await connect(proxy)
        assert await said(reader, writer, b"b") == b"b"
        writer.close()
        assert proxy.accepted == 3


async def test_blackhole_holds_everything_back_and_closes_nothing() -> None:
    """Nothing arrives while it lasts; what was sent meanwhile arrives after `restore()`."""
    async with echo() as port, Proxy(port=port) as proxy:
        reader, writer = await connect(proxy)
        assert await said(reader, writer, b"a") == b"a"
        proxy.blackhole()
        writer.write(b"b")
        answer = asyncio.create_task(reader.readexactly(1))
        other_reader, other_writer = await connect(proxy)  # accepted by the kernel, carried nowhere
        other_writer.write(b"c")
        done, _ = await asyncio.wait([answer], timeout=0.05)
        assert not done
        proxy.restore()
        assert await answer == b"b"
        assert await other_reader.readexactly(1) == b"c"
        writer.close()
        other_writer.close()


async def test_delay_adds_latency_and_takes_no_bandwidth() -> None:
    """64 chunks under way at once arrive after one delay each way, not after 64."""
    async with echo() as port, Proxy(port=port) as proxy:
        reader, writer = await connect(proxy)
        proxy.delay(100)
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        assert await said(reader, writer, bytes(1 << 20)) == bytes(1 << 20)
        took_s = loop.time() - began_s
        assert took_s >= 0.2
        assert took_s < 64 * 0.1
        writer.close()


async def test_throttle_bounds_bytes_per_second() -> None:
    """20,000 bytes at 200,000 bytes/s take at least a tenth of a second, each way."""
    async with echo() as port, Proxy(port=port) as proxy:
        reader, writer = await connect(proxy)
        proxy.throttle(200_000)
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        assert await said(reader, writer, bytes(20_000)) == bytes(20_000)
        assert loop.time() - began_s >= 0.1
        writer.close()


async def test_retarget_leads_new_connections_elsewhere() -> None:
    """Open connections are reset, as by a failover; the next one meets the new target."""
    async with echo(b"1") as first, echo(b"2") as second, Proxy(port=first) as proxy:
        reader, writer = await connect(proxy)
        assert await reader.readexactly(1) == b"1"
        proxy.retarget(port=second)
        with pytest.raises(ConnectionResetError):
            await reader.readexactly(1)
        writer.close()
        reader, writer = await connect(proxy)
        assert await reader.readexactly(1) == b"2"
        writer.close()


async def test_a_dead_target_is_a_reset() -> None:
    """When nobody listens at the target, the client hears so at once."""
    async with echo() as port:
        pass
    async with Proxy(port=port) as proxy:
        reader, writer = await connect(proxy)
        with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
            await reader.readexactly(1)
        writer.close()
