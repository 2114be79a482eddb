"""What is seen of lanes from outside, when a worker calls itself ready, and how it is asked."""

import json
import random
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, Gauge

from streams.core.record import NEVER_MS, Head, Outcome, Output, Plan
from streams.errors import ConfigError, Fenced
from streams.flow import Reading
from streams.serve.ready import ready_of
from streams.settings import load
from streams.settings_files import Observe
from streams.shell.ports import Caught
from streams.shell.status import WorkerStatus
from streams.stats import stats_of
from streams.telemetry.buckets import FRESHNESS_S, Buckets
from streams.telemetry.endpoint import endpoint
from streams.telemetry.lanewatch import LaneWatch, Seen
from streams.telemetry.readiness import Readiness, readiness
from tests.memory_store import MemoryStore
from tests.scrape import Scrape, get
from tests.unit.records import CLICKS, FakeRecord

# Buckets


def test_a_value_on_a_bound_is_below_it() -> None:
    buckets = Buckets((1.0, 2.0))
    buckets.add(1.0)
    buckets.add(1.5, 3)
    buckets.add(9.0)
    assert buckets.cumulative() == [("1.0", 1), ("2.0", 4), ("+Inf", 5)]
    assert buckets.sum == 14.5


@pytest.mark.parametrize("seed", range(20))
def test_ages_of_many_records_fall_into_the_buckets_of_each_alone(seed: int) -> None:
    chance = random.Random(seed)
    times = sorted(chance.randint(0, 10 ** chance.randint(1, 7)) for _ in range(chance.randint(1, 300)))
    now_ms = max(times) + chance.randint(-10, 5000)
    together, alone = Buckets(FRESHNESS_S), Buckets(FRESHNESS_S)
    together.add_ages([FakeRecord(timestamp=at) for at in times], now_ms)
    for at in times:
        alone.add(max(0, now_ms - at) / 1000)
    assert together.counts == alone.counts


def test_records_out_of_order_are_all_counted() -> None:
    """A foreign topic may carry times of its producers: some bucket gets each record."""
    buckets = Buckets(FRESHNESS_S)
    buckets.add_ages([FakeRecord(timestamp=at) for at in (9000, 10, 9990, 5, 9999)], 10_000)
    assert sum(buckets.counts) == 5


# A lane, watched


class Clock:
    ms = 100_000

    def now_ms(self) -> int:
        return self.ms


class Source:
    waiting_since_ms: int | None = None
    size_bytes = 0
    paused: frozenset[str] = frozenset()

    def __init__(self) -> None:
        self.ends: dict[str, Caught] = {}

    def caught(self) -> Mapping[str, Caught]:
        return self.ends


class Out:
    async def publish(self, outputs: Sequence[Output]) -> None:
        pass


class Watched:
    """A watch around a store in memory, and what it has seen."""

    def __init__(self) -> None:
        self.store, self.seen, self.source, self.clock = MemoryStore("app"), Seen(), Source(), Clock()
        self.watch = self.new_watch()

    def new_watch(self) -> LaneWatch:
        return LaneWatch(0, self.seen, source=self.source, store=self.store, publisher=Out(), clock=self.clock)

    async def first_head(self) -> Head:
        assert await self.watch.open(0, "me") is None
        return await self.watch.create(Head(0, "me", 0, {CLICKS: 0}, None, -1, "wall", {}, {}))

    async def step(self, head: Head, records: int = 2, appended_ms: int = 99_000) -> Head:
        plan = Plan(head.rev, {CLICKS: (head.positions[CLICKS], head.positions[CLICKS] + records)}, 1, 100_000, "wall", "r", "prior", 10)
        reading = Reading([FakeRecord(timestamp=appended_ms)] * records, [], [], ["u1"])
        outcome = Outcome({}, {}, [Output("scores", 0, None, None, [])], [records, 0, 0, 0, 0, 0, 0], {}, {})
        await self.watch.plan(head, plan, ["u1"])
        self.watch.observe(plan, reading, outcome)
        await self.watch.publish(outcome.outputs)
        return await self.watch.save(head, plan, outcome)


@pytest.fixture
def watched() -> Watched:
    return Watched()


