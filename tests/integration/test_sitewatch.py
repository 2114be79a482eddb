"""The watch over the whole on a real broker and a real Redis: found on the next tick, told once, repeated to the byte after a crash."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from datetime import UTC
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiokafka import AIOKafkaConsumer
from redis.asyncio import Redis as Client

from streams.core.identity import home_partition
from streams.core.record import Head, Output
from streams.core.rules import Rules
from streams.core.sitestate import SiteState, View, look
from streams.core.ticks import hash_of
from streams.settings import Settings
from streams.shell.heads import Keys, encode_body, encode_positions
from streams.shell.sitewatch import SiteWatch, read_site
from streams.shell.topics import create_topics
from tests.served import produce, settings_of
from tests.stack import Kafka, Redis

pytestmark = pytest.mark.services

HOUR_MS = 3_600_000
#: A Monday, 00:00 UTC.
MONDAY_MS = 1_704_067_200_000
#: One user of either partition.
USERS = [next(f"u{n}" for n in range(99) if home_partition(f"u{n}", 2) == partition) for partition in (0, 1)]
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
async def settings(kafka: Kafka, redis: Redis, tmp_path: Path) -> Settings:
    return settings_of(tmp_path, kafka.bootstrap, redis.url)


# A worker.


def hour(start_ms: int, events: int) -> list[tuple[int, str, bytes | None, int]]:
    """Events of one hour, on both partitions, in a replay's time."""
    said = []
    for n in range(events):
        user, at_ms = USERS[n % 2], start_ms + (n + 1) * HOUR_MS // (events + 1)
        body = {"type": "track", "event": "Product Viewed", "userId": user, "messageId": f"{start_ms}/{n}", "timestamp": at_ms}
        said.append((n % 2, user, json.dumps(body).encode(), at_ms))
    return said


async def test_a_site_that_loses_99_in_100_is_told_with_the_next_tick(settings: Settings, tmp_path: Path) -> None:
    """Four Mondays of a hundred events from midnight to one; on the fifth one event comes in that hour."""
    await create_topics(settings)
    week_ms = 7 * 24 * HOUR_MS
    records = [each for week in range(4) for each in hour(MONDAY_MS + week * week_ms, 100)]
    fifth_ms = MONDAY_MS + 4 * week_ms
    records += [*hour(fifth_ms, 1), *hour(fifth_ms + HOUR_MS, 2)]
    await produce(settings, settings.rules.topics.clickstream, records, [("streams-clock", b"event")])
    env = {"STREAMS_BROKER": settings.broker, "STREAMS_REDIS": settings.redis, "STREAMS_CONFIG": str(tmp_path), "STREAMS_INSTANCE": "w1"}
    worker = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "streams", "worker", cwd=ROOT, env={**os.environ, **env}, stdout=asyncio.subprocess.DEVNULL
    )
    consumer = AIOKafkaConsumer(settings.rules.topics.alerts, bootstrap_servers=settings.broker, auto_offset_reset="earliest")
    await consumer.start()
    try:
        async with asyncio.timeout(120):
            async for record in consumer:
                alert = json.loads(record.value)
                if alert["rule"] not in ("churn_risk", "engagement_drop"):
                    break
    finally:
        worker.send_signal(signal.SIGTERM)
        await worker.wait()
        await consumer.stop()
    assert (alert["rule"], alert["series"], alert["status"], alert["user_id"]) == ("site_drop", "all", "firing", "")
    assert alert["starts_at"] == "2024-01-29T00:00:00.000Z"
    assert alert["reasons"][0]["text"] == "all events: 1 in one hour from 00:00 UTC, 1 % of the usual 100"
    assert record.key == b"all"


# The watch alone.


class Kept:
    """A publisher that keeps what it is given; `broken` once loses the process before anything leaves."""

    def __init__(self) -> None:
        self.outputs: list[Output] = []
        self.broken = False

    async def publish(self, outputs: Sequence[Output]) -> None:
        if self.broken:
            raise ConnectionAbortedError
        self.outputs += outputs


class Noon:
    def now_ms(self) -> int:
        return MONDAY_MS + 60 * 24 * HOUR_MS


@pytest.fixture
async def client(settings: Settings) -> AsyncIterator[Client]:
    async with Client.from_url(settings.redis) as mine:
        yield mine


async def partitions_at(client: Client, rules: Rules, time_ms: int, clicks: int, counts: dict[int, dict[str, int]]) -> None:
    """Both partitions have passed `time_ms`; ticks hold these counts."""
    for partition in (0, 1):
        keys = Keys.of(rules.app_id, partition)
        positions = dict.fromkeys(rules.topics.inputs, 0) | {rules.topics.clickstream: clicks}
        head = Head(partition, "w1/x", 3, positions, None, time_ms, "wall", {}, {})
        fields: dict[str, Any] = {
            "v": 1,
            "owner": head.owner,
            "rev": 3,
            "at": encode_positions(positions),
            "body": encode_body(head),
        }
        await client.hset(keys.head.decode(), mapping=fields)
        for tick, sums in counts.items():
            await client.hset(f"{keys.sums.decode()}:{hash_of(60, tick)}", mapping=dict(sums))


