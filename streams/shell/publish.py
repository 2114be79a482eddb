"""Kafka has what a step says: sends, waits for every acknowledgement, and sends again what got none, over any outage.

There is one way out of every failure. Each publish keeps its records until they are acknowledged. A batch that was not is sent again as it
was, so that the broker can tell; and where that leads nowhere, because the broker has lost track of our producer or does not answer at all,
a new producer sends what is kept, in order per topic-partition: told at least once, never lost, never swapped. What no waiting can cure (a
topic that does not exist, a right that is missing) is handed to `fatal`, which ends the process.

What lanes say in one turn of the event loop leaves in one request per broker; what they say while that one is under way, in the next.
"""

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, Final

import aiokafka.errors as kafka

from streams.core.record import Outgoing
from streams.errors import ConfigError, StreamsError
from streams.shell.flight import Flight, Job, Queues
from streams.shell.pauses import Pauses
from streams.shell.producer import OutputBatch, Pace, Place, Producer, new_producer
from streams.shell.refusals import FINAL, STALE, TOO_LARGE, may_heal, words
from streams.shell.trouble import Trouble
from streams.tasks import ended

__all__ = ["Flight", "KafkaPublisher"]

log = logging.getLogger(__name__)

#: After so long without an acknowledgement somebody should be told, though it is no failure yet.
SILENCE_S: Final = 5.0


class _Leader:
    """A broker that leads partitions; or nobody, for those of which it is not known who leads.

    busy      a request to it is under way, or rests after one that failed
    carries   the places of the request that is under way
    silent_s  since when it owes an answer, by the clock of the event loop; None when it owes none
    """

    __slots__ = ("busy", "carries", "pauses", "silent_s")

    def __init__(self) -> None:
        self.busy = False
        self.carries: Sequence[Place] = ()
        self.silent_s: float | None = None
        self.pauses = Pauses(at_once=True)


