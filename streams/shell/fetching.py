"""Faust's consumer thread: fetches, stamps each batch with the positions it covers, and knows how far every log went when it was asked.

Everything here runs in the consumer's own thread and loop unless it says otherwise. Nothing is fetched of a partition from its assignment
to the first `seek_to` of its lane: who does not know yet where to go on has no use for records.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.consumer.fetcher import FetchResult
from aiokafka.errors import IllegalStateError, KafkaError, OffsetOutOfRangeError
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread
from faust.types import TP

from streams.shell.batches import LOST, LogRecords, RecordBatch
from streams.shell.frames import QuickFetchRequest
from streams.shell.ports import Bounds, Caught

if TYPE_CHECKING:
    from streams.shell.engine import StreamsApp

__all__ = ["ConsumerThread", "FetchSettings"]

log = logging.getLogger(__name__)

T = TypeVar("T")

#: How long one look at the fetched records may wait. Short, because a log that ends with a transaction marker moves without any record to
#: wake us.
_POLL_S: Final = 0.1
#: The same while a partition's budget is full: its records lie ready here and nothing announces that they may come.
_POLL_PAUSED_S: Final = 0.02
_COMMIT_S: Final = 2.0
#: After an offset that Kafka did not take, none is offered for so long: it is a hint, and a worker that shall stop has no time for it.
_COMMIT_REST_S: Final = 10.0
_RETRY_S: Final = 0.5


class FetchSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How records are fetched.

    min_bytes, max_wait_ms   the broker answers when it has this much, or after this long: it makes the batches, which is the cheapest place
    max_bytes                of one answer; with `partition_max_bytes` it bounds what is on its way
    partition_max_bytes      of one topic-partition in one answer
    budget_bytes             unsaved keys and values of one topic-partition that stop its fetching; takes about three times the memory
    close_s                  how long lanes may take to finish their step when their partitions leave
    """

    min_bytes: int = 65_536
    max_wait_ms: int = 17
    max_bytes: int = 8 << 20
    partition_max_bytes: int = 1 << 20
    budget_bytes: int = 2 << 20
    close_s: float = 5.0


