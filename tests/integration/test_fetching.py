"""The reader on a real broker: what arrives, what is known of the logs' ends, and what a session on the broker's side changes (nothing)."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

import pytest
from aiokafka import AIOKafkaProducer
from faust.types import TP

from streams.shell.fetched import LOST, RecordBatch
from streams.shell.fetching import FetchSettings, LogReader
from streams.shell.ports import Caught
from tests.ear import HANG_S, Ear, listening
from tests.stack import Kafka, Topics

pytestmark = pytest.mark.services

#: So many records are in a log when it returns.
Send = Callable[[TP, int], Awaitable[None]]


class Readers:
    """Readers of one test, and all that they have handed out."""

    def __init__(self, bootstrap: str) -> None:
        self.bootstrap = bootstrap
        self.opened: list[LogReader] = []

    def open(self, **settings: int) -> LogReader:
        self.opened.append(LogReader([self.bootstrap], {}, FetchSettings(**settings)))
        return self.opened[-1]


@pytest.fixture
async def readers(kafka: Kafka) -> AsyncIterator[Readers]:
    readers = Readers(kafka.bootstrap)
    yield readers
    for reader in readers.opened:
        await reader.close()


@pytest.fixture
async def logs(topics: Topics) -> list[TP]:
    """Four empty logs of two topics."""
    return [TP(topic, number) for topic in await topics.create(["a", "b"], partitions=2) for number in range(2)]


@pytest.fixture
async def send(kafka: Kafka) -> AsyncIterator[Send]:
    async with AIOKafkaProducer(bootstrap_servers=kafka.bootstrap) as producer:

        async def send(tp: TP, count: int) -> None:
            for acknowledged in [await producer.send(tp.topic, b"%d" % n, partition=tp.partition) for n in range(count)]:
                await acknowledged

        yield send


async def read(reader: LogReader, until: Callable[[Mapping[TP, int]], bool]) -> list[RecordBatch]:
    """What arrives until so many records of each log have."""
    batches: list[RecordBatch] = []
    counts: dict[TP, int] = {}
    async with asyncio.timeout(HANG_S):
        while not until(counts):
            for tp, batch in (await reader.batches()).items():
                batches.append(batch)
                counts[tp] = counts.get(tp, 0) + len(batch.batch.records)
    return batches


async def heard(reader: LogReader, tps: list[TP], after_ms: int = 0) -> dict[TP, Caught]:
    """What complete fetches say that were sent after an instant."""
    async with asyncio.timeout(HANG_S):
        while not all(tp in reader.caught and reader.caught[tp].sent_ms > after_ms for tp in tps):
            await reader.batches()
    return {tp: reader.caught[tp] for tp in tps}


async def under_way(reader: LogReader) -> None:
    """A broker has been asked, and has not answered."""
    async with asyncio.timeout(HANG_S):
        while all(leader is None for leader in reader._busy):
            await asyncio.sleep(0)


async def test_records_arrive_with_the_positions_that_they_cover(readers: Readers, logs: list[TP], send: Send) -> None:
    reader = readers.open()
    reader.seek(dict.fromkeys(logs, 0), 1)
    at = 0
    for count in (5, 3):
        await send(logs[0], count)
        for arrived in await read(reader, lambda counts, count=count: counts.get(logs[0], 0) == count):
            assert (arrived.batch.topic, arrived.partition, arrived.batch.epoch) == (*logs[0], 1)
            assert arrived.batch.start == at
            assert [record.offset for record in arrived.batch.records] == list(range(at, arrived.batch.end))
            at = arrived.batch.end
    assert at == 8


async def test_the_end_of_a_quiet_log_is_heard_of_again_and_again(readers: Readers, logs: list[TP], send: Send) -> None:
    """In a session the broker does not mention it any more: that it is silent says that nothing has come."""
    await send(logs[1], 4)
    reader = readers.open()
    reader.seek(dict.fromkeys(logs, 0), 1)
    await read(reader, lambda counts: counts.get(logs[1], 0) == 4)
    first = await heard(reader, logs)
    later = await heard(reader, logs, max(seen.sent_ms for seen in first.values()))
    assert [later[tp].high_watermark for tp in logs] == [0, 4, 0, 0]


async def test_after_a_seek_to_the_same_place_the_end_is_told_anew(readers: Readers, logs: list[TP], send: Send) -> None:
    """For the broker nothing has changed, for the lane everything has."""
    await send(logs[0], 2)
    reader = readers.open()
    reader.seek({logs[0]: 2}, 1)
    assert (await heard(reader, logs[:1]))[logs[0]].high_watermark == 2
    reader.seek({logs[0]: 2}, 2)
    assert logs[0] not in reader.caught
    assert (await heard(reader, logs[:1]))[logs[0]].high_watermark == 2


async def test_a_seek_while_the_first_answer_is_on_its_way(readers: Readers, logs: list[TP]) -> None:
    """The answer is for nobody, but the broker believes that we know the ends of the logs now, and does not tell them again."""
    reader = readers.open()
    reader.seek(dict.fromkeys(logs, 0), 1)
    await under_way(reader)
    reader.seek(dict.fromkeys(logs, 0), 2)
    assert not reader.caught
    assert [seen.high_watermark for seen in (await heard(reader, logs)).values()] == [0, 0, 0, 0]


async def test_partitions_that_come_back_while_the_first_answer_is_on_its_way(readers: Readers, logs: list[TP]) -> None:
    """A rebalance, however long it takes."""
    reader = readers.open()
    reader.seek(dict.fromkeys(logs, 0), 1)
    await under_way(reader)
    reader.forget(logs)
    async with asyncio.timeout(HANG_S):
        while reader._busy:
            await reader.batches()
    reader.seek(dict.fromkeys(logs, 0), 2)
    assert [seen.high_watermark for seen in (await heard(reader, logs)).values()] == [0, 0, 0, 0]


async def test_a_seek_back_reads_again(readers: Readers, logs: list[TP], send: Send) -> None:
    await send(logs[0], 6)
    reader = readers.open()
    for epoch in (1, 2, 3):
        reader.seek({logs[0]: 0}, epoch)
        batches = await read(reader, lambda counts: counts.get(logs[0], 0) >= 6)
        assert {arrived.batch.epoch for arrived in batches} == {epoch}
        assert sum(len(arrived.batch.records) for arrived in batches) == 6


async def test_a_paused_log_is_left_alone_and_taken_up_where_it_was(readers: Readers, logs: list[TP], send: Send) -> None:
    reader = readers.open()
    reader.seek(dict.fromkeys(logs, 0), 1)
    await heard(reader, logs)
    reader.pause(logs[:1])
    await heard(reader, logs[1:], max(seen.sent_ms for seen in reader.caught.values()))  # the request that was on its way is answered
    for tp in logs[:2]:
        await send(tp, 3)
    batches = await read(reader, lambda counts: counts.get(logs[1], 0) == 3)
    assert {arrived.partition for arrived in batches} == {1}
    reader.resume(logs[:1])
    (arrived,) = await read(reader, lambda counts: counts.get(logs[0], 0) == 3)
    assert (arrived.batch.start, arrived.batch.end) == (0, 3)
    assert (await heard(reader, logs[:1], reader.caught[logs[0]].sent_ms))[logs[0]].high_watermark == 3


async def test_of_what_is_forgotten_nothing_comes(readers: Readers, logs: list[TP], send: Send) -> None:
    reader = readers.open()
    reader.seek(dict.fromkeys(logs, 0), 1)
    await heard(reader, logs)
    reader.forget(logs[:1])
    for tp in logs[:2]:
        await send(tp, 3)
    batches = await read(reader, lambda counts: counts.get(logs[1], 0) == 3)
    assert {arrived.partition for arrived in batches} == {1}
    assert logs[0] not in reader.caught


async def test_a_broker_that_has_forgotten_the_session_is_told_all_again(readers: Readers, logs: list[TP], send: Send) -> None:
    """As when more consumers come than it keeps sessions for."""
    reader = readers.open()
    reader.seek(dict.fromkeys(logs, 0), 1)
    await heard(reader, logs)
    async with asyncio.timeout(HANG_S):
        while not (sessions := list(reader._sessions.values())):  # one is here between two requests
            await asyncio.sleep(0)
    sessions[0]._id += 1
    with listening("streams.shell.fetching") as ear:
        await send(logs[3], 5)
        await read(reader, lambda counts: counts.get(logs[3], 0) == 5)
        assert ear.said == []


async def test_an_offset_that_the_log_does_not_hold(readers: Readers, logs: list[TP], send: Send) -> None:
    """Its lane is told by a batch that fits nowhere; the others go on."""
    reader = readers.open()
    reader.seek({logs[0]: 1 << 40, logs[1]: 0}, 1)
    await send(logs[1], 2)
    batches = await read(reader, lambda counts: counts.get(logs[1], 0) == 2 and logs[0] in counts)
    assert [arrived.batch.start for arrived in batches if arrived.partition == 0] == [LOST]
    assert logs[0] not in reader.caught


async def test_a_topic_that_is_not_there_yet_is_waited_for(readers: Readers, topics: Topics, send: Send) -> None:
    reader = readers.open()
    tp = TP(topics.name("late"), 0)
    with listening("streams.shell.fetching") as ear:
        reader.seek({tp: 0}, 1)
        await _says(reader, ear, "waiting for Kafka (its logs): LeaderNotAvailableError")
        assert reader.trouble is not None
        await topics.create("late")
        await send(tp, 1)
        await read(reader, lambda counts: counts.get(tp, 0) == 1)
        assert ear.said[1:] == ["Kafka (its logs) is back"]
    assert reader.trouble is None


async def _says(reader: LogReader, ear: Ear, start: str) -> None:
    hearing = asyncio.create_task(ear.hears(start))
    while not hearing.done():
        await reader.batches()
