"""Runs a worker process: signals, one line for each way to end, a watchdog, and no way to hang on the way out."""

import asyncio
import faulthandler
import logging
import os
import signal
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, suppress
from typing import Any, Final

import faust
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError
from faust.transport.drivers.aiokafka import credentials_to_aiokafka_auth

from streams.errors import StreamsError
from streams.logs import bug, last_word
from streams.shell.refusals import require_welcome
from streams.tasks import ended

__all__ = ["Host", "quiet_loggers", "run"]

log = logging.getLogger(__name__)

_BEAT_S: Final = 1.0
_RETRY_S: Final = 1.0
_REPEAT_S: Final = 30.0
_LIBRARIES: Final = ("faust", "mode", "aiokafka", "asyncio", "opentelemetry")


class Host:
    """A worker process from the inside: `fatal` ends it, from anywhere."""

    def __init__(self, *, stop_s: float = 10.0, deaf_s: float = 60.0, watch: Callable[[], str | None] | None = None) -> None:
        """`stop_s`: after this long an orderly stop turns into a hard one. `watch` is asked every second, and what it says ends the
        process."""
        self.watch = watch
        self._stop_s, self._deaf_s = stop_s, deaf_s
        self._error: BaseException | None = None
        self._stopping = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._heard_s = time.monotonic()
        self._leave_s: float | None = None

    def fatal(self, error: BaseException) -> None:
        """The process ends, with the exit code of `error` and one line. Returns at once; callable from every thread; the first error
        counts."""
        if self._error is None:
            self._error = error
        self.stop()

    def stop(self) -> None:
        """The process ends in order, within `stop_s`. Callable from every thread."""
        if self._leave_s is None:
            self._leave_s = time.monotonic() + self._stop_s
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._stopping.set)

    def run(self, build: Callable[["Host"], AbstractAsyncContextManager[faust.App]]) -> int:
        """The app runs until a signal, an error or `stop`; returns the exit code. `build` opens and closes what the app needs."""
        _use_uvloop()
        quiet_loggers()
        threading.Thread(target=self._guard, name="guard", daemon=True).start()
        with suppress(KeyboardInterrupt):
            asyncio.run(self._main(build))
        return self._leave()

    async def _main(self, build: Callable[["Host"], AbstractAsyncContextManager[faust.App]]) -> None:
        self._loop = asyncio.get_running_loop()
        for sign in (signal.SIGTERM, signal.SIGINT):
            self._loop.add_signal_handler(sign, self._on_signal)
        beat = asyncio.create_task(self._beat())
        try:
            async with build(self) as app:
                await self._host(app)
        except Exception as error:
            self.fatal(error)
        finally:
            beat.cancel()

    async def _host(self, app: faust.App) -> None:
        """The app runs until it is told to stop, or crashes; then it is stopped."""
        stopping = asyncio.create_task(self._stopping.wait())
        running = asyncio.create_task(self._start(app))
        try:
            await asyncio.wait({stopping, running}, return_when=asyncio.FIRST_COMPLETED)
            if running.done():
                await running
            if not self._stopping.is_set():
                self.fatal(app.crash_reason or StreamsError("the app ended without being told to"))
        except Exception as error:
            self.fatal(app.crash_reason or error)
        finally:
            await ended([stopping, running])
            await app.stop()
            if isinstance(app.crash_reason, Exception):
                self.fatal(app.crash_reason)

    async def _start(self, app: faust.App) -> None:
        """The app has started and ended. A broker that is not there yet is waited for, as Faust itself would fail to start."""
        app.finalize()
        await _kafka(app)
        app.in_worker = True
        await app.start()
        await app.wait()

    def _on_signal(self) -> None:
        if self._stopping.is_set():
            return
        log.info("stopping")
        self.stop()

    async def _beat(self) -> None:
        while True:
            self._heard_s = time.monotonic()
            if self.watch is not None and not self._stopping.is_set():
                complaint = self.watch()
                if complaint:
                    self.fatal(StreamsError(complaint))
            await asyncio.sleep(_BEAT_S)

    def _guard(self) -> None:
        """In a thread of its own: what nobody inside can do any more."""
        while True:
            time.sleep(_BEAT_S / 4)
            now_s = time.monotonic()
            if self._leave_s is not None and now_s > self._leave_s:
                for line in self._unfinished():
                    log.warning("still under way: %s", line)
                self.fatal(StreamsError(f"did not stop within {self._stop_s:g} s"))
                os._exit(self._leave())
            if self._loop is not None and self._leave_s is None and now_s - self._heard_s > self._deaf_s:
                faulthandler.dump_traceback(all_threads=True)
                self.fatal(StreamsError(f"the event loop has not answered for {self._deaf_s:g} s"))
                os._exit(self._leave())

    def _unfinished(self) -> list[str]:
        """Each task that has not ended, from the coroutine it is made of to the one it waits in. It is read from another thread, so tasks
        that change meanwhile may be missing."""
        lines = []
        with suppress(RuntimeError):
            for task in asyncio.all_tasks(self._loop):
                chain: list[str] = []
                inner: Any = task.get_coro()
                while (code := getattr(inner, "cr_code", None)) is not None:
                    chain.append(code.co_qualname)
                    inner = getattr(inner, "cr_await", None)
                lines.append(f"{task.get_name()}: {' > '.join(chain)}")
        return sorted(lines)

    def _leave(self) -> int:
        """The exit code; the reason, if there is one, is on standard error in one line."""
        error = self._error
        if error is None:
            return 0
        if isinstance(error, StreamsError):
            last_word("streams", str(error), error.exit_code)
            return error.exit_code
        if os.environ.get("STREAMS_DEBUG") == "1":
            traceback.print_exception(error)
        last_word("streams", f"{bug(error)} (STREAMS_DEBUG=1 shows all of it)", 1)
        return 1


