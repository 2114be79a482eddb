"""Faust on a real broker, with lanes that write down what they are given: what arrives, in which order, who reads it, and what Kafka is
told."""

import asyncio
import itertools
import re
import signal
import subprocess
import sys
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from streams.shell.fetching import FetchSettings
from tests.recorder import Settings
from tests.stack import Kafka, Redis, Topics
from tests.topics import Topics as TopicsOf

pytestmark = pytest.mark.services

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 150.0
_app_ids = itertools.count(1)


class Worker:
    """One worker process and its log."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.errors = Path(settings.folder) / f"{settings.worker}.err"
        self._log = Path(settings.folder) / f"{settings.worker}.log"
        self.process = self._spawn()

    def _spawn(self) -> "subprocess.Popen[bytes]":
        command = [sys.executable, "-m", "tests.recorder", msgspec.json.encode(self.settings).decode()]
        with self.errors.open("ab") as errors:
            return subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=errors, stderr=errors)

    def again(self) -> None:
        """The process is killed and another one has its place and its name."""
        self.kill()
        self.process = self._spawn()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def lines(self, what: str = "", **wanted: Any) -> list[dict[str, Any]]:
        text = self._log.read_text() if self._log.exists() else ""
        lines = [msgspec.json.decode(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]
        return [line for line in lines if (not what or line["what"] == what) and all(line[name] == value for name, value in wanted.items())]

    async def stopped(self, how: signal.Signals = signal.SIGTERM) -> int:
        """The exit code after an orderly stop."""
        self.process.send_signal(how)
        return await self.ended()

    async def ended(self) -> int:
        return await asyncio.to_thread(self.process.wait, PATIENCE_S)

    def last_words(self) -> list[str]:
        """Why the process ended, by its own account. A new broker makes the libraries say things of their own before."""
        text = self.errors.read_text()
        assert "Traceback" not in text
        return [line for line in text.splitlines() if line.startswith("streams: ")]

    def partitions(self) -> set[int]:
        """Numbers of the lanes that are open now."""
        mine: set[int] = set()
        for line in self.lines():
            mine = mine | {line["p"]} if line["what"] == "open" else mine - {line["p"]} if line["what"] == "close" else mine
        return mine


class Crew:
    """The workers of one test: they share topics, heads and a group."""

    def __init__(self, folder: Path, broker: str, inputs: list[str]) -> None:
        self.folder, self.broker, self.inputs = folder, broker, inputs
        self.app_id = f"{folder.name}-{next(_app_ids)}"
        self.workers: list[Worker] = []

    def start(self, worker: str = "w1", **options: Any) -> Worker:
        broker = options.pop("broker", self.broker)
        settings = Settings(folder=str(self.folder), worker=worker, app_id=self.app_id, broker=broker, inputs=self.inputs, **options)
        self.workers.append(Worker(settings))
        return self.workers[-1]

    def batches(self) -> list[dict[str, Any]]:
        """Batches of all workers in the order in which they were taken."""
        return sorted((line for worker in self.workers for line in worker.lines("batch")), key=lambda line: line["at"])

    def keys(self) -> dict[tuple[str, int], list[str]]:
        """Keys that lanes were given, per topic-partition, in order."""
        keys: dict[tuple[str, int], list[str]] = defaultdict(list)
        for line in self.batches():
            keys[line["topic"], line["p"]] += line["keys"]
        return dict(keys)

    def heads(self) -> dict[TopicPartition, int]:
        """What the lanes have saved."""
        return {
            TopicPartition(topic, int(file.stem.removeprefix("head-"))): at
            for file in self.folder.glob("head-*.json")
            for topic, at in msgspec.json.decode(file.read_bytes()).items()
        }


@pytest.fixture
def make_crew(tmp_path: Path) -> Iterator[Callable[[str, list[str]], Crew]]:
    crews: list[Crew] = []

    def make(broker: str, inputs: list[str]) -> Crew:
        crews.append(Crew(tmp_path, broker, inputs))
        return crews[-1]

    yield make
    for crew in crews:
        for worker in crew.workers:
            worker.kill()


@pytest.fixture
async def crew(kafka: Kafka, topics: Topics, make_crew: Callable[[str, list[str]], Crew]) -> Crew:
    """Three input topics of four partitions each."""
    return make_crew(kafka.bootstrap, await topics.create(["a", "b", "c"], partitions=4))


async def until(true: Callable[[], Any], what: str) -> None:
    """`true` holds. AssertionError naming `what` when it does not for minutes (a hang, not a measurement)."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            while not true():
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise AssertionError(f"not in {PATIENCE_S:g} s: {what}") from None


