"""What is seen of a lane from outside: it stands around the lane's store and publisher, and is told of every step.

The lane knows nothing of it. It costs a few clock readings per step, and nothing at all where nobody asks for metrics.
"""

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from operator import attrgetter
from typing import Final, Protocol

from streams.core.record import NEVER_MS, Head, Outcome, Outgoing, Plan
from streams.errors import Fenced
from streams.flow import Reading
from streams.shell.ports import Caught, Clock, Loaded, Publisher, Store
from streams.telemetry.buckets import FRESHNESS_S, STEP_S, Buckets
from streams.telemetry.tracing import StepTimes, Traced, Traces, sampled

__all__ = ["PHASES", "LaneWatch", "Seen", "WatchedSource"]

#: What a step is made of, in the order of `shell.lane`: plan and load, fold, publish, save.
PHASES: Final = ("plan", "fold", "publish", "save")

_topic_of = attrgetter("topic")


class Seen:
    """What the lanes of one process have done since it started. Nothing here is saved: totals that must survive live in the heads."""

    def __init__(self) -> None:
        self.opened = self.found = self.fenced = self.rewinds = 0
        self.cache_hits = self.cache_misses = self.timers = 0
        self.outputs: Counter[str] = Counter()
        self.phases = {name: Buckets(STEP_S) for name in PHASES}
        self.freshness = Buckets(FRESHNESS_S)
        self.timer_lateness = Buckets(FRESHNESS_S)
        #: Partition -> revision of its head as this process knew it last: a lower one later means that the store went back in time.
        self.revs: dict[int, int] = {}


class WatchedSource(Protocol):
    """What a watch asks of a lane's source; `shell.source.KafkaSource` is one."""

    waiting_since_ms: int | None

    @property
    def size_bytes(self) -> int: ...
    @property
    def paused(self) -> frozenset[str]: ...
    def caught(self) -> Mapping[str, Caught]: ...


