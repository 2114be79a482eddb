"""What all partitions have learned, merged and published at most once a day: where it lies in Redis, and which version is in force here.

<app>:parameters   hash: current (version), day (of its publication), v:<version> (parameters; every version stays)
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Any, Final

from redis.asyncio import Redis
from redis.asyncio.client import Pipeline
from redis.exceptions import RedisError

from streams.core.learning import Learned, decode_learned, publication
from streams.core.parameters import Parameters, decode_parameters, encode_parameters, prior
from streams.core.record import PRIOR
from streams.core.rules import DAY_MS, Rules
from streams.errors import StreamsError
from streams.shell.heads import Keys
from streams.shell.pauses import Pauses

__all__ = ["ParameterBoard", "parameters_key", "read_current", "read_learned"]

log = logging.getLogger(__name__)

#: How often the board is looked at: a version that is out for a day may come a minute late.
_LOOK_S: Final = 60.0


def parameters_key(app_id: str) -> str:
    """The hash that holds every version."""
    return f"{app_id}:parameters"


async def read_current(redis: Any, rules: Rules) -> Parameters:
    """The parameters in force; the constants of the rules before any were published, and where they were learned for another horizon."""
    key = parameters_key(rules.app_id)
    version = await redis.hget(key, "current") if rules.learning.enabled else None
    blob = None if version is None else await redis.hget(key, b"v:" + version)
    found = prior(rules) if blob is None else decode_parameters(blob)
    fits = found.churn is None or found.churn.horizon_days == rules.churn.horizon_days
    return found if fits else prior(rules)


async def read_learned(redis: Any, rules: Rules) -> list[Learned]:
    """What each partition has learned."""
    async with redis.pipeline(transaction=False) as pipe:
        for partition in range(rules.partitions):
            pipe.hget(Keys.of(rules.app_id, partition).head.decode(), "learned")
        return [decode_learned(blob or b"", rules) for blob in await pipe.execute()]


class ParameterBoard:
    """`ports.Published` of one process. `redis` must answer bytes."""

    def __init__(self, redis: Redis, rules: Rules, *, know: Callable[[Parameters], None], publishes: Callable[[], bool]) -> None:
        """know       is told of each version before it is in force
        publishes  whether this process is the one that merges and publishes: who has partition 0 (two at a time do no harm)"""
        self._redis, self._rules, self._know, self._publishes = redis, rules, know, publishes
        self._current = prior(rules)

    def current(self) -> str:
        return self._current.version

    async def keep(self) -> None:
        if self._current.version != PRIOR:
            fields = (parameters_key(self._rules.app_id), f"v:{self._current.version}", encode_parameters(self._current))
            await self._patiently(lambda: self._redis.hsetnx(*fields), "to keep the parameters in force")

    async def read(self, version: str) -> bytes | None:
        key = parameters_key(self._rules.app_id)
        blob: bytes | None = await self._patiently(lambda: self._redis.hget(key, f"v:{version}"), f"to read the parameters {version}")
        return blob

    async def look(self) -> None:
        """The newest version is in force here."""
        await self.keep()
        found = await read_current(self._redis, self._rules)
        if found.version != self.current():
            self._know(found)
            self._current = found
            log.info("parameters in force: %s", found.version)

    async def publish(self, now_ms: int) -> Parameters | None:
        """What all partitions have learned by now is published, unless something was today, or there is too little yet."""
        rules, key, today = self._rules, parameters_key(self._rules.app_id), now_ms // DAY_MS

        async def once(pipe: Pipeline) -> Parameters | None:
            day = await pipe.hget(key, "day")
            if day is not None and int(day) >= today:
                pipe.multi()  # type: ignore[no-untyped-call]
                return None
            found = publication(rules, await read_learned(self._redis, rules), now_ms)
            pipe.multi()  # type: ignore[no-untyped-call]
            if found is not None:
                fields: Any = {
                    "current": found.version,
                    "day": today,
                    f"v:{found.version}": encode_parameters(found),
                }
                pipe.hset(key, mapping=fields)
            return found

        published: Parameters | None = await self._redis.transaction(once, key, value_from_callable=True)
        return published

    async def run(self, now_ms: Callable[[], int]) -> None:
        """Looks and publishes for ever. Trouble is left for the next look: what is in force stays."""
        while True:
            try:
                if self._publishes():
                    await self.publish(now_ms())
                await self.look()
            except (RedisError, OSError, StreamsError) as problem:
                log.warning("parameters stay at %s (%s)", self.current(), type(problem).__name__)
            await asyncio.sleep(_LOOK_S)

    async def _patiently(self, ask: Callable[[], Any], why: str) -> Any:
        """The answer, however long Redis takes."""
        pauses = Pauses(1.0)
        while True:
            try:
                return await ask()
            except (RedisError, OSError) as problem:
                log.warning("waiting for Redis, %s (%s)", why, type(problem).__name__)
            await pauses.pause()