@asynccontextmanager
async def producing(broker: str, **options: Any) -> AsyncIterator[AIOKafkaProducer]:
    async with AIOKafkaProducer(bootstrap_servers=broker, linger_ms=5, **options) as producer:
        yield producer


async def produce(broker: str, topics: Iterable[str], numbers: Iterable[int], size_bytes: int = 100) -> dict[tuple[str, int], list[str]]:
    """Record number n goes to topic n % len and partition n // len % 4; returns the keys per topic-partition in order of their offsets."""
    names = list(topics)
    sent: dict[tuple[str, int], list[str]] = defaultdict(list)
    async with producing(broker, enable_idempotence=True) as producer:
        acks = []
        for n in numbers:
            topic, partition = names[n % len(names)], n // len(names) % 4
            acks.append(await producer.send(topic, key=b"%d" % n, value=b"x" * size_bytes, partition=partition))
            sent[topic, partition].append(str(n))
        await asyncio.gather(*acks)
    return dict(sent)


async def committed(broker: str, group: str) -> Mapping[TopicPartition, int]:
    admin = AIOKafkaAdminClient(bootstrap_servers=broker)
    await admin.start()
    try:
        return {tp: found.offset for tp, found in (await admin.list_consumer_group_offsets(group)).items()}
    finally:
        await admin.close()


def merged(*parts: Mapping[tuple[str, int], list[str]]) -> dict[tuple[str, int], list[str]]:
    whole: dict[tuple[str, int], list[str]] = defaultdict(list)
    for part in parts:
        for tp, keys in part.items():
            whole[tp] += keys
    return dict(whole)


def contiguous(lines: Iterable[Mapping[str, Any]]) -> bool:
    """Whether each batch begins where the one before it in the same topic-partition and epoch ended."""
    at: dict[tuple[str, int, int], int] = {}
    for line in lines:
        lane = line["topic"], line["p"], line["epoch"]
        if line["start"] != at.get(lane, line["start"]):
            return False
        at[lane] = line["end"]
    return True


async def test_every_record_arrives_once_in_order_with_the_positions_it_covers(crew: Crew) -> None:
    sent = await produce(crew.broker, crew.inputs, range(6000))
    worker = crew.start()
    await until(lambda: crew.keys() == sent, "all records")
    sent = merged(sent, await produce(crew.broker, crew.inputs, range(6000, 7200)))
    await until(lambda: crew.keys() == sent, "later records")
    assert contiguous(crew.batches())
    assert not worker.lines("gap")
    assert {line["epoch"] for line in worker.lines("batch", p=0)} == {worker.lines("seek", p=0)[0]["epoch"]}


async def test_an_idle_topic_is_known_to_be_idle(crew: Crew) -> None:
    """A complete fetch says where a log ends even when there is nothing to fetch, and when it was asked."""
    worker = crew.start()
    await until(lambda: len(worker.lines("caught")) >= 12, "all twelve topic-partitions")
    assert {(line["topic"], line["p"], line["hw"]) for line in worker.lines("caught")} == {(t, p, 0) for t in crew.inputs for p in range(4)}
    assert all(line["sent_ms"] > 1_700_000_000_000 for line in worker.lines("caught"))


async def test_the_end_that_a_fetch_tells_is_the_end_of_the_log(crew: Crew) -> None:
    await produce(crew.broker, crew.inputs, range(1200))
    worker = crew.start()
    await until(lambda: {line["hw"] for line in worker.lines("caught")} >= {100}, "the end of a log of 100 records")
    assert {line["hw"] for line in worker.lines("caught")} == {100}


async def test_transaction_markers_move_the_position_to_the_end(crew: Crew) -> None:
    """A log that ends with a marker has no record there; a lane that never heard of it would wait for ever."""
    worker = crew.start()
    await until(lambda: len(worker.partitions()) == 4, "four lanes")
    async with producing(crew.broker, transactional_id=crew.app_id) as producer:
        for n in range(3):
            async with producer.transaction():
                await producer.send_and_wait(crew.inputs[0], key=b"%d" % n, value=b"x", partition=2)
    await until(lambda: crew.heads().get(TopicPartition(crew.inputs[0], 2)) == 6, "three records and three markers")
    assert crew.keys() == {(crew.inputs[0], 2): ["0", "1", "2"]}
    assert contiguous(crew.batches())


async def test_a_lane_may_go_back_at_any_time(crew: Crew) -> None:
    """After a seek, what was fetched before it is told apart by its epoch, and nothing is left out from there on."""
    sent = await produce(crew.broker, crew.inputs, range(2400))
    worker = crew.start(reseek_after=2, fetch=FetchSettings(partition_max_bytes=4000))
    await until(lambda: all(worker.lines("caught", topic=t, p=p) for t in crew.inputs for p in range(4)), "all topics")
    await until(lambda: _last_epoch(worker) == sent, "all records in the last epoch")
    for p in range(4):
        epochs = [line["epoch"] for line in worker.lines("batch", p=p)]
        assert epochs == sorted(epochs)
        assert len(worker.lines("seek", p=p)) == 2
    assert contiguous(crew.batches())
    assert not worker.lines("gap")


