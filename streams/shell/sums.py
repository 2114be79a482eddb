"""Sums as they lie in Redis: added up over the partitions, or, those of business, followed where they change."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

from redis.asyncio import Redis

from streams.core.ledger import Ledger
from streams.core.rules import Rules
from streams.shell.heads import Keys
from streams.shell.status import read_heads

__all__ = ["Moment", "SumsReader", "added_up"]

#: Hashes asked for at once: a few hundred sums each, so that Redis answers within milliseconds.
_AT_ONCE: Final = 64


async def added_up(redis: Any, rules: Rules, names: Iterable[str]) -> Counter[str]:
    """The sums of these hashes, over all partitions. `redis` answers with bytes."""
    pipe = redis.pipeline(transaction=False)
    for partition in range(rules.partitions):
        for name in names:
            pipe.hgetall(Keys.of(rules.app_id, partition).sums + b":" + name.encode())
    total: Counter[str] = Counter()
    for answer in await pipe.execute():
        for name, n in answer.items():
            total[name.decode("utf-8", "replace")] += int(n)
    return total


class Moment(NamedTuple):
    """How far the sums are, at least: partition time in ms of the partition that is furthest, and the revisions of all heads added up,
    which only grow."""

    time_ms: int
    rev: int


class SumsReader:
    """Follows the sums of all partitions into a ledger. Each is of one revision; partitions are read one after another."""

    def __init__(self, redis: Redis, app_id: str, partitions: int) -> None:
        """`redis` answers with bytes."""
        self._redis, self._app_id, self._partitions = redis, app_id, partitions
        self._names: dict[int, dict[str, bytes]] = {}
        self._read: dict[tuple[int, str], bytes] = {}
        self.ledger = Ledger()

    async def look(self) -> Moment:
        """Which hashes there are, and at which revision each was added to, is known."""
        heads = await read_heads(self._redis, self._app_id, range(self._partitions))
        pipe = self._redis.pipeline(transaction=False)
        for partition in range(self._partitions):
            pipe.hgetall(Keys.of(self._app_id, partition).sums)
        for partition, names in enumerate(await pipe.execute()):
            self._names[partition] = {name.decode(): rev for name, rev in names.items()}
        return Moment(max((head.time_ms for head in heads), default=-1), sum(head.rev for head in heads))

    def versions(self) -> Mapping[str, int]:
        """Name of a hash of days (`d20500`, `n20500`) -> revisions of its last additions, added up over the partitions: equal numbers,
        equal sums."""
        found: dict[str, int] = {}
        for names in self._names.values():
            for name, rev in names.items():
                if name[0] in "dn" and name[1:].isdigit():  # others keep sums of their own beside them
                    found[name] = found.get(name, 0) + int(rev)
        return found

    def revision(self, name: str) -> int:
        """Revisions of the last additions to one hash, added up over the partitions; 0 when there is none."""
        return sum(int(names.get(name, b"0")) for names in self._names.values())

    async def load(self, days: Iterable[int], kinds: str = "dhn") -> None:
        """The ledger holds what the last look saw of those days, or newer."""
        names = [f"{kind}{day}" for day in days for kind in kinds]
        stale = [
            (partition, name)
            for partition, known in self._names.items()
            for name in names
            if known.get(name, b"") != self._read.get((partition, name), b"")
        ]
        for start in range(0, len(stale), _AT_ONCE):
            some = stale[start : start + _AT_ONCE]
            pipe = self._redis.pipeline(transaction=False)
            for partition, name in some:
                pipe.hgetall(Keys.of(self._app_id, partition).sums + b":" + name.encode())
            for (partition, name), sums in zip(some, await pipe.execute(), strict=True):
                self.ledger.put(partition, name, {text.decode(): int(n) for text, n in sums.items()})
                self._read[partition, name] = self._names[partition].get(name, b"")

    async def snapshot(self, days: Iterable[int], kinds: str = "dn") -> dict[int, int]:
        """The ledger holds the sums of those days, those of each partition as of one revision; partition -> that revision."""
        names = [f"{kind}{day}" for day in days for kind in kinds]
        revs: dict[int, int] = {}
        for partition in range(self._partitions):
            keys = Keys.of(self._app_id, partition)
            pipe = self._redis.pipeline(transaction=True)
            pipe.hget(keys.head, "rev")
            for name in names:
                pipe.hgetall(keys.sums + b":" + name.encode())
            rev, *hashes = await pipe.execute()
            if rev is not None:
                revs[partition] = int(rev)
            for name, sums in zip(names, hashes, strict=True):
                self.ledger.put(partition, name, {text.decode(): int(n) for text, n in sums.items()})
        return revs
