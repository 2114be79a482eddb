"""Kafka has acknowledged what a request brought, or the answer is no in time: each topic-partition has one batch under way, and what comes
meanwhile makes up the next one."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from enum import Enum
from typing import Any, Final

from aiokafka.errors import KafkaError, KafkaTimeoutError, ProducerClosed, UnknownTopicOrPartitionError

from streams.core.record import Rejected
from streams.errors import ConfigError
from streams.shell.pauses import Pauses
from streams.shell.producer import Producer
from streams.shell.refusals import FINAL, words
from streams.shell.trouble import Trouble
from streams.tasks import ended

__all__ = ["Delivery", "Parcel"]

log = logging.getLogger(__name__)

Place = tuple[str, int]

#: A broker that is there lets a producer in within this time.
_HELLO_S: Final = 10.0
#: A batch without an acknowledgement for so long is given up with its producer: aiokafka would wait for ever.
_PATIENCE_S: Final = 60.0


class State(Enum):
    """Where a parcel is. FLYING: it was handed to the producer, and only its acknowledgement tells where it will be."""

    NEW = 0
    WAITING = 1
    FLYING = 2
    THERE = 3
    LOST = 4
    WITHDRAWN = 5


class Parcel:
    """One record on its way."""

    __slots__ = ("headers", "key", "partition", "quarantined", "refused", "state", "ticket", "topic", "value")

    def __init__(self, topic: str, partition: int, key: bytes | None, value: bytes, headers: list[tuple[str, bytes]]) -> None:
        self.topic, self.partition, self.key, self.value, self.headers = topic, partition, key, value, headers
        self.refused: Rejected | None = None
        self.quarantined = ""
        self.state = State.NEW
        self.ticket: _Ticket | None = None

    @property
    def may_be_there(self) -> bool:
        """Whether Kafka has it, or may have it yet."""
        return self.state is State.THERE or self.state is State.FLYING


class _Ticket:
    """What one request waits for."""

    __slots__ = ("done", "left")

    def __init__(self, left: int, done: "asyncio.Future[bool]") -> None:
        self.left, self.done = left, done

    def close(self, kept: bool) -> None:
        if not self.done.done():
            self.done.set_result(kept)


class Delivery:
    """Delivers parcels while `run` runs. `trouble` says what Kafka is waited for, None when it takes what comes."""

    def __init__(
        self, make: Callable[[], Producer], topics: Sequence[str], partitions: int, *, batch_bytes: int, buffer_bytes: int, linger_s: float
    ) -> None:
        """make         a producer that is not started yet
        batch_bytes  of one batch of one place
        buffer_bytes of values that wait for Kafka; above it nothing more is taken
        linger_s     how long the first of a batch waits for others
        """
        self._make, self._topics, self._partitions = make, topics, partitions
        self._batch_bytes, self._buffer_bytes, self._linger_s = batch_bytes, buffer_bytes, linger_s
        self._producer: Producer | None = None
        self._connected, self._broken = asyncio.Event(), asyncio.Event()
        self._queues: dict[Place, deque[Parcel]] = {}
        self._carriers: dict[Place, asyncio.Task[None]] = {}
        self._answers: set[asyncio.Future[Any]] = set()
        self._trouble = Trouble("Kafka", log)
        self.waiting_bytes = 0

    @property
    def trouble(self) -> str | None:
        return self._trouble.reason or (None if self._producer is not None else "waiting for Kafka: it has not been reached yet")

    async def run(self) -> None:
        """There is a producer whenever there can be one; runs until cancelled. Raises `ConfigError` for what no waiting can cure."""
        producer: Producer | None = None
        try:
            while True:
                producer = self._producer = await self._start()
                self._connected.set()
                await self._broken.wait()
                self._broken.clear()
                await producer.abandon()
        finally:
            self._producer = None
            if producer is not None:
                await producer.abandon()
            await ended(self._carriers.values())

    async def deliver(self, parcels: Iterable[Parcel], patience_s: float) -> bool:
        """True once Kafka has acknowledged all of `parcels`; False when it has not within `patience_s`, or has lost one, or too much waits.

        Afterwards each parcel tells by itself whether Kafka may have it.
        """
        missing = [parcel for parcel in parcels if parcel.state is not State.THERE]
        if not missing:
            return True
        if self.waiting_bytes > self._buffer_bytes:
            return False
        ticket = _Ticket(len(missing), asyncio.get_running_loop().create_future())
        for parcel in missing:
            parcel.ticket = ticket
            if parcel.state is not State.FLYING:
                self._enqueue(parcel)
        try:
            async with asyncio.timeout(patience_s):
                kept = await ticket.done
        except TimeoutError:
            kept = False
        if not kept:
            for parcel in missing:
                if parcel.state is State.WAITING:
                    parcel.state = State.WITHDRAWN
        return kept

    def _enqueue(self, parcel: Parcel) -> None:
        place = (parcel.topic, parcel.partition)
        queue = self._queues.get(place)
        if queue is None:
            queue = self._queues[place] = deque()
        parcel.state = State.WAITING
        queue.append(parcel)
        self.waiting_bytes += len(parcel.value)
        if place not in self._carriers:
            self._carriers[place] = asyncio.create_task(self._carry(place, queue))

    async def _carry(self, place: Place, queue: deque[Parcel]) -> None:
        """Sends what waits at `place`, batch by batch, until nothing does."""
        try:
            if self._linger_s:
                await asyncio.sleep(self._linger_s)
            while queue:
                await self._connected.wait()
                producer = self._producer
                if producer is not None:
                    await self._send(producer, place, queue)
        finally:
            del self._carriers[place]

    async def _send(self, producer: Producer, place: Place, queue: deque[Parcel]) -> None:
        """One batch of what waits is acknowledged, or lost."""
        builder, batch = producer.batch(self._batch_bytes), list[Parcel]()
        while queue:
            parcel = queue[0]
            if parcel.state is State.WAITING:
                if builder.append(key=parcel.key, value=parcel.value, timestamp=None, headers=parcel.headers) is None:
                    break
                parcel.state = State.FLYING
                batch.append(parcel)
            queue.popleft()
            self.waiting_bytes -= len(parcel.value)
            parcel.value = b""
        if not batch:
            return
        state = State.LOST
        try:
            async with asyncio.timeout(_PATIENCE_S):
                await self._acknowledged(await producer.send_batch(builder, place[0], partition=place[1]))
            state = State.THERE
        except (KafkaError, OSError, TimeoutError, AssertionError) as error:  # aiokafka asserts that it knows the partition
            self._fail(producer, KafkaTimeoutError() if isinstance(error, TimeoutError) else error)
        finally:
            _settle(batch, state)

    async def _acknowledged(self, answer: "asyncio.Future[Any]") -> None:
        """Raises what the broker says, and `ProducerClosed` when the producer is given up meanwhile."""
        mine: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def answered(answer: "asyncio.Future[Any]") -> None:
            error = ProducerClosed() if answer.cancelled() else answer.exception()
            if not mine.done():
                if error is None:
                    mine.set_result(None)
                else:
                    mine.set_exception(error)

        answer.add_done_callback(answered)
        self._answers.add(mine)
        try:
            await mine
        finally:
            self._answers.discard(mine)

    def _fail(self, producer: Producer, error: Exception) -> None:
        """Nobody sends by `producer` any more. The trouble is over with the next one, not with the next batch of that place: there may
        never be one."""
        if producer is not self._producer:
            return
        self._trouble.wait(self, words(error))
        self._producer = None
        self._connected.clear()
        self._broken.set()
        for answer in self._answers:
            if not answer.done():
                answer.set_exception(ProducerClosed())

    async def _start(self) -> Producer:
        """A producer that has seen all topics; waits for the broker however long that takes."""
        pauses = Pauses()
        while True:
            producer = self._make()
            try:
                async with asyncio.timeout(_HELLO_S):
                    await producer.start()
                    await self._look(producer)
                self._trouble.over(self)
                return producer
            except FINAL as error:
                await producer.abandon()
                raise ConfigError(f"Kafka refuses us ({words(error)})", file="Kafka") from None
            except (KafkaError, OSError) as error:
                self._trouble.wait(self, words(error))
                await producer.abandon()
            except BaseException:
                await producer.abandon()
                raise
            await pauses.pause()

    async def _look(self, producer: Producer) -> None:
        """All topics are there. A missing one is waited for: somebody may be about to make it."""
        there = await producer.client.fetch_all_metadata()
        for topic in self._topics:
            found = there.partitions_for_topic(topic)
            if not found:
                raise UnknownTopicOrPartitionError(f"the topic {topic} is missing: streams topics create")
            if len(found) != self._partitions:
                message = f"has {len(found)} partitions on the broker, the file says {self._partitions}"
                raise ConfigError(message, file="topics.yaml", path=topic)


def _settle(batch: list[Parcel], state: State) -> None:
    """Each parcel is there, or lost, and who waits for it knows."""
    for parcel in batch:
        parcel.state = state
        ticket = parcel.ticket
        if ticket is None:
            continue
        parcel.ticket = None
        if state is State.THERE:
            ticket.left -= 1
            if not ticket.left:
                ticket.close(True)
        else:
            ticket.close(False)