def _last_epoch(worker: Worker) -> dict[tuple[str, int], list[str]]:
    keys: dict[tuple[str, int], list[str]] = defaultdict(list)
    last = {line["p"]: line["epoch"] for line in worker.lines("seek")}
    for line in worker.lines("batch"):
        if line["epoch"] == last[line["p"]]:
            keys[line["topic"], line["p"]] += line["keys"]
    return dict(keys)


async def test_a_lane_whose_offset_is_gone_is_told_and_the_others_go_on(crew: Crew) -> None:
    """Out of range is not a reason to jump elsewhere in silence: the lane gets a batch that fits nowhere, and looks for itself."""
    sent = await produce(crew.broker, crew.inputs, range(1200))
    worker = crew.start(lose_after=1, fetch=FetchSettings(partition_max_bytes=2000))
    await until(lambda: worker.lines("gap"), "a lane that was told")
    assert worker.lines("gap")[0]["start"] == -1
    await until(lambda: _once(crew.keys()) == {tp: set(keys) for tp, keys in sent.items()}, "all records")


def _once(keys: Mapping[tuple[str, int], list[str]]) -> dict[tuple[str, int], set[str]]:
    return {tp: set(found) for tp, found in keys.items()}


async def test_a_small_budget_holds_records_back_and_loses_none(crew: Crew) -> None:
    sent = await produce(crew.broker, crew.inputs, range(12_000))
    worker = crew.start(fetch=FetchSettings(budget_bytes=5_000, partition_max_bytes=4_000))
    await until(lambda: crew.keys() == sent, "all records")
    assert contiguous(crew.batches())
    assert not worker.lines("gap")


async def test_the_committed_offset_is_what_the_lanes_have_saved(crew: Crew) -> None:
    await produce(crew.broker, crew.inputs, range(1200))
    worker = crew.start()
    await until(lambda: sum(crew.heads().values()) == 1200, "all saved")
    assert await worker.stopped() == 0
    assert await committed(crew.broker, crew.app_id) == {TopicPartition(t, p): 100 for t in crew.inputs for p in range(4)}


async def test_two_workers_share_the_partition_numbers_of_all_topics(crew: Crew) -> None:
    """A number belongs to one worker at a time, with all its topics, and whoever gets it goes on exactly where the other one ended."""
    sent = await produce(crew.broker, crew.inputs, range(2400))
    first = crew.start("w1")
    await until(lambda: crew.keys() == sent, "the first worker reads all")
    second = crew.start("w2")
    await until(lambda: len(first.partitions()) == 2 and len(second.partitions()) == 2, "two numbers each")
    assert first.partitions() | second.partitions() == {0, 1, 2, 3}
    sent = merged(sent, await produce(crew.broker, crew.inputs, range(2400, 4800)))
    await until(lambda: crew.keys() == sent, "both read on")
    assert {line["topic"] for line in second.lines("batch")} == set(crew.inputs)
    assert not _overlaps([*first.lines(), *second.lines()])

    assert await second.stopped() == 0
    await until(lambda: first.partitions() == {0, 1, 2, 3}, "the first one has all again")
    sent = merged(sent, await produce(crew.broker, crew.inputs, range(4800, 6000)))
    await until(lambda: crew.keys() == sent, "nothing was lost or read twice")
    assert not _overlaps([*first.lines(), *second.lines()])