class ConsumerThread(AIOKafkaConsumerThread):
    """The consumer thread of the `kafka-batches` transport."""

    app: "StreamsApp"

    def __post_init__(self) -> None:
        super().__post_init__()
        #: What the last complete fetch said, since the last seek. Read by the main thread.
        self.caught: dict[TP, Caught] = {}
        #: Called (in this thread) when a topic-partition has been heard of for the first time since its seek.
        self.on_caught: Callable[[TP], None] = lambda tp: None
        self._epoch: dict[TP, int] = {}
        self._next: dict[TP, int] = {}
        self._paused: set[TP] = set()
        self._commits_rest_until_s = 0.0

    # Called by Faust.

    async def on_start(self) -> None:
        """The consumer is started, and its fetcher tells when it asked for what."""
        await super().on_start()
        fetcher = self._ensure_consumer()._fetcher
        fetcher._proc_fetch_request = partial(self._fetch_and_note, fetcher, fetcher._proc_fetch_request)
        # Records that wait here for their budget must not keep other partitions of the same broker from being fetched for the usual 100 ms.
        fetcher._prefetch_backoff = _POLL_PAUSED_S

    def _create_worker_consumer(self, transport: Any) -> AIOKafkaConsumer:
        """A consumer with our fetch settings: Faust knows no setting for them."""
        consumer = super()._create_worker_consumer(transport)
        fetch = self.app.fetch
        consumer._fetch_min_bytes = fetch.min_bytes
        consumer._fetch_max_wait_ms = fetch.max_wait_ms
        consumer._fetch_max_bytes = fetch.max_bytes
        return consumer

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        """Assigned partitions are held until their lanes seek. They get a position at once, so that nobody asks for a committed one."""
        consumer = self._ensure_consumer()
        self.caught.clear()
        self._epoch.clear()
        self._next.clear()
        self._paused.clear()
        for tp in assigned:
            consumer.seek(_aiokafka(tp), 0)
            consumer.pause(_aiokafka(tp))
        await super().on_partitions_assigned(assigned, generation_id)

    # Called in the main thread.

    def pause(self, tps: Iterable[TP]) -> None:
        """Nothing more is fetched of `tps`; what has been fetched waits here."""
        self._paused.update(tps)

    def resume(self, tps: Iterable[TP]) -> None:
        self._paused.difference_update(tps)

    async def seek_to(self, positions: Mapping[TP, int], epoch: int) -> None:
        """Fetching goes on at `positions`, and batches carry `epoch`. A partition that has left meanwhile is passed over."""
        await self._in_thread(self._seek_to(positions, epoch))

    async def batches(self) -> dict[TP, RecordBatch]:
        """What has been fetched since the last call; waits a moment when there is nothing."""
        return await self._in_thread(self._batches())

    async def bounds(self, tps: Sequence[TP]) -> dict[TP, Bounds]:
        """First and next offset of the logs. Waits until the brokers answer."""
        return await self._in_thread(self._bounds([_aiokafka(tp) for tp in tps]))

    async def commit(self, offsets: Mapping[TP, int]) -> bool:
        """Whether Kafka holds `offsets` now. They are a hint, so no failure matters: the next commit carries all that this one did."""
        if self.crashed or self.should_stop or time.monotonic() < self._commits_rest_until_s:
            return False
        try:
            async with asyncio.timeout(2 * _COMMIT_S):  # the thread may end right now and leave us without an answer
                return await self._in_thread(self._commit_hint(offsets))
        except TimeoutError:
            return False

    def _in_thread(self, job: Coroutine[Any, Any, T]) -> Awaitable[T]:
        """Faust's own queue into the thread has two workers, one of which would always be busy with fetching, and a slow broker would
        block the other."""
        return asyncio.wrap_future(asyncio.run_coroutine_threadsafe(job, self.thread_loop))

    # The jobs.

    async def _seek_to(self, positions: Mapping[TP, int], epoch: int) -> None:
        consumer = self._ensure_consumer()
        for tp, position in positions.items():
            try:
                consumer.seek(_aiokafka(tp), position)
            except IllegalStateError:
                continue
            self.caught.pop(tp, None)
            self._epoch[tp], self._next[tp] = epoch, position
            self._paused.discard(tp)
            consumer.resume(_aiokafka(tp))

    async def _batches(self) -> dict[TP, RecordBatch]:
        consumer = self._ensure_consumer()
        flowing = [_aiokafka(tp) for tp in self._epoch if tp not in self._paused]
        if not flowing:
            await asyncio.sleep(_POLL_PAUSED_S)
            return {}
        if consumer._fetcher.error_future.done():
            await consumer._fetcher.error_future  # the fetching itself has died: say so instead of waiting for ever
        timeout_ms = 1000 * (_POLL_PAUSED_S if self._paused else _POLL_S)
        try:
            fetched = await consumer.getmany(*flowing, timeout_ms=timeout_ms)
        except OffsetOutOfRangeError as error:
            return self._lost(error.args[0])
        return self._stamped(fetched)  # no other task ran since the records left the fetcher, so positions are theirs

    def _stamped(self, fetched: Mapping[TopicPartition, Sequence[Any]]) -> dict[TP, RecordBatch]:
        """Batches with the positions they cover. Where a position moved without any record (markers, compaction), the batch is empty."""
        out: dict[TP, RecordBatch] = {}
        assignment = self._ensure_consumer()._subscription.subscription.assignment
        for tp, start in self._next.items():
            state = assignment.state_value(tp)
            if state is None or state.position == start:
                continue
            out[tp] = RecordBatch(tp, start, state.position, self._epoch[tp], fetched.get(tp, ()))
            self._next[tp] = state.position
        return out

    def _lost(self, positions: Mapping[TopicPartition, int]) -> dict[TP, RecordBatch]:
        """The log does not hold `positions` any more. Their lanes are told, and find out what to do about it when they open again."""
        consumer = self._ensure_consumer()
        out: dict[TP, RecordBatch] = {}
        for key, position in positions.items():
            tp = TP(key.topic, key.partition)
            if tp in self._epoch:
                log.warning("%s/%d does not hold offset %d", tp.topic, tp.partition, position)
                out[tp] = RecordBatch(tp, LOST, LOST, self._epoch.pop(tp), ())
                self._next.pop(tp)
                consumer.pause(key)
        return out

    async def _bounds(self, tps: Sequence[TopicPartition]) -> dict[TP, Bounds]:
        consumer = self._ensure_consumer()
        waiting = False
        while True:
            try:
                starts = await consumer.beginning_offsets(tps)
                ends = await consumer.end_offsets(tps)
                return {TP(tp.topic, tp.partition): Bounds(starts[tp], ends[tp]) for tp in tps}
            except KafkaError as error:
                if not waiting:
                    log.warning("waiting for Kafka: the ends of the log are not known (%s)", type(error).__name__)
                waiting = True
            await asyncio.sleep(_RETRY_S)

    async def _commit_hint(self, offsets: Mapping[TP, int]) -> bool:
        consumer = self._ensure_consumer()
        assigned = consumer.assignment()
        try:
            async with asyncio.timeout(_COMMIT_S):
                await consumer.commit({_aiokafka(tp): offset for tp, offset in offsets.items() if tp in assigned})
        except (KafkaError, TimeoutError) as error:
            log.info("offsets not committed for now (%s)", type(error).__name__)
            self._commits_rest_until_s = time.monotonic() + _COMMIT_REST_S
            return False
        return True

    async def _fetch_and_note(
        self, fetcher: Any, fetch: Callable[..., Awaitable[bool]], assignment: Any, node_id: int, request: Any
    ) -> bool:
        """Stands around `Fetcher._proc_fetch_request`, which stamps each topic-partition that was answered without an error."""
        states = [
            (TP(topic, partition), assignment.state_value(TP(topic, partition)))
            for topic, partitions in request.topics
            for partition, *_ in partitions
        ]
        for _, state in states:
            state.timestamp = 0
        request.__class__ = QuickFetchRequest  # the same one, which aiokafka makes itself and has not packed yet
        sent_ms = time.time_ns() // 1_000_000
        has_records = await fetch(assignment, node_id, request)
        for tp, state in states:
            fetched = fetcher._records.get(tp)
            if type(fetched) is FetchResult and fetched._partition_records is not None:
                fetched._partition_records.__class__ = LogRecords  # nothing of it has been unpacked: no other task ran since it was made
            if state.timestamp and tp in self._epoch:
                new = tp not in self.caught
                self.caught[tp] = Caught(state.highwater, sent_ms)
                if new:
                    self.on_caught(tp)
        return has_records


def _aiokafka(tp: TP) -> TopicPartition:
    return TopicPartition(tp.topic, tp.partition)
