"""Replays and trackers against a real broker: every event on its home partition, in order, acknowledged, and written down."""

import asyncio
import json
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import msgspec
import pytest
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from streams.core.identity import home_partition
from streams.core.rules import Topics as TopicNames
from streams.errors import ConfigError, Unavailable
from streams.replay.write import NotDelivered, WriteReport, write, write_in_parts
from streams.settings import Settings, load
from streams.sim.emission import Emission
from streams.sim.tracker import Acknowledged, Feeder, Tracker
from streams.sim.uniform import uniform_events
from streams.sim.world import World
from tests.stack import Kafka, Topics

pytestmark = pytest.mark.services

PARTITIONS = 3
UNTIL_MS = 1_764_000_000_000


def settings_for(bootstrap: str, clickstream: str, campaigns: str, partitions: int = PARTITIONS) -> Settings:
    settings = load(None, {"STREAMS_BROKER": bootstrap}, partitions=partitions)
    names = TopicNames(clickstream=clickstream, campaigns=campaigns)
    return msgspec.structs.replace(settings, rules=msgspec.structs.replace(settings.rules, topics=names))


@pytest.fixture
async def settings(topics: Topics) -> Settings:
    """Settings whose source topics are this test's own."""
    clickstream, campaigns = await topics.create(["clicks", "campaigns"], partitions=PARTITIONS)
    return settings_for(topics.bootstrap, clickstream, campaigns)


async def records(settings: Settings) -> list[ConsumerRecord]:
    """Everything that lies on the two source topics; of each partition in its order."""
    found: list[ConsumerRecord] = []
    async with AIOKafkaConsumer(bootstrap_servers=settings.broker, enable_auto_commit=False) as consumer:
        for topic in settings.rules.topics.inputs[:2]:
            for partition in range(PARTITIONS):
                at = TopicPartition(topic, partition)
                consumer.assign([at])
                consumer.seek(at, 0)
                (end,) = (await consumer.end_offsets([at])).values()
                while await consumer.position(at) < end:
                    for batch in (await consumer.getmany(at, timeout_ms=500)).values():
                        found += batch
    return found


async def test_events_are_home_in_order_and_marked(settings: Settings) -> None:
    """Every event lies on the home partition of its key, each partition in the order of the source, under the event clock, and behind
    the last one stands the word that takes the partition back to the wall clock."""
    emissions = list(World(5, 60).history(14, UNTIL_MS))
    progress: list[int] = []
    report = await write(emissions, settings, on_progress=lambda so_far: progress.append(so_far.events))
    lying = await records(settings)
    topics = settings.rules.topics
    for topic, stream in ((topics.clickstream, "clickstream"), (topics.campaigns, "campaigns")):
        for partition in range(PARTITIONS):
            here = [record for record in lying if (record.topic, record.partition) == (topic, partition)]
            if stream == "clickstream":
                last = here.pop()
                assert (last.value, last.headers) == (None, (("streams-clock", b"wall"),))
            meant = [e for e in emissions if e.topic == stream and home_partition(e.key.decode(), PARTITIONS) == partition]
            assert [(record.key, record.value) for record in here] == [(emission.key, emission.value) for emission in meant]
            assert {record.headers for record in here} <= {(("streams-clock", b"event"),)}
    assert report.events == len(emissions) == sum(report.by_topic.values()) == progress[-1]
    assert (report.controls, report.disordered) == (PARTITIONS, 0)
    assert (report.first_ms, report.last_ms) == (emissions[0].at_ms, emissions[-1].at_ms)


