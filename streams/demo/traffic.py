"""What happens in the demo's shop: 90 days of history as fast as they can be written, then live events at a steady rate."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Final

from streams.demo.courier import Courier
from streams.demo.watch import Watch
from streams.replay.write import WriteReport, write_in_parts
from streams.settings import Settings
from streams.sim.emission import Emission
from streams.sim.tracker import Acknowledged, Tracker
from streams.sim.world import World

__all__ = ["Traffic"]

#: Fewer and larger batches than a real tracker sends: the embedded broker looks through all of them for each request.
_SLICE_MS: Final = 100

_DAYS: Final = 90
#: What a user of the shop does in 90 days, on average: only for the progress bar.
_EVENTS_PER_USER: Final = 130


class Traffic:
    """Writes events, and tells `watch` when and where each live one was sent.

    written    events of the history that are in the log
    expected   how many there will be, about; how many there are once all are written
    """

    def __init__(self, settings: Settings, watch: Watch, *, users: int, seed: int, collector: Callable[[], str]) -> None:
        """collector: the address of the collector, which a part of the live events goes through; "" while there is none."""
        self._settings, self._watch = settings, watch
        self._world = World(seed, users, churn=settings.rules.churn, drop=settings.rules.drop)
        self._sent_s: dict[int, float] = {}
        self._courier = Courier(collector)
        self.written, self.expected = 0, users * _EVENTS_PER_USER

    async def history(self, counted: Callable[[], Awaitable[None]]) -> None:
        """90 days of events are in the log, in the time of the events, and `counted`; behind them the partitions follow the wall clock."""
        # It works out a second's worth of rhythms first, which must not stop the picture.
        events = await asyncio.to_thread(self._world.history, _DAYS, _now_ms())
        report = await write_in_parts(events, self._settings, counted, on_progress=self._progress)
        self.expected = self.written = report.events

    async def live(self, rate: float) -> None:
        """Sends `rate` events a second until it is cancelled; then the broker has answered for all that were sent."""
        direct = (emission for emission in self._world.live(_now_ms(), rate) if not self._courier.takes(emission))
        tracker = Tracker(_noting(direct, self._sent), self._settings, on_acknowledged=self._acknowledged, slice_ms=_SLICE_MS)
        sending, carrying = asyncio.create_task(tracker.run()), asyncio.create_task(self._courier.run())
        try:
            await asyncio.shield(sending)
        except asyncio.CancelledError:
            tracker.stop()
            await sending
            raise
        finally:
            carrying.cancel()
            await asyncio.gather(carrying, return_exceptions=True)

    def _progress(self, report: WriteReport) -> None:
        self.written, self.expected = report.events, max(self.expected, report.events)

    def _sent(self, emission: Emission) -> None:
        self._sent_s[id(emission)] = time.monotonic()

    def _acknowledged(self, batch: Acknowledged) -> None:
        for number, emission in enumerate(batch.emissions):
            sent_s = self._sent_s.pop(id(emission))
            if batch.offset is not None:
                self._watch.produced(f"{batch.topic}/{batch.partition}/{batch.offset + number}", sent_s)


def _noting(events: Iterator[Emission], sent: Callable[[Emission], None]) -> Iterator[Emission]:
    """The tracker asks for the next event as soon as it has put one into the batch that leaves: that is the moment of sending."""
    for emission in events:
        yield emission
        sent(emission)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
