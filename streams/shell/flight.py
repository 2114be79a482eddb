"""Outputs that are kept until Kafka has them, and the batches that they travel in."""

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from streams.core.record import Outgoing
from streams.shell.producer import OutputBatch, Place

__all__ = ["Flight", "Job", "Kept", "Queues", "by_place"]

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


class Job:
    """One publish: what it still keeps, and who waits for it. `refused_s` is since when a broker refuses some of it."""

    __slots__ = ("done", "kept", "refused_s")

    def __init__(self, outputs: Sequence[Outgoing], done: "asyncio.Future[None]") -> None:
        self.kept, self.done = by_place(outputs), done
        self.refused_s: float | None = None


class _Cut(NamedTuple):
    """A batch, and whose outputs are in it."""

    job: Job
    batch: OutputBatch


class Queues:
    """The jobs of each place, in order, and of its first one the batch that is on its way.

    A batch is cut when it is about to leave, and stays as it is until it is acknowledged: so the broker knows a repeat from something new.
    """

    def __init__(self) -> None:
        self._jobs: dict[Place, deque[Job]] = {}
        self._cut: dict[Place, _Cut] = {}
        self._flying: set[Place] = set()

    def __bool__(self) -> bool:
        """Whether anybody waits."""
        return bool(self._jobs)

    def add(self, job: Job) -> None:
        """All that it keeps waits behind what is there."""
        for place in job.kept:
            queue = self._jobs.get(place)
            if queue is None:
                queue = self._jobs[place] = deque()
            queue.append(job)

    def leave(self, job: Job) -> int:
        """Nobody waits for it any more; returns how many outputs it has kept. What is on its way may still arrive."""
        kept = sum(map(len, job.kept.values()))
        for place in job.kept:
            self._jobs[place].remove(job)
            if not self._jobs[place]:
                del self._jobs[place]
        job.kept = {}
        return kept

    def ready(self) -> list[Place]:
        """Places with something to send and nothing on its way. Those served longest ago come first."""
        return [place for place in self._jobs if place not in self._flying]

    def first(self, place: Place) -> Job | None:
        """Whose turn it is there."""
        queue = self._jobs.get(place)
        return queue[0] if queue else None

    def take(self, place: Place, limit_bytes: int) -> OutputBatch:
        """What leaves there: the same batch as before, if there is one without an acknowledgement. Another one keeps to `limit_bytes`."""
        self._flying.add(place)
        queue = self._jobs[place] = self._jobs.pop(place)
        cut = self._cut.get(place)
        if cut is None:
            job = queue[0]
            cut = self._cut[place] = _Cut(job, OutputBatch(limit_bytes, job.kept[place], 0))
        return cut.batch

    def landed(self, place: Place) -> int:
        """The batch is acknowledged: returns how many kept outputs that were. A job with nothing left is done."""
        self._flying.discard(place)
        job, batch = self._cut.pop(place)
        kept = job.kept.get(place)
        if kept is None:  # nobody waits for it
            return 0
        del kept[: batch.count]
        if not kept:
            del job.kept[place]
            queue = self._jobs[place]
            queue.popleft()
            if not queue:
                del self._jobs[place]
            if not job.kept and not job.done.done():
                job.done.set_result(None)
        return batch.count

    def missed(self, place: Place) -> bool:
        """There was no acknowledgement: what was to leave leaves again. False for a batch for which nobody waits any more: it cannot."""
        self._flying.discard(place)
        cut = self._cut.get(place)
        return cut is None or cut.job is self.first(place)

    def recut(self, place: Place) -> OutputBatch:
        """The batch did not arrive and never will: another one is cut out of what is kept. Returns the one that it was."""
        return self._cut.pop(place).batch

    def fail(self, error: BaseException) -> None:
        """Everybody who waits is told."""
        for job in {job for queue in self._jobs.values() for job in queue}:
            if not job.done.done():
                job.done.set_exception(error)

    def recut_all(self) -> None:
        """Nothing is on its way any more."""
        self._cut.clear()
        self._flying.clear()


def by_place(outputs: Sequence[Outgoing]) -> Kept:
    """Outputs by topic-partition, each in order."""
    kept: Kept = {}
    for output in outputs:
        kept.setdefault((output.topic, output.partition), []).append(output)
    return kept
