"""How the workers are: each says so every two seconds, and anybody may read it.

`<app>:workers` is a hash: instance -> JSON of `WorkerStatus`. Both sides take the time from Redis, so clocks of machines do not matter;
what is older than ten seconds is not read, and a worker that stops in order takes its field away.
"""

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

import msgspec
import orjson
from redis.asyncio import Redis
from redis.exceptions import RedisError, ResponseError

from streams.core.record import FATES, NEVER_MS, Head
from streams.shell.heads import Keys, decode_head

if TYPE_CHECKING:
    from streams.settings import Settings

__all__ = [
    "FRESH_MS",
    "PERIOD_S",
    "Heartbeat",
    "PartitionStatus",
    "WorkerStatus",
    "partition_status",
    "read_head",
    "read_heads",
    "read_workers",
    "redis_complaints",
    "redis_now_ms",
]

PERIOD_S: Final = 2.0
#: Four periods and a slow reply: a worker that missed them is gone, or as good as gone.
FRESH_MS: Final = 10_000
#: What a dead worker left is swept by the next one that starts.
_FORGOTTEN_MS: Final = 3_600_000

#: A full Redis refuses writes, and that is the moment at which the worker must be able to say so. Redis below 7 does not know the flag.
_BEAT: Final = "#!lua flags=allow-oom\nreturn redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])"


class WorkerStatus(msgspec.Struct, frozen=True):
    """What one worker says of itself; fields that it does not say are empty.

    trouble     what it waits for ("waiting for Redis: ..."), None when all is well
    waiting_s   how long records have waited in the partition that waits longest, without any being saved
    """

    instance: str
    at_ms: int
    partitions: tuple[int, ...] = ()
    steps: int = 0
    records: int = 0
    events_per_s: float = 0.0
    lag: int = 0
    trouble: str | None = None
    started_ms: int = 0
    version: str = ""
    rules_version: str = ""
    rss_bytes: int = 0
    waiting_s: float = 0.0


class PartitionStatus(msgspec.Struct, frozen=True):
    """One partition as its head in the store and the ends of its logs show it.

    read   records between the beginning of the count and the head, over all input topics: equals the sum of the fates
    lag    topic -> records appended and not counted yet; empty when Kafka was not asked
    """

    partition: int
    read: int
    fates: Mapping[str, int]
    sum: int
    lag: Mapping[str, int]
    time_ms: int
    clock: str
    rev: int
    next_due_ms: int
    step_begun: bool


class Heartbeat:
    """Says every two seconds how this worker is."""

    def __init__(self, settings: "Settings", redis: Redis, snapshot: Callable[[], dict[str, Any]]) -> None:
        """`snapshot` gives the fields of `WorkerStatus` that it knows, besides instance and time; it is called in the event loop and must
        not wait."""
        self._key, self._instance = workers_key(settings.rules.app_id), settings.instance
        self._redis, self._snapshot = redis, snapshot
        self._flag = True

    async def run(self) -> None:
        """Runs until it is cancelled, whatever happens to Redis; then the worker's field is gone."""
        try:
            await self._quietly(self._sweep)
            while True:
                await self._quietly(self._beat)
                await asyncio.sleep(PERIOD_S)
        finally:
            with contextlib.suppress(RedisError, OSError, TimeoutError):
                async with asyncio.timeout(1.0):
                    await self._redis.hdel(self._key, self._instance)

    async def _beat(self) -> None:
        value = orjson.dumps({"instance": self._instance, "at_ms": await redis_now_ms(self._redis), **self._snapshot()})
        if self._flag:
            try:
                await self._redis.eval(_BEAT, 1, self._key, self._instance, value)
                return
            except ResponseError as problem:
                if "OOM" in str(problem):
                    raise
                self._flag = False
        await self._redis.hset(self._key, self._instance, value)

    async def _sweep(self) -> None:
        now_ms = await redis_now_ms(self._redis)
        for field, value in (await self._redis.hgetall(self._key)).items():
            status = _status(value)
            if status is None or status.at_ms < now_ms - _FORGOTTEN_MS:
                await self._redis.hdel(self._key, field)

    async def _quietly(self, what: Callable[[], Any]) -> None:
        # Trouble with Redis is the lanes' business: they wait it out and say so. A heart that cannot be heard just beats on.
        with contextlib.suppress(RedisError, OSError, TimeoutError):
            # Not `wait_for`: before Python 3.12 it swallows a cancellation that comes together with the answer.
            async with asyncio.timeout(PERIOD_S):
                await what()