async def test_a_step_is_seen_with_its_parts_its_freshness_and_what_it_said(watched: Watched) -> None:
    await watched.step(await watched.first_head())
    seen = watched.seen
    assert {name: sum(buckets.counts) for name, buckets in seen.phases.items()} == {"plan": 1, "fold": 1, "publish": 1, "save": 1}
    assert seen.freshness.cumulative()[FRESHNESS_S.index(1.0)] == ("1.0", 2)
    assert seen.outputs == {"scores": 1}
    assert (seen.opened, seen.fenced, seen.rewinds, seen.found) == (1, 0, 0, 0)


async def test_a_refusal_of_the_store_is_counted_once_although_the_lane_opens_again(watched: Watched) -> None:
    head = await watched.first_head()
    await watched.store.open(0, "somebody else")
    with pytest.raises(Fenced):
        await watched.step(head)
    await watched.watch.open(0, "me again")
    assert watched.seen.fenced == 1


async def test_a_lane_that_lost_its_place_by_itself_is_counted_when_it_opens_again(watched: Watched) -> None:
    await watched.first_head()
    await watched.watch.open(0, "me again")
    assert (watched.seen.opened, watched.seen.fenced) == (2, 1)


async def test_a_head_that_went_back_is_a_rewind(watched: Watched) -> None:
    head = await watched.step(await watched.first_head())
    image = watched.store.snapshot()
    await watched.step(head)
    watched.store.restore(image)
    await watched.watch.open(0, "me again")
    assert watched.seen.rewinds == 1


async def test_a_head_that_is_gone_is_a_rewind_and_a_partition_that_came_back_in_order_is_none(watched: Watched) -> None:
    empty = watched.store.snapshot()
    await watched.first_head()
    await watched.new_watch().open(0, "the next lane of this partition")
    assert watched.seen.rewinds == 0
    watched.store.restore(empty)
    await watched.watch.open(0, "me again")
    assert watched.seen.rewinds == 1


async def test_a_lane_is_recovering_until_it_is_open_and_has_finished_what_it_found(watched: Watched) -> None:
    assert watched.watch.recovering
    head = await watched.first_head()
    assert not watched.watch.recovering
    plan = Plan(0, {CLICKS: (0, 1)}, 1, 1, "wall", "r", "prior", 10)
    await watched.store.plan(head, plan, [])
    found = await watched.watch.open(0, "the next owner")
    assert found is not None
    assert watched.watch.recovering
    outcome = Outcome({}, {}, [], [1, 0, 0, 0, 0, 0, 0], {}, {})
    await watched.watch.plan(found, plan, [])
    await watched.watch.save(found, plan, outcome)
    assert not watched.watch.recovering
    assert watched.seen.found == 1


async def test_delay_is_the_age_of_the_last_step_while_more_wait_and_nothing_when_none_do(watched: Watched) -> None:
    await watched.step(await watched.first_head(), appended_ms=60_000)
    watched.source.ends = {CLICKS: Caught(5, 100_000)}
    assert (watched.watch.lag(), watched.watch.delay_ms()) == (3, 40_000)
    watched.source.ends = {CLICKS: Caught(2, 100_000)}
    assert (watched.watch.lag(), watched.watch.delay_ms()) == (0, 0)
    watched.source.waiting_since_ms = 93_000
    assert watched.watch.delay_ms() == 7_000


async def test_a_lane_that_fetches_nothing_because_it_may_not_is_not_called_silent(watched: Watched) -> None:
    watched.source.ends = {CLICKS: Caught(5, 40_000)}
    assert watched.watch.silent_ms() == 60_000
    watched.source.paused = frozenset({CLICKS})
    assert watched.watch.silent_ms() == 0


async def test_a_timer_is_overdue_once_its_time_has_passed(watched: Watched) -> None:
    assert watched.watch.overdue_ms() == 0
    head = await watched.first_head()
    assert head.next_due_ms == NEVER_MS
    assert watched.watch.overdue_ms() == 0


# Readiness


class Lane:
    def __init__(self, partition: int, *, recovering: bool = False, lag: int = 0, delay_ms: int = 0, silent_ms: int = 0) -> None:
        self.partition, self.recovering = partition, recovering
        self._lag, self._delay_ms, self._silent_ms = lag, delay_ms, silent_ms

    def lag(self) -> int:
        return self._lag

    def delay_ms(self) -> int:
        return self._delay_ms

    def silent_ms(self) -> int:
        return self._silent_ms