class LaneWatch:
    """A lane's `Store` and `Publisher`, with somebody who looks on. `observe` has to be told of each step before it is published."""

    def __init__(
        self,
        partition: int,
        seen: Seen,
        *,
        source: WatchedSource,
        store: Store,
        publisher: Publisher,
        clock: Clock,
        traces: Traces | None = None,
    ) -> None:
        self.partition = partition
        self._seen, self._source, self._store, self._publisher, self._clock = seen, source, store, publisher, clock
        self._head: Head | None = None
        self._opened = self._refused = self._found = False
        self._traces = traces
        self._traced: Traced = ()
        self._times_s = [0.0] * 4  # perf_counter: when the parts of the step began
        self._step: Reading | None = None
        self._delay_ms = self._missed = 0

    # How the lane is.

    @property
    def recovering(self) -> bool:
        """It is not open yet, or has a step to finish that was begun before it was opened."""
        return self._head is None or self._head.plan is not None

    def lag(self) -> int:
        """Records that the log is known to hold and the store has not counted."""
        positions = {} if self._head is None else self._head.positions
        return sum(max(0, seen.high_watermark - positions[topic]) for topic, seen in self._source.caught().items() if topic in positions)

    def delay_ms(self) -> int:
        """How far behind the lane is in time: the age of the oldest record of its last step while more wait, and how long records have
        waited here."""
        since_ms = self._source.waiting_since_ms
        waiting_ms = 0 if since_ms is None else max(0, self._clock.now_ms() - since_ms)
        return max(waiting_ms, self._delay_ms if self.lag() else 0)

    def silent_ms(self) -> int:
        """How long ago the newest complete fetch was sent; 0 while nothing is fetched, because nothing was asked for yet or the budget is
        full."""
        caught = [seen.sent_ms for topic, seen in self._source.caught().items() if topic not in self._source.paused]
        return max(0, self._clock.now_ms() - max(caught)) if caught else 0

    def overdue_ms(self) -> int:
        """How long ago the earliest timer of the partition fell due; 0 when none has."""
        head = self._head
        return max(0, self._clock.now_ms() - head.next_due_ms) if head is not None and head.next_due_ms < NEVER_MS else 0

    @property
    def buffered_bytes(self) -> int:
        return self._source.size_bytes

    # The lane's observer.

    def observe(self, plan: Plan, reading: Reading, outcome: Outcome) -> None:
        """The step of `reading` is about to be published."""
        self._step = reading
        self._traced = () if self._traces is None else sampled(reading.records)
        self._seen.cache_hits += len(reading.keys) - self._missed
        self._seen.outputs.update(map(_topic_of, outcome.outputs))

    # The lane's publisher.

    async def publish(self, outputs: Sequence[Outgoing]) -> None:
        began_s = time.perf_counter()
        step, self._step = self._step, None  # None: what leaves after the other outputs of its step
        if step is not None:
            self._times_s[2] = began_s
            self._seen.phases["fold"].add(began_s - self._times_s[1])
        await self._publisher.publish(outputs)
        self._seen.phases["publish"].add(time.perf_counter() - began_s)
        if step is not None and (records := step.records):
            now_ms = self._clock.now_ms()
            self._seen.freshness.add_ages(records, now_ms)
            self._delay_ms = max(0, now_ms - records[0].timestamp)

    # The lane's store.

    async def open(self, partition: int, owner: str) -> Head | None:
        seen, again = self._seen, self._opened
        if again and not self._refused:
            seen.fenced += 1  # it found out by itself
        self._head, self._opened, self._refused = None, True, False
        seen.opened += 1
        head = await self._store.open(partition, owner)
        known = seen.revs.get(partition)
        if known is not None and (head is None or head.rev < known):
            seen.rewinds += 1
        if head is not None:
            self._know(head)
        else:
            seen.revs.pop(partition, None)
        return head

    async def create(self, head: Head) -> Head:
        try:
            return self._know(await self._store.create(head))
        except Fenced:
            self._fenced()
            raise

    async def head(self, partition: int) -> Head | None:
        return await self._store.head(partition)

    async def move(self, head: Head, positions: Mapping[str, int]) -> Head:
        try:
            return self._know(await self._store.move(head, positions))
        except Fenced:
            self._fenced()
            raise

    async def plan(self, head: Head, plan: Plan, keys: Sequence[str]) -> Loaded:
        self._times_s[0] = began_s = time.perf_counter()
        self._found = head.plan is not None
        try:
            loaded = await self._store.plan(head, plan, keys)
        except Fenced:
            self._fenced()
            raise
        self._times_s[1] = planned_s = time.perf_counter()
        seen = self._seen
        seen.phases["plan"].add(planned_s - began_s)
        seen.found += self._found
        self._missed = len(keys)
        seen.cache_misses += self._missed
        if loaded.due:
            seen.timers += len(loaded.due)
            if plan.clock == "wall":
                seen.timer_lateness.add(max(0, plan.now_ms - head.next_due_ms) / 1000)
        return loaded

    async def save(self, head: Head, plan: Plan, outcome: Outcome) -> Head:
        self._times_s[3] = began_s = time.perf_counter()
        try:
            after = await self._store.save(head, plan, outcome)
        except Fenced:
            self._fenced()
            raise
        ended_s = time.perf_counter()
        self._seen.phases["save"].add(ended_s - began_s)
        if self._traced and self._traces is not None:
            end_ns = time.time_ns()
            began, folding, publishing, saving = (end_ns - round((ended_s - at_s) * 1e9) for at_s in self._times_s)
            times = StepTimes(began, folding, publishing, saving, end_ns)
            records, outputs = sum(outcome.fates), len(outcome.outputs)
            self._traces.step(self._traced, self.partition, records, outputs, found=self._found, times=times)
            self._traced = ()
        return self._know(after)

    def _know(self, head: Head) -> Head:
        self._head = head
        self._seen.revs[self.partition] = head.rev
        return head

    def _fenced(self) -> None:
        self._seen.fenced += 1
        self._refused = True
