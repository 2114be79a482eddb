"""What a lane sees of its partition, and how much may wait for it in memory."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from types import SimpleNamespace

import pytest
from faust.types import TP

from streams.shell.batches import FetchScheduler
from streams.shell.fetched import RecordBatch
from streams.shell.ports import Bounds, Caught
from streams.shell.source import KafkaSource


class Clock:
    ms = 1000

    def now_ms(self) -> int:
        return self.ms


class Feed:
    """A consumer that remembers what it was told."""

    def __init__(self) -> None:
        self.asked = 0
        self.ends: dict[int, int] = {}  # how often it was asked -> the end that it believes in
        self.caught: dict[TP, Caught] = {}
        self.paused: set[TP] = set()
        self.told: dict[TP, int] = {}
        self.sought: list[tuple[dict[TP, int], int]] = []

    async def bounds(self, tps: Sequence[TP]) -> Mapping[TP, Bounds]:
        self.asked += 1
        return {tp: Bounds(3, self.ends.get(self.asked, 9)) for tp in tps}

    def new_epoch(self) -> int:
        return len(self.sought) + 1

    def seek_to(self, positions: Mapping[TP, int], epoch: int) -> None:
        self.sought.append((dict(positions), epoch))

    def pause(self, tps: Iterable[TP]) -> None:
        self.paused.update(tps)

    def resume(self, tps: Iterable[TP]) -> None:
        self.paused.difference_update(tps)

    def saved(self, positions: Mapping[TP, int]) -> None:
        self.told.update(positions)


A, B = TP("a", 7), TP("b", 7)


def batch(tp: TP, start: int, end: int, epoch: int = 1, size_bytes: int = 10) -> RecordBatch:
    """Records at every offset of [start, end), of `size_bytes` each."""
    records = [SimpleNamespace(offset=at, timestamp=at, key=None, value=bytes(size_bytes)) for at in range(start, end)]
    return RecordBatch(tp, start, end, epoch, records)


@pytest.fixture
def feed() -> Feed:
    return Feed()


@pytest.fixture
async def source(feed: Feed) -> KafkaSource:
    """A source at offset 0 of both topics, epoch 1, that may hold 100 bytes of each."""
    source = KafkaSource(7, ["a", "b"], feed, Clock(), budget_bytes=100)
    await source.seek({"a": 0, "b": 0})
    return source


async def test_a_batch_is_given_once(source: KafkaSource) -> None:
    source.offer(batch(A, 0, 2))
    source.offer(batch(B, 0, 1))
    assert [(b.topic, b.start, b.end, b.epoch) for b in source.take()] == [("a", 0, 2, 1), ("b", 0, 1, 1)]
    assert source.take() == []


async def test_a_batch_from_before_a_seek_is_dropped(source: KafkaSource) -> None:
    assert await source.seek({"a": 5, "b": 0}) == 2
    source.offer(batch(A, 0, 2, epoch=1))
    source.offer(batch(A, 5, 6, epoch=2))
    assert [b.start for b in source.take()] == [5]


async def test_what_had_arrived_before_a_seek_is_forgotten(source: KafkaSource) -> None:
    source.offer(batch(A, 0, 2))
    await source.seek({"a": 0, "b": 0})
    assert source.take() == []
    assert source.size_bytes == 0


async def test_kafka_is_told_where_a_lane_begins_and_what_it_has_saved(source: KafkaSource, feed: Feed) -> None:
    assert feed.told == {A: 0, B: 0}
    source.saved({"a": 4, "b": 1})
    assert feed.told == {A: 4, B: 1}


async def test_nothing_is_told_or_taken_in_after_the_partition_has_left(source: KafkaSource, feed: Feed) -> None:
    source.close()
    source.offer(batch(A, 0, 2))
    source.saved({"a": 2, "b": 0})
    assert source.take() == []
    assert feed.told == {A: 0, B: 0}


async def test_a_topic_above_its_budget_is_paused_until_half_of_it_is_saved(source: KafkaSource, feed: Feed) -> None:
    source.offer(batch(A, 0, 8, size_bytes=10))
    assert feed.paused == set()
    source.offer(batch(A, 8, 14, size_bytes=10))
    assert feed.paused == {A}
    source.saved({"a": 7, "b": 0})  # within the first batch: nothing is freed
    assert feed.paused == {A}
    source.saved({"a": 8, "b": 0})
    assert feed.paused == {A}
    source.saved({"a": 14, "b": 0})
    assert feed.paused == set()


async def test_one_topic_above_its_budget_does_not_pause_another(source: KafkaSource, feed: Feed) -> None:
    source.offer(batch(A, 0, 20))
    source.offer(batch(B, 0, 2))
    assert feed.paused == {A}


async def test_a_lane_that_waits_for_a_paused_topic_gets_it_when_nothing_else_would_come(source: KafkaSource, feed: Feed) -> None:
    """A step planned before a crash may need more than the budget holds: the budget must not hold it up for ever."""
    feed.caught[B] = Caught(0, 900)
    source.offer(batch(A, 0, 20))
    assert feed.paused == {A}
    await source.wait(0)
    assert feed.paused == set()


async def test_a_lane_that_waits_for_another_topic_does_not_lift_the_budget(source: KafkaSource, feed: Feed) -> None:
    """The topic that it waits for is fetched anyway, so the one that is far ahead fills no memory meanwhile."""
    feed.caught[B] = Caught(5, 900)
    source.offer(batch(A, 0, 20))
    await source.wait(0)
    assert feed.paused == {A}


@pytest.mark.parametrize("first_ms", [20, 30_000])
async def test_a_lane_looks_again_in_time_whatever_it_waited_for_before(source: KafkaSource, first_ms: int) -> None:
    """The alarm of a wait that something ended stays set: it may ring for the next wait, never later than that one wants."""
    waiting = asyncio.create_task(source.wait(1000 + first_ms))
    await asyncio.sleep(0)
    source.offer(batch(A, 0, 2))
    await waiting
    source.take()
    async with asyncio.timeout(10):
        await source.wait(1000 + 60)


async def test_a_lane_that_is_cancelled_while_it_waits_leaves_nothing_that_stops_another_wait(source: KafkaSource) -> None:
    waiting = asyncio.create_task(source.wait(1000 + 30_000))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    async with asyncio.timeout(10):
        await source.wait(1000 + 20)


async def test_a_seek_lifts_the_pause(source: KafkaSource, feed: Feed) -> None:
    source.offer(batch(A, 0, 20))
    await source.seek({"a": 3, "b": 0})
    source.offer(batch(A, 3, 23, epoch=2))
    assert source.paused == {"a"}
    assert feed.sought == [({A: 0, B: 0}, 1), ({A: 3, B: 0}, 2)]


async def test_waiting_ends_when_a_batch_arrives_when_woken_and_in_time(source: KafkaSource) -> None:
    never_ms = 1 << 52
    source.offer(batch(A, 0, 1))
    await source.wait(never_ms)
    source.take()
    source.wake()
    await source.wait(never_ms)
    source.take()
    await source.wait(Clock.ms + 1)


async def test_caught_and_bounds_are_those_of_the_lane(source: KafkaSource, feed: Feed) -> None:
    feed.caught |= {A: Caught(4, 900), TP("a", 8): Caught(5, 901)}
    assert source.caught() == {"a": Caught(4, 900)}
    assert await source.bounds({}) == {"a": Bounds(3, 9), "b": Bounds(3, 9)}


async def test_an_end_before_what_was_read_is_asked_for_again(source: KafkaSource, feed: Feed) -> None:
    """A broker may know the end of its own log late: that is no missing history."""
    feed.ends = {1: 4, 2: 6}
    assert await source.bounds({"a": 6, "gone": 80}) == {"a": Bounds(3, 6), "b": Bounds(3, 6)}
    assert feed.asked == 2


async def test_waiting_since_tells_how_long_nothing_was_saved(feed: Feed) -> None:
    clock = Clock()
    source = KafkaSource(7, ["a", "b"], feed, clock, budget_bytes=100)

    def since() -> int | None:
        return source.waiting_since_ms

    assert since() == 1000  # no lane has said where to read
    await source.seek({"a": 0, "b": 0})
    assert since() is None
    clock.ms = 2000
    source.offer(batch(A, 0, 2))
    source.offer(batch(A, 2, 4))
    assert since() == 2000
    clock.ms = 3000
    source.saved({"a": 2, "b": 0})
    assert since() == 3000
    source.saved({"a": 4, "b": 0})
    assert since() is None
    source.offer(batch(A, 4, 4))
    assert since() is None  # a marker alone is nothing to save


def test_all_that_was_fetched_together_is_one_event() -> None:
    """A transaction marker moves the position and has no record."""
    some, marker = batch(A, 10, 13), RecordBatch(B, 4, 5, 1, ())
    scheduler = FetchScheduler()  # type: ignore[abstract]  # Faust declares an `__init__` that nobody implements
    [(tp, fetch)] = scheduler.iterate({A: some, B: marker})
    assert (tp, fetch.topic, fetch.partition, fetch.offset) == (A, "a", 7, 12)
    assert fetch.batches == [some, marker]
    assert marker.size_bytes == 0
    assert list(scheduler.iterate({})) == []
