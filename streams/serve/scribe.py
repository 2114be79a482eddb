"""Writes timelines: what the topics say about users is appended to a list of each, in Redis, by one replica at a time and never twice.

    {<app>:<p>}:timeline:<user>  list of the newest entries (MessagePack), gone after `timeline_days` without one
    {<app>:serve}:timeline-at    hash: topic/partition -> offset of the next record
    {<app>:serve}:scribe         which replica is at it

Two replicas that believe it is their turn do no harm: a run of records is appended only by who knows where the last one ended.
Without these keys everything is written anew from what the topics still hold.
"""

import asyncio
import logging
import secrets
import time
from collections.abc import Sequence
from importlib import resources
from typing import Any, Final

import msgspec
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError
from redis.asyncio import Redis
from redis.exceptions import RedisError

from streams.core.identity import ANONYMOUS, home_partition
from streams.core.rules import DAY_MS
from streams.serve.reading import reading
from streams.serve.timeline import Line, Reader, Timeline, told
from streams.settings import Settings
from streams.shell.pauses import Pauses

__all__ = ["Scribe", "Timelines", "timeline_key"]

log = logging.getLogger(__name__)

#: A replica that is not heard of for so long loses its turn.
_TURN_MS: Final = 10_000
_LOOK_S: Final = 3.0
_FETCHING: Final = {"fetch_max_wait_ms": 500, "max_poll_records": 500}
_RENEW: Final = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('PEXPIRE', KEYS[1], ARGV[2]) else return 0 end"


def timeline_key(app_id: str, partitions: int, user: str) -> str:
    """The list of `user`, beside the state."""
    return f"{{{app_id}:{home_partition(user.removeprefix(ANONYMOUS), partitions)}}}:timeline:{user}"


class Timelines:
    """Reads timelines."""

    def __init__(self, settings: Settings, redis: Redis) -> None:
        self._rules, self._serve, self._redis = settings.rules, settings.serve, redis
        self._decode = msgspec.msgpack.Decoder(Line).decode

    async def of(self, user: str, kinds: frozenset[str], limit: int, cursor: int) -> Timeline:
        """The timeline of `user`: entries of `kinds` from the one number `cursor` on, and the whole curve."""
        rows: Any = await self._redis.lrange(timeline_key(self._rules.app_id, self._rules.partitions, user), 0, -1)
        since_ms = time.time_ns() // 1_000_000 - round(self._serve.timeline_days * DAY_MS)
        entries, curve = told([self._decode(row) for row in rows], kinds, since_ms)
        after = str(cursor + limit) if cursor + limit < len(entries) else None
        page = entries[cursor : cursor + limit]
        return Timeline(user, page, curve, self._serve.timeline_entries, self._serve.timeline_days, after)


class Scribe:
    """`run` runs until it is cancelled. `trouble` says why nothing is written; None while it is somebody else's turn, too."""

    def __init__(self, settings: Settings, redis: Redis) -> None:
        self._settings, self._redis, self._reader = settings, redis, Reader(settings.rules)
        prefix = f"{{{settings.rules.app_id}:serve}}:"
        self._positions, self._turn, self._me = prefix + "timeline-at", prefix + "scribe", secrets.token_hex(8)
        self._write = redis.register_script(resources.files("streams.serve").joinpath("write.lua").read_text(encoding="utf-8"))
        self._renew = redis.register_script(_RENEW)
        self._encode = msgspec.msgpack.Encoder().encode
        topics = settings.rules.topics
        self._topics = (topics.clickstream, topics.campaigns, topics.scores, topics.alerts)
        self._at: dict[TopicPartition, str] = {}
        self.trouble: str | None = None

    async def run(self) -> None:
        if not self._settings.serve.timeline_entries:
            return
        pauses = Pauses()
        while True:
            try:
                while not await self._mine():
                    self.trouble = None
                    await asyncio.sleep(_LOOK_S)
                pauses.begin_again()
                await self._serve_turn()
            except (KafkaError, RedisError, OSError, TimeoutError) as problem:
                self.trouble = f"timelines are not written: {type(problem).__name__}"
                log.warning("timelines wait: %s", type(problem).__name__)
            await pauses.pause()

    async def close(self) -> None:
        """The turn is free for another replica."""
        if await self._renew(keys=[self._turn], args=[self._me, _TURN_MS]):
            await self._redis.delete(self._turn)

    async def _mine(self) -> bool:
        """Whether it is this replica's turn."""
        if await self._redis.set(self._turn, self._me, nx=True, px=_TURN_MS):
            return True
        return bool(await self._renew(keys=[self._turn], args=[self._me, _TURN_MS]))

    async def _serve_turn(self) -> None:
        """Writes for as long as it is this replica's turn."""
        loop = asyncio.get_running_loop()
        async with reading(self._settings, auto_offset_reset="earliest", **_FETCHING) as consumer:
            await self._seek(consumer)
            self.trouble, renewed_s = None, loop.time()
            while True:
                batches = await consumer.getmany(timeout_ms=1000)
                began_s = loop.time()
                for at, records in batches.items():
                    if not await self._append(at, records):  # another replica has been at it, or Redis has lost it
                        await self._seek(consumer)
                        break
                if loop.time() - renewed_s > _TURN_MS / 3000:
                    if not await self._mine():
                        return
                    renewed_s = loop.time()
                # A long past is written at half speed: those who ask come first.
                await asyncio.sleep(min(0.2, loop.time() - began_s))

    async def _seek(self, consumer: AIOKafkaConsumer) -> None:
        """Reading goes on where Redis got to, at the beginning of what is left for a partition that it knows nothing of."""
        asked = [TopicPartition(topic, p) for topic in self._topics for p in range(self._settings.rules.partitions)]
        kept: Any = await self._redis.hgetall(self._positions)
        starts = await consumer.beginning_offsets(asked)
        consumer.assign(asked)
        for at in asked:
            self._at[at] = kept.get(_name(at).encode(), b"").decode()
            consumer.seek(at, max(int(self._at[at] or 0), starts[at]))

    async def _append(self, at: TopicPartition, records: Sequence[ConsumerRecord]) -> bool:
        """Whether `records` are in the timelines now: they are not when Redis is not where we believe it to be."""
        rules, serve = self._settings.rules, self._settings.serve
        oldest_ms = time.time_ns() // 1_000_000 - round(serve.timeline_days * DAY_MS)
        lists: dict[str, list[bytes]] = {}
        forgotten: set[str] = set()
        for user, line in self._reader.lines(at.topic, records):
            if line is None:
                forgotten.add(user)
                lists[user] = []
            elif line.at_ms >= oldest_ms:
                lists.setdefault(user, []).append(self._encode(line))
        behind = str(records[-1].offset + 1)
        keys = [self._positions, *(timeline_key(rules.app_id, rules.partitions, user) for user in lists)]
        args: list[Any] = [_name(at), self._at[at], behind, serve.timeline_entries, round(serve.timeline_days * DAY_MS)]
        for user, lines in lists.items():
            args += [int(user in forgotten), len(lines), *lines]
        if not await self._write(keys=keys, args=args):
            return False
        self._at[at] = behind
        return True


def _name(at: TopicPartition) -> str:
    return f"{at.topic}/{at.partition}"
