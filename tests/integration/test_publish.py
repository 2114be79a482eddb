"""What the publisher says arrives: whole, in order per topic-partition, whatever happens to the broker on the way."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import pytest

from streams.core.record import Output
from streams.errors import StreamsError
from streams.shell.producer import Pace
from streams.shell.publish import KafkaPublisher
from tests.ear import HANG_S, Ear, listening
from tests.logs import Line, read_logs
from tests.proxy import Proxy
from tests.stack import Kafka, Topics

pytestmark = pytest.mark.services

#: Impatient, so that failures are found in test time.
QUICK = Pace(request_s=1.0, patience_s=2.0, refused_s=1.0)


@pytest.fixture
def fatal() -> "asyncio.Queue[StreamsError]":
    """What the process would have ended with."""
    return asyncio.Queue()


@pytest.fixture
async def ear() -> AsyncIterator[Ear]:
    with listening("streams.shell.publish") as ear:
        yield ear


@pytest.fixture
async def open_publisher(fatal: "asyncio.Queue[StreamsError]") -> AsyncIterator[Callable[..., KafkaPublisher]]:
    opened: list[KafkaPublisher] = []

    def make(bootstrap: str, **options: Any) -> KafkaPublisher:
        opened.append(KafkaPublisher(bootstrap, fatal=fatal.put_nowait, **options))
        return opened[-1]

    yield make
    for publisher in opened:
        await publisher.close()


def numbered(topic: str, partition: int, numbers: Sequence[int], size: int = 20, sender: str = "a") -> list[Output]:
    """Outputs that tell who sent them, and in which order."""
    headers = [("ce_id", sender.encode()), ("ce_type", b"test")]
    return [Output(topic, partition, f"{sender}-{n}".encode(), b"v" * size + b"%d" % n, headers) for n in numbers]


def keys(lines: Sequence[Line]) -> list[str]:
    return [(line.key or b"").decode() for line in lines]


# -- what arrives --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("idempotence", [True, False])
async def test_outputs_arrive_as_they_are(
    kafka: Kafka, topics: Topics, open_publisher: Callable[..., KafkaPublisher], idempotence: bool
) -> None:
    [scores, alerts] = await topics.create(["scores", "alerts"], partitions=2)
    publisher = open_publisher(kafka.bootstrap, idempotence=idempotence)
    await publisher.publish(
        [
            Output(scores, 1, b"ann", b"\x00\xff", (("ce_id", b"1"), ("empty", b"")), 1_700_000_000_123),
            Output(alerts, 0, None, b"no key", [], 1_700_000_000_456),
            Output(scores, 1, "Zoë".encode(), None, [], 1_700_000_000_789),
        ]
    )
    assert await read_logs(kafka.bootstrap, [scores, alerts]) == {
        (scores, 0): [],
        (scores, 1): [
            Line(scores, 1, 0, 1_700_000_000_123, b"ann", b"\x00\xff", (("ce_id", b"1"), ("empty", b""))),
            Line(scores, 1, 1, 1_700_000_000_789, "Zoë".encode(), None, ()),
        ],
        (alerts, 0): [Line(alerts, 0, 0, 1_700_000_000_456, None, b"no key", ())],
        (alerts, 1): [],
    }
    assert publisher.trouble is None


async def test_nothing_to_say_needs_no_broker(open_publisher: Callable[..., KafkaPublisher]) -> None:
    await open_publisher("127.0.0.1:1").publish([])


async def test_what_does_not_fit_one_batch_arrives_in_order(
    kafka: Kafka, topics: Topics, open_publisher: Callable[..., KafkaPublisher]
) -> None:
    [scores, alerts] = await topics.create(["scores", "alerts"])
    publisher = open_publisher(kafka.bootstrap, pace=Pace(batch_bytes=10_000))
    await publisher.publish(numbered(scores, 0, range(1000), size=100) + numbered(alerts, 0, range(10)))
    logs = await read_logs(kafka.bootstrap, [scores, alerts])
    assert keys(logs[scores, 0]) == [f"a-{n}" for n in range(1000)]
    assert keys(logs[alerts, 0]) == [f"a-{n}" for n in range(10)]
    assert publisher.flight.records == 1010
    assert publisher.flight.waiting == 0


async def test_a_topic_that_takes_little_is_never_sent_more(
    kafka: Kafka, topics: Topics, open_publisher: Callable[..., KafkaPublisher], ear: Ear
) -> None:
    """A refusal costs all lanes their producer, and people a line that they cannot do anything about."""
    [scores] = await topics.create("scores", config={"max.message.bytes": "10000"})
    publisher = open_publisher(kafka.bootstrap, batch_bytes={scores: 10_000})
    await publisher.publish(numbered(scores, 0, range(1000), size=100))
    assert keys((await read_logs(kafka.bootstrap, [scores]))[scores, 0]) == [f"a-{n}" for n in range(1000)]
    assert (publisher.flight.replaced, ear.said) == (0, [])


async def test_lanes_that_speak_at_once_keep_their_own_order(
    kafka: Kafka, topics: Topics, open_publisher: Callable[..., KafkaPublisher]
) -> None:
    [scores] = await topics.create("scores")
    publisher = open_publisher(kafka.bootstrap, pace=Pace(batch_bytes=5000))

    async def lane(name: str) -> None:
        for step in range(10):
            await publisher.publish(numbered(scores, 0, range(step * 50, step * 50 + 50), size=100, sender=name))

    await asyncio.gather(*(lane(name) for name in "abc"))

    said = keys((await read_logs(kafka.bootstrap, [scores]))[scores, 0])
    for name in "abc":
        first_said = dict.fromkeys(key for key in said if key.startswith(name))  # a broker that was slow has some of it twice
        assert list(first_said) == [f"{name}-{n}" for n in range(500)]


async def test_lanes_that_say_more_than_a_request_takes_take_turns(
    kafka: Kafka, topics: Topics, open_publisher: Callable[..., KafkaPublisher]
) -> None:
    [scores] = await topics.create("scores", partitions=9)
    publisher = open_publisher(kafka.bootstrap, pace=Pace(request_bytes=500))
    await asyncio.gather(*(publisher.publish(numbered(scores, partition, range(10))) for partition in range(9)))
    logs = await read_logs(kafka.bootstrap, [scores])
    assert all(keys(logs[scores, partition]) == [f"a-{n}" for n in range(10)] for partition in range(9))


async def test_batches_shrink_for_a_topic_that_takes_small_ones_only(
    kafka: Kafka, topics: Topics, open_publisher: Callable[..., KafkaPublisher]
) -> None:
    [small] = await topics.create("small", config={"max.message.bytes": "4000"})
    publisher = open_publisher(kafka.bootstrap)
    await publisher.publish(numbered(small, 0, range(100), size=300))
    assert keys((await read_logs(kafka.bootstrap, [small]))[small, 0]) == [f"a-{n}" for n in range(100)]


async def test_closing_leaves_no_task_behind(kafka: Kafka, topics: Topics, open_publisher: Callable[..., KafkaPublisher]) -> None:
    [scores] = await topics.create("scores")
    before = asyncio.all_tasks()
    publisher = open_publisher(kafka.bootstrap)
    await publisher.publish(numbered(scores, 0, range(3)))
    await publisher.close()
    assert asyncio.all_tasks() == before


# -- what cannot be waited out -------------------------------------------------------------------------------------


async def test_a_topic_that_does_not_exist_ends_the_process(
    kafka: Kafka, topics: Topics, open_publisher: Callable[..., KafkaPublisher], fatal: "asyncio.Queue[StreamsError]"
) -> None:
    missing = topics.name("missing")
    publishing = asyncio.create_task(open_publisher(kafka.bootstrap, pace=QUICK).publish(numbered(missing, 0, [1])))
    async with asyncio.timeout(HANG_S):
        error = await fatal.get()
    why = "Kafka has refused what we send for 1 s (UnknownTopicOrPartitionError): does the topic exist?"
    assert str(error) == f"{missing}/0: {why}"
    assert error.exit_code == 2
    assert not publishing.done(), "the process ends; nobody may think that it was said"
    publishing.cancel()


async def test_a_partition_that_does_not_exist_ends_the_process(
    kafka: Kafka, topics: Topics, open_publisher: Callable[..., KafkaPublisher], fatal: "asyncio.Queue[StreamsError]"
) -> None:
    [scores] = await topics.create("scores")
    publishing = asyncio.create_task(open_publisher(kafka.bootstrap, pace=QUICK).publish(numbered(scores, 7, [1])))
    async with asyncio.timeout(HANG_S):
        assert str(await fatal.get()).startswith(f"{scores}/7: Kafka has refused what we send")
    publishing.cancel()


async def test_a_record_that_is_too_large_ends_the_process_and_all_else_was_said(
    kafka: Kafka, topics: Topics, open_publisher: Callable[..., KafkaPublisher], fatal: "asyncio.Queue[StreamsError]"
) -> None:
    [small] = await topics.create("small", config={"max.message.bytes": "4000"})
    outputs = numbered(small, 0, range(10)) + numbered(small, 0, [10], size=5000)
    publishing = asyncio.create_task(open_publisher(kafka.bootstrap).publish(outputs))
    async with asyncio.timeout(HANG_S):
        error = await fatal.get()
    assert str(error) == f"{small}/0: a record of 5097 bytes is more than the topic takes: raise its max.message.bytes"
    assert keys((await read_logs(kafka.bootstrap, [small]))[small, 0]) == [f"a-{n}" for n in range(10)]
    publishing.cancel()


async def test_a_topic_that_appears_in_time_is_waited_for(
    kafka: Kafka, topics: Topics, open_publisher: Callable[..., KafkaPublisher], ear: Ear
) -> None:
    publisher = open_publisher(kafka.bootstrap, pace=Pace(request_s=0.5))
    publishing = asyncio.create_task(publisher.publish(numbered(topics.name("late"), 0, [1])))
    await ear.hears("waiting for Kafka: UnknownTopicOrPartitionError")
    [late] = await topics.create("late")
    await publishing
    assert keys((await read_logs(kafka.bootstrap, [late]))[late, 0]) == ["a-1"]
    assert ear.said[-1] == "Kafka is back"


async def test_who_gives_up_keeps_nothing(kafka: Kafka, topics: Topics, open_publisher: Callable[..., KafkaPublisher], ear: Ear) -> None:
    publisher = open_publisher(kafka.bootstrap, pace=Pace(request_s=0.5))
    publishing = asyncio.create_task(publisher.publish(numbered(topics.name("missing"), 0, range(5))))
    await ear.hears("waiting for Kafka: ")
    assert publisher.flight.waiting == 5
    publishing.cancel()
    await asyncio.wait([publishing])
    assert publisher.flight.waiting == 0
    assert publisher.trouble is None


# -- what can ------------------------------------------------------------------------------------------------------


async def test_a_broker_that_is_not_there_yet_is_waited_for(
    kafka: Kafka, topics: Topics, open_publisher: Callable[..., KafkaPublisher], ear: Ear, proxy: Proxy
) -> None:
    [scores] = await topics.create("scores")
    proxy.cut()
    publisher = open_publisher(f"127.0.0.1:{proxy.port}", pace=QUICK)
    publishing = asyncio.create_task(publisher.publish(numbered(scores, 0, [1])))
    await ear.hears("waiting for Kafka: KafkaConnectionError")
    proxy.retarget(port=kafka.port)
    proxy.restore()
    await publishing
    assert publisher.trouble is None
    assert ear.said[-1] == "Kafka is back"


async def test_a_silence_that_nobody_waited_for_is_not_held_against_the_next_one(
    new_kafka: Callable[..., Kafka], open_publisher: Callable[..., KafkaPublisher], ear: Ear, proxy: Proxy
) -> None:
    broker = new_kafka(advertised_port=proxy.port)
    proxy.retarget(port=broker.port)
    [scores] = await Topics(broker.direct).create("scores")
    publisher = open_publisher(broker.bootstrap, pace=QUICK)
    await publisher.publish(numbered(scores, 0, [1]))
    proxy.cut()
    given_up = asyncio.create_task(publisher.publish(numbered(scores, 0, [2])))
    await ear.hears("waiting for Kafka: ")
    given_up.cancel()
    await asyncio.wait([given_up])
    proxy.restore()
    await asyncio.sleep(1.5 * QUICK.patience_s)
    await publisher.publish(numbered(scores, 0, [3]))
    assert publisher.flight.replaced == 0, "the broker is there, and knows the producer"
    assert keys((await read_logs(broker.direct, [scores]))[scores, 0])[-1] == "a-3"


async def load(publisher: KafkaPublisher, topic: str, partition: int, stop: asyncio.Event, acked: "asyncio.Queue[int]") -> int:
    """Publishes steps of 20 records until `stop`; returns how many records were acknowledged."""
    sent = 0
    while not stop.is_set():
        await publisher.publish(numbered(topic, partition, range(sent, sent + 20), size=200, sender=f"p{partition}"))
        sent += 20
        acked.put_nowait(partition)
    return sent


def verify(lines: Sequence[Line], sender: str, sent: int) -> None:
    """Every record is there; first copies are in order, last copies are, and repeats are equal to the byte."""
    said = keys(lines)
    wanted = [f"{sender}-{n}" for n in range(sent)]
    assert list(dict.fromkeys(said)) == wanted
    assert list(reversed(dict.fromkeys(reversed(said)))) == wanted
    assert len({(line.key, line.value, line.headers) for line in lines}) == sent


async def lasting(publisher: KafkaPublisher, topic: str, trouble: Callable[[], Any]) -> list[int]:
    """Four lanes publish before, during and after `trouble`; returns how much each has said."""
    stop, acked = asyncio.Event(), asyncio.Queue[int]()
    lanes = [asyncio.create_task(load(publisher, topic, partition, stop, acked)) for partition in range(4)]
    async with asyncio.timeout(HANG_S):
        for _ in range(20):
            await acked.get()
        await trouble()
        while not acked.empty():
            acked.get_nowait()
        for _ in range(20):
            await acked.get()
        stop.set()
        return await asyncio.gather(*lanes)


async def test_a_broker_that_is_killed_under_load_loses_nothing(
    new_kafka: Callable[..., Kafka], open_publisher: Callable[..., KafkaPublisher], ear: Ear
) -> None:
    broker = new_kafka()
    topics = Topics(broker.bootstrap)
    [scores] = await topics.create("scores", partitions=4)
    publisher = open_publisher(broker.bootstrap, pace=Pace(request_s=1.0, patience_s=1.0))

    async def bounce() -> None:
        await asyncio.to_thread(broker.kill)
        await ear.hears("waiting for Kafka: ")
        await broker.started()

    sent = await lasting(publisher, scores, bounce)

    logs = await read_logs(broker.bootstrap, [scores])
    for partition in range(4):
        verify(logs[scores, partition], f"p{partition}", sent[partition])
    assert publisher.trouble is None
    assert publisher.flight.replaced >= 1


async def test_a_network_that_goes_silent_loses_nothing(
    new_kafka: Callable[..., Kafka], open_publisher: Callable[..., KafkaPublisher], ear: Ear, proxy: Proxy
) -> None:
    broker = new_kafka(advertised_port=proxy.port)
    proxy.retarget(port=broker.port)
    topics = Topics(broker.direct)
    [scores] = await topics.create("scores", partitions=4)
    publisher = open_publisher(broker.bootstrap, pace=Pace(request_s=1.0, patience_s=1.0))

    async def silence() -> None:
        proxy.blackhole()
        await ear.hears("waiting for Kafka: no answer")
        proxy.restore()
        await ear.hears("Kafka is back")
        proxy.drop()

    sent = await lasting(publisher, scores, silence)

    logs = await read_logs(broker.direct, [scores])
    for partition in range(4):
        lines = logs[scores, partition]
        assert set(keys(lines)) == {f"p{partition}-{n}" for n in range(sent[partition])}
        assert len({(line.key, line.value, line.headers) for line in lines}) == sent[partition]
