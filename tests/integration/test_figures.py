"""Figures of the business, of alerts and of forecasts on a real Redis: what is brought to their topic, and what `streams quality` says."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
import redis.asyncio as aioredis

from streams.cli import main
from streams.commands.configured import now_ms
from streams.core.learning import Learned, beginning, encode_learned
from streams.core.quality import Tally
from streams.core.record import Head, Increments, Output
from streams.core.rules import DAY_MS, Rules
from streams.shell.figures import FigurePublisher
from streams.shell.heads import Keys
from streams.shell.store import PartitionStore
from tests.histories import make_rules
from tests.integration.test_commands import configuration
from tests.integration.test_store import first_head, outcome, saved
from tests.stack import Redis
from tests.unit.test_learning import lesson, told

pytestmark = pytest.mark.services
TODAY = 20_000
NOON = TODAY * DAY_MS + DAY_MS // 2


class Kept:
    """A topic in memory."""

    def __init__(self) -> None:
        self.outputs: list[Output] = []

    async def publish(self, outputs: Sequence[Output]) -> None:
        self.outputs += outputs

    def take(self) -> dict[str, dict[str, Any]]:
        """Series -> record of what was published since the last time."""
        found = {record["series"]: record for record in (json.loads(output.value or b"") for output in self.outputs)}
        assert len(found) == len(self.outputs)
        self.outputs.clear()
        return found


class Shop:
    """An application with two partitions, and as many publishers as a test wants."""

    def __init__(self, client: aioredis.Redis, url: str) -> None:
        made = make_rules()
        self.rules: Rules = msgspec.structs.replace(made, app_id=f"test-{uuid.uuid4().hex[:12]}", partitions=2)
        self.client, self.store, self.topic = client, PartitionStore(self.rules.app_id, url), Kept()
        self._heads: dict[int, Head] = {}

    def publisher(self) -> FigurePublisher:
        return FigurePublisher(self.rules, self.client, self.topic, lambda: True)

    async def count(self, partition: int, *sums: Increments) -> None:
        """A step of the partition, at noon of today, adds these."""
        if partition not in self._heads:
            self._heads[partition] = await self.store.create(first_head(partition=partition))
        done = outcome({}, sums=sums)
        self._heads[partition] = await saved(self.store, self._heads[partition], done, time_ms=NOON, now_ms=NOON)

    async def learn(self, partition: int, lessons: int) -> None:
        learned: Learned = beginning(self.rules)
        for i in range(lessons):
            learned = told(learned, lesson(i % 2 == 0, 0.2 + 0.01 * (i % 7)), self.rules)
        await self.client.hset(Keys.of(self.rules.app_id, partition).head.decode(), "learned", encode_learned(learned))  # type: ignore[arg-type]


def sums(day: int, **fields: int) -> Increments:
    return Increments(f"d{day}", fields, 3600, 1000)


def judged(day: int) -> tuple[Increments, ...]:
    """Three churn alerts of a day, two of them right; one of two lost users was caught, 48 hours ahead; two forecasts met their outcome."""
    at_ms, tally = day * DAY_MS + 1, Tally()
    for right in (True, True, False):
        tally.fired("churn_risk", at_ms)
        tally.judged("churn_risk", right, at_ms)
    tally.lost(at_ms, {"churn_risk": at_ms - 2 * DAY_MS})
    tally.lost(at_ms, {})
    tally.resolved("churn_risk", "came_back", at_ms)
    tally.resolved("churn_risk", "expired", at_ms)
    tally.forecast(at_ms, 0.25, False)
    tally.forecast(at_ms, 0.75, True)
    return tally.increments()


def parts(record: Mapping[str, Any]) -> tuple[float | None, float, float | None, float]:
    return record["value"], record["numerator"], record["denominator"], record["n"]


@pytest.fixture
async def shop(redis: Redis) -> AsyncIterator[Shop]:
    async with aioredis.Redis.from_url(redis.url) as client:
        made = Shop(client, redis.url)
        yield made
        await made.store.close()


async def test_nothing_is_told_before_anything_was_counted(shop: Shop) -> None:
    assert await shop.publisher().tell() == 0
    assert shop.topic.outputs == []


async def test_figures_of_all_partitions_are_told_once_and_again_when_they_change(shop: Shop) -> None:
    await shop.count(0, sums(TODAY, orders=2, sales=1000))
    await shop.count(1, sums(TODAY, orders=1, sales=500))
    publisher = shop.publisher()
    assert await publisher.tell() == len(shop.topic.outputs)
    first = shop.topic.take()
    assert parts(first["average_order/day/2024-10-04"]) == (500, 1500, 3, 3)
    assert parts(first["orders/7d"]) == (3, 3, None, 3)
    assert await publisher.tell() == 0
    await shop.count(1, sums(TODAY, orders=1))
    await publisher.tell()
    again = shop.topic.take()
    assert parts(again["orders/day/2024-10-04"]) == (4, 4, None, 4)
    assert "sales/day/2024-10-04" not in again
    assert again["orders/7d"]["rev"] > first["orders/7d"]["rev"]


async def test_who_takes_over_tells_days_that_were_not_told(shop: Shop) -> None:
    """What a day was told by is remembered in Redis; what moves on with time is told anew."""
    await shop.count(0, sums(TODAY - 20, orders=5), sums(TODAY, orders=1))
    await shop.publisher().tell()
    assert shop.topic.take()["orders/day/2024-09-14"]["value"] == 5
    await shop.count(0, sums(TODAY - 40, orders=7))
    await shop.publisher().tell()
    told_then = shop.topic.take()
    assert told_then["orders/day/2024-08-25"]["value"] == 7
    assert "orders/day/2024-09-14" not in told_then


async def test_a_record_says_what_it_is(shop: Shop) -> None:
    await shop.count(0, sums(TODAY, orders=1))
    await shop.publisher().tell()
    output = next(output for output in shop.topic.outputs if output.key == b"orders/7d")
    record = json.loads(output.value or b"")
    assert (record["window"], record["starts_at"], record["ends_at"]) == ("7d", "2024-09-28T00:00:00.000Z", "2024-10-05T00:00:00.000Z")
    assert (record["unit"], record["definition"], record["segment"]) == ("count", 1, None)
    headers = dict(output.headers)
    assert (output.topic, headers["ce_type"]) == (shop.rules.topics.metrics, b"engagement.metric.v1")
    assert headers["ce_id"] == f"orders/7d@{record['rev']}".encode()


async def test_how_good_alerts_and_forecasts_were_is_told_by_window(shop: Shop) -> None:
    """Of the day that decided it, and of the last 7 and 30 days; nothing to divide by is no value."""
    await shop.count(0, *judged(TODAY - 3))
    await shop.count(1, *judged(TODAY - 10), *judged(TODAY - 40))
    await shop.learn(0, 20)
    publisher = shop.publisher()
    await publisher.tell()
    found = shop.topic.take()
    assert parts(found["alert_precision/7d/rule=churn_risk"]) == (66.666667, 2, 3, 3)
    assert parts(found["alert_recall/30d/rule=churn_risk"]) == (50, 2, 4, 4)
    assert parts(found["alert_lead_days/30d/rule=churn_risk"]) == (2, 4, 2, 2)
    assert parts(found["alert_returned_share/day/2024-10-01/rule=churn_risk"]) == (50, 1, 2, 2)
    assert parts(found["alerts_fired/30d/rule=churn_risk"]) == (6, 6, None, 6)
    assert parts(found["alert_precision/day/2024-10-04/rule=churn_risk"]) == (None, 0, 0, 0)
    assert parts(found["alert_precision/30d/rule=engagement_drop"]) == (None, 0, 0, 0)
    assert parts(found["forecast_brier/7d"]) == (0.0625, 0.125, 2, 2)
    assert parts(found["forecast_ece/30d"]) == (25, 1, 4, 4)
    assert parts(found["forecast_mean/30d"]) == (50, 2, 4, 4)
    assert found["model_drift/day/2024-10-04"]["n"] == 20
    assert await publisher.tell() == 0
    await shop.count(0, *judged(TODAY))
    await publisher.tell()
    again = shop.topic.take()
    assert parts(again["alerts_fired/7d/rule=churn_risk"]) == (6, 6, None, 6)
    assert "alerts_fired/day/2024-10-01/rule=churn_risk" not in again


async def test_the_command_says_it_for_people_and_for_machines(
    shop: Shop, redis: Redis, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """What was counted in the last days, over all partitions."""
    configuration(tmp_path, shop.rules.app_id)
    for name, value in {"STREAMS_REDIS": redis.url, "STREAMS_CONFIG": str(tmp_path)}.items():
        monkeypatch.setenv(name, value)
    today = now_ms() // DAY_MS
    await shop.count(0, *judged(today))
    await shop.count(1, *judged(today - 1), *judged(today - 50))
    await shop.learn(1, 20)
    said = await asyncio.to_thread(_run, capsys, "quality", "--days", "30", "--json")
    told_of = json.loads(said)
    churn = next(each for each in told_of["alerts"] if each["rule"] == "churn_risk")
    assert (churn["fired"], churn["right"], churn["wrong"], churn["lost"], churn["caught"]) == (6, 4, 2, 4, 2)
    assert (churn["recall"], churn["lead_days"], churn["returned_share"]) == (0.5, 2.0, 0.5)
    assert (told_of["forecasts"]["labels_lost"], told_of["parameters_version"], told_of["users"]) == (10.0, "prior", 0)
    said = await asyncio.to_thread(_run, capsys, "quality", "--days", "60")
    assert "churn risk" in said
    assert "66.7 %" in said
    assert "Too few regular users (0)" in said


def _run(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    capsys.readouterr()
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert end.value.code in (0, None)
    return capsys.readouterr().out