def watcher(settings: Settings, client: Client, publisher: Kept) -> SiteWatch:
    return SiteWatch(settings.rules, client, publisher, Noon(), lambda: True)


async def learned(settings: Settings, client: Client) -> int:
    """The state after four weeks in which this hour had a hundred events on either partition; the next tick."""
    rules = settings.rules
    state, first = SiteState(), MONDAY_MS // HOUR_MS
    view = View((first + 1) * HOUR_MS - 1, {}, False)
    state, _ = look(state, state, view, {}, rules, UTC, 0)
    assert state.watch is not None
    for week in range(1, 6):
        tick = first + week * 168
        state = msgspec.structs.replace(state, watch=msgspec.structs.replace(state.watch, tick=tick))
        state, _ = look(state, state, view, {tick: {"all": 200, "event:product_viewed": 200}}, rules, UTC, 0)
        assert state.watch is not None
    tick = first + 6 * 168
    state = msgspec.structs.replace(state, rev=1, watch=msgspec.structs.replace(state.watch, tick=tick))
    mine = watcher(settings, client, Kept())
    assert await mine._save(state)
    return tick


async def test_what_was_decided_and_not_published_is_published_by_the_next_watcher_to_the_byte(settings: Settings, client: Client) -> None:
    tick = await learned(settings, client)
    await partitions_at(client, settings.rules, (tick + 1) * HOUR_MS, 5, {tick: {"all": 1}})
    dying, next_one, twin = Kept(), Kept(), Kept()
    dying.broken = True
    with pytest.raises(ConnectionAbortedError):
        await watcher(settings, client, dying).once()
    decided = (await read_site(client, settings.rules.app_id)).unsaid
    assert [json.loads(output.value or b"")["rule"] for output in decided] == ["site_drop"]
    await watcher(settings, client, next_one).once()
    assert tuple(next_one.outputs) == decided
    await watcher(settings, client, twin).once()
    assert (twin.outputs, (await read_site(client, settings.rules.app_id)).unsaid) == ([], ())


async def test_of_two_watchers_one_decides(settings: Settings, client: Client) -> None:
    """A worker that lost partition 0 and does not know it yet saves nothing over its successor's state."""
    tick = await learned(settings, client)
    old, new = Kept(), Kept()
    zombie, owner = watcher(settings, client, old), watcher(settings, client, new)
    await partitions_at(client, settings.rules, tick * HOUR_MS, 5, {})
    await zombie.once()
    await owner.once()
    await partitions_at(client, settings.rules, (tick + 1) * HOUR_MS, 5, {tick: {"all": 1}})
    await owner.once()
    await zombie.once()
    await zombie.once()
    assert (len(new.outputs), old.outputs) == (1, [])


async def test_counts_of_all_partitions_add_up(settings: Settings, client: Client) -> None:
    """A hundred on either: two hundred are usual, and nothing is told."""
    tick = await learned(settings, client)
    await partitions_at(client, settings.rules, (tick + 1) * HOUR_MS, 5, {tick: {"all": 100, "event:product_viewed": 100}})
    kept = Kept()
    await watcher(settings, client, kept).once()
    state = await read_site(client, settings.rules.app_id)
    assert (kept.outputs, state.watch and state.watch.tick) == ([], tick + 1)


async def test_a_tick_that_one_partition_has_not_passed_is_waited_for(settings: Settings, client: Client) -> None:
    """A backlog is no drop."""
    tick = await learned(settings, client)
    await partitions_at(client, settings.rules, (tick + 1) * HOUR_MS - 1, 5, {tick: {"all": 1}})
    kept = Kept()
    await watcher(settings, client, kept).once()
    state = await read_site(client, settings.rules.app_id)
    assert (kept.outputs, state.watch and state.watch.tick) == ([], tick)


async def test_who_does_not_own_partition_0_only_reads_which_timers_are_held(settings: Settings, client: Client) -> None:
    tick = await learned(settings, client)
    await client.hset(f"{{{settings.rules.app_id}:0}}:site", "hold", "17")
    await partitions_at(client, settings.rules, (tick + 1) * HOUR_MS, 5, {tick: {"all": 1}})
    kept = Kept()
    other = SiteWatch(settings.rules, client, kept, Noon(), lambda: False)
    await other.once()
    assert (other.hold_ms(), kept.outputs) == (17, [])
