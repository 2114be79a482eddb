"""The counts of the whole by tick, beside what is usual for each: what the watch over drops has seen, and how it judges."""

import asyncio
from collections.abc import Sequence
from datetime import tzinfo
from typing import Final
from zoneinfo import ZoneInfo

import msgspec
from redis.asyncio import Redis

from streams.core.envelope import rfc3339
from streams.core.rules import Rules
from streams.core.site import Watch
from streams.core.sitecalendar import muted, slot
from streams.core.sitedrop import Slot, band
from streams.core.ticks import OVERALL, hash_of
from streams.shell.heads import Keys
from streams.shell.sitewatch import read_site
from streams.shell.status import read_heads

__all__ = ["MOST_TICKS", "Tick", "Whole", "Wholes"]

#: Two weeks of hours. The store keeps two days of them; of a replay, all that were written within two days.
MOST_TICKS: Final = 336
#: Series that are offered: the largest ones.
_NAMED: Final = 60


class Tick(msgspec.Struct, frozen=True):
    """One tick of a series.

    events          how many came
    expected        the usual count; null until it is known
    low, high       below `low` two ticks in a row are an alarm; `high` is as far above
    muted           the calendar says that it says nothing
    whole           whether the tick is over
    """

    at: str
    events: int
    expected: float | None
    low: float | None
    high: float | None
    muted: bool
    whole: bool


class Whole(msgspec.Struct, frozen=True):
    """A series of the whole. `names` are the series that there are, the largest first.

    firing, since  the rule of the alert about it that is on, and when that began; null: none is
    """

    series: str
    tick_minutes: int
    time_zone: str
    theta: float
    ticks: Sequence[Tick]
    firing: str | None
    since: str | None
    names: Sequence[str]


class Wholes:
    """Reads the counts of all partitions and the watch."""

    def __init__(self, rules: Rules, redis: Redis) -> None:
        self._rules, self._redis = rules, redis
        self._zone: tzinfo = ZoneInfo(rules.site.time_zone)
        self._tick_ms = rules.site.tick_minutes * 60_000

    async def read(self, series: str, ticks: int) -> Whole:
        """The last `ticks` ticks of `series` up to the time that all partitions have reached."""
        site, rules = self._rules.site, self._rules
        heads = await read_heads(self._redis, rules.app_id, range(rules.partitions))
        watch = (await read_site(self._redis, rules.app_id)).watch or Watch(0)
        low_ms = min((head.time_ms for head in heads), default=0)
        last = max(watch.tick, low_ms // self._tick_ms)
        counts = await self._counts(series, range(last - ticks + 1, last + 1))
        told = watch.told.get(series)
        theta = site.theta if series == OVERALL else site.theta_parts
        slots = watch.series[series].slots if series in watch.series else None
        # Counts go by age, so behind the first one that is kept a tick without any is one in which nothing came.
        first = next((tick for tick, n in counts.items() if n is not None), last + 1)
        shown = [self._tick(tick, series, counts[tick] or 0, slots, theta, last) for tick in counts if tick >= first]
        return Whole(
            series=series,
            tick_minutes=site.tick_minutes,
            time_zone=site.time_zone,
            theta=theta,
            ticks=shown,
            firing=told.rule if told else None,
            since=rfc3339(told.tick * self._tick_ms) if told else None,
            names=sorted(watch.series, key=lambda name: (name != OVERALL, -_size(watch, name), name))[:_NAMED],
        )

    def _tick(self, tick: int, series: str, events: int, slots: Sequence[Slot] | None, theta: float, last: int) -> Tick:
        at_ms = tick * self._tick_ms
        usual = band(slots[slot(at_ms, self._zone)], theta) if slots else None
        expected, low, high = usual or (None, None, None)
        quiet = any(series.startswith(prefix) for prefix in muted(at_ms, self._zone, self._rules.site.mutes))
        return Tick(rfc3339(at_ms), events, expected, low, high, quiet, tick < last)

    async def _counts(self, series: str, ticks: range) -> dict[int, int | None]:
        """Events of a series by tick, over all partitions; None where no partition kept any count of the tick."""
        minutes, rules = self._rules.site.tick_minutes, self._rules
        pipe = self._redis.pipeline(transaction=False)
        for partition in range(rules.partitions):
            prefix = Keys.of(rules.app_id, partition).sums + b":"
            for tick in ticks:
                pipe.hmget(prefix + hash_of(minutes, tick).encode(), [series, OVERALL])
        answers = await pipe.execute()
        await asyncio.sleep(0)
        found: dict[int, int | None] = dict.fromkeys(ticks)
        for number, (mine, whole) in enumerate(answers):
            tick = ticks[number % len(ticks)]
            if mine is not None or whole is not None:
                found[tick] = (found[tick] or 0) + int(mine or 0)
        return found


def _size(watch: Watch, name: str) -> float:
    return sum(each.mean * each.mean for each in watch.series[name].slots)
