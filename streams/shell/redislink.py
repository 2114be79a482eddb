"""Runs scripts on Redis: waits out what can be waited out, and says `ReplyLost` when nobody knows whether a script ran.

redis-py connects (TCP, TLS, Unix socket, AUTH, SELECT) and reads replies. Requests are packed here: `execute_command`
costs 1.5 to 2.5 times the CPU (`tests/bench/bench_store.py --compare`). Each call has a connection for itself, so there is at
most one per lane and a lost reply is one lane's trouble only; sharing one would save 7 us a call.
"""

import asyncio
import hashlib
import logging
import random
import socket
from collections.abc import Callable, Iterable, Sequence
from importlib import resources
from typing import Any, Final

from redis.asyncio.connection import AbstractConnection, ConnectionPool
from redis.exceptions import (
    AuthenticationError,
    AuthorizationError,
    BusyLoadingError,
    NoPermissionError,
    NoScriptError,
    RedisError,
    ResponseError,
)

from streams.errors import ConfigError, Fenced, MissingHistory, ReplyLost, StreamsError
from streams.shell.trouble import Trouble

__all__ = ["RedisLink", "Request", "Script"]

log = logging.getLogger(__name__)

#: First and longest pause between two attempts; each is drawn from the upper half of its range, so that workers do not come all at once.
FIRST_PAUSE_S: Final = 0.1
LONGEST_PAUSE_S: Final = 5.0

#: Error replies that say "nothing was done, come again". (Redis 7 and Valkey: scripts pass on the code of what failed in them.)
_NOT_NOW: Final = frozenset({"OOM", "LOADING", "READONLY", "MISCONF", "TRYAGAIN", "CLUSTERDOWN", "MASTERDOWN", "NOREPLICAS", "BUSY"})

#: Of these, the ones after which the name may lead to another server: connect anew.
_ELSEWHERE: Final = frozenset({"LOADING", "READONLY", "CLUSTERDOWN", "MASTERDOWN"})


class _NotNow(Exception):
    """Nothing was done; the same request may succeed later, perhaps on another server."""

    def __init__(self, reason: str, *, elsewhere: bool = False) -> None:
        super().__init__(reason)
        self.elsewhere = elsewhere


class Script:
    """A Lua script of this package, with what all of them share before it. Redis knows it by its SHA-1."""

    def __init__(self, name: str) -> None:
        folder = resources.files("streams.shell")
        self.name = name
        self.text = folder.joinpath("head.lua").read_bytes() + folder.joinpath(f"{name}.lua").read_bytes()
        self.sha = hashlib.sha1(self.text, usedforsecurity=False).hexdigest().encode()


class Request:
    """`EVALSHA script keys arguments`, growing argument by argument as the bytes that go out."""

    def __init__(self, script: Script, keys: Sequence[bytes]) -> None:
        self.script = script
        self._count = 0
        self._frames: list[bytes] = []
        self.add(b"EVALSHA", script.sha, len(keys), *keys)

    def add(self, *values: bytes | str | int) -> None:
        for value in values:
            raw = value if isinstance(value, bytes) else str(value).encode()
            self._frames.append(b"$%d\r\n%b\r\n" % (len(raw), raw))
        self._count += len(values)

    def add_pairs(self, pairs: Iterable[tuple[bytes, bytes]]) -> int:
        """The fast way for many: large second parts are copied once. Returns how many values were added."""
        frames, before = self._frames, len(self._frames)
        for first, second in pairs:
            frames += (b"$%d\r\n%b\r\n$%d\r\n" % (len(first), first, len(second)), second, b"\r\n")
        added = (len(frames) - before) // 3 * 2
        self._count += added
        return added

    def packed(self) -> bytes:
        return b"*%d\r\n" % self._count + b"".join(self._frames)


