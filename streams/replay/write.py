"""Emissions into the topics, as fast as the broker takes them, in the time of the events."""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from itertools import groupby
from typing import Final

import msgspec
from aiokafka.errors import KafkaError

from streams.core.headers import STREAMS_CLOCK
from streams.core.rules import DAY_MS
from streams.errors import Unavailable
from streams.replay.outbox import Header, Outbox, Sealed, producing
from streams.settings import Settings
from streams.shell.producer import Producer
from streams.sim.emission import Emission

__all__ = ["NotDelivered", "WriteReport", "write", "write_in_parts"]

_EVENT_CLOCK: Final[Header] = (STREAMS_CLOCK, b"event")
_WALL_CLOCK: Final[Header] = (STREAMS_CLOCK, b"wall")
#: Rounds of batches under way: one is on the wire while the next one is filled.
_ROUNDS: Final = 2


class WriteReport(msgspec.Struct):
    """What was delivered: acknowledged by the broker.

    events      in all, and by topic
    first_ms, last_ms   earliest and latest time of an emission handed over; 0 when there was none
    disordered  emissions that lie before the one ahead of them: the event clock does not go back for them
    controls    partitions that were told to go back to the wall clock
    """

    events: int = 0
    by_topic: dict[str, int] = {}
    value_bytes: int = 0
    first_ms: int = 0
    last_ms: int = 0
    disordered: int = 0
    controls: int = 0
    seconds: float = 0.0

    @property
    def rate(self) -> float:
        """Events per second."""
        return self.events / self.seconds if self.seconds > 0 else 0.0


class NotDelivered(Unavailable):
    """Kafka stopped taking records. `report` says what it had taken by then; the rest was not sent, or its fate is unknown."""

    def __init__(self, message: str, report: WriteReport) -> None:
        super().__init__(message)
        self.report = report


async def write(
    events: Iterable[Emission],
    settings: Settings,
    *,
    event_clock: bool = True,
    keep_event_clock: bool = False,
    on_progress: Callable[[WriteReport], None] | None = None,
    patience_s: float = 30.0,
) -> WriteReport:
    """All `events` are in the topics and acknowledged, each on the home partition of its key, in their order there.

    event_clock       partition time follows the events; after the last one each partition is told to go back to the wall clock,
                      unless `keep_event_clock` says that more is to come
    on_progress       called with the report so far, after each round of batches
    Raises `NotDelivered` (an `Unavailable`), and whatever `events` raises: what came before that is delivered.
    """
    async with producing(settings) as producer:
        writing = _Writing(producer, settings, [_EVENT_CLOCK] if event_clock else [], on_progress, patience_s)
        try:
            try:
                await writing.all(events)
            except (KafkaError, OSError):
                raise
            except Exception:
                await writing.finish()
                raise
            await writing.finish()
            if event_clock and not keep_event_clock:
                await writing.back_to_wall_clock()
        except (KafkaError, OSError) as error:
            report = writing.give_up()
            message = f"Kafka at {settings.broker} stopped taking records ({type(error).__name__}) after {report.events} events"
            raise NotDelivered(message, report) from error
        return writing.report


async def write_in_parts(
    events: Iterable[Emission],
    settings: Settings,
    counted: Callable[[], Awaitable[None]],
    *,
    days: int = 15,
    keep_event_clock: bool = False,
    on_progress: Callable[[WriteReport], None] | None = None,
) -> WriteReport:
    """As `write`, but each part of so many days is `counted` before the next one is written.

    What is sent to another partition because of a login lies behind all that is written by then, and two users on a day that is more than
    a month old cannot be made one any more.
    """
    whole, number = WriteReport(), 0

    def part_of(event: Emission) -> int:
        nonlocal number
        number = max(number, event.at_ms // (days * DAY_MS))  # one that lies before the one ahead of it begins no part
        return number

    def progress(report: WriteReport) -> None:
        if on_progress is not None:
            on_progress(_sum(whole, report))

    for _, part in groupby(events, part_of):
        whole = _sum(whole, await write(part, settings, keep_event_clock=True, on_progress=progress))
        await counted()
    return whole if keep_event_clock else _sum(whole, await write((), settings))


def _sum(before: WriteReport, after: WriteReport) -> WriteReport:
    """Both, one behind the other."""
    firsts = [it.first_ms for it in (before, after) if it.events]
    topics = dict.fromkeys((*before.by_topic, *after.by_topic))
    return WriteReport(
        events=before.events + after.events,
        by_topic={topic: before.by_topic.get(topic, 0) + after.by_topic.get(topic, 0) for topic in topics},
        value_bytes=before.value_bytes + after.value_bytes,
        first_ms=min(firsts, default=0),
        last_ms=max(before.last_ms, after.last_ms),
        disordered=before.disordered + after.disordered,
        controls=before.controls + after.controls,
        seconds=before.seconds + after.seconds,
    )


class _Writing:
    def __init__(
        self,
        producer: Producer,
        settings: Settings,
        headers: Sequence[Header],
        on_progress: Callable[[WriteReport], None] | None,
        patience_s: float,
    ) -> None:
        self.report = WriteReport()
        self._producer, self._settings, self._on_progress, self._patience_s = producer, settings, on_progress, patience_s
        self._outbox = Outbox(producer, settings, headers, patience_s=patience_s)
        self._rounds: deque[list[Sealed]] = deque()
        self._started_s = time.monotonic()

    async def all(self, events: Iterable[Emission]) -> None:
        report, add = self.report, self._outbox.add
        for emission in events:
            if not add(emission):
                await self._seal()
                add(emission)
            at_ms = emission.at_ms
            if at_ms >= report.last_ms:
                report.last_ms = at_ms
            else:
                report.disordered += 1
            if at_ms < report.first_ms or not report.first_ms:
                report.first_ms = at_ms

    async def _seal(self) -> None:
        self._rounds.append([])
        await self._outbox.seal(self._rounds[-1])
        while len(self._rounds) > _ROUNDS:
            await self._arrive()

    async def finish(self) -> None:
        """Everything added is acknowledged."""
        await self._seal()
        while self._rounds:
            await self._arrive()

    async def _arrive(self) -> None:
        """The oldest round is acknowledged, all of it."""
        sealed = self._rounds[0]
        for batch in sealed:
            await batch.metadata(self._patience_s)
        self._count(self._rounds.popleft())
        if self._on_progress is not None:
            self._on_progress(self.report)

    def give_up(self) -> WriteReport:
        """The report, with what did arrive of the rounds that did not arrive whole."""
        while self._rounds:
            self._count([batch for batch in self._rounds.popleft() if batch.arrived()])
        return self.report

    def _count(self, sealed: Sequence[Sealed]) -> None:
        report = self.report
        for batch in sealed:
            report.events += len(batch.emissions)
            report.by_topic[batch.topic] = report.by_topic.get(batch.topic, 0) + len(batch.emissions)
            report.value_bytes += sum(len(emission.value) for emission in batch.emissions)
        report.seconds = time.monotonic() - self._started_s

    async def back_to_wall_clock(self) -> None:
        """One record on each clickstream partition, behind everything else, that carries nothing but the clock."""
        topic = self._settings.rules.topics.clickstream
        for partition in range(self._settings.rules.partitions):
            async with asyncio.timeout(self._patience_s):
                await self._producer.send_and_wait(topic, key=STREAMS_CLOCK.encode(), partition=partition, headers=[_WALL_CLOCK])
            self.report.controls += 1
