"""The demo from first to last: a stage, a history, live events, a picture of it all, and an end that leaves nothing behind."""

import asyncio
import contextlib
import signal
import time
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import msgspec
from redis.asyncio import Redis

from streams.demo.screen import Screen
from streams.demo.stage import Stage, Worker, stage
from streams.demo.traffic import Traffic
from streams.demo.view import Picture, Progress
from streams.demo.watch import Watch
from streams.errors import Unavailable

__all__ = ["Options", "Totals", "perform"]

_PAINT_S: Final = 0.25
#: The worker counts a hundred thousand records a second; who is behind for so long is not going to catch up.
_CATCH_UP_S: Final = 60.0
_SHOWN_ALERTS: Final = 20


class Options(msgspec.Struct, frozen=True):
    """What was asked for. `seconds` of live events; None: until Ctrl-C."""

    seconds: int | None
    users: int
    rate: float
    seed: int


class Totals(msgspec.Struct, frozen=True):
    """The last line, as WIRE.md spells it. `read` counts all input topics and equals `sum`; alerts are those of the live part."""

    read: int
    fates: dict[str, int]
    sum: int
    alerts: dict[str, int]
    latency_ms: dict[str, float | None]


async def perform(options: Options, screen: Screen) -> Totals:
    """The demo has run, everything it started has ended, and these are its totals. Raises what ended it early."""
    with _stop_signals() as stop:
        async with stage() as where:
            play = _Play(options, screen, where, stop)
            try:
                return await play.run()
            finally:
                screen.close(play.picture())


class _Play:
    """One run of the demo, from the moment its servers are there."""

    def __init__(self, options: Options, screen: Screen, where: Stage, stop: asyncio.Event) -> None:
        self._options, self._screen, self._stage, self._stop = options, screen, where, stop
        self._watch = Watch(where.settings, screen.told)
        self._traffic = Traffic(where.settings, self._watch, users=options.users, seed=options.seed)
        self._enter("starting")
        self._in_history = True

    async def run(self) -> Totals:
        worker = await Worker.start(self._stage.env, self._stage.folder / "worker.log")
        redis = Redis.from_url(self._stage.settings.redis)
        beside = [asyncio.create_task(it) for it in (self._watch.outputs(), self._watch.heads(redis), self._paint())]
        ended = asyncio.create_task(worker.ended())
        try:
            if await self._unless_stopped(self._past(), [*beside, ended]):
                await self._unless_stopped(self._present(), [*beside, ended])
            self._enter("stopping: counting what is left")
            await self._unless_stopped(self._caught_up(), [*beside, ended], stoppable=False)
            ended.cancel()
            await worker.stop(self._stage.settings.worker.stop_timeout_s)
            await self._watch.read_to_the_end()
            await self._watch.look(redis)
            self._enter("done")
        finally:
            ended.cancel()
            worker.kill()
            for task in beside:
                task.cancel()
            await asyncio.gather(ended, *beside, return_exceptions=True)
            await redis.aclose()
        return self._totals()

    async def _past(self) -> None:
        """The history is written and counted."""
        self._enter(f"90 days of history, {self._options.users:,} people")
        await self._traffic.history()
        await self._caught_up()

    async def _present(self) -> None:
        """Live events, until the time is over."""
        self._in_history = False
        self._watch.tally.live = True
        self._enter(f"live, {self._options.users:,} people, seed {self._options.seed}", self._options.seconds)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._options.seconds):
                await self._traffic.live(self._options.rate)

    async def _caught_up(self) -> None:
        """Everything that was written is counted."""
        try:
            async with asyncio.timeout(_CATCH_UP_S):
                await self._watch.caught_up()
        except TimeoutError:
            raise Unavailable(f"the worker does not catch up: {self._watch.lag} records are left after {_CATCH_UP_S:.0f} s") from None

    async def _unless_stopped(
        self, what: Coroutine[Any, Any, None], beside: Sequence[asyncio.Task[Any]], *, stoppable: bool = True
    ) -> bool:
        """Does `what`; False when somebody asked to stop meanwhile. Raises what a task beside it raises: none of them should end."""
        mine = asyncio.create_task(what)
        stop = asyncio.create_task(self._stop.wait())
        try:
            await asyncio.wait([mine, *beside, *([stop] if stoppable else [])], return_when=asyncio.FIRST_COMPLETED)
            for task in (mine, *beside):
                if task.done():
                    task.result()
            return mine.done()
        finally:
            for task in (mine, stop):
                task.cancel()
            await asyncio.gather(mine, stop, return_exceptions=True)

    async def _paint(self) -> None:
        while True:
            self._screen.show(self.picture())
            await asyncio.sleep(_PAINT_S)

    def _enter(self, phase: str, of_s: float | None = None) -> None:
        self._phase, self._since_s, self._of_s = phase, time.monotonic(), of_s

    def picture(self) -> Picture:
        """What is to be seen now."""
        watch, tally, rules = self._watch, self._watch.tally, self._stage.settings.rules
        return Picture(
            phase=self._phase,
            elapsed_s=time.monotonic() - self._since_s,
            of_s=self._of_s,
            people=self._options.users,
            history=Progress(watch.written, watch.read, self._traffic.expected) if self._in_history else None,
            rates=tuple(watch.rates),
            bands=dict(tally.bands),
            band_from=(0.0, *rules.scoring.bands),
            read=watch.read,
            fates=dict(watch.fates),
            lag=watch.lag,
            p50_ms=tally.latencies.quantile(0.5),
            p99_ms=tally.latencies.quantile(0.99),
            active=tally.newest(_SHOWN_ALERTS),
            firing_now=len(tally.active),
            fired=tally.fired,
            ended=tally.ended,
            resolved=tuple(tally.resolved),
            trouble=watch.trouble,
            now_ms=time.time_ns() // 1_000_000,
        )

    def _totals(self) -> Totals:
        watch, latencies = self._watch, self._watch.tally.latencies
        return Totals(
            read=watch.read,
            fates=watch.fates,
            sum=sum(watch.fates.values()),
            alerts=dict(watch.tally.totals()),
            latency_ms={"p50": latencies.quantile(0.5), "p99": latencies.quantile(0.99)},
        )


@contextmanager
def _stop_signals() -> Iterator[asyncio.Event]:
    """Ctrl-C and SIGTERM set the event: the demo then ends in order, whatever it is doing."""
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, stop.set)
    try:
        yield stop
    finally:
        for name in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(name)