async def test_each_part_is_counted_before_the_next_one_is_sent(settings: Settings) -> None:
    """A part begins with the first event of other days; one that lies before the one ahead of it begins none."""
    emissions = list(World(5, 20).history(40, UNTIL_MS))
    days = [emission.at_ms // (15 * 86_400_000) for emission in emissions]
    late = emissions[-1]._replace(at_ms=emissions[0].at_ms)
    sent: list[int] = []

    async def counted() -> None:
        sent.append(len(await records(settings)))

    progress: list[int] = []
    report = await write_in_parts([*emissions, late], settings, counted, days=15, on_progress=lambda so_far: progress.append(so_far.events))
    ends = [n for n in range(1, len(days)) if days[n] != days[n - 1]]
    assert sent == [*ends, len(emissions) + 1]
    assert report.events == progress[-1] == len(emissions) + 1 == sum(report.by_topic.values())
    assert (report.first_ms, report.last_ms) == (emissions[0].at_ms, emissions[-1].at_ms)
    assert (report.controls, report.disordered) == (PARTITIONS, 1)


async def test_keep_event_clock(settings: Settings) -> None:
    """When more files follow nothing is said about the clock; events that go back in time are counted."""
    emissions = list(uniform_events(300, 10, 1, 5))
    report = await write(emissions[100:] + emissions[:100], settings, keep_event_clock=True)
    assert (report.controls, report.disordered) == (0, 100)
    assert all(record.value is not None for record in await records(settings))


async def test_own_headers_travel_along(settings: Settings) -> None:
    """An emission's headers stand beside the clock's; without the event clock there are only they."""
    emission = Emission(1, "clickstream", b"u", b"{}", (("a", b"b"),))
    await write([emission], settings, keep_event_clock=True)
    await write([emission], settings, event_clock=False)
    first, second = [record.headers for record in await records(settings)]
    assert first == (("streams-clock", b"event"), ("a", b"b"))
    assert second == (("a", b"b"),)


async def test_what_came_before_a_bad_row_is_delivered(settings: Settings) -> None:
    """A source that raises ends the replay with its own error, after all that it gave has arrived."""

    def source() -> Iterator[Emission]:
        yield from uniform_events(50, 10, 1, 5)
        raise ConfigError("is no number", file="a.csv", path="line 52, column t")

    with pytest.raises(ConfigError, match=r"a\.csv: line 52, column t: is no number"):
        await write(source(), settings)
    assert len(await records(settings)) == 50


async def test_wrong_topics_are_a_wrong_configuration(kafka: Kafka, topics: Topics, settings: Settings) -> None:
    """Nothing is sent where a topic is missing, or has another number of partitions than the files say."""
    names = settings.rules.topics
    missing = settings_for(kafka.bootstrap, names.clickstream, topics.name("nowhere"))
    with pytest.raises(ConfigError, match="is missing on the broker: streams topics create"):
        await write(uniform_events(10, 2, 1, 1), missing)
    otherwise = settings_for(kafka.bootstrap, names.clickstream, names.campaigns, partitions=PARTITIONS + 1)
    with pytest.raises(ConfigError, match="has 3 partitions on the broker, the file says 4"):
        await write(uniform_events(10, 2, 1, 1), otherwise)
    assert await records(settings) == []


async def test_no_broker() -> None:
    """A broker that is not there is named."""
    settings = load(None, {"STREAMS_BROKER": "127.0.0.1:1"})
    with pytest.raises(Unavailable, match=r"Kafka at 127\.0\.0\.1:1 cannot be reached"):
        await write([], settings)
    with pytest.raises(Unavailable, match=r"Kafka at 127\.0\.0\.1:1 cannot be reached"):
        await Tracker(iter([]), settings).run()


async def test_a_broker_that_dies_is_reported_with_what_it_took(new_kafka: Callable[..., Kafka], tmp_path: Path) -> None:
    """A replay ends as `NotDelivered` with a report that counts only what was acknowledged; a feeder's plan says of each event that was
    under way that nobody knows."""
    kafka = new_kafka()
    topics = Topics(kafka.bootstrap, "dies")
    clickstream, campaigns = await topics.create(["clicks", "campaigns"], partitions=PARTITIONS)
    settings = settings_for(kafka.bootstrap, clickstream, campaigns)
    seen: list[WriteReport] = []

    def until_dead(n: int) -> Iterator[Emission]:
        for i, emission in enumerate(uniform_events(100_000, 100, 1, 5)):
            if i == n:
                kafka.kill()
            yield emission

    with pytest.raises(NotDelivered) as caught:
        await write(until_dead(20_000), settings, on_progress=seen.append, patience_s=2)
    assert seen
    assert 0 < caught.value.report.events <= 20_000
    assert str(caught.value.report.events) in str(caught.value)

    await asyncio.to_thread(kafka.start)
    feeder = Feeder(until_dead(20_000), settings, tmp_path / "plan.jsonl", patience_s=2)
    with pytest.raises(Unavailable, match="stopped taking records"):
        await feeder.run()
    plan = [json.loads(line) for line in (tmp_path / "plan.jsonl").read_text().splitlines()]
    known = [line for line in plan if line["offset"] is not None]
    assert len(known) == feeder.tracker.acknowledged > 0
    assert len(plan) == feeder.tracker.sent > len(known)


async def test_the_plan_knows_where_everything_lies(settings: Settings, tmp_path: Path) -> None:
    """Each line of a feeder's plan gives the coordinates at which exactly these bytes lie, and no record is without a line."""
    strange = Emission(0, "campaigns", b"\xff", b"\xfe{", ())
    feeder = Feeder(iter([*uniform_events(2_000, 50, 1, 5), strange]), settings, tmp_path / "plan.jsonl")
    await feeder.run()
    plan = {}
    for line in map(json.loads, (tmp_path / "plan.jsonl").read_text().splitlines()):
        plan[line["topic"], line["partition"], line["offset"]] = (line.get("key") or line["key64"], line.get("value") or line["value64"])
    lying = {
        (record.topic, record.partition, record.offset): ("/w==", "/ns=")
        if record.key == b"\xff"
        else (record.key.decode(), record.value.decode())
        for record in await records(settings)
    }
    assert plan == lying
    assert len(plan) == feeder.tracker.sent == feeder.tracker.acknowledged == 2_001


async def test_a_tracker_waits_for_the_time_of_each_event(settings: Settings) -> None:
    """What lies in the future is not sent; a tracker that is told to stop ends with everything acknowledged."""
    now = [1_000_000]
    events = [Emission(at_ms, "clickstream", b"u", b"{}") for at_ms in (999_000, 1_000_000, 1_500_000, 9_000_000)]
    batches: list[Acknowledged] = []
    tracker = Tracker(iter(events), settings, on_acknowledged=batches.append, now_ms=lambda: now[0])
    running = asyncio.create_task(tracker.run())
    while tracker.acknowledged < 2:
        await asyncio.sleep(0)
    assert tracker.sent == 2
    now[0] = 1_500_000
    while tracker.acknowledged < 3:
        await asyncio.sleep(0)
    tracker.stop()
    await running
    assert [emission.at_ms for batch in batches for emission in batch.emissions] == [999_000, 1_000_000, 1_500_000]


async def test_a_tracker_ends_with_its_events(settings: Settings) -> None:
    """A world without end is cut, and all of it arrives."""
    tracker = Tracker(islice(World(5, 50).live(0, 1000), 3_000), settings)
    await tracker.run()
    assert tracker.sent == tracker.acknowledged == 3_000 == len(await records(settings))