def run(
    build: Callable[[Host], AbstractAsyncContextManager[faust.App]], *, stop_s: float = 10.0, watch: Callable[[], str | None] | None = None
) -> int:
    """Hosts the app of `build` in this process until it ends; returns the exit code. See `Host`."""
    return Host(stop_s=stop_s, watch=watch).run(build)


def quiet_loggers() -> None:
    """Faust and aiokafka speak up about trouble only, and not a hundred times.

    The levels are those of their own loggers: a level on the root would leave them at DEBUG, and cost CPU. The filter goes to the handlers
    that the root has by now."""
    for name in _LIBRARIES:
        logging.getLogger(name).setLevel(logging.WARNING)
    handlers: list[logging.Handler | None] = [*logging.getLogger().handlers]
    for handler in handlers or [logging.lastResort]:
        if handler is not None and not any(isinstance(known, _Quiet) for known in handler.filters):
            handler.addFilter(_Quiet())


class _Quiet(logging.Filter):
    """What the libraries log: without tracebacks (they may hold payloads), without "Crashed reason" once per service (the host says once
    why the process ends), and without what was said a moment ago."""

    def __init__(self) -> None:
        super().__init__()
        self._said_s: dict[tuple[str, str], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        # Our own services are mode's too, and its lines about them come under our names: they begin with the place in its tree.
        services = str(record.msg).startswith("[^")
        if services and record.levelno < logging.WARNING:
            return False
        if not services and record.name.partition(".")[0] not in _LIBRARIES:
            return True
        record.exc_info = record.exc_text = None
        said = record.name, str(record.msg)
        if "Crashed reason" in said[1] or record.created - self._said_s.get(said, 0.0) < _REPEAT_S:
            return False
        self._said_s[said] = record.created
        return True


async def _kafka(app: faust.App) -> None:
    """One of the brokers answers. Waits as long as that takes; raises `ConfigError` when it answers and does not let us in."""
    conf = app.conf
    addresses = [f"{url.host}:{url.port or 9092}" for url in conf.broker_consumer]
    credentials = credentials_to_aiokafka_auth(conf.broker_credentials, conf.ssl_context)
    waiting = False
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # we say it ourselves, once
    while True:
        client = AIOKafkaClient(bootstrap_servers=addresses, **credentials)
        try:
            await client.bootstrap()
            break
        except (KafkaError, OSError):
            await require_welcome(addresses, credentials)
            if not waiting:
                log.warning("waiting for Kafka at %s", ", ".join(addresses))
            waiting = True
        finally:
            await client.close()
        await asyncio.sleep(_RETRY_S)
    quiet_loggers()


def _use_uvloop() -> None:
    """Faust makes the loop of its consumer thread itself, so the policy is what reaches both. Where there is no uvloop, asyncio's own loop
    does."""
    with suppress(ImportError):
        import uvloop

        asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
