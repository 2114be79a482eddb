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

from streams.demo.page import Page
from streams.demo.screen import Screen
from streams.demo.stage import Stage, Worker, stage
from streams.demo.traffic import Traffic
from streams.demo.view import Picture, Progress
from streams.demo.watch import Watch
from streams.errors import Unavailable
from streams.tasks import ended

__all__ = ["Options", "Totals", "perform"]

_PAINT_S: Final = 0.25
#: A worker that has records to count and counts none of them for so long is not going to.
_STILL_S: Final = 60.0
_SHOWN_ALERTS: Final = 20


class Options(msgspec.Struct, frozen=True):
    """What was asked for. `seconds` of live events; None: until Ctrl-C."""

    seconds: int | None
    users: int
    rate: float
    seed: int


class Totals(msgspec.Struct, frozen=True):
    """The last line, as docs/wire.md spells it. `read` counts all input topics and equals `sum`; alerts are those of the live part."""

    read: int
    fates: dict[str, int]
    sum: int
    alerts: dict[str, int]
    latency_ms: dict[str, float | None]


async def perform(options: Options, screen: Screen) -> tuple[Totals, float | None]:
    """The demo has run, everything it started has ended; its totals, and how many seconds after the start the first live score was read.

    Raises what ended it early.
    """
    started_s = time.monotonic()
    with _stop_signals() as stop:
        async with stage() as where:
            page = await Page.start(where.env, where.folder / "serve.log")
            play = _Play(options, screen, where, stop, page)
            try:
                totals, first_s = await play.run()
                return totals, None if first_s is None else first_s - started_s
            finally:
                await page.stop()
                screen.close(play.picture())


class _Play:
    """One run of the demo, from the moment its servers are there."""

    def __init__(self, options: Options, screen: Screen, where: Stage, stop: asyncio.Event, page: Page) -> None:
        self._options, self._screen, self._stage, self._stop, self._page = options, screen, where, stop, page
        self._watch = Watch(where.settings, screen.told)
        self._traffic = Traffic(where.settings, self._watch, users=options.users, seed=options.seed, collector=lambda: page.collect_url)
        self._began_s = time.monotonic()
        self._enter("starting")
        self._in_history, self._servers_there = True, False

    async def run(self) -> tuple[Totals, float | None]:
        worker = await Worker.start(self._stage.env, self._stage.folder / "worker.log")
        redis = Redis.from_url(self._stage.settings.redis)
        page = self._page.watch(redis, self._stage.settings.rules.app_id)
        beside = [asyncio.create_task(it) for it in (self._watch.outputs(), self._watch.heads(redis), self._paint(), page)]
        death = asyncio.create_task(worker.ended())
        try:
            if await self._unless_stopped(self._past(), [*beside, death]):
                await self._unless_stopped(self._present(), [*beside, death])
            self._enter("stopping: counting what is left")
            await self._unless_stopped(self._caught_up(), [*beside, death], stoppable=False)
            death.cancel()
            await worker.stop(self._stage.settings.worker.stop_timeout_s)
            await self._watch.read_to_the_end()
            await self._watch.looked()
            self._servers_there = False
            await self._page.stop()
            self._enter("done")
            self._since_s = self._began_s
        finally:
            worker.kill()
            await ended([death, *beside])
            await redis.aclose()
        return self._totals(), self._watch.first_score_s

    async def _past(self) -> None:
        """The history is written and counted, and what was said of it is read: what comes after is live."""
        self._enter(f"90 days of history, {self._options.users:,} people")
        await self._traffic.history(self._caught_up)
        await self._caught_up()
        await self._watch.read_to_the_end()

    async def _present(self) -> None:
        """Live events, until the time is over."""
        self._in_history, self._servers_there = False, True
        self._watch.go_live()
        self._enter(f"live, {self._options.users:,} people, seed {self._options.seed}", self._options.seconds)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._options.seconds):
                await self._traffic.live(self._options.rate)

    async def _caught_up(self) -> None:
        """Everything that was written is counted. Raises `Unavailable` when the worker stands still."""
        while True:
            before = self._watch.read
            try:
                async with asyncio.timeout(_STILL_S):
                    return await self._watch.caught_up()
            except TimeoutError:
                if self._watch.read == before:
                    raise Unavailable(f"the worker does not go on: {self._watch.lag} records are left") from None

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
            history=Progress(self._traffic.written, watch.read, self._traffic.expected) if self._in_history else None,
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
            hint=f". {self._stage.folder / 'env'}; streams explain {self._somebody()}" if self._servers_there else "",
            now_ms=time.time_ns() // 1_000_000,
            url=self._page.url,
            url_comes=self._page.coming,
            collect_url=self._page.collect_url,
        )

    def _somebody(self) -> str:
        """A user worth explaining."""
        return next((alert.user_id for alert in self._watch.tally.newest(_SHOWN_ALERTS) if alert.user_id), "USER")

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