def workers_key(app_id: str) -> str:
    return f"{app_id}:workers"


async def read_workers(redis: Redis, app_id: str) -> list[WorkerStatus]:
    """The workers that were heard within the last ten seconds, by instance."""
    now_ms = await redis_now_ms(redis)
    heard = [_status(value) for value in (await redis.hvals(workers_key(app_id)))]
    return sorted((it for it in heard if it is not None and it.at_ms >= now_ms - FRESH_MS), key=lambda it: it.instance)


async def read_heads(redis: Redis, app_id: str, partitions: Iterable[int]) -> list[Head]:
    """The heads of those of `partitions` that have one. Raises `UnknownStateVersion`."""
    numbers = list(partitions)
    pipe = redis.pipeline(transaction=False)
    for partition in numbers:
        keys = Keys.of(app_id, partition)
        pipe.hmget(keys.head, "v", "owner", "rev", "at", "plan", "body", "learned")
        pipe.zrange(keys.due, 0, 0, withscores=True)
    answers = await pipe.execute()
    heads = []
    for partition, fields, first in zip(numbers, answers[::2], answers[1::2], strict=True):
        if fields[1] is not None:
            heads.append(decode_head(partition, fields, int(first[0][1]) if first else NEVER_MS))
    return heads


async def read_head(redis: Redis, app_id: str, partition: int) -> Head | None:
    """The head of one partition, None when nothing was counted there yet. Raises `UnknownStateVersion`."""
    return next(iter(await read_heads(redis, app_id, [partition])), None)


def partition_status(head: Head, bounds: Mapping[tuple[str, int], tuple[int, int]]) -> PartitionStatus:
    """What a head says, beside the ends of its logs (`bounds`: topic and partition -> first and next offset; may be empty)."""
    fates = {name: head.fates.get(name, 0) for name in FATES}
    ends = {topic: bounds.get((topic, head.partition)) for topic in head.positions}
    return PartitionStatus(
        partition=head.partition,
        read=sum(head.positions.values()),
        fates=fates,
        sum=sum(fates.values()),
        lag={topic: max(0, end[1] - head.positions[topic]) for topic, end in ends.items() if end is not None},
        time_ms=head.time_ms,
        clock=head.clock,
        rev=head.rev,
        next_due_ms=head.next_due_ms,
        step_begun=head.plan is not None,
    )


async def redis_complaints(redis: Redis) -> list[str]:
    """Why Redis would refuse writes now, in words: full, read-only, unable to save. Empty when it would take them."""
    info: Mapping[str, Any] = await redis.info("everything")
    found = []
    most, used = int(info.get("maxmemory", 0)), int(info.get("used_memory", 0)) - int(info.get("mem_not_counted_for_evict", 0))
    if most and used >= most:
        found.append(f"Redis is full: {_mib(used)} used of maxmemory {_mib(most)}; raise it, and the workers go on")
    if info.get("role") == "slave":
        found.append("this Redis is a replica: workers cannot write to it")
    if info.get("aof_last_write_status", "ok") != "ok":
        found.append("Redis cannot write its append-only file: look at its disk")
    if info.get("loading"):
        found.append("Redis is loading its data: workers wait for it")
    return found


def _status(value: bytes | str) -> WorkerStatus | None:
    try:
        return msgspec.json.decode(value, type=WorkerStatus)
    except msgspec.DecodeError:
        return None  # of a release that says it otherwise


async def redis_now_ms(redis: Redis) -> int:
    """The wall clock of the machine that Redis runs on."""
    seconds, micros = await redis.time()
    return int(seconds) * 1000 + int(micros) // 1000


def _mib(size: int) -> str:
    return f"{size / 1048576:.1f} MiB"