def asked(*lanes: Lane, starting: str | None = None, joining: bool = False, trouble: str | None = None) -> Readiness:
    return readiness(
        instance="w1",
        version="1",
        rules_version="r",
        starting=starting,
        joining=joining,
        lanes=lanes,
        trouble=(trouble, None),
        promised=Observe(freshness_slo_s=10, lag_slo_records=100),
    )


def test_a_worker_that_keeps_up_is_ready_and_one_without_partitions_too() -> None:
    assert asked(Lane(1, lag=60, delay_ms=900), Lane(0, lag=40)).ready
    assert asked().ready


@pytest.mark.parametrize(
    ("told", "why"),
    [
        (asked(starting="waiting for Redis at r:6379"), "waiting for Redis at r:6379"),
        (asked(joining=True), "joining the group: partitions are being assigned"),
        (asked(trouble="waiting for Redis: OOM command not allowed"), "waiting for Redis: OOM command not allowed"),
        (asked(Lane(3, recovering=True)), "recovering partition 3"),
        (asked(Lane(3, recovering=True), Lane(1, recovering=True)), "recovering partitions 1, 3"),
        (asked(Lane(0, delay_ms=12_000)), "12 s behind, promised are 10 s"),
        (asked(Lane(0, lag=70), Lane(1, lag=31)), "101 records behind, promised are 100"),
        (asked(Lane(0, silent_ms=16_000)), "Kafka has not answered a fetch for 16 s"),
    ],
)
def test_each_reason_not_to_be_ready_is_said_in_words(told: Readiness, why: str) -> None:
    assert (told.ready, list(told.reasons)) == (False, [why])


# Readiness of a server

RULES = load(None, {}).rules


def status(**fields: Any) -> WorkerStatus:
    return WorkerStatus("w1", 0, partitions=tuple(range(RULES.partitions)), **fields)


@pytest.mark.parametrize(
    ("worker", "lag", "behind"),
    [
        (status(), 100, []),
        (status(), 101, ["101 records behind, promised are 100"]),
        (status(waiting_s=12.0), 0, ["w1: records have waited for 12 s, promised are 10 s"]),
        (status(trouble="waiting for Redis: OOM command not allowed"), 0, ["w1: waiting for Redis: OOM command not allowed"]),
    ],
)
def test_a_server_says_what_workers_do_not_keep_and_stays_ready(worker: WorkerStatus, lag: int, behind: list[str]) -> None:
    stats = stats_of(RULES, [], [worker], {(RULES.topics.clickstream, 0): (0, lag)}, [])
    told = ready_of(stats, [], Observe(freshness_slo_s=10, lag_slo_records=100))
    assert (told.ready, list(told.behind), told.lag) == (True, behind, lag)


def test_a_server_that_does_not_know_is_not_ready() -> None:
    why = "Redis does not answer"
    told = ready_of(stats_of(RULES, [], [status()], {}, [why]), [why], Observe())
    assert (told.ready, told.waiting_for, told.behind, told.lag) == (False, [why], [], None)


# The endpoint


async def test_the_endpoint_answers_and_closes_its_port() -> None:
    registry, lanes = CollectorRegistry(), [Lane(0)]
    Gauge("streams_partitions", "Partitions.", registry=registry).set(3)
    async with endpoint("127.0.0.1:0", registry, lambda: asked(*lanes)) as url:
        assert url is not None
        assert Scrape((await get(f"{url}/metrics"))[1]).value("streams_partitions") == 3
        status, body = await get(f"{url}/health")
        assert (status, json.loads(body)["healthy"]) == (200, True)
        assert (await get(f"{url}/ready"))[0] == 200
        lanes[0].recovering = True
        status, body = await get(f"{url}/ready")
        assert (status, json.loads(body)["reasons"]) == (503, ["recovering partition 0"])
        assert (await get(f"{url}/"))[0] == 404
    with pytest.raises(OSError, match="refused"):
        await get(f"{url}/health")


async def test_a_port_that_is_taken_is_a_wrong_configuration() -> None:
    async with endpoint("127.0.0.1:0", CollectorRegistry(), asked) as url:
        assert url is not None
        with pytest.raises(
            ConfigError, match=r"^environment: STREAMS_METRICS: cannot listen on 127\.0\.0\.1:[0-9]+: Address already in use"
        ):
            async with endpoint(url.removeprefix("http://"), CollectorRegistry(), asked):
                pass


async def test_without_a_place_nothing_is_opened() -> None:
    async with endpoint(None, CollectorRegistry(), asked) as url:
        assert url is None
