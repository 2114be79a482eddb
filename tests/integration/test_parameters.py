"""The board of parameters on a real Redis: who publishes what and when, and what a worker reads."""

import uuid
from collections.abc import AsyncIterator

import msgspec
import pytest
import redis.asyncio as aioredis

from streams.core.learning import Learned, beginning, encode_learned
from streams.core.parameters import Parameters, decode_parameters
from streams.core.record import PRIOR
from streams.core.rules import DAY_MS, Learning, Rules
from streams.shell.heads import Keys
from streams.shell.parameters import ParameterBoard, parameters_key, read_current
from tests.histories import make_rules
from tests.stack import Redis
from tests.unit.test_learning import lesson, told

pytestmark = pytest.mark.services
NOON = 20_000 * DAY_MS + DAY_MS // 2


class Town:
    """An application with two partitions, and as many boards as a test wants."""

    def __init__(self, client: aioredis.Redis) -> None:
        made = make_rules()
        learning = Learning(min_labels=10)
        self.rules: Rules = msgspec.structs.replace(made, app_id=f"test-{uuid.uuid4().hex[:12]}", partitions=2, learning=learning)
        self.client = client
        self.known: list[str] = []

    def board(self, *, publishes: bool = True) -> ParameterBoard:
        return ParameterBoard(self.client, self.rules, know=self._know, publishes=lambda: publishes)

    async def learn(self, partition: int, lessons: int) -> None:
        learned: Learned = beginning(self.rules)
        for i in range(lessons):
            learned = told(learned, lesson(i % 2 == 0, 0.2 + 0.01 * (i % 7)), self.rules)
        await self.client.hset(Keys.of(self.rules.app_id, partition).head.decode(), "learned", encode_learned(learned))  # type: ignore[arg-type]

    def _know(self, parameters: Parameters) -> None:
        self.known.append(parameters.version)


@pytest.fixture
async def town(redis: Redis) -> AsyncIterator[Town]:
    async with aioredis.Redis.from_url(redis.url) as client:
        yield Town(client)


async def test_before_anybody_has_published_the_constants_are_in_force(town: Town) -> None:
    board = town.board()
    await board.look()
    assert board.current() == PRIOR
    assert await board.publish(NOON) is None
    assert town.known == []


async def test_all_partitions_are_merged_and_looked_up(town: Town) -> None:
    await town.learn(0, 20)
    await town.learn(1, 30)
    published = await town.board().publish(NOON)
    assert published is not None
    assert published.churn is not None
    assert published.churn.labels == 50
    other = town.board(publishes=False)
    await other.look()
    assert other.current() == published.version
    assert town.known == [published.version]
    blob = await other.read(published.version)
    assert blob is not None
    assert decode_parameters(blob) == published
    assert await read_current(town.client, town.rules) == published


async def test_once_a_day_and_old_versions_stay(town: Town) -> None:
    await town.learn(0, 40)
    board = town.board()
    first = await board.publish(NOON)
    await town.learn(1, 40)
    assert await board.publish(NOON + DAY_MS // 4) is None
    second = await board.publish(NOON + DAY_MS // 2)
    assert first is not None
    assert second is not None
    assert second.version != first.version
    assert await board.read(first.version) is not None


async def test_labels_of_another_horizon_are_not_read_by(town: Town) -> None:
    await town.learn(0, 40)
    assert await town.board().publish(NOON) is not None
    town.rules = msgspec.structs.replace(town.rules, churn=msgspec.structs.replace(town.rules.churn, horizon_days=60.0))
    assert (await read_current(town.client, town.rules)).version == PRIOR


async def test_a_store_that_has_gone_back_gets_the_version_in_force_again(town: Town) -> None:
    """A plan may name it at any moment."""
    await town.learn(0, 40)
    board = town.board()
    published = await board.publish(NOON)
    assert published is not None
    await board.look()
    await town.client.delete(parameters_key(town.rules.app_id))
    await board.keep()
    assert await town.board().read(published.version) is not None
    assert await town.board().read("never published") is None
