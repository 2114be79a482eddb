"""Batches on their way to Kafka, and the outputs that are kept until they have arrived."""

import asyncio
from collections.abc import Sequence

import aiokafka.errors as kafka
import msgspec

from streams.core.record import Outgoing

__all__ = ["Batch", "Flight", "Kept", "Place", "Round", "by_place", "forget"]

Place = tuple[str, int]
"""Topic and partition."""

Kept = dict[Place, list[Outgoing]]
"""Outputs without an acknowledgement, in order."""


class Flight(msgspec.Struct):
    """What was sent since the start, for metrics. `waiting` is the number of records without an acknowledgement right now."""

    batches: int = 0
    records: int = 0
    bytes: int = 0
    retries: int = 0
    replaced: int = 0
    waiting: int = 0


class Batch(msgspec.Struct):
    """A batch that was encoded, and perhaps sent."""

    place: Place
    records: int
    bytes: int
    acked: bool = False


class Round:
    """The batches of one publish on one producer.

    `over` is done when all are acknowledged, or one has failed, or the producer is given up. `failed` is the batch that met the error.
    `heard_s` is when there was the last acknowledgement, by the clock of the event loop; the beginning before that.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.batches: list[Batch] = []
        self.failed: Batch | None = None
        self.acked = 0
        self.over: asyncio.Future[None] = self._loop.create_future()
        self.heard_s = self._loop.time()
        self._sealed = False

    def add(self, batch: Batch, answer: "asyncio.Future[object]") -> None:
        """`answer` will tell of `batch`."""

        def answered(answer: "asyncio.Future[object]") -> None:
            error = kafka.Cancelled() if answer.cancelled() else answer.exception()
            if error is None:
                batch.acked = True
                self.acked += 1
                self.heard_s = self._loop.time()
                self._look()
            elif not self.over.done():
                self.failed = batch
                self.over.set_exception(error)

        self.batches.append(batch)
        answer.add_done_callback(answered)

    def seal(self) -> None:
        """No batch will be added."""
        self._sealed = True
        self._look()

    def give_up(self, why: type[kafka.KafkaError] = kafka.ProducerClosed) -> None:
        """The producer will not answer any more."""
        if not self.over.done():
            self.over.set_exception(why("no acknowledgement"))

    def end(self) -> None:
        """Nobody listens from now on."""
        if not self.over.cancel():
            self.over.exception()  # seen, as far as asyncio is concerned

    def _look(self) -> None:
        if self._sealed and self.acked == len(self.batches) and not self.over.done():
            self.over.set_result(None)


def by_place(outputs: Sequence[Outgoing]) -> Kept:
    """Outputs by topic-partition, each in order."""
    kept: Kept = {}
    for output in outputs:
        kept.setdefault((output.topic, output.partition), []).append(output)
    return kept


def forget(kept: Kept, batches: Sequence[Batch]) -> int:
    """Outputs that are acknowledged, with all before them at their place, are kept no longer; returns how many.

    What lies behind a lost batch is sent again with it, so that the last copies are in order.
    """
    forgotten, stuck = 0, set()
    for batch in batches:
        if batch.acked and batch.place not in stuck:
            del kept[batch.place][: batch.records]
            forgotten += batch.records
            if not kept[batch.place]:
                del kept[batch.place]
        else:
            stuck.add(batch.place)
    return forgotten
