"""Reads scores, alerts, figures and journal: first the end of what is there, then everything as it comes, whatever Kafka goes through."""

import asyncio
import logging
import time
from typing import Final

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from streams.core.metric_record import MetricRecord
from streams.core.record import Record
from streams.errors import StreamsError
from streams.serve.hub import Hub
from streams.serve.inbox import Inbox
from streams.serve.people import People
from streams.serve.position import TOLD
from streams.serve.pulse import SPAN_S, Pulse
from streams.serve.reading import no_answer, reading
from streams.serve.recall import Recall
from streams.settings import Settings
from streams.shell.fetched import LOST, RecordBatch
from streams.shell.fetching import FetchSettings, LogReader
from streams.shell.pauses import Pauses

__all__ = ["Feed"]

log = logging.getLogger(__name__)

#: Ten frames a second: faster is not seen, and each one costs every browser a paint.
_FRAME_S: Final = 0.1
#: Records read back at the start, by topic, over all partitions: for 200,000 scores that is about five seconds.
_BACK: Final = {"scores": 200_000, "alerts": 20_000, "metrics": 20_000, "journal": 20_000}
#: What is told first is what somebody waits for.
_ORDER: Final = ("alerts", "scores", "metrics")
#: Kafka answers as soon as there is something; the demo's broker looks only when the wait is over.
_FETCHING: Final = FetchSettings(min_bytes=1, max_wait_ms=100, max_bytes=4 << 20, partition_max_bytes=256 << 10)

_figure: Final = msgspec.json.Decoder(MetricRecord)


class Feed:
    """Keeps people, inbox and pulse up to date, and tells the hub. `run` runs until it is cancelled.

    trouble   why not all is read at the moment, in words; None when all is well
    away      whether it is that Kafka does not answer
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
        self.away = False
        self.live = False
        self.whole = True
        self.broken = 0

    async def run(self) -> None:
        """Reads, and begins again where it stopped when the logs are not what they were, or cannot be read."""
        pauses = Pauses()
        while True:
            try:
                async with reading(self._settings) as consumer:
                    await self._begin(consumer)
                await self._read(pauses)
            except (KafkaError, OSError, TimeoutError) as problem:
                self.trouble, self.away = no_answer(self._settings, problem), True
                log.warning("waiting for Kafka: %s", type(problem).__name__)
            except StreamsError as problem:  # it does not let us read, or what lies there cannot be read
                self.trouble, self.away = str(problem), False
                log.error("%s", problem)
            await pauses.pause()

    async def _begin(self, consumer: AIOKafkaConsumer) -> None:
        """Every partition is read from where it was left; from as far back as is read at the start, when that place is not known, or not
        there any more: made anew, or gone by retention."""
        partitions = [TopicPartition(topic, p) for topic in self._roles for p in range(self._settings.rules.partitions)]
        starts, self._ends = await consumer.beginning_offsets(partitions), await consumer.end_offsets(partitions)
        for at in partitions:
            if starts[at] <= self._at.get(at, -1) <= self._ends[at]:
                continue
            role = self._roles[at.topic]
            self._at[at] = back = max(starts[at], self._ends[at] - _BACK[role] // self._settings.rules.partitions)
            self.whole = self.whole and (role == "journal" or back == starts[at])
            if role in TOLD:
                self._recall.begin(TOLD.index(role), at.partition, back)
            if role == "alerts" and back > starts[at]:
                self._inbox.whole = False

    async def _read(self, pauses: Pauses) -> None:
        """Until a log does not hold what comes next. `pauses` begin again once every log has been heard of."""
        reader = LogReader(self._settings.broker.split(","), self._settings.kafka.client(), _FETCHING)
        reader.seek(self._at, 0)
        loop = asyncio.get_running_loop()
        next_frame_s = loop.time()
        try:
            while True:
                if reader.trouble is not None:
                    self.trouble, self.away = reader.trouble, True
                elif len(reader.caught) == len(self._at):
                    pauses.begin_again()
                    self._begin_live()
                wait_s = next_frame_s - loop.time() if self._untold else _FRAME_S
                for batch in (await reader.batches(max(0.0, wait_s))).values():
                    if batch.batch.start == LOST:
                        return
                    self._take(batch)
                    # A long past must not keep others waiting.
                    await asyncio.sleep(0)
                if self._untold and loop.time() >= next_frame_s:
                    self._tell()
                    next_frame_s = loop.time() + _FRAME_S
        finally:
            await reader.close()

    @property
    def _untold(self) -> bool:
        """Whether something waits for the next frame."""
        return any(self._pending.values())

    def _begin_live(self) -> None:
        if all(self._at[at] >= end for at, end in self._ends.items()):
            self.trouble = None
            if not self.live:
                self.live = True
                self._pulse.begin(time.time_ns() // 1_000_000)
                for records in self._pending.values():
                    records.clear()
                self._hub.open()

    def _take(self, arrived: RecordBatch) -> None:
        batch, now_ms = arrived.batch, time.time_ns() // 1_000_000
        take = self._takers[self._roles[batch.topic]]
        for record in batch.records:
            try:
                take(record, now_ms)
            except (msgspec.DecodeError, UnicodeDecodeError):
                self.broken += 1
        self._at[TopicPartition(batch.topic, arrived.partition)] = batch.end

    def _score(self, record: Record, now_ms: int) -> None:
        key, value = record.key or b"", record.value
        self._people.take(key, value, record.timestamp, now_ms, live=self.live)
        self._keep("scores", record, value if value is not None else b'{"user_id":%b,"forgotten":true}' % msgspec.json.encode(key.decode()))

    def _alert(self, record: Record, now_ms: int) -> None:
        if record.value is not None:
            # Told every time, as the topic has it: readers go by the id.
            self._inbox.take(record.value)
            self._keep("alerts", record, record.value)

    def _metric(self, record: Record, now_ms: int) -> None:
        if record.value is not None:
            _figure.decode(record.value)
            self._keep("metrics", record, record.value)

    def _journal(self, record: Record, now_ms: int) -> None:
        if record.value is not None and record.timestamp > now_ms - SPAN_S * 1000:
            self._pulse.take(record.value, now_ms if self.live else record.timestamp)

    def _keep(self, role: str, record: Record, value: bytes) -> None:
        self._recall.keep(TOLD.index(role), record.partition, record.offset, value)
        if self.live:
            self._pending[role].append(value)

    def _tell(self) -> None:
        for role, records in self._pending.items():
            if records:
                self._hub.publish(role, b"[" + b",".join(records) + b"]")
                records.clear()
