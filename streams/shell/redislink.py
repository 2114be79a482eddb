"""Runs scripts on Redis: waits out what can be waited out, and says `ReplyLost` when nobody knows whether a script ran.

redis-py connects (TCP, TLS, Unix socket, AUTH, SELECT) and reads replies. Requests are packed here: `execute_command`
costs 1.5 to 2.5 times the CPU (`tests/bench/bench_store.py --compare`). All calls share one connection (`pipeline`); when it breaks,
everybody who waits on it has lost a reply, and asks the head.
"""

import asyncio
import hashlib
import logging
import socket
from collections.abc import Callable, Iterable
from functools import lru_cache
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
from streams.shell.pauses import Pauses
from streams.shell.pipeline import Pipeline, Unsent
from streams.shell.trouble import Trouble

__all__ = ["RedisLink", "Request", "Script", "packed_arguments"]

log = logging.getLogger(__name__)

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

    def loading(self) -> bytes:
        """The command that makes Redis know it."""
        command = Command()
        command.add(b"SCRIPT", b"LOAD", self.text)
        return command.packed()


class Command:
    """A command, growing argument by argument as the bytes that go out."""

    def __init__(self) -> None:
        self._count = 0
        self._frames: list[bytes] = [b""]  # the first one says how many follow

    def add(self, *values: bytes | str | int) -> None:
        frames = self._frames
        for value in values:
            raw = value if isinstance(value, bytes) else value.encode() if isinstance(value, str) else b"%d" % value
            frames += (_size(len(raw)), raw, _END)
        self._count += len(values)

    def add_packed(self, packed: bytes, count: int) -> None:
        """So many arguments, as `packed_arguments` packs them."""
        self._frames.append(packed)
        self._count += count

    def add_pairs(self, pairs: Iterable[tuple[bytes, bytes]]) -> None:
        """The fast way for many."""
        frames, before = self._frames, len(self._frames)
        for first, second in pairs:
            frames += (_size(len(first)), first, _END, _size(len(second)), second, _END)
        self._count += (len(frames) - before) // 3

    def add_usual(self, values: Iterable[str | int]) -> None:
        """Names and small numbers that come again and again, in each step of a day: they are packed once."""
        frames, before = self._frames, len(self._frames)
        frames += map(_USUAL.__getitem__, values)
        self._count += len(frames) - before

    def packed(self) -> bytes:
        self._frames[0] = b"*%d\r\n" % self._count
        return b"".join(self._frames)


_END: Final = b"\r\n"


@lru_cache(maxsize=8192)  # as many sizes as a state may have, and more
def _size(n: int) -> bytes:
    return b"$%d\r\n" % n


class _Usual(dict[str | int, bytes]):
    """Arguments as they are packed, as many as fit. (Looked up twice as fast as in an `lru_cache`.)"""

    def __missing__(self, value: str | int) -> bytes:
        if len(self) >= 16_384:
            self.clear()
        self[value] = packed = packed_arguments(value)
        return packed


_USUAL: Final = _Usual()


def packed_arguments(*values: bytes | str | int) -> bytes:
    """Arguments that several commands have in common, for `Command.add_packed`."""
    command = Command()
    command.add(*values)
    return b"".join(command._frames)


class Request(Command):
    """`EVALSHA script keys arguments`."""

    def __init__(self, script: Script, keys: tuple[bytes, ...]) -> None:
        super().__init__()
        self.script = script
        self.add_packed(_opening(script.sha, keys), 3 + len(keys))


@lru_cache(maxsize=4096)
def _opening(sha: bytes, keys: tuple[bytes, ...]) -> bytes:
    return packed_arguments(b"EVALSHA", sha, len(keys), *keys)


class RedisLink:
    """The connection to one Redis."""

    def __init__(self, url: str, *, timeout_s: float = 5.0, on_reconnect: Callable[[], None] | None = None) -> None:
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
        self._timeout_s = timeout_s
        self._on_reconnect = on_reconnect or (lambda: None)
        self._pipeline: Pipeline | None = None
        self._connecting = asyncio.Lock()
        self._lost = False
        self._trouble = Trouble("Redis", log)

    @property
    def trouble(self) -> str | None:
        """What somebody waits for right now; None when nobody has to wait."""
        return self._trouble.reason

    @property
    def waited_s(self) -> float:
        """How long somebody has waited since the start, all in all."""
        return self._trouble.waited_s

    async def run(self, request: Request) -> Any:
        """The reply of a script that ran once.

        Waits while Redis cannot be reached or says that it cannot serve now. Raises `ReplyLost` when the request was sent and no
        reply came within `timeout_s`, `Fenced` and `MissingHistory` when the script says so, `ConfigError` when Redis does not let
        us in.
        """
        packed = request.packed()
        try:
            return await self._ask(request.script, packed)
        except _NotNow as reason:
            return await self._persist(request, packed, str(reason))

    async def _persist(self, request: Request, packed: bytes, reason: str) -> Any:
        """The reply of a script that could not run at first, for this reason."""
        pauses, served = Pauses(), True
        self._trouble.wait(request, reason)
        try:
            while True:
                await pauses.pause()
                try:
                    return await self._ask(request.script, packed)
                except _NotNow as again:
                    self._trouble.wait(request, str(again))
        except asyncio.CancelledError:
            served = False
            raise
        finally:
            self._trouble.over(request, served=served)

    async def close(self) -> None:
        """No connection is left."""
        pipeline, self._pipeline = self._pipeline, None
        if pipeline is not None:
            await pipeline.close()

    async def _ask(self, script: Script, packed: bytes) -> Any:
        """The reply of the script, or what its error means."""
        pipeline = self._pipeline
        if pipeline is None or pipeline.ended:
            pipeline = await self._connected()
        try:
            while True:
                try:
                    return await pipeline.ask(packed)
                except NoScriptError:  # a Redis that has started since, or SCRIPT FLUSH
                    await pipeline.ask(script.loading())
        except Unsent:
            raise _NotNow("the connection was lost") from None
        except (ResponseError, BusyLoadingError, AuthenticationError) as error:
            meaning = _meaning(error)
            if isinstance(meaning, _NotNow) and meaning.elsewhere:
                await pipeline.close()
            raise meaning from None
        except (RedisError, OSError) as error:  # asyncio's TimeoutError is an OSError
            await pipeline.close()
            if "max number of clients" in str(error):  # said before a request is looked at
                raise _NotNow(f"no connection: {error}") from None
            raise ReplyLost(f"Redis did not answer {script.name}: {type(error).__name__}") from None

    async def _connected(self) -> Pipeline:
        """The connection of all calls; a new one when there is none. Raises `_NotNow`."""
        async with self._connecting:
            if self._pipeline is not None and not self._pipeline.ended:
                return self._pipeline
            again = self._pipeline is not None or self._lost
            self._pipeline, self._lost = None, again
            connection: AbstractConnection = self._factory.make_connection()  # type: ignore[no-untyped-call]
            try:
                async with asyncio.timeout(self._timeout_s):
                    await connection.connect()  # type: ignore[no-untyped-call]
            except (AuthenticationError, AuthorizationError, NoPermissionError) as error:
                raise ConfigError(f"Redis does not let us in: {error}", file="STREAMS_REDIS") from None
            except (RedisError, OSError) as error:
                await connection.disconnect(nowait=True)
                self._lost = True
                raise _NotNow(f"no connection: {str(error) or 'not in time'}") from None
            self._pipeline, self._lost = Pipeline(connection, self._timeout_s), False
        if again:
            self._on_reconnect()
        return self._pipeline


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
