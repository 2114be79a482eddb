"""One connection to Redis that many calls share: what is asked in one turn of the event loop leaves in one write, and the replies come back
in that order.

Lanes wake together, because the broker answers for all of them at once. With a connection each they cost a system call, and a waking Redis,
per call: a quarter of the worker's time at a steady 2,000 events a second.
"""

import asyncio
from collections import deque
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

from redis.asyncio.connection import AbstractConnection
from redis.exceptions import AuthenticationError, BusyLoadingError, RedisError, ResponseError

__all__ = ["Pipeline", "Unsent"]

#: Replies that say "no" to one request, and nothing of the connection. (Two of them are `ConnectionError`s to redis-py.)
_REFUSALS = (ResponseError, BusyLoadingError, AuthenticationError)


class Unsent(Exception):
    """The connection was lost before the request left."""


class Pipeline:
    """A connected connection, from now to its end. It ends by itself when it breaks, or when a reply takes longer than `timeout_s`."""

    def __init__(self, connection: AbstractConnection, timeout_s: float) -> None:
        self._connection, self._timeout_s = connection, timeout_s
        self._loop = asyncio.get_running_loop()
        self._unsent: list[tuple[bytes, asyncio.Future[Any]]] = []
        self._asked: deque[tuple[float, asyncio.Future[Any]]] = deque()  # until when, and who waits
        self._alarm: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._start(self._read())
        #: Nothing more can be asked.
        self.ended = False

    def ask(self, packed: bytes) -> "asyncio.Future[Any]":
        """The reply to a packed command. It raises what Redis answers with an error, `Unsent`, or `OSError` or `RedisError` when the
        connection broke after the request had left. Cancelling it is safe: its reply is read and dropped."""
        answer: asyncio.Future[Any] = self._loop.create_future()
        if self.ended:
            answer.set_exception(Unsent())
            return answer
        if not self._unsent:
            self._loop.call_soon(self._flush)
        self._unsent.append((packed, answer))
        return answer

    async def close(self) -> None:
        """The connection is gone, and whoever waited knows it."""
        self._end(ConnectionResetError("closed"))
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _flush(self) -> None:
        """All that was asked in this turn is on its way."""
        leaving = [(packed, answer) for packed, answer in self._unsent if not answer.done()]
        self._unsent.clear()
        if self.ended or not leaving:
            return
        until_s = self._loop.time() + self._timeout_s
        self._asked.extend((until_s, answer) for _, answer in leaving)
        if self._alarm is None:
            self._alarm = self._loop.call_at(until_s, self._look_at_the_clock)
        self._start(self._send(b"".join([packed for packed, _ in leaving])))

    async def _send(self, commands: bytes) -> None:
        if self.ended:  # it would connect again, and mix up whose reply is whose
            return
        try:
            await self._connection.send_packed_command(commands, check_health=False)
        except (RedisError, OSError) as error:
            self._end(error)

    async def _read(self) -> None:
        """Hands every reply to the first who has none yet."""
        read, asked = self._connection.read_response, self._asked
        while not self.ended:
            reply, error = None, None
            try:
                reply = await read(disconnect_on_error=False)
            except _REFUSALS as refusal:
                error = refusal
            except (RedisError, OSError) as broken:
                self._end(broken)
                return
            if not asked:  # nobody has asked for this
                self._end(ConnectionResetError("an unexpected reply"))
                return
            answer = asked.popleft()[1]
            if answer.done():
                continue
            if error is None:
                answer.set_result(reply)
            else:
                answer.set_exception(error)

    def _look_at_the_clock(self) -> None:
        self._alarm = None
        if not self._asked:
            return
        until_s = self._asked[0][0]
        if until_s <= self._loop.time():
            self._end(TimeoutError(f"no reply within {self._timeout_s:g} s"))
        else:
            self._alarm = self._loop.call_at(until_s, self._look_at_the_clock)

    def _end(self, reason: Exception) -> None:
        """Nothing is sent or read any more."""
        if self.ended:
            return
        self.ended = True
        if self._alarm is not None:
            self._alarm.cancel()
        for _, answer in self._asked:
            if not answer.done():
                answer.set_exception(reason)
        for _, answer in self._unsent:
            if not answer.done():
                answer.set_exception(Unsent())
        self._asked.clear()
        self._unsent.clear()
        for task in self._tasks:
            task.cancel()
        self._start(self._disconnect())

    async def _disconnect(self) -> None:
        with suppress(RedisError, OSError):
            await self._connection.disconnect(nowait=True)
