"""THE MAIN SEQUENCE: plan, publish, save, ack. One lane per partition number; in it, one step at a time.

1. **plan**     The store holds what the step is going to do, and answers the states that the step needs.
2. **publish**  Kafka holds every score, alert, dead letter, reroute and journal line of the step.
3. **save**     The store holds the new states, due times and head, and the plan is gone: all at once, or nothing.
4. **ack**      Kafka's committed offset may follow; it is only a hint.

A crash repeats work and never loses or doubles it: what was published and not saved is published again to the byte, because the next
owner finds the
plan and executes exactly that first. Plan and save are refused unless the head is the one the lane started from, which fences a lane
that was
overtaken. `tests/model` runs this file against thousands of random histories of crashes, lost replies and zombies.
"""

from collections.abc import Callable, Mapping

import msgspec

from streams.core.parameters import decode_parameters
from streams.core.record import NEVER_MS, PRIOR, Head, Outcome, Plan
from streams.errors import Fenced, Interrupted, MissingHistory, ReplyLost
from streams.flow import Flow, Reading
from streams.shell.buffer import Buffer
from streams.shell.ports import Bounds, Clock, Loaded, Published, Publisher, Source, Store

__all__ = ["Lane", "LaneSettings"]


class LaneSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How a lane cuts its work.

    max_batch_records  records of one step: bounds what a crash repeats, and how long other lanes wait
    due_limit          users that one step looks at because they are due
    timer_grace_ms     how far the broker's clock may lag behind ours before a silence could be called too early
    idle_step_ms       a lane without records takes a step when partition time is ahead of its head by so much, so that others can read
                       from the head how far it has seen; None: never
    compare_ms         how often an idle lane compares its head with the store's
    cache_users        states kept in memory between steps, per lane
    on_gap             what to do when the log no longer holds what the head needs: "stop", or "continue" knowingly
    """

    max_batch_records: int = 8000
    due_limit: int = 500
    timer_grace_ms: int = 2000
    idle_step_ms: int | None = None
    compare_ms: int = 5000
    cache_users: int = 200_000
    on_gap: str = "stop"


class Lane:
    """The records of one partition number on their way into the users' states."""

    #: Overridden by the model test, to plant bugs.
    buffer_class: type[Buffer] = Buffer

    def __init__(
        self,
        partition: int,
        *,
        source: Source,
        store: Store,
        publisher: Publisher,
        clock: Clock,
        flow: Flow,
        settings: LaneSettings,
        new_owner: Callable[[], str],
        observe: Callable[[Plan, Reading, Outcome], None] | None = None,
        reach: Callable[[str], None] | None = None,
        hold: Callable[[], int | None] = lambda: None,
        published: Published | None = None,
    ) -> None:
        """`hold` is asked when a step is planned: the time beyond which no timer may fire; None: none is held.
        Without `published` plans name the constants of the rules."""
        self.partition = partition
        self.steps = 0
        self.found = 0
        self.fenced = 0
        self._source, self._store, self._publisher, self._clock = source, store, publisher, clock
        self._flow, self._settings, self._new_owner = flow, settings, new_owner
        self._observe = observe or (lambda plan, reading, outcome: None)
        self._published = published
        self._reach = reach or (lambda point: None)
        self._hold = hold
        self._stopping = self._opened = False
        self._head: Head
        self._buffer: Buffer
        self._cache: dict[str, bytes] = {}
        self._compared_ms = 0

    @property
    def opened(self) -> bool:
        """Whether there is a head to look at."""
        return self._opened

    @property
    def head(self) -> Head:
        """The head as this lane knows it."""
        return self._head

    def lag(self) -> int:
        """Records that the log is known to hold and the store has not counted."""
        caught, positions = self._source.caught(), self._head.positions if self._opened else {}
        return sum(max(0, seen.high_watermark - positions[topic]) for topic, seen in caught.items() if topic in positions)

    def stop(self) -> None:
        """The lane ends after the step it is in."""
        self._stopping = True

    def drop(self) -> None:
        """Forgets what it believes of the store (after a reconnect): the next idle moment compares the heads."""
        self._compared_ms = 0

    async def run(self) -> None:
        """Steps until it is told to stop. A fenced lane opens again: whoever else was at work has either gone or fences us once more."""
        while not self._stopping:
            try:
                await self.open()
                await self._follow()
                while not self._stopping:
                    await self._step_or_wait()
            except Interrupted:
                self.fenced += 1

    async def open(self) -> None:
        """This lane owns the partition, from the positions in its head on. What another owner left half done is there as its plan.

        Raises `MissingHistory` when the log does not hold what comes next, unless `on_gap` says to go on.
        """
        owner = self._new_owner()
        head = await self._store.open(self.partition, owner)
        bounds = await self._source.bounds(_reach(head))  # after: a log only grows, so what the head claims must be there by now
        if head is None:
            head = await self._store.create(self._first_head(owner, bounds))
        else:
            head = await self._mend(head, bounds)
        if self._published is not None:
            await self._published.keep()
        self._head, self._cache, self._opened = head, {}, True

    async def _follow(self) -> None:
        """Fetching goes on where the head says."""
        # In the order of the rules, not of whatever spelled the head: it decides between records of equal append times.
        at = self._head.positions
        positions = {topic: at[topic] for topic in self._flow.rules.topics.inputs if topic in at}
        epoch = await self._source.seek(positions)
        self._buffer = self.buffer_class(positions, epoch)
        self._compared_ms = self._clock.now_ms()

    async def _step_or_wait(self) -> None:
        self._fill()
        if self._head.plan is not None:
            await self._finish(self._head.plan)
            return
        planned = self._next_plan()
        if planned is None:
            await self._wait()
        else:
            await self._step(*planned, found=False)

    async def _finish(self, plan: Plan) -> None:
        """Executes the plan that was found in the head: exactly that one, before anything else."""
        while not self._buffer.holds(plan.spans):
            if self._stopping:
                return
            await self._wait()
            self._fill()
        self.found += 1
        await self._step(plan, self._flow.read(self._buffer.exactly(plan.spans), self.partition), found=True)
        if self._head.plan is None and len(self._head.positions) < len(self._flow.rules.topics.inputs):
            raise Fenced("a topic is new")

    async def _step(self, plan: Plan, reading: Reading, *, found: bool) -> None:
        """Plan, publish, save, ack."""
        loaded = await self._plan(plan, reading, found=found)  # 1. the store holds what we are about to do
        if loaded is None:
            return
        if not self._flow.knows(plan.parameters_version):
            await self._learn(plan.parameters_version)
        self._reach("after_plan")
        outcome = self._flow.step(plan, reading, self._head, loaded.users, loaded.due)
        self._observe(plan, reading, outcome)
        self._reach("after_step")
        if loaded.due:
            self._reach("in_sweep")
        await self._publish(outcome)  # 2. Kafka holds all that follows from it
        self._reach("after_publish")
        self._head = await self._save(plan, outcome)  # 3. the store holds the states and the new head
        self._reach("after_save")
        self._remember(outcome)
        self._buffer.advance(plan.spans)
        self._reach("before_ack")
        self._source.saved(self._head.positions)  # 4. Kafka's offset follows
        self.steps += 1

    async def _plan(self, plan: Plan, reading: Reading, *, found: bool) -> Loaded | None:
        """The states for a step, which only the acceptance of its plan gives. None when the answer was lost: the head says what to do
        now."""
        cache = self._cache
        missing = [key for key in reading.keys if key not in cache]
        try:
            loaded = await self._store.plan(self._head, plan, missing)
        except ReplyLost:
            head = await self._store.head(self.partition)
            if head is None or head.owner != self._head.owner or head.rev != self._head.rev or found:
                raise Fenced("the head moved while a plan was on its way") from None
            self._head = (
                head  # accepted: found there; not accepted: plan anew, perhaps otherwise (a plan that arrives later is refused, or found)
            )
            return None
        users: dict[str, bytes | None] = dict(loaded.users)
        for key in reading.keys:
            if key in cache:
                users[key] = cache[key]
        for key in loaded.due:
            if key in cache:
                users[key] = cache[key]
        return Loaded(users, loaded.due)

    async def _learn(self, version: str) -> None:
        """The flow knows the parameters that a plan names: with others it would be another step. Published ones are never taken away."""
        blob = None if self._published is None else await self._published.read(version)
        if blob is None:
            raise MissingHistory(
                f"partition {self.partition} has a plan that names the parameters {version}, which the store has lost: "
                "restore the store from a backup"
            )
        self._flow.know(decode_parameters(blob))

    async def _publish(self, outcome: Outcome) -> None:
        """Kafka holds the outputs: first the others, then those that must come after them."""
        at = len(outcome.outputs) - outcome.after
        await self._publisher.publish(outcome.outputs[:at])
        if outcome.after:
            await self._publisher.publish(outcome.outputs[at:])

    async def _save(self, plan: Plan, outcome: Outcome) -> Head:
        """The head after the save. A lost answer is asked for again: only we can have moved the head by one under our owner."""
        while True:
            try:
                return await self._store.save(self._head, plan, outcome)
            except ReplyLost:
                head = await self._store.head(self.partition)
            if head is None or head.owner != self._head.owner or head.rev not in (plan.rev, plan.rev + 1):
                raise Fenced("the head moved while a save was on its way")
            if head.rev == plan.rev + 1:
                return head

    def _next_plan(self) -> tuple[Plan, Reading] | None:
        """What to do next: records that have arrived, or timers that are due; None when there is neither."""
        if self._nothing_to_do():
            return None
        self._buffer.note(self._source.caught())
        if not self._buffer.ready():
            return None
        taken = self._buffer.take(self._settings.max_batch_records)
        reading = self._flow.read(taken.records, self.partition)
        clock = reading.clock(self._head.clock)
        now_ms = self._clock.now_ms()
        if clock == "event":
            time_ms = reading.newest_ms() - 1
        else:
            time_ms = self._buffer.time_ms(taken, self._settings.timer_grace_ms)
        time_ms = max(min(time_ms, now_ms), self._head.time_ms)
        hold_ms = self._hold()
        if not taken.records and self._head.next_due_ms > (time_ms if hold_ms is None else min(time_ms, hold_ms)):
            idle_ms = self._settings.idle_step_ms
            if idle_ms is None or clock != "wall" or time_ms - self._head.time_ms < idle_ms:
                return None
        plan = Plan(
            rev=self._head.rev,
            spans=taken.spans,
            time_ms=time_ms,
            now_ms=now_ms,
            clock=clock,
            rules_version=self._flow.rules.version,
            parameters_version=PRIOR if self._published is None else self._published.current(),
            due_limit=self._settings.due_limit,
            hold_ms=hold_ms,
        )
        return plan, reading

    def _nothing_to_do(self) -> bool:
        """Whether no look at the buffer could find a step: no record is here, and no time that it might tell is late enough. A quick
        answer, for a lane that has just done all that there was."""
        head, idle_ms = self._head, self._settings.idle_step_ms
        latest_ms = max(self._clock.now_ms(), head.time_ms)
        return self._buffer.empty and head.next_due_ms > latest_ms and (idle_ms is None or latest_ms - head.time_ms < idle_ms)

    async def _wait(self) -> None:
        """Until something arrives or a timer may be due; now and then the head is compared, as a store that was rolled back tells
        nobody."""
        now_ms = self._clock.now_ms()
        if now_ms - self._compared_ms >= self._settings.compare_ms:
            head = await self._store.head(self.partition)
            if head is None or head.owner != self._head.owner or head.rev != self._head.rev:
                raise Fenced("the head moved while the lane was idle")
            self._compared_ms = now_ms
        until_ms = now_ms + self._settings.compare_ms
        hold_ms = self._hold()
        if self._head.next_due_ms < NEVER_MS and (hold_ms is None or self._head.next_due_ms <= hold_ms):
            until_ms = min(until_ms, max(self._head.next_due_ms + self._settings.timer_grace_ms, now_ms + 100))
        await self._source.wait(until_ms)

    def _fill(self) -> None:
        for batch in self._source.take():
            self._buffer.add(batch)

    def _remember(self, outcome: Outcome) -> None:
        """The cache holds what the store holds; oldest entries leave when it is full."""
        cache = self._cache
        for key, blob in outcome.users.items():
            if blob is None:
                cache.pop(key, None)
            else:
                cache[key] = blob
        excess = len(cache) - self._settings.cache_users
        if excess > 0:
            for key in list(cache)[:excess]:
                del cache[key]

    def _first_head(self, owner: str, bounds: Mapping[str, Bounds]) -> Head:
        """A head for a partition that has none: from the beginning of every log."""
        positions = {topic: bound.start for topic, bound in bounds.items()}
        gone = [topic for topic, start in positions.items() if start > 0]
        if gone and self._settings.on_gap != "continue":
            raise MissingHistory(
                f"partition {self.partition} has no state in the store, and the log of {gone[0]} begins at offset {positions[gone[0]]}: "
                "what came before cannot be counted again. Restore the store from a backup, or set `on_gap: continue` to go on without it"
            )
        return Head(
            partition=self.partition, owner=owner, rev=0, positions=positions, plan=None, time_ms=-1, clock="wall", guards={}, fates={}
        )

    async def _mend(self, head: Head, bounds: Mapping[str, Bounds]) -> Head:
        """The head fits the log: topics that it does not know begin at their beginning, and gaps are stepped over where `on_gap`
        allows it."""
        if head.plan is None:
            positions = {topic: head.positions.get(topic, 0) for topic in bounds}
        else:  # a found plan is executed first; new topics join when the lane opens the next time
            positions = dict(head.positions)
        reach = positions | _reach(head)
        for topic, at in positions.items():
            bound = bounds[topic]
            if bound.start <= at and reach[topic] <= bound.end:
                continue
            if self._settings.on_gap != "continue":
                what = f"begins at {bound.start}" if at < bound.start else f"ends at {bound.end}"
                raise MissingHistory(
                    f"partition {self.partition} of {topic}: the state is at offset {at}, but the log {what}. "
                    "Restore the log or the store, or set `on_gap: continue` to go on from there"
                )
            positions[topic] = min(max(at, bound.start), bound.end)
        return head if positions == head.positions else await self._store.move(head, positions)


def _reach(head: Head | None) -> dict[str, int]:
    """How far the logs were read for `head`, and for the step that it has begun."""
    if head is None:
        return {}
    return dict(head.positions) if head.plan is None else head.positions | {topic: to for topic, (_, to) in head.plan.spans.items()}
