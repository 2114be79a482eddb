"""How many of those who did one thing did the next one, too: counted over the stored states, all of them or a random sample.

What a state holds are counts per window and kind of event, no order: whoever did all steps up to one within the window has reached it, in
whatever order they were done.
"""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from math import sqrt
from typing import Any, Final

import msgspec
from redis.asyncio import Redis

from streams.core.envelope import rfc3339
from streams.core.rules import WINDOWS, Rules
from streams.core.user import User
from streams.serve.parts import Part, Parts
from streams.shell.heads import Keys, clock_of, is_user
from streams.shell.parameters import read_current

__all__ = ["MOST_STEPS", "Choices", "Funnel", "Funnels", "Group", "Step", "groups_of", "interval", "reached"]

MOST_STEPS: Final = 8
#: Users of a sample: a share is then known to within 1.6 points, nineteen times of twenty.
_SAMPLE: Final = 4000
#: States told between two turns of everybody else: a few milliseconds.
_TURN: Final = 50
#: Parts that are told one by one; the smaller ones are added up.
_MOST_GROUPS: Final = 20
_REST: Final = "rest"
#: 97.5th percentile of the normal distribution: nineteen of twenty.
_Z: Final = 1.959964


class Step(msgspec.Struct, frozen=True):
    """One step. Shares are of those at the first step and at the step before; null where there are none.

    low, high  between which `of_first` lies nineteen times of twenty (Wilson score interval); the share itself when everybody was counted
    """

    name: str
    users: int
    of_first: float | None
    of_before: float | None
    low: float | None
    high: float | None


class Group(msgspec.Struct, frozen=True):
    """The same for a part of the users. `name` is a value of the dimension, `rest` stands for the smallest parts of many; `users` how many
    were looked at."""

    name: str
    users: int
    reached: Sequence[int]


class Funnel(msgspec.Struct, frozen=True):
    """A funnel over the users as they are at `as_of`.

    by          the dimension of `groups`
    where       the part of the users that is counted, such as `device:mobile`; None for everybody
    n           users that were looked at, in `where` or not
    population  users that have a state; when not everybody was looked at, with the few rows beside them that are no users
    whole       whether everybody was looked at; if not, `n` were drawn at random
    definition  what a number means, with its version
    """

    as_of: str
    window: str
    by: str
    where: str | None
    steps: Sequence[Step]
    groups: Sequence[Group]
    n: int
    population: int
    whole: bool
    definition: str


class Choices(msgspec.Struct, frozen=True):
    """What a funnel can be made of. `values`: what each dimension of `by` can be; none for countries, which are two letters, `unknown` or
    `other`."""

    steps: Sequence[str]
    windows: Sequence[str]
    by: Sequence[str]
    values: Mapping[str, Sequence[str]]


def reached(counts: Mapping[int, int], steps: Sequence[int]) -> int:
    """How many of `steps` were done, up to the first that was not."""
    for number, step in enumerate(steps):
        if counts.get(step, 0) <= 0:
            return number
    return len(steps)


def interval(hits: int, n: int) -> tuple[float, float]:
    """Between which shares the true one lies nineteen times of twenty, when `hits` of `n` drawn ones have it (Wilson 1927)."""
    share, z2 = hits / n, _Z * _Z
    middle = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = _Z / (1 + z2 / n) * sqrt(share * (1 - share) / n + z2 / (4 * n * n))
    return 0.0 if hits == 0 else middle - half, 1.0 if hits == n else middle + half


