"""The records of one lane, as they come out of Faust: what has arrived, what is known of the log's end, and how much waits in memory."""

import asyncio
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Protocol

from faust.types import TP

from streams.shell.fetched import RecordBatch
from streams.shell.ports import Batch, Bounds, Caught, Clock

__all__ = ["Feed", "KafkaSource"]

_CLOSED_S: Final = 0.01
#: How often, and how far apart, an end of the log is asked for that lies before what has been read of it.
_LATE_ENDS: Final = 20
_LATE_END_S: Final = 0.25


class Feed(Protocol):
    """What a source needs of the consumer. All of it is called in the main loop."""

    @property
    def caught(self) -> Mapping[TP, Caught]:
        """What the last complete fetch of each topic-partition said, since its last seek."""

    async def bounds(self, tps: Sequence[TP]) -> Mapping[TP, Bounds]:
        """Waits until the brokers answer."""

    def new_epoch(self) -> int:
        """A number that no batch carries yet, higher than all before it."""

    def seek_to(self, positions: Mapping[TP, int], epoch: int) -> None:
        """Fetching goes on at `positions`, unpaused; batches carry `epoch` from now on."""

    def pause(self, tps: Iterable[TP]) -> None:
        """What has been fetched already may still come; nothing more is fetched."""

    def resume(self, tps: Iterable[TP]) -> None: ...
    def saved(self, positions: Mapping[TP, int]) -> None:
        """Offsets that Kafka may be told."""


