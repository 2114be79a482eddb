"""Reads the ends of the input topics and of the journal for those who look at records as they arrive; nobody looks, nothing is read."""

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Final

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from streams.serve.hub import event
from streams.serve.reading import no_answer, reading
from streams.serve.trail import Trail, Watcher
from streams.settings import Settings
from streams.shell.pauses import Pauses

__all__ = ["Tap"]

log = logging.getLogger(__name__)

#: Records of each partition that are read back when somebody begins to look: what was sent a moment ago is there.
_BACK: Final = {"input": 50, "journal": 400}
_FETCHING: Final = {"fetch_max_wait_ms": 100, "max_poll_records": 1000}
#: As often as a browser is told: faster is not read.
_FRAME_S: Final = 0.1
_COMMENT_S: Final = 15.0
#: Whoever reloads the page comes back within this time.
_LINGER_S: Final = 5.0


class Tap:
    """Tells watchers of records and fates. One consumer for all of them, from when the first one comes until the last one has gone."""

    def __init__(self, settings: Settings, *, most_watchers: int = 50) -> None:
        self._settings, self._most_watchers = settings, most_watchers
        self._trail = Trail(settings.rules)
        self._reading: asyncio.Task[None] | None = None
        self._ready = asyncio.Event()
        self._watchers = 0
        self._closed = False
        self._trouble: str | None = None

    @property
    def full(self) -> bool:
        return self._watchers >= self._most_watchers

    def close(self) -> None:
        """Every stream ends."""
        self._closed = True
        if self._reading:
            self._reading.cancel()

    async def stream(self, user_id: str | None) -> AsyncIterator[bytes]:
        """Server-sent events: `ready` once the past has been read, `record`, `fate`, `passed`, and `trouble` while Kafka is away."""
        self._watchers += 1
        self._begin()
        watcher = Watcher(user_id)
        loop = asyncio.get_running_loop()
        try:
            yield b"retry: 1000\n\n"
            said_s, told, trouble = loop.time(), False, None
            while not self._closed:
                parts: list[bytes] = []
                if not told and self._ready.is_set():
                    told = True
                    self._trail.watch(watcher)
                    parts += _events(watcher)
                    parts.append(event("ready", b"{}", None))
                if trouble != self._trouble:
                    trouble = self._trouble
                    parts.append(event("trouble", msgspec.json.encode({"trouble": trouble}), None))
                parts += _events(watcher)
                if parts:
                    said_s = loop.time()
                    yield b"".join(parts)
                elif loop.time() - said_s > _COMMENT_S:
                    said_s = loop.time()
                    yield b": still here\n\n"
                await asyncio.sleep(_FRAME_S)
        finally:
            self._trail.leave(watcher)
            self._watchers -= 1

    def _begin(self) -> None:
        if self._reading is None or self._reading.done():
            self._trail, self._ready = Trail(self._settings.rules), asyncio.Event()
            self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        """Reads until nobody has looked for a while; begins again at the end of the logs when Kafka was away."""
        pauses = Pauses()
        while self._watchers and not self._closed:
            try:
                async with reading(self._settings, auto_offset_reset="latest", **_FETCHING) as consumer:
                    await self._follow(consumer)
                # Not the end yet: somebody may have come while the consumer stopped, and believes that this still reads.
                continue
            except (KafkaError, OSError, TimeoutError) as problem:
                self._trouble = no_answer(self._settings, problem)
                log.warning("waiting for Kafka: %s", type(problem).__name__)
            await pauses.pause()

    async def _follow(self, consumer: AIOKafkaConsumer) -> None:
        rules = self._settings.rules
        backs = dict.fromkeys(rules.topics.inputs, _BACK["input"]) | {rules.topics.journal: _BACK["journal"]}
        partitions = [TopicPartition(topic, p) for topic in backs for p in range(rules.partitions)]
        starts, ends = await consumer.beginning_offsets(partitions), await consumer.end_offsets(partitions)
        consumer.assign(partitions)
        left = {}
        for at in partitions:
            first = max(starts[at], ends[at] - backs[at.topic])
            consumer.seek(at, first)
            if first < ends[at]:
                left[at] = ends[at]
        loop = asyncio.get_running_loop()
        seen_s = loop.time()
        while not self._closed and (self._watchers or loop.time() - seen_s < _LINGER_S):
            if self._watchers:
                seen_s = loop.time()
            batches = await consumer.getmany(timeout_ms=500 if not left else 100)
            self._trouble = None
            for at, records in batches.items():
                for record in records:
                    if at.topic == rules.topics.journal:
                        self._line(at.partition, record.value)
                    else:
                        self._trail.record(record)
                if records[-1].offset + 1 >= left.get(at, 0):
                    left.pop(at, None)
                await asyncio.sleep(0)
            if not left:
                self._ready.set()

    def _line(self, partition: int, value: bytes | None) -> None:
        try:
            self._trail.line(partition, value or b"")
        except msgspec.DecodeError:
            # Of another release, or of somebody else: the records of its step stay without a fate.
            log.warning("a journal line that cannot be read", extra={"partition": partition})


def _events(watcher: Watcher) -> list[bytes]:
    return [event(kind, msgspec.json.encode(content), None) for kind, content in watcher.take()]