class Funnels:
    """Counts funnels, one at a time: they are the one question that costs a second."""

    def __init__(self, rules: Rules, redis: Redis) -> None:
        self._rules, self._redis = rules, redis
        self._user = User(rules)
        self._ids = {entry.name: entry.id for entry in rules.catalogue.types}
        self._turn = asyncio.Lock()
        self.parts = Parts(self._user, rules)
        self.choices = Choices(list(self._ids), list(WINDOWS), list(self.parts.values), self.parts.values)

    async def count(self, steps: Sequence[str], window: str, by: str, where: Part | None, now_ms: int) -> Funnel:
        """The funnel of now. Names are those of `choices`."""
        async with self._turn:
            rows, population, whole = await self._drawn()
            clocks = await self._clocks(now_ms)
            self._user.use(await read_current(self._redis, self._rules))
            ids = [self._ids[name] for name in steps]
            value, is_part = self.parts.of(by), None if where is None else self.parts.of(where.dimension)
            tally = {name: [0] * (len(ids) + 1) for name in self.parts.values[by]}
            for number, (partition, key, blob) in enumerate(rows):
                if number % _TURN == _TURN - 1:
                    await asyncio.sleep(0)
                self._user.load(key, blob)
                at_ms = max(clocks[partition], self._user.newest_ms)
                if where is not None and is_part is not None and is_part(at_ms) != where.value:
                    continue
                mine = tally.setdefault(value(at_ms), [0] * (len(ids) + 1))
                for step in range(reached(self._user.counts(window, at_ms), ids) + 1):
                    mine[step] += 1
        return _told(steps, window, by, where, tally, len(rows), population, whole, now_ms)

    async def _drawn(self) -> tuple[list[tuple[int, str, bytes]], int, bool]:
        """Partition, key and state of all users, or of a sample of each partition in proportion to its size; how many there are, and
        whether these are all."""
        keys = [Keys.of(self._rules.app_id, p).users.decode() for p in range(self._rules.partitions)]
        sizes = [int(size) for size in await self._pipe([("HLEN", key) for key in keys])]
        total = sum(sizes)
        whole = total <= _SAMPLE
        if whole:
            answers = await self._pipe([("HGETALL", key) for key in keys])
        else:
            answers = await self._pipe(
                [("HRANDFIELD", key, round(_SAMPLE * n / total), "WITHVALUES") for key, n in zip(keys, sizes, strict=True)]
            )
        rows = []
        for partition, answer in enumerate(answers):
            for key, blob in answer.items() if isinstance(answer, dict) else zip(answer[::2], answer[1::2], strict=True):
                if is_user(key, blob):
                    rows.append((partition, key.decode("utf-8", "replace"), bytes(blob)))
        return rows, len(rows) if whole else total, whole

    async def _pipe(self, commands: Sequence[tuple[str | int, ...]]) -> list[Any]:
        pipe = self._redis.pipeline(transaction=False)
        for command in commands:
            pipe.execute_command(*command)
        return list(await pipe.execute())

    async def _clocks(self, now_ms: int) -> dict[int, int]:
        heads = [Keys.of(self._rules.app_id, p).head.decode() for p in range(self._rules.partitions)]
        answers = await self._pipe([("HMGET", head, "v", "body") for head in heads])
        return {partition: clock_of(partition, version, body, now_ms) for partition, (version, body) in enumerate(answers)}


def _told(
    steps: Sequence[str],
    window: str,
    by: str,
    where: Part | None,
    tally: Mapping[str, Sequence[int]],
    n: int,
    population: int,
    whole: bool,
    now_ms: int,
) -> Funnel:
    sums = _added(tally.values()) if tally else [0] * (len(steps) + 1)
    told = []
    for number, name in enumerate(steps, start=1):
        users, first, before = sums[number], sums[1], sums[number - 1]
        share = users / first if first else None
        low, high = (share, share) if whole or not first else interval(users, first)
        told.append(Step(name, users, share, users / before if before else None, low, high))
    return Funnel(
        rfc3339(now_ms),
        window,
        by,
        None if where is None else str(where),
        told,
        groups_of(tally),
        n,
        population,
        whole,
        "funnel/1: did all steps up to this one within the window, in any order",
    )


def groups_of(tally: Mapping[str, Sequence[int]]) -> list[Group]:
    """The parts with users in them, in the order of `tally`; of more than `_MOST_GROUPS` the largest, and the others added up."""
    there = {name: counts for name, counts in tally.items() if counts[0]}
    large = set(sorted(there, key=lambda name: -there[name][0])[: _MOST_GROUPS if len(there) <= _MOST_GROUPS else _MOST_GROUPS - 1])
    groups = [Group(name, counts[0], counts[1:]) for name, counts in there.items() if name in large]
    if len(large) < len(there):
        rest = _added([counts for name, counts in there.items() if name not in large])
        groups.append(Group(_REST, rest[0], rest[1:]))
    return groups


def _added(rows: Collection[Sequence[int]]) -> list[int]:
    return [sum(column) for column in zip(*rows, strict=True)]
