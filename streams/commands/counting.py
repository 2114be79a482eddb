"""Waits until the workers have counted what lies in the topics."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

from streams.commands.connect import open_consumer, open_redis
from streams.shell.scan import log_bounds
from streams.shell.status import read_heads, read_workers
from streams.stats import stats_of

if TYPE_CHECKING:
    from streams.settings import Settings

__all__ = ["counting"]

_LOOK_S: Final = 0.5


@asynccontextmanager
async def counting(settings: "Settings", waiting: Callable[[int, bool], None]) -> AsyncIterator[Callable[[], Awaitable[None]]]:
    """Gives something that returns when everything in the topics is counted, however long that takes.

    `waiting` hears twice a second how many records are not, and whether any worker is there. Raises `Unavailable` when Kafka or Redis goes
    away.
    """
    rules = settings.rules
    async with open_redis(settings) as redis, open_consumer(settings) as consumer:

        async def counted() -> None:
            while True:
                # The heads first: what a step sends to other partitions is in their logs before its own head is saved.
                heads = await read_heads(redis, rules.app_id, range(rules.partitions))
                bounds = await log_bounds(consumer, rules.topics.inputs, rules.partitions)
                behind = sum(stats_of(rules, heads, (), bounds, ()).lag.values())
                if not behind:
                    return
                waiting(behind, bool(await read_workers(redis, rules.app_id)))
                await asyncio.sleep(_LOOK_S)

        yield counted