class KafkaSource:
    """`ports.Source` for one partition number. Lives from one assignment of the partition to the next revocation.

    A topic whose unsaved records exceed `budget_bytes` is not fetched any further until half of them are saved: a lane that waits for Redis
    or Kafka fills no memory. Every topic has a budget of its own, since a lane may wait for one topic while another one is far ahead.
    """

    def __init__(self, partition: int, topics: Sequence[str], feed: Feed, clock: Clock, *, budget_bytes: int) -> None:
        self.partition: Final = partition
        self._tps: Final = {topic: TP(topic, partition) for topic in topics}
        self._feed, self._clock, self._budget_bytes = feed, clock, budget_bytes
        self._arrived = False
        self._waiter: asyncio.Future[None] | None = None
        self._alarm: asyncio.TimerHandle | None = None
        self._alarm_at_s = 0.0
        self._pending: list[Batch] = []
        self._epoch = -1
        self._end: dict[str, int] = {}
        self._unsaved: dict[str, deque[tuple[int, int]]] = {topic: deque() for topic in topics}
        self._size_bytes = dict.fromkeys(topics, 0)
        self._paused: set[str] = set()
        self._closed = False
        #: Wall clock (ms) since which records wait here and none was saved; None when nothing waits.
        self.waiting_since_ms: int | None = clock.now_ms()

    # The `ports.Source` side, for the lane.

    async def bounds(self, at_least: Mapping[str, int]) -> Mapping[str, Bounds]:
        for _ in range(_LATE_ENDS):
            found = await self._feed.bounds(list(self._tps.values()))
            bounds = {topic: found[tp] for topic, tp in self._tps.items()}
            if self._closed or all(bounds[topic].end >= at for topic, at in at_least.items() if topic in bounds):
                break
            await asyncio.sleep(_LATE_END_S)
        return bounds

    async def seek(self, positions: Mapping[str, int]) -> int:
        self._epoch = epoch = self._feed.new_epoch()
        self._end = dict(positions)
        self._pending = []
        self._paused.clear()
        for topic, unsaved in self._unsaved.items():
            unsaved.clear()
            self._size_bytes[topic] = 0
        self.saved(positions)
        if not self._closed:  # else somebody else may read there by now
            self._feed.seek_to({self._tps[topic]: at for topic, at in positions.items()}, epoch)
        return epoch

    def take(self) -> Sequence[Batch]:
        self._arrived = self._closed
        taken, self._pending = self._pending, []
        return taken

    def caught(self) -> Mapping[str, Caught]:
        caught = self._feed.caught
        return {topic: caught[tp] for topic, tp in self._tps.items() if tp in caught}

    async def wait(self, until_ms: int) -> None:
        if self._closed:
            await asyncio.sleep(_CLOSED_S)  # whoever has not heard of it yet must not spin
            return
        self._feed_the_starving()
        delay_s = (until_ms - self._clock.now_ms()) / 1000
        if delay_s > 0 and not self._arrived:
            # By hand: an event with a timeout around it costs three times as much, and lanes wait between any two steps.
            loop = asyncio.get_running_loop()
            self._waiter = loop.create_future()
            self._set_alarm(loop, loop.time() + delay_s)
            await self._waiter

    def _set_alarm(self, loop: asyncio.AbstractEventLoop, at_s: float) -> None:
        """Whoever waits looks again at `at_s`, or earlier: an alarm from before stays, as nearly every wait is over before any alarm."""
        if self._alarm is not None:
            if self._alarm_at_s <= at_s:
                return
            self._alarm.cancel()
        self._alarm, self._alarm_at_s = loop.call_at(at_s, self._ring), at_s

    def _ring(self) -> None:
        self._alarm = None
        self._call()

    def saved(self, positions: Mapping[str, int]) -> None:
        if self._closed:
            return  # somebody else may own the partition by now
        self._feed.saved({self._tps[topic]: at for topic, at in positions.items()})
        for topic, at in positions.items():
            unsaved = self._unsaved[topic]
            while unsaved and unsaved[0][0] <= at:
                self._size_bytes[topic] -= unsaved.popleft()[1]
        self._resume(topic for topic in self._paused.copy() if self._size_bytes[topic] <= self._budget_bytes // 2)
        self.waiting_since_ms = self._clock.now_ms() if any(self._unsaved.values()) else None

    # The other side, for the consumer.

    def offer(self, arrived: RecordBatch) -> None:
        """The batch waits for the lane. Batches from before the last seek are dropped."""
        batch = arrived.batch
        if self._closed or batch.epoch != self._epoch:
            return
        topic = batch.topic
        self._pending.append(batch)
        self._end[topic] = batch.end
        self.wake()
        if not batch.records:
            return  # nothing that a lane could save
        self._unsaved[topic].append((batch.end, arrived.size_bytes))
        self._size_bytes[topic] += arrived.size_bytes
        if self._size_bytes[topic] > self._budget_bytes and topic not in self._paused:
            self._paused.add(topic)
            self._feed.pause([self._tps[topic]])
        if self.waiting_since_ms is None:
            self.waiting_since_ms = self._clock.now_ms()

    def wake(self) -> None:
        """Whoever waits looks again."""
        self._arrived = True
        self._call()

    def close(self) -> None:
        """The partition is not ours any more: nothing is taken in, nothing is reported as saved, nobody waits."""
        self._closed = True
        self.wake()
        if self._alarm is not None:
            self._alarm.cancel()

    @property
    def size_bytes(self) -> int:
        """Keys and values that have arrived and are not saved."""
        return sum(self._size_bytes.values())

    @property
    def paused(self) -> frozenset[str]:
        """Topics that are not fetched because their budget is full."""
        return frozenset(self._paused)

    def _call(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _feed_the_starving(self) -> None:
        """A lane that waits cannot do anything with what it has. If nothing more would come on its own, the budget must give way: a step
        that was planned before a crash may need more records than the budget holds."""
        if self._paused and not any(self._behind(topic) for topic in self._end if topic not in self._paused):
            self._resume(self._paused.copy())

    def _behind(self, topic: str) -> bool:
        caught = self._feed.caught.get(self._tps[topic])
        return caught is None or self._end[topic] < caught.high_watermark

    def _resume(self, topics: Iterable[str]) -> None:
        resumed = list(topics)
        if resumed:
            self._paused.difference_update(resumed)
            self._feed.resume([self._tps[topic] for topic in resumed])