class KafkaPublisher:
    """`ports.Publisher` for all lanes of a worker."""

    def __init__(
        self,
        bootstrap: str,
        *,
        fatal: Callable[[StreamsError], None],
        idempotence: bool = True,
        access: Mapping[str, Any] | None = None,
        batch_bytes: Mapping[str, int] | None = None,
        pace: Pace = Pace(),  # noqa: B008 (frozen)
    ) -> None:
        """Nothing is connected yet: the first publish does that.

        fatal        is told what cannot be waited out; the publish that met it never returns
        idempotence  the broker drops what a producer repeats; off only for brokers that cannot (the embedded one)
        access       aiokafka's security_protocol, ssl_context and sasl_*
        batch_bytes  topic -> most bytes of a batch, where the topic takes less than `pace` says; what a broker refuses is halved anyway
        """
        self.flight = Flight()
        self._bootstrap, self._fatal, self._pace = bootstrap, fatal, pace
        self._make = partial(new_producer, bootstrap, idempotence, access or {}, pace)
        self._producer: Producer | None = None
        self._starting = asyncio.Lock()
        self._queues = Queues()
        self._leaders: defaultdict[int | None, _Leader] = defaultdict(_Leader)
        self._given_up: set[Place] = set()
        self._turn: asyncio.Handle | None = None
        self._next_look: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._ending: set[asyncio.Task[None]] = set()
        self._batch_bytes = {topic: min(most, pace.batch_bytes) for topic, most in (batch_bytes or {}).items()}
        self._trouble = Trouble("Kafka", log)

    @property
    def trouble(self) -> str | None:
        """What is waited for right now; None when Kafka acknowledges."""
        return self._trouble.reason

    @property
    def waited_s(self) -> float:
        """How long somebody has waited since the start, all in all."""
        return self._trouble.waited_s

    async def start(self) -> None:
        """A producer is connected. Waits for the broker as long as that takes.

        Raises `ConfigError` when aiokafka does not take the settings.
        """
        await self._connected()

    async def close(self) -> None:
        """No connection is left. Whoever still publishes should have been cancelled before."""
        for handle in (self._turn, self._next_look):
            if handle is not None:
                handle.cancel()
        await ended(self._tasks)
        producer, self._producer = self._producer, None
        if producer is not None:
            await producer.abandon()
        if self._ending:
            await asyncio.wait(self._ending)

    async def publish(self, outputs: Sequence[Outgoing]) -> None:
        """Kafka has acknowledged every output, in order per topic-partition. Waits as long as that takes."""
        if not outputs:
            return
        job, served = Job(outputs, asyncio.get_running_loop().create_future()), False
        self.flight.waiting += len(outputs)
        self._queues.add(job)
        self._soon()
        try:
            await job.done
            served = True
        finally:
            self.flight.waiting -= self._queues.leave(job)
            self._trouble.over(job, served=served)

    # -- sending -------------------------------------------------------------------------------------------------------

    def _soon(self) -> None:
        """What waits is sent when all who speak in this turn of the loop have spoken."""
        if self._turn is None:
            self._turn = asyncio.get_running_loop().call_soon(self._send)

    def _send(self) -> None:
        """One request for each leader that is not at work on another one."""
        self._turn = None
        if not self._queues:
            return
        if self._next_look is None:
            self._look_for_silence()
        producer = self._producer
        if producer is None:
            if not self._starting.locked():
                self._start(self._reconnect())
            return
        loads: dict[int | None, list[Place]] = {}
        for place in self._queues.ready():
            if place not in self._given_up:
                loads.setdefault(producer.leader(place), []).append(place)
        for number, places in loads.items():
            leader = self._leaders[number]
            if not leader.busy:
                leader.busy = True
                self._start(self._attempt(producer, number, leader, places))

    async def _attempt(self, producer: Producer, number: int | None, leader: _Leader, places: Sequence[Place]) -> None:
        """One request: what arrived is forgotten, what did not is looked at. The leader is free again."""
        batches: dict[Place, OutputBatch] = {}
        if leader.silent_s is None:
            leader.silent_s = asyncio.get_running_loop().time()
        try:
            if number is None:
                errors = await self._look_up(producer, places)
            else:
                batches = self._load(places)
                leader.carries = list(batches)
                errors = await producer.produce(number, batches)
            leader.silent_s = None
        except (kafka.KafkaError, OSError) as error:
            errors = dict.fromkeys(batches or places, error)
        leader.carries = ()
        if producer is not self._producer:  # it was given up meanwhile, and all that it had with it
            return
        for place, batch in batches.items():
            if place not in errors:
                self.flight.waiting -= self._queues.landed(place)
            else:
                self.flight.retries += batch.count
        if not errors:
            leader.pauses.begin_again()
        elif self._judge(producer, errors):
            await self._rest(producer, leader)
        leader.busy = False
        self._soon()

    def _load(self, places: Sequence[Place]) -> dict[Place, OutputBatch]:
        """The batches of one request."""
        batches: dict[Place, OutputBatch] = {}
        flight, size = self.flight, 0
        for place in places:
            if size >= self._pace.request_bytes:
                break
            batch = batches[place] = self._queues.take(place, self._batch_bytes.get(place[0], self._pace.batch_bytes))
            size += batch.size
            flight.batches += 1
            flight.records += batch.count
            flight.bytes += batch.size
        return batches

    async def _look_up(self, producer: Producer, places: Sequence[Place]) -> dict[Place, Exception]:
        async with asyncio.timeout(self._pace.request_s):
            return await producer.look_up(places)

    # -- what goes wrong -----------------------------------------------------------------------------------------------

    def _judge(self, producer: Producer, errors: Mapping[Place, Exception]) -> bool:
        """What the errors mean to those who wait. Whether to rest before `producer` tries again."""
        lost, rest = False, False
        for place, error in errors.items():
            wanted, job = self._queues.missed(place), self._queues.first(place)
            lost = lost or not wanted or isinstance(error, STALE)
            if job is None:
                continue
            if isinstance(error, TOO_LARGE):
                self._cut_smaller(place)
                continue
            rest = True
            self._trouble.wait(job, words(error))
            if isinstance(error, FINAL):
                self._give_up(place, f"Kafka refuses what we send ({words(error)})")
            elif may_heal(error):
                job.refused_s = None
            else:
                self._refused(place, job, error)
        if lost:
            self._replace(producer)
        return rest and not lost

    def _cut_smaller(self, place: Place) -> None:
        """The batch was more than the topic takes."""
        batch = self._queues.recut(place)
        if batch.count > 1:
            self._batch_bytes[place[0]] = batch.size // 2
        else:
            self._give_up(place, f"a record of {batch.size} bytes is more than the topic takes: raise its max.message.bytes")

    def _refused(self, place: Place, job: Job, error: Exception) -> None:
        """A broker may say so for a while."""
        now_s = time.monotonic()
        if job.refused_s is None:
            job.refused_s = now_s
        elif now_s - job.refused_s >= self._pace.refused_s:
            why = f"Kafka has refused what we send for {self._pace.refused_s:.0f} s ({words(error)}): does the topic exist?"
            self._give_up(place, why)

    def _give_up(self, place: Place, why: str) -> None:
        """The process ends; until it does, nothing more is sent there, and nobody may think that it was said."""
        self._given_up.add(place)
        self._fatal(ConfigError(why, file=f"{place[0]}/{place[1]}"))

    async def _rest(self, producer: Producer, leader: _Leader) -> None:
        """Somebody else may lead by now."""
        with suppress(kafka.KafkaError, OSError):
            async with asyncio.timeout(self._pace.request_s):
                await producer.client.force_metadata_update()
        await leader.pauses.pause()

    def _replace(self, producer: Producer) -> None:
        """Nobody uses `producer` any more: what it had on its way is sent by another one."""
        if self._producer is not producer:
            return
        self._producer = None
        self.flight.replaced += 1
        self._leaders.clear()
        self._queues.recut_all()
        ending = asyncio.ensure_future(producer.abandon())
        self._ending.add(ending)
        ending.add_done_callback(self._ending.discard)
        self._soon()

    def _look_for_silence(self) -> None:
        """Leaders that owe an answer for long are known as trouble, and after `patience_s` the producer is given up. Looks again from time
        to time while somebody waits: one clock for all."""
        self._next_look = None
        if not self._queues:  # nothing is owed any more: a silence of long ago must not be held against the next request
            for number in [number for number, leader in self._leaders.items() if not leader.busy]:
                del self._leaders[number]
            return
        loop, patience_s = asyncio.get_running_loop(), self._pace.patience_s
        now_s, known_s = loop.time(), min(SILENCE_S, patience_s)
        for leader in self._leaders.values():
            silent_s = 0.0 if leader.silent_s is None else now_s - leader.silent_s
            if silent_s >= known_s:
                for job in filter(None, map(self._queues.first, leader.carries)):
                    self._trouble.wait(job, f"no answer for {silent_s:.0f} s")
            if silent_s >= patience_s and self._producer is not None:
                self._replace(self._producer)
                break
        self._next_look = loop.call_later(known_s / 5, self._look_for_silence)

    # -- the producer --------------------------------------------------------------------------------------------------

    async def _connected(self) -> Producer:
        """The producer of all lanes; a new one when there is none, however long the broker takes."""
        async with self._starting:
            pauses = Pauses()
            while self._producer is None:
                producer = self._make()
                try:
                    async with asyncio.timeout(self._pace.request_s):
                        await producer.start()
                    self._producer = producer
                except FINAL as error:
                    self._fatal(ConfigError(f"Kafka refuses what we send ({words(error)})", file=self._bootstrap))
                    await asyncio.get_running_loop().create_future()
                except (kafka.KafkaError, OSError) as error:
                    self._trouble.wait(self, words(error))
                    await pauses.pause()
                finally:
                    if self._producer is None:
                        await producer.abandon()
            self._trouble.over(self)
            return self._producer

    async def _reconnect(self) -> None:
        await self._connected()
        self._soon()

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        """What nobody has foreseen is raised where somebody waits."""
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._queues.fail(error)