def _overlaps(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Lanes that opened while another lane of the same number was open."""
    held: set[int] = set()
    wrong = []
    for line in sorted(lines, key=lambda line: line["at"]):
        if line["what"] == "open":
            if line["p"] in held:
                wrong.append(line)
            held.add(line["p"])
        elif line["what"] == "close":
            held.discard(line["p"])
    return wrong


async def test_a_static_member_that_comes_back_in_time_disturbs_nobody(crew: Crew) -> None:
    """Killed and started again under the same name: the other worker never stops, and the numbers stay where they were."""
    first = crew.start("w1", instance="one", session_s=30)
    second = crew.start("w2", instance="two", session_s=30)
    await until(lambda: len(first.partitions()) == 2 and len(second.partitions()) == 2, "two numbers each")
    mine, closed = first.partitions(), len(second.lines("close"))
    opened = len(first.lines("open"))
    first.again()
    await until(lambda: len(first.lines("open")) == opened + 2, "its lanes are open again")
    assert {line["p"] for line in first.lines("open")[-2:]} == mine
    sent = await produce(crew.broker, crew.inputs, range(1200))
    await until(lambda: crew.keys() == sent, "all records")
    assert len(second.lines("close")) == closed


async def test_a_broker_that_dies_and_returns_is_waited_for(new_kafka: Callable[..., Kafka], make_crew: Callable[..., Crew]) -> None:
    """Killed under load: the same process reads on, and nothing is lost, doubled or out of order."""
    kafka = new_kafka()
    crew = make_crew(kafka.bootstrap, await TopicsOf(kafka.bootstrap, "outage").create(["a", "b", "c"], partitions=4))
    worker = crew.start()
    await until(lambda: len(worker.partitions()) == 4, "four lanes")
    sent = await produce(crew.broker, crew.inputs, range(2400))
    await until(lambda: crew.keys() == sent, "before")
    kafka.kill()
    await asyncio.sleep(3)  # the length of the outage is the case under test
    await kafka.started()
    sent = merged(sent, await produce(crew.broker, crew.inputs, range(2400, 4800)))
    await until(lambda: crew.keys() == sent, "after")
    assert worker.process.poll() is None
    assert contiguous(crew.batches())
    assert await worker.stopped() == 0


async def test_a_worker_waits_for_a_broker_that_is_not_there_yet(new_kafka: Callable[..., Kafka], make_crew: Callable[..., Crew]) -> None:
    kafka = new_kafka()
    crew = make_crew(kafka.bootstrap, await TopicsOf(kafka.bootstrap, "late").create(["a", "b", "c"], partitions=4))
    kafka.kill()
    worker = crew.start()
    await until(lambda: "waiting for Kafka" in worker.errors.read_text(), "a word about it")
    await kafka.started()
    await until(lambda: len(worker.partitions()) == 4, "four lanes")


async def test_no_topic_is_created_and_nothing_is_kept_on_disk(crew: Crew, redis: Redis, kafka: Kafka) -> None:
    """The table of users has no changelog, and Faust's leader topic and data folder are not wanted."""
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap)
    await admin.start()
    before, folders = set(await admin.list_topics()), set(ROOT.iterdir())
    worker = crew.start(redis=redis.url)
    await until(lambda: len(worker.partitions()) == 4, "four lanes")
    assert await worker.stopped() == 0
    assert set(await admin.list_topics()) - before <= {"__consumer_offsets", "__transaction_state"}
    assert {path.name for path in set(ROOT.iterdir()) - folders} == set()
    assert worker.last_words() == []
    await admin.close()


async def test_an_error_ends_the_process_with_one_line(crew: Crew) -> None:
    await produce(crew.broker, crew.inputs, range(12))
    worker = crew.start(crash_after=1)
    assert await worker.ended() == 1
    [said] = worker.last_words()
    assert re.sub(r":\d+", ":N", said) == "streams: a bug: RuntimeError at recorder.py:N run (STREAMS_DEBUG=1 shows all of it)"


async def test_unequal_partition_counts_end_the_process(kafka: Kafka, topics: Topics, make_crew: Callable[..., Crew]) -> None:
    """Faust would deal the numbers of such topics out to different workers."""
    (a,) = await topics.create("a", partitions=2)
    (b,) = await topics.create("b", partitions=3)
    worker = make_crew(kafka.bootstrap, [a, b]).start()
    assert await worker.ended() == 2
    assert worker.last_words() == [f"streams: topics.yaml: {a} has no partition 2: input topics need equal numbers of partitions"]


async def test_lanes_that_do_not_end_are_left_behind(crew: Crew) -> None:
    worker = crew.start(ignore_stop=True, fetch=FetchSettings(close_s=0.5))
    await until(lambda: len(worker.partitions()) == 4, "four lanes")
    assert await worker.stopped(signal.SIGINT) == 0


async def test_lanes_that_fail_to_end_are_an_error(crew: Crew) -> None:
    worker = crew.start(close_raises=True)
    await until(lambda: len(worker.partitions()) == 4, "four lanes")
    assert await worker.stopped() == 1
    [said] = worker.last_words()
    assert re.sub(r":\d+", ":N", said) == "streams: a bug: RuntimeError at recorder.py:N close (STREAMS_DEBUG=1 shows all of it)"


async def test_a_stop_that_takes_too_long_is_a_hard_one(crew: Crew) -> None:
    worker = crew.start(ignore_stop=True, stop_s=1.0, fetch=FetchSettings(close_s=1000.0))
    await until(lambda: len(worker.partitions()) == 4, "four lanes")
    assert await worker.stopped() == 1
    assert worker.last_words() == ["streams: did not stop within 1 s"]