class RedisLink:
    """Connections to one Redis."""

    def __init__(
        self, url: str, *, timeout_s: float = 5.0, first_pause_s: float = FIRST_PAUSE_S, on_reconnect: Callable[[], None] | None = None
    ) -> None:
        """`timeout_s` bounds connecting, and each request with its reply. `on_reconnect` is called when a connection stands again
        after one was lost: whatever was believed of the store may be wrong now."""
        try:
            self._factory = ConnectionPool.from_url(
                url,
                protocol=2,
                socket_timeout=None,  # one deadline around request and reply (`_ask`), not two
                socket_connect_timeout=timeout_s,
                **_give_up_after(url, timeout_s),
            )
        except ValueError as error:
            raise ConfigError(str(error), file="STREAMS_REDIS") from None
        self._timeout_s, self._first_pause_s = timeout_s, first_pause_s
        self._on_reconnect = on_reconnect or (lambda: None)
        self._free: list[AbstractConnection] = []
        self._lost = False
        self._trouble = Trouble("Redis", log)

    @property
    def trouble(self) -> str | None:
        """What somebody waits for right now; None when nobody has to wait."""
        return self._trouble.reason

    async def run(self, request: Request) -> Any:
        """The reply of a script that ran once.

        Waits while Redis cannot be reached or says that it cannot serve now. Raises `ReplyLost` when the request was sent and no
        reply came within `timeout_s`, `Fenced` and `MissingHistory` when the script says so, `ConfigError` when Redis does not let
        us in.
        """
        packed = request.packed()
        pause_s = self._first_pause_s
        me, served = object(), True
        try:
            while True:
                try:
                    return await self._ask(request.script, packed)
                except _NotNow as reason:
                    self._trouble.wait(me, str(reason))
                await asyncio.sleep(pause_s * random.uniform(0.5, 1.0))  # noqa: S311 (spreads load, guards nothing)
                pause_s = min(pause_s * 2, LONGEST_PAUSE_S)
        except asyncio.CancelledError:
            served = False
            raise
        finally:
            self._trouble.over(me, served=served)

    async def close(self) -> None:
        """No connection is left."""
        while self._free:
            await self._free.pop().disconnect(nowait=True)

    async def _ask(self, script: Script, packed: bytes) -> Any:
        connection = await self._connection()
        try:
            async with asyncio.timeout(self._timeout_s):
                while True:
                    try:
                        await connection.send_packed_command(packed, check_health=False)
                        return await connection.read_response()
                    except NoScriptError:  # a Redis that has started since, or SCRIPT FLUSH
                        await connection.send_command("SCRIPT", "LOAD", script.text, check_health=False)
                        await connection.read_response()
        except (ResponseError, BusyLoadingError, AuthenticationError) as error:
            meaning = _meaning(error)
            if isinstance(meaning, _NotNow) and meaning.elsewhere:
                await connection.disconnect(nowait=True)
                await self._forget_all()
            raise meaning from None
        except (RedisError, OSError) as error:  # asyncio's TimeoutError is an OSError
            await connection.disconnect(nowait=True)
            await self._forget_all()
            if "max number of clients" in str(error):  # said before a request is looked at
                raise _NotNow(f"no connection: {error}") from None
            raise ReplyLost(f"Redis did not answer {script.name}: {type(error).__name__}") from None
        finally:
            # A call that was cancelled has left its connection closed: the reply to come would be taken for the next one's.
            if connection.is_connected:
                self._free.append(connection)

    async def _connection(self) -> AbstractConnection:
        """A connection with nothing left to read, so that trouble is noticed before anything is sent. Raises `_NotNow`."""
        while self._free:
            idle = self._free.pop()
            if idle.is_connected and not await idle.can_read():
                return idle
            await idle.disconnect(nowait=True)  # Redis has closed it meanwhile
            await self._forget_all()
        connection: AbstractConnection = self._factory.make_connection()  # type: ignore[no-untyped-call]
        try:
            async with asyncio.timeout(self._timeout_s):
                await connection.connect()  # type: ignore[no-untyped-call]
        except (AuthenticationError, AuthorizationError, NoPermissionError) as error:
            raise ConfigError(f"Redis does not let us in: {error}", file="STREAMS_REDIS") from None
        except (RedisError, OSError) as error:
            await connection.disconnect(nowait=True)
            await self._forget_all()
            raise _NotNow(f"no connection: {str(error) or 'not in time'}") from None
        if self._lost:
            self._lost = False
            self._on_reconnect()
        return connection

    async def _forget_all(self) -> None:
        """Idle connections led to a server that is gone, or is another now."""
        self._lost = True
        await self.close()


def _meaning(error: Exception) -> Exception:
    """What an error reply says to the caller."""
    code = getattr(error, "status_code", None) or str(error).partition(" ")[0]
    text = str(error).removeprefix(code).strip()
    if code == "FENCED":
        return Fenced(text)
    if code == "ORPHANS":
        return MissingHistory(
            "a partition holds users but no head, so nobody knows which records they contain: restore its head from a backup, "
            "or delete its keys to count from the beginning of the log"
        )
    if isinstance(error, AuthenticationError | NoPermissionError):
        return ConfigError(f"Redis does not let us in: {text}", file="STREAMS_REDIS")
    if code in _NOT_NOW:
        return _NotNow(f"{code} {text.partition('. script: ')[0]}", elsewhere=code in _ELSEWHERE)
    return StreamsError(f"Redis refuses a script: {code} {text}")


def _give_up_after(url: str, timeout_s: float) -> dict[str, Any]:
    """Socket options: the kernel resets a connection whose data nobody took for that long, so that given-up requests do not pile up."""
    if url.startswith("unix:") or not hasattr(socket, "TCP_USER_TIMEOUT"):
        return {}
    return {"socket_keepalive_options": {socket.TCP_USER_TIMEOUT: int(timeout_s * 1000)}}
