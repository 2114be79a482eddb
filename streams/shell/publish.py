"""Kafka has what a step says: sends, waits for every acknowledgement, and sends again what got none, over any outage.

There is one way out of every failure. Each publish keeps its records until they are acknowledged. A producer that failed is given up,
whoever notices first, and all lanes send what they still keep through a new one, in order per topic-partition: told at least once,
never lost, never swapped. What no waiting can cure (a topic that does not exist, a right that is missing) is handed to `fatal`, which
ends the process.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Final

import aiokafka.errors as kafka

from streams.core.record import Outgoing
from streams.errors import ConfigError, StreamsError
from streams.shell.flight import Batch, Flight, Kept, Place, Round, by_place, forget
from streams.shell.pauses import Pauses
from streams.shell.producer import OutputBatch, Pace, Producer, new_producer
from streams.shell.refusals import FINAL, TOO_LARGE, may_heal, words
from streams.shell.trouble import Trouble

__all__ = ["Flight", "KafkaPublisher"]

log = logging.getLogger(__name__)

#: After so long without an acknowledgement somebody should be told, though it is no failure yet.
SILENCE_S: Final = 5.0


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
        self._slots = asyncio.Semaphore(pace.at_once)
        self._rounds: dict[Round, object] = {}  # and who waits for it
        self._next_look: asyncio.TimerHandle | None = None
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
        if self._next_look is not None:
            self._next_look.cancel()
        producer, self._producer = self._producer, None
        if producer is not None:
            await producer.abandon()
        if self._ending:
            await asyncio.wait(self._ending)

    async def publish(self, outputs: Sequence[Outgoing]) -> None:
        """Kafka has acknowledged every output, in order per topic-partition. Waits as long as that takes; never raises."""
        kept, me = by_place(outputs), object()
        self.flight.waiting += len(outputs)
        pauses, refused_since_s, served = Pauses(at_once=True), None, False
        try:
            while kept:
                async with self._slots:
                    producer = await self._connected()
                    round_, error = await self._attempt(producer, kept, me)
                self.flight.waiting -= forget(kept, round_.batches)
                if error is None:
                    continue
                refused_since_s = None if may_heal(error) else refused_since_s or time.monotonic()
                await self._judge(error, round_.failed, refused_since_s)
                self.flight.retries += sum(batch.records for batch in round_.batches if not batch.acked)
                self._trouble.wait(me, words(error))
                self._replace(producer)
                await pauses.pause()
            served = True
        finally:
            self.flight.waiting -= sum(map(len, kept.values()))
            self._trouble.over(me, served=served)

    async def _attempt(self, producer: Producer, kept: Kept, me: object) -> tuple[Round, Exception | None]:
        """All that is kept was handed to `producer`, and acknowledged unless there is an error."""
        round_ = Round()
        self._rounds[round_] = me
        if self._next_look is None:
            self._look_for_silence()
        try:
            await self._hand_over(producer, round_, kept)
            await round_.over
        except (kafka.KafkaError, OSError, AssertionError) as error:  # aiokafka asserts that it knows the partition
            return round_, error
        finally:
            del self._rounds[round_]
            round_.end()
        return round_, None

    async def _hand_over(self, producer: Producer, round_: Round, kept: Kept) -> None:
        """The producer has all batches, in order per place.

        It holds one batch per place that it has not begun to send, and `send_batch` waits for that. So the first batches of all places
        come first, and leave in one request.
        """
        queues = [(place, self._batches(place, outputs)) for place, outputs in kept.items()]
        loop, patience_s = asyncio.get_running_loop(), self._pace.request_s * 1.5
        began_s = loop.time()
        # It gives up after `request_s` by itself, unless its client is gone.
        async with asyncio.timeout(patience_s) as limit:
            while queues and not round_.over.done():
                longer = []
                for place, batches in queues:
                    builder = next(batches, None)
                    if builder is None:
                        continue
                    batch = Batch(place, builder.record_count(), builder.size())
                    try:
                        answer = await producer.send_batch(builder, place[0], partition=place[1])
                    except BaseException:  # the limit comes as a cancellation
                        round_.failed = round_.failed or batch
                        raise
                    if (now_s := loop.time()) - began_s > 1.0:  # each batch has its own time; most need none
                        began_s = now_s
                        limit.reschedule(now_s + patience_s)
                    round_.add(batch, answer)
                    self.flight.batches += 1
                    self.flight.records += batch.records
                    self.flight.bytes += batch.bytes
                    longer.append((place, batches))
                queues = longer
        round_.seal()

    def _batches(self, place: Place, outputs: Sequence[Outgoing]) -> Iterator[OutputBatch]:
        """The outputs of one place, encoded, batch by batch."""
        limit = self._batch_bytes.get(place[0], self._pace.batch_bytes)
        at = 0
        while at < len(outputs):
            batch = OutputBatch(limit, outputs, at)
            at += batch.record_count()
            yield batch

    def _look_for_silence(self) -> None:
        """Rounds without an acknowledgement for long are known as trouble, and given up after `patience_s`. Looks again from time to time
        while there are rounds: one clock for all, because one for each publish costs more than the rest of it."""
        if not self._rounds:
            self._next_look = None
            return
        loop, patience_s = asyncio.get_running_loop(), self._pace.patience_s
        now_s, known_s = loop.time(), min(SILENCE_S, patience_s)
        for round_, me in self._rounds.items():
            silent_s = now_s - round_.heard_s
            if round_.over.done():
                continue
            if silent_s >= known_s:
                self._trouble.wait(me, f"no acknowledgement for {silent_s:.0f} s")
            if silent_s >= patience_s:
                round_.give_up(kafka.KafkaTimeoutError)
        self._next_look = loop.call_later(known_s / 5, self._look_for_silence)

    async def _connected(self) -> Producer:
        """The producer of all lanes; a new one when there is none, however long the broker takes."""
        if self._producer is not None:
            return self._producer
        async with self._starting:
            pauses = Pauses()
            while self._producer is None:
                producer = self._make()
                try:
                    async with asyncio.timeout(self._pace.request_s):
                        await producer.start()
                    self._producer = producer
                except (kafka.KafkaError, OSError) as error:
                    await self._judge(error, None, None)
                    self._trouble.wait(self, words(error))
                    await pauses.pause()
                finally:
                    if self._producer is None:
                        await producer.abandon()
            self._trouble.over(self)
            return self._producer

    def _replace(self, producer: Producer) -> None:
        """Nobody uses `producer` any more. The first who finds it broken ends it for all."""
        if self._producer is not producer:
            return
        self._producer = None
        self.flight.replaced += 1
        for round_ in self._rounds:
            round_.give_up()
        ending = asyncio.ensure_future(producer.abandon())
        self._ending.add(ending)
        ending.add_done_callback(self._ending.discard)

    async def _judge(self, error: Exception, batch: Batch | None, refused_since_s: float | None) -> None:
        """Returns when it is worth trying again; else `fatal` knows why not, and this never returns."""
        where = f"{batch.place[0]}/{batch.place[1]}" if batch else self._bootstrap
        if isinstance(error, TOO_LARGE) and batch:
            if batch.records > 1:
                self._batch_bytes[batch.place[0]] = batch.bytes // 2
                return
            why = f"a record of {batch.bytes} bytes is more than the topic takes: raise its max.message.bytes"
        elif isinstance(error, FINAL):
            why = f"Kafka refuses what we send ({words(error)})"
        elif refused_since_s is not None and time.monotonic() - refused_since_s >= self._pace.refused_s:
            why = f"Kafka has refused what we send for {self._pace.refused_s:.0f} s ({words(error)}): does the topic exist?"
        else:
            return
        self._fatal(ConfigError(why, file=where))
        await asyncio.get_running_loop().create_future()
