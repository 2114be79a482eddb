"""Reads scores, alerts, figures and journal: first the end of what is there, then everything as it comes, whatever Kafka goes through."""

import asyncio
import logging
import time
from collections.abc import Sequence
from typing import Final

import msgspec
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError, OffsetOutOfRangeError

from streams.core.metric_record import MetricRecord
from streams.serve.hub import Hub
from streams.serve.inbox import Inbox
from streams.serve.people import People
from streams.serve.position import TOLD
from streams.serve.pulse import SPAN_S, Pulse
from streams.serve.reading import no_answer, reading
from streams.serve.recall import Recall
from streams.settings import Settings
from streams.shell.pauses import Pauses

__all__ = ["Feed"]

log = logging.getLogger(__name__)

#: Ten frames a second: faster is not seen, and each one costs every browser a paint.
_FRAME_S: Final = 0.1
#: Records read back at the start, by topic, over all partitions: for 200,000 scores that is about five seconds.
_BACK: Final = {"scores": 200_000, "alerts": 20_000, "metrics": 20_000, "journal": 20_000}
#: What is told first is what somebody waits for.
_ORDER: Final = ("alerts", "scores", "metrics")
#: Compaction and retention take records away: then the first one that is left. Kafka answers a fetch as soon as there is something; the
#: demo's broker looks only when the wait is over.
_FETCHING: Final = {"auto_offset_reset": "earliest", "fetch_max_wait_ms": 50, "max_poll_records": 2000}

_figure: Final = msgspec.json.Decoder(MetricRecord)


class Feed:
    """Keeps people, inbox and pulse up to date, and tells the hub. `run` runs until it is cancelled.

    trouble   why nothing is read at the moment, in words; None when all is well
    broken    records that could not be read as what their topic holds: counted, and left out
    """

    def __init__(self, settings: Settings, hub: Hub, recall: Recall, people: People, inbox: Inbox, pulse: Pulse) -> None:
        self._settings, self._hub, self._recall = settings, hub, recall
        self._people, self._inbox, self._pulse = people, inbox, pulse
        topics = settings.rules.topics
        self._roles = {topics.scores: "scores", topics.alerts: "alerts", topics.metrics: "metrics", topics.journal: "journal"}
        self._takers = {"scores": self._score, "alerts": self._alert, "metrics": self._metric, "journal": self._journal}
        self._at: dict[TopicPartition, int] = {}
        self._ends: dict[TopicPartition, int] = {}
        # What people did to alerts comes from elsewhere (`acts`): it must not wait for this, nor this for Redis.
        self._pending: dict[str, list[bytes]] = {role: [] for role in _ORDER}
        self.trouble: str | None = "the past has not been read yet"
        self.live = False
        self.whole = True
        self.broken = 0

    async def run(self) -> None:
        """Reads, and begins again where it stopped when the broker went away."""
        pauses = Pauses()
        while True:
            try:
                async with reading(self._settings, **_FETCHING) as consumer:
                    await self._assign(consumer)
                    pauses.begin_again()
                    await self._read(consumer)
            except (KafkaError, OSError, TimeoutError) as problem:
                self.trouble = no_answer(self._settings, problem)
                log.warning("waiting for Kafka: %s", type(problem).__name__)
            await pauses.pause()

    async def _assign(self, consumer: AIOKafkaConsumer) -> None:
        """Every partition is read from where it was left, or from as far back as is read at the start."""
        partitions = [TopicPartition(topic, p) for topic in self._roles for p in range(self._settings.rules.partitions)]
        starts, self._ends = await consumer.beginning_offsets(partitions), await consumer.end_offsets(partitions)
        for at in partitions:
            role = self._roles[at.topic]
            back = max(starts[at], self._ends[at] - _BACK[role] // self._settings.rules.partitions)
            if at not in self._at:
                self._at[at] = back
                self.whole = self.whole and (role == "journal" or back == starts[at])
                if role in TOLD:
                    self._recall.begin(TOLD.index(role), at.partition, back)
                if role == "alerts" and back > starts[at]:
                    self._inbox.whole = False
            elif not starts[at] <= self._at[at] <= self._ends[at]:  # made anew, or gone by retention
                raise OffsetOutOfRangeError({at: self._at.pop(at)})
        consumer.assign(partitions)
        for at in partitions:
            consumer.seek(at, self._at[at])

    async def _read(self, consumer: AIOKafkaConsumer) -> None:
        loop = asyncio.get_running_loop()
        next_frame_s = loop.time()
        self._begin_live()
        while True:
            wait_s = max(0.0, next_frame_s - loop.time()) if any(self._pending.values()) else 1.0
            batches = await consumer.getmany(timeout_ms=round(1000 * wait_s))
            now_ms = time.time_ns() // 1_000_000
            for at, records in batches.items():
                self._take(at, records, now_ms)
                # A long past must not keep others waiting.
                await asyncio.sleep(0)
            self._begin_live()
            if self.live and loop.time() >= next_frame_s:
                self._tell()
                next_frame_s = loop.time() + _FRAME_S

    def _begin_live(self) -> None:
        if all(self._at[at] >= end for at, end in self._ends.items()):
            self.trouble = None
            if not self.live:
                self.live = True
                self._pulse.begin(time.time_ns() // 1_000_000)
                for records in self._pending.values():
                    records.clear()
                self._hub.open()

    def _take(self, at: TopicPartition, records: Sequence[ConsumerRecord], now_ms: int) -> None:
        take = self._takers[self._roles[at.topic]]
        for record in records:
            try:
                take(record, now_ms)
            except (msgspec.DecodeError, UnicodeDecodeError):
                self.broken += 1
        self._at[at] = records[-1].offset + 1

    def _score(self, record: ConsumerRecord, now_ms: int) -> None:
        key, value = record.key or b"", record.value
        self._people.take(key, value, record.timestamp, now_ms, live=self.live)
        self._keep("scores", record, value if value is not None else b'{"user_id":%b,"forgotten":true}' % msgspec.json.encode(key.decode()))

    def _alert(self, record: ConsumerRecord, now_ms: int) -> None:
        if record.value is not None:
            # Told every time, as the topic has it: readers go by the id.
            self._inbox.take(record.value)
            self._keep("alerts", record, record.value)

    def _metric(self, record: ConsumerRecord, now_ms: int) -> None:
        if record.value is not None:
            _figure.decode(record.value)
            self._keep("metrics", record, record.value)

    def _journal(self, record: ConsumerRecord, now_ms: int) -> None:
        if record.value is not None and record.timestamp > now_ms - SPAN_S * 1000:
            self._pulse.take(record.value, now_ms if self.live else record.timestamp)

    def _keep(self, role: str, record: ConsumerRecord, value: bytes) -> None:
        self._recall.keep(TOLD.index(role), record.partition, record.offset, value)
        if self.live:
            self._pending[role].append(value)

    def _tell(self) -> None:
        for role, records in self._pending.items():
            if records:
                self._hub.publish(role, b"[" + b",".join(records) + b"]")
                records.clear()
