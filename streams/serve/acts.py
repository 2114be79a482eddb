"""Reads the audit topic: what people did to alerts is kept, and told to everybody who listens, on every replica."""

import asyncio
import logging
from typing import Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError, OffsetOutOfRangeError
from redis.exceptions import RedisError

from streams.serve.desk import Desk, Lost
from streams.serve.hub import Hub
from streams.serve.position import TOLD
from streams.serve.reading import reading
from streams.serve.recall import Recall
from streams.settings import Settings
from streams.shell.pauses import Pauses

__all__ = ["Acts"]

log = logging.getLogger(__name__)

_TRIAGE: Final = TOLD.index("triage")
#: Acts before the last one kept that are read again at the start, so that a page that reconnects after a restart is told what it missed.
_BACK: Final = 1000
#: A person waits for an answer; the demo's broker looks only when the wait is over. An offset that the topic does not have is for `_begin`.
_FETCHING: Final = {"auto_offset_reset": "none", "fetch_max_wait_ms": 100}


class Acts:
    """`run` runs until it is cancelled. `begun` is set once it is known where reading begins; `trouble` says why nothing is read."""

    def __init__(self, settings: Settings, hub: Hub, recall: Recall, desk: Desk) -> None:
        self._settings, self._hub, self._recall, self._desk = settings, hub, recall, desk
        self._at: dict[int, int] = {}
        self.begun = asyncio.Event()
        self.trouble: str | None = "what people did to alerts has not been read yet"

    async def run(self) -> None:
        pauses = Pauses()
        while True:
            try:
                async with reading(self._settings, **_FETCHING) as consumer:
                    ends = await self._begin(consumer)
                    pauses.begin_again()
                    await self._read(consumer, ends)
            except Lost:
                log.warning("Redis has lost what people did to alerts: it is read again from the audit topic")
            except OffsetOutOfRangeError:
                log.warning("the audit topic no longer has what comes next: it is read from where it begins now")
            except (KafkaError, RedisError, OSError, TimeoutError) as problem:
                whose = "Redis" if isinstance(problem, RedisError) else "Kafka"
                self.trouble = f"what people did to alerts cannot be read: {whose} does not answer ({type(problem).__name__})"
                log.warning("waiting for %s: %s", whose, type(problem).__name__)
            await pauses.pause()

    async def _begin(self, consumer: AIOKafkaConsumer) -> dict[TopicPartition, int]:
        """Every partition is read from where Redis got to, at the first time a little before; the ends that the partitions have now.

        A partition that ends before that was made anew: it is read from its beginning. Acts that are read twice change nothing.
        """
        kept = await self._desk.load()
        partitions = [TopicPartition(self._settings.rules.topics.audit, p) for p in range(self._settings.rules.partitions)]
        starts, ends = await consumer.beginning_offsets(partitions), await consumer.end_offsets(partitions)
        consumer.assign(partitions)
        for at in partitions:
            if kept.get(at.partition, 0) > ends[at]:
                await self._desk.rewind(at.partition, starts[at])
                kept[at.partition] = starts[at]
            there = max(kept.get(at.partition, 0), starts[at])
            if not starts[at] <= self._at.get(at.partition, -1) <= ends[at]:
                there = self._at[at.partition] = max(starts[at], there - _BACK)
                self._recall.begin(_TRIAGE, at.partition, there)
            consumer.seek(at, min(there, self._at[at.partition]))
        self.begun.set()
        return dict(ends)

    async def _read(self, consumer: AIOKafkaConsumer, ends: dict[TopicPartition, int]) -> None:
        while True:
            if self.trouble and all(self._at[at.partition] >= end for at, end in ends.items()):
                self.trouble = None
            told = []
            for at, records in (await consumer.getmany(timeout_ms=1000)).items():
                for record in records:
                    made = await self._desk.take(at.partition, record.offset, record.value or b"")
                    if record.offset < self._at[at.partition]:  # told before Redis lost it
                        continue
                    self._at[at.partition] = record.offset + 1
                    if made is not None:
                        self._recall.keep(_TRIAGE, at.partition, record.offset, made)
                        told.append(made)
            if told:
                self._hub.publish("triage", b"[" + b",".join(told) + b"]")
