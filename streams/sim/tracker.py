"""The world's trackers: emissions go to the broker when their time comes, or as fast as it takes them."""

import asyncio
import time
from base64 import b64encode
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import IO, Any, Final

import msgspec
import orjson
from aiokafka.errors import KafkaError

from streams.errors import Unavailable
from streams.replay.outbox import Outbox, Sealed, producing
from streams.settings import Settings
from streams.sim.emission import Emission

__all__ = ["Acknowledged", "Feeder", "Tracker"]

#: Emissions of so many milliseconds leave together: below what a person or the latency figures notice.
_SLICE_MS: Final = 5
#: Events that may be under way; a tracker that is told to be faster than the broker waits for it.
_UNDER_WAY: Final = 20_000
#: So many emissions that are overdue leave before the loop looks at the acknowledgements again.
_BURST: Final = 2000
#: Longest sleep: so soon an acknowledgement is noticed where events are rare.
_NAP_MS: Final = 20


class Acknowledged(msgspec.Struct, frozen=True):
    """A batch that the broker has, or may have. `offset` is that of the first emission; None: nobody knows (the answer never came)."""

    topic: str
    partition: int
    offset: int | None
    emissions: Sequence[Emission]


class Tracker:
    """Sends `events` as their `at_ms` comes; `paced=False`: at once. Records carry the time of sending, in embedded and real brokers alike.

    sent, acknowledged   events so far
    slice_ms             events of so long go in one batch per partition
    """

    def __init__(
        self,
        events: Iterator[Emission],
        settings: Settings,
        *,
        paced: bool = True,
        patience_s: float = 30.0,
        on_acknowledged: Callable[[Acknowledged], None] | None = None,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
        slice_ms: int = _SLICE_MS,
    ) -> None:
        self.sent = self.acknowledged = 0
        self._events, self._settings, self._paced, self._patience_s = events, settings, paced, patience_s
        self._on_acknowledged, self._now_ms = on_acknowledged, now_ms
        self._slice_ms = slice_ms
        self._stop = asyncio.Event()
        self._under_way: deque[Sealed] = deque()

    def stop(self) -> None:
        """`run` ends soon, after the broker has answered for everything that was sent."""
        self._stop.set()

    async def run(self) -> None:
        """Ends when `events` do or `stop` is called. Raises `Unavailable` when the broker is away for longer than `patience_s`."""
        async with producing(self._settings) as producer:
            try:
                await self._send_all(Outbox(producer, self._settings, patience_s=self._patience_s))
                await self._collect(until=0, patience_s=self._patience_s)
            except (KafkaError, OSError) as error:
                with suppress(KafkaError, OSError):
                    await self._collect(until=0, patience_s=0)
                why = f"stopped taking records ({type(error).__name__}) after {self.acknowledged} events"
                raise Unavailable(f"Kafka at {self._settings.broker} {why}") from error

    async def _send_all(self, outbox: Outbox) -> None:
        upcoming = next(self._events, None)
        while upcoming is not None and not self._stop.is_set():
            until_ms = self._now_ms() + self._slice_ms
            burst = 0
            while upcoming is not None and burst < _BURST and (not self._paced or upcoming.at_ms < until_ms):
                if not outbox.add(upcoming):
                    break
                burst += 1
                upcoming = next(self._events, None)
            await self._seal(outbox)
            await self._collect(until=_UNDER_WAY, patience_s=self._patience_s)
            if upcoming is not None:
                await self._sleep(min(upcoming.at_ms - self._now_ms(), _NAP_MS) if self._paced else 0)

    async def _seal(self, outbox: Outbox) -> None:
        before = len(self._under_way)
        try:
            await outbox.seal(self._under_way)
        finally:
            self.sent += sum(len(batch.emissions) for batch in islice(self._under_way, before, None))

    async def _sleep(self, ms: int) -> None:
        if ms <= 0:
            await asyncio.sleep(0)
            return
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stop.wait(), ms / 1000)

    async def _collect(self, until: int, patience_s: float) -> None:
        """Reports what was answered, in order, and waits until not more than `until` events are under way. After the first one that failed
        nothing is waited for: all batches are reported, and its error is raised."""
        waiting = self.sent - self.acknowledged
        failed: KafkaError | OSError | None = None
        while self._under_way and (self._under_way[0].delivered.done() or waiting > until or failed is not None):
            batch = self._under_way.popleft()
            waiting -= len(batch.emissions)
            try:
                offset = (await batch.metadata(0 if failed else patience_s)).offset
            except (KafkaError, OSError) as error:
                failed = failed or error
                self._tell(batch, None)
            else:
                self.acknowledged += len(batch.emissions)
                self._tell(batch, offset if offset >= 0 else None)
        if failed is not None:
            raise failed

    def _tell(self, batch: Sealed, offset: int | None) -> None:
        if self._on_acknowledged is not None:
            self._on_acknowledged(Acknowledged(batch.topic, batch.partition, offset, batch.emissions))


class Feeder:
    """A tracker that writes down what it did, so that an oracle knows what the broker acknowledged: one JSON line for each event in `plan`.

        {"topic": ..., "partition": 0, "offset": 17, "key": ..., "value": ...}

    `offset` is null where the answer never came: the broker may hold such an event or not. Bytes that are no UTF-8 stand in base64 under
    `key64` and `value64`.
    """

    def __init__(
        self, events: Iterator[Emission], settings: Settings, plan: Path, *, paced: bool = False, patience_s: float = 120.0
    ) -> None:
        self._plan = plan
        self.tracker = Tracker(events, settings, paced=paced, patience_s=patience_s, on_acknowledged=self._note)
        self._file: IO[bytes] | None = None

    def stop(self) -> None:
        """`run` ends soon, as the tracker's does."""
        self.tracker.stop()

    async def run(self) -> None:
        """As `Tracker.run`; the plan is whole on disk, also after an error."""
        with self._plan.open("wb") as self._file:
            await self.tracker.run()

    def _note(self, batch: Acknowledged) -> None:
        assert self._file is not None
        for i, emission in enumerate(batch.emissions):
            line: dict[str, Any] = {"topic": batch.topic, "partition": batch.partition}
            line["offset"] = None if batch.offset is None else batch.offset + i
            line |= _shown("key", emission.key) | _shown("value", emission.value)
            self._file.write(orjson.dumps(line) + b"\n")


def _shown(name: str, content: bytes) -> dict[str, str]:
    try:
        return {name: content.decode()}
    except UnicodeDecodeError:
        return {f"{name}64": b64encode(content).decode()}
