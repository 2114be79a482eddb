"""What the reader makes of answers that a broker gives seldom: when it holds us back, when two of them answer, when it knows less than
asked. (What it gives every day is in tests/integration/test_fetching.py.)"""

import asyncio
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import TopicPartition

from streams.core.record import Output
from streams.errors import StreamsError
from streams.shell.fetching import FetchSettings, LogReader
from streams.shell.producer import OutputBatch

A, B = TopicPartition("a", 0), TopicPartition("a", 1)


class Brokers:
    """aiokafka's client, answering as a test says. `leaders`: who leads which partition."""

    def __init__(self, reply: Callable[[int, Any], Awaitable[Any]], leaders: dict[TopicPartition, int]) -> None:
        self.cluster, self._reply, self.leaders = self, reply, leaders

    def leader_for_partition(self, tp: TopicPartition) -> int:
        return self.leaders[tp]

    async def send(self, leader: int, request: Any) -> Any:
        return await self._reply(leader, request)

    async def force_metadata_update(self) -> bool:
        return True

    async def close(self) -> None:
        """Nothing is open."""


def reading(brokers: Brokers) -> LogReader:
    reader = LogReader(["nowhere:1"], {}, FetchSettings())
    reader._client = brokers
    return reader


def records(base: int, count: int) -> bytes:
    text = OutputBatch(1000, [Output("a", 0, b"key", b"value", [])] * count, 0).sealed(-1, -1, -1)
    return base.to_bytes(8, "big") + bytes(text[8:])  # the checksum begins behind the base offset


def partition(tp: TopicPartition, code: int, high_watermark: int, data: bytes = b"") -> tuple[Any, ...]:
    return (tp.partition, code, high_watermark, high_watermark, 0, None, -1, data)


def answer(*partitions: tuple[Any, ...], throttle_ms: int = 0) -> SimpleNamespace:
    return SimpleNamespace(API_VERSION=11, error_code=0, session_id=7, throttle_time_ms=throttle_ms, topics=[("a", partitions)])


async def test_a_broker_that_holds_us_back_says_nothing_of_the_logs() -> None:
    """Its answer is empty whatever lies there: taken for "nothing new", time would run ahead of records that wait."""
    answers = [answer(partition(A, 0, 0))]

    async def reply(leader: int, request: Any) -> Any:
        await asyncio.sleep(0)
        return answers.pop() if answers else answer(throttle_ms=500)

    reader = reading(Brokers(reply, {A: 1}))
    reader.seek({A: 0}, 1)
    for _ in range(4):
        await reader.batches()  # waits a moment each time
    heard = reader.caught[A]
    await reader.batches()
    assert reader.caught[A] == heard
    await reader.close()


async def test_of_two_brokers_that_answer_the_first_is_heard() -> None:
    """Leadership has moved while a request was under way. What the second one sends comes again."""
    answering = {1: asyncio.Event(), 2: asyncio.Event()}
    session: dict[int, int] = {}

    async def reply(leader: int, request: Any) -> Any:
        await answering[leader].wait()
        for _, [(_, position, _)] in request.topics:
            session[leader] = position
        return answer(partition(A, 0, 6, records(session[leader], 3)))

    brokers = Brokers(reply, {A: 1})
    reader = reading(brokers)
    reader.seek({A: 0}, 1)
    await asyncio.sleep(0.01)
    brokers.leaders[A] = 2
    reader.resume([A])  # it looks who leads
    for each in answering.values():
        each.set()
    starts = []
    while len(starts) < 2:
        starts += [batch.batch.start for batch in (await reader.batches()).values()]
    assert starts == [0, 3]
    await reader.close()


async def test_one_that_is_refused_does_not_hold_up_the_others() -> None:
    """A broker that answers is asked again soon, however long it has refused some of what we ask for."""
    asked = 0

    async def reply(leader: int, request: Any) -> Any:
        nonlocal asked
        asked += 1
        await asyncio.sleep(0)
        return answer(partition(A, 6, -1), partition(B, 0, 0))  # 6: not the leader

    reader = reading(Brokers(reply, {A: 1, B: 1}))
    reader.seek({A: 0, B: 0}, 1)
    while asked < 8:  # with pauses that grow the eighth would come after ten seconds
        await reader.batches()
    assert reader._pauses[1].next_s() <= 0.2
    assert A not in reader.caught
    assert B in reader.caught
    assert reader.trouble == "waiting for Kafka (its logs): NotLeaderForPartitionError"
    await reader.close()


def damaged() -> bytes:
    """A checksum that does not fit."""
    data = bytearray(records(0, 1))
    data[-3] ^= 1
    return bytes(data)


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        (partition(A, 0, 1, damaged()), r"a/0, offset 0: what lies there cannot be read \(CorruptRecordException\)"),
        (partition(A, 29, -1), r"a/0: Kafka does not let us read \(TopicAuthorizationFailedError\)"),
    ],
)
async def test_what_cannot_be_read_is_said_and_not_passed_over_and_what_came_with_it_is_given(bad: tuple[Any, ...], why: str) -> None:
    asked = 0

    async def reply(leader: int, request: Any) -> Any:
        nonlocal asked
        asked += 1
        return answer(bad, partition(B, 0, 2, records(0, 2)))

    reader = reading(Brokers(reply, {A: 1, B: 1}))
    reader.seek({A: 0, B: 0}, 1)
    assert [(tp, len(batch.batch.records)) for tp, batch in (await reader.batches()).items()] == [(B, 2)]
    for _ in range(2):
        with pytest.raises(StreamsError, match=why):
            await reader.batches()
    assert asked == 1  # not asked for again and again by somebody who cannot go on
    await reader.close()
