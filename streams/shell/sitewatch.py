"""The watch over the whole, in a worker: the one that owns partition 0 looks at the heads and counts of all partitions every second.

1. **look**     What all partitions show together, and the counts of the ticks that all have passed.
2. **save**     The store holds the next state, with the records that follow from it, unless another worker was faster.
3. **publish**  Kafka holds these records.
4. **clear**    The store holds the state without them.

Whoever finds records in the state publishes them first: they are repeated to the byte, and under the same ids.
Every worker, owner or not, reads which timers are held, for the plans of its lanes.
"""

import asyncio
import logging
from collections.abc import Callable
from importlib import resources
from typing import Final
from zoneinfo import ZoneInfo

import msgspec
from redis.asyncio import Redis
from redis.exceptions import RedisError

from streams.core.drift import samples_of
from streams.core.rules import Rules
from streams.core.sitestate import SiteState, View, decode_site, due_ticks, encode_site, look
from streams.core.ticks import hash_of
from streams.shell.heads import Keys
from streams.shell.ports import Clock, Publisher
from streams.shell.status import read_heads
from streams.shell.sums import added_up

__all__ = ["SiteWatch", "read_site", "site_key"]

log = logging.getLogger(__name__)

_PERIOD_S: Final = 1.0
#: While there is a backlog of ticks the next look follows at once, but lets lanes have their turn.
_BREATH_S: Final = 0.01
_SAVE: Final = resources.files("streams.shell").joinpath("site.lua").read_text("utf-8")


def site_key(app_id: str) -> bytes:
    """The hash that holds the state: `rev`, `state`, `hold`. It lies in the slot of partition 0."""
    return f"{{{app_id}:0}}:site".encode()


async def read_site(redis: Redis, app_id: str) -> SiteState:
    """The saved state; the first one when there is none. Raises `UnknownStateVersion`."""
    blob = await redis.hget(site_key(app_id), "state")
    return decode_site(blob) if isinstance(blob, bytes) and blob else SiteState()


class SiteWatch:
    """Runs beside the lanes of a worker. `hold_ms` is for their plans."""

    def __init__(self, rules: Rules, redis: Redis, publisher: Publisher, clock: Clock, owns: Callable[[], bool]) -> None:
        """`owns` says whether this worker owns partition 0 now."""
        self._rules, self._redis, self._publisher, self._clock, self._owns = rules, redis, publisher, clock, owns
        self._zone = ZoneInfo(rules.site.time_zone)
        self._key = site_key(rules.app_id)
        self._hold_ms: int | None = None
        self._state: SiteState | None = None  # what the last pass left; None: look at the store first
        self._saved = SiteState()

    def hold_ms(self) -> int | None:
        """The time beyond which no timer may fire; None when none is held."""
        return self._hold_ms

    async def run(self) -> None:
        """Runs until it is cancelled. Trouble with Redis is the lanes' business: they wait it out and say so."""
        while True:
            busy = False
            try:
                busy = await self.once()
            except (RedisError, OSError, TimeoutError):
                self._state = None
            await asyncio.sleep(_BREATH_S if busy else _PERIOD_S)

    async def once(self) -> bool:
        """One pass; True when there is more to judge at once."""
        hold = await self._redis.hget(self._key, "hold")
        self._hold_ms = int(hold) if hold else None
        if not self._owns():
            self._state = None
            return False
        if self._state is None:
            self._state = self._saved = await read_site(self._redis, self._rules.app_id)
        if self._saved.unsaid:
            await self._say()
            return True
        heads = await read_heads(self._redis, self._rules.app_id, range(self._rules.partitions))
        view = View.of(heads, self._rules)
        if view is None:
            return False
        ticks = due_ticks(self._state, view, self._rules.site)
        minutes = self._rules.site.tick_minutes
        counts = {tick: await added_up(self._redis, self._rules, [hash_of(minutes, tick)]) for tick in ticks}
        samples = {tick: await added_up(self._redis, self._rules, [samples_of(minutes, tick)]) for tick in ticks}
        first = await self._first() if self._state.watch is None else None
        state, changed = look(self._state, self._saved, view, counts, self._rules, self._zone, self._clock.now_ms(), first, samples)
        self._state = state
        if changed and await self._save(state) and state.unsaid:
            await self._say()
        return bool(ticks)

    async def _first(self) -> int | None:
        """The first tick of which there are counts."""
        prefix = hash_of(self._rules.site.tick_minutes, 0).removesuffix("0").encode()
        pipe = self._redis.pipeline(transaction=False)
        for partition in range(self._rules.partitions):
            pipe.hkeys(Keys.of(self._rules.app_id, partition).sums)
        ticks = [int(name.removeprefix(prefix)) for names in await pipe.execute() for name in names if name.startswith(prefix)]
        return min(ticks, default=None)

    async def _say(self) -> None:
        """What the saved state says is published, and no longer to be said."""
        await self._publisher.publish(self._saved.unsaid)
        log.info("told alerts about the whole", extra={"records": len(self._saved.unsaid)})
        said = msgspec.structs.replace(self._saved, rev=self._saved.rev + 1, unsaid=())
        if await self._save(said):
            self._state = said

    async def _save(self, state: SiteState) -> bool:
        """Whether the store holds `state` now. False: another worker watches, too; the next pass begins with what it has saved."""
        hold = "" if state.hold_ms is None else state.hold_ms
        saved = await self._redis.eval(_SAVE, 1, self._key, self._saved.rev, state.rev, encode_site(state), hold)
        if not saved:
            self._state = None
            return False
        self._saved = state
        self._hold_ms = state.hold_ms
        return True
