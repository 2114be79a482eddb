"""A world in which everything that can go wrong does, by seed: logs, fetches, a store that loses answers, a producer that fails,
workers that die or oversleep.

The real lane, buffer and flow run in it. A lane is a coroutine that this world drives by hand: every `await` of a port is a point
where the lane may be
killed, be overtaken, or sleep. There is no event loop and no clock but `World.now`, so a seed is a history.
"""

import contextlib
import random
import types
from collections import Counter
from collections.abc import Callable, Coroutine, Generator, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

from streams.core.identity import home_partition
from streams.core.learning import decode_learned, publication
from streams.core.parameters import Parameters, encode_parameters
from streams.core.record import PRIOR, Head, LogRecord, Outcome, Output, Plan
from streams.core.rules import DAY_MS, Rules
from streams.errors import ReplyLost
from streams.flow import Flow
from streams.shell.lane import Lane, LaneSettings
from streams.shell.ports import Batch, Bounds, Caught, Loaded
from tests.memory_store import MemoryStore

T = TypeVar("T")

#: The world's unit of time. Four of them are a day, so that silences of days need few steps.
TICK_MS = DAY_MS // 4
#: Where time starts: a midnight in 2026.
START_MS = 20_500 * DAY_MS
GRACE_TICKS = 2


class Variant(NamedTuple):
    """What the world is built of; a planted bug replaces one part."""

    lane: type[Lane] = Lane
    flow: Callable[[Rules], Flow] = Flow
    store: type[MemoryStore] = MemoryStore
    rollback: bool = False
    #: Share of events that are produced on a partition that is not their home.
    stray: float = 0.3
    #: Share of records that cannot be read, or are replays of such.
    dead: float = 0.12
    #: Share of events with an anonymous id; every third of them is a log-in.
    anonymous: float = 0.36
    #: Share of events that say that two known users are one, in the histories where that is allowed.
    alias: float = 0.15


@types.coroutine
def pause() -> Generator[None, None, None]:
    """A point at which anything may happen."""
    yield


def finish(coroutine: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine that never suspends."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        return done.value  # type: ignore[no-any-return]
    raise AssertionError("it suspended")


class World:
    """Logs, store and everything in flight. `faulty` ends when the world calms down for the last stretch."""

    def __init__(self, seed: int, rules: Rules, variant: Variant) -> None:
        self.seed, self.random, self.rules, self.variant = seed, random.Random(seed), rules, variant
        self.now, self.incarnation, self.serial = 100, 0, 0
        self.faulty = True
        self.stat: Counter[str] = Counter()
        self.logs: dict[tuple[str, int], list[LogRecord]] = {(t, p): [] for t in rules.topics.inputs for p in range(rules.partitions)}
        self.broker_skew = {place: self.random.choice((0, -1)) for place in self.logs}
        self.said: list[tuple[Output, bool]] = []  # (output, said by a lane that no longer owned the partition)
        self.late: list[Callable[[], bool]] = []  # writes and requests still on the wire; True: there is more of it
        self.store = variant.store(rules.app_id)
        self.chain: dict[int, list[Plan]] = {p: [] for p in range(rules.partitions)}
        self.snapshots: list[tuple[Any, dict[int, int]]] = []
        self.published: dict[str, Parameters] = {}

    def ms(self, tick: int) -> int:
        return START_MS + tick * TICK_MS

    def append(self, topic: str, partition: int, key: bytes | None, value: bytes | None, headers: Sequence[tuple[str, bytes]]) -> LogRecord:
        log = self.logs[topic, partition]
        entry = LogRecord(topic, partition, len(log), self.ms(self.now + self.broker_skew[topic, partition]), key, value, tuple(headers))
        log.append(entry)
        return entry

    def emit(self, output: Output, partition: int, owner: str) -> None:
        """The broker has accepted an output."""
        if (output.topic, output.partition) in self.logs:
            self.append(output.topic, output.partition, output.key, output.value, output.headers)
        head = finish(self.store.head(partition))
        zombie = head is None or head.owner != owner
        self.stat["zombie copies"] += zombie
        self.said.append((output, zombie))

    def publish(self) -> None:
        """What the partitions have learned so far is merged and published, or something by chance while that is too little; every version
        stays."""
        heads = [self.store.peek(p) for p in range(self.rules.partitions)]
        parts = [decode_learned(head.learned, self.rules) for head in heads if head is not None]
        found = publication(self.rules, parts, self.ms(self.now)) if parts else None
        if found is None:
            draw = self.random.choice
            version = f"by chance {len(self.published)}"
            found = Parameters(version, self.ms(self.now), draw((1.0, 3.0)), draw((2.0, 4.0)), draw((0.75, 0.85)), 0.7)
        if found.version not in self.published:
            self.published[found.version] = found
            self.stat["publications"] += 1

    def snapshot(self) -> None:
        if self.variant.rollback:
            self.snapshots.append((self.store.snapshot(), {p: len(c) for p, c in self.chain.items()}))

    def roll_back(self) -> None:
        """Redis comes back as it was some writes ago; connections are new."""
        if not self.snapshots:
            return
        self.incarnation += 1
        self.stat["rollbacks"] += 1
        del self.snapshots[max(1, len(self.snapshots) - self.random.randint(0, 9)) :]
        image, lengths = self.snapshots[-1]
        self.store.restore(image)
        for partition, length in lengths.items():
            del self.chain[partition][length:]


class WorldStore:
    """The store as a lane sees it: an answer may be lost, and a write may arrive long after its sender has given up."""

    def __init__(self, world: World) -> None:
        self.world, self.incarnation = world, world.incarnation

    async def _call(self, script: Callable[[], Coroutine[Any, Any, T]]) -> T:
        world, incarnation = self.world, self.incarnation
        await pause()
        if incarnation != world.incarnation:
            self.incarnation = world.incarnation
            raise ReplyLost("the store came back as another")
        chance = world.random.random() if world.faulty else 1.0
        if chance < 0.03:
            _quietly(script)
        elif 0.05 <= chance < 0.08:
            world.late.append(lambda: incarnation == world.incarnation and _quietly(script))
        if chance < 0.08:
            world.stat["lost replies"] += 1
            raise ReplyLost("no answer")
        return await script()

    async def open(self, partition: int, owner: str) -> Head | None:
        return await self._call(lambda: self.world.store.open(partition, owner))

    async def create(self, head: Head) -> Head:
        return await self._call(lambda: self.world.store.create(head))

    async def head(self, partition: int) -> Head | None:
        return await self._call(lambda: self.world.store.head(partition))

    async def move(self, head: Head, positions: Mapping[str, int]) -> Head:
        return await self._call(lambda: self.world.store.move(head, positions))

    async def plan(self, head: Head, plan: Plan, keys: Sequence[str]) -> Loaded:
        async def script() -> Loaded:
            loaded = await self.world.store.plan(head, plan, keys)
            self.world.snapshot()
            return loaded

        return await self._call(script)

    async def save(self, head: Head, plan: Plan, outcome: Outcome) -> Head:
        async def script() -> Head:
            after = await self.world.store.save(head, plan, outcome)
            self.world.chain[head.partition].append(plan)
            self.world.snapshot()
            return after

        return await self._call(script)


def _quietly(script: Callable[[], Coroutine[Any, Any, Any]]) -> bool:
    """Runs a write whose answer nobody waits for."""
    with contextlib.suppress(Exception):  # refused: nobody is told
        finish(script())
    return False


class WorldSource:
    """The fetcher of one lane. It fetches ahead; a seek does not clear what is queued or on the wire."""

    def __init__(self, world: World, partition: int, skew: int) -> None:
        self.world, self.partition, self.skew = world, partition, skew
        self.topics = world.rules.topics.inputs
        self.epoch = 0
        self.fetched = dict.fromkeys(self.topics, 0)
        self.wire: dict[str, tuple[int, int, int]] = {}
        self.queue: list[Batch] = []
        self.seen: dict[str, Caught] = {}
        self.idle = False

    def fetch(self) -> None:
        """Sends a request for one topic, or takes in its answer."""
        world, topic = self.world, self.world.random.choice(self.topics)
        if topic not in self.wire:
            self.wire[topic] = (self.epoch, self.fetched[topic], world.ms(world.now + self.skew))
            return
        epoch, start, sent_ms = self.wire.pop(topic)
        log = world.logs[topic, self.partition]
        records = log[start : start + world.random.randint(1, 5)]
        end = start + len(records)
        if records:
            self.queue.append(Batch(topic, start, end, epoch, records))
        if epoch == self.epoch:
            self.fetched[topic] = end
            self.seen[topic] = Caught(len(log), sent_ms)

    async def bounds(self, at_least: Mapping[str, int]) -> Mapping[str, Bounds]:
        await pause()
        return {topic: Bounds(0, len(self.world.logs[topic, self.partition])) for topic in self.topics}

    async def seek(self, positions: Mapping[str, int]) -> int:
        await pause()
        self.epoch += 1
        self.fetched, self.seen = dict(positions), {}
        return self.epoch

    def take(self) -> Sequence[Batch]:
        n = self.world.random.randint(0, len(self.queue))
        taken, self.queue = self.queue[:n], self.queue[n:]
        return taken

    def caught(self) -> Mapping[str, Caught]:
        return self.seen

    async def wait(self, until_ms: int) -> None:
        self.idle = not self.queue
        await pause()
        self.idle = False

    def saved(self, positions: Mapping[str, int]) -> None:
        pass


class WorldPublisher:
    """The producer of one lane: order per topic-partition is kept, everything else is up to the seed. A failed producer sends again
    from anywhere."""

    def __init__(self, world: World, lane: Callable[[], Lane]) -> None:
        self.world, self.lane = world, lane
        self.flight: list[list[Output]] = []

    async def publish(self, outputs: Sequence[Output]) -> None:
        world, owner = self.world, self.lane().head.owner
        queues: dict[tuple[str, int], list[Output]] = {}
        for output in outputs:
            queues.setdefault((output.topic, output.partition), []).append(output)
        sent = dict.fromkeys(queues, 0)
        self.flight = list(queues.values())
        while open_queues := [k for k in queues if sent[k] < len(queues[k])]:
            k = world.random.choice(open_queues)
            world.emit(queues[k][sent[k]], self.lane().partition, owner)
            sent[k] += 1
            self.flight = [queues[k][sent[k] :] for k in queues]
            if world.faulty and world.random.random() < 0.06:
                sent = {k: world.random.randint(0, n) for k, n in sent.items()}
                world.stat["producer failures"] += 1
            if world.random.random() < 0.8:
                await pause()
        self.flight = []


class WorldPublished:
    """The published parameters as one lane sees them: now and then it looks for a newer version."""

    def __init__(self, world: World, flow: Flow) -> None:
        self.world, self.flow, self.version = world, flow, PRIOR

    def current(self) -> str:
        if self.world.published and self.world.random.random() < 0.3:
            self.version, parameters = list(self.world.published.items())[-1]
            self.flow.know(parameters)
        return self.version

    async def keep(self) -> None:
        await pause()

    async def read(self, version: str) -> bytes | None:
        await pause()
        self.world.stat["parameters read for a found plan"] += 1
        return encode_parameters(self.world.published[version])


class WorldLane:
    """A lane with its ports, and the coroutine that the world drives."""

    def __init__(self, world: World, partition: int, skew: int) -> None:
        self.world, self.asleep_until = world, 0
        self.source = WorldSource(world, partition, skew)
        self.publisher = WorldPublisher(world, lambda: self.lane)
        flow = world.variant.flow(world.rules)
        self.lane = world.variant.lane(
            partition,
            source=self.source,
            store=WorldStore(world),
            publisher=self.publisher,
            clock=self,
            flow=flow,
            settings=LaneSettings(
                max_batch_records=world.random.randint(1, 5),
                due_limit=2,
                timer_grace_ms=GRACE_TICKS * TICK_MS,
                compare_ms=3 * TICK_MS,
                cache_users=world.random.choice((1, 3, 100)),
                idle_step_ms=(None, TICK_MS, 9 * TICK_MS)[world.seed % 3],
            ),
            hold=self._hold,
            new_owner=self._owner,
            published=WorldPublished(world, flow),
        )
        self.skew = skew
        self.running = self.lane.run()

    def now_ms(self) -> int:
        return self.world.ms(self.world.now + self.skew)

    def _hold(self) -> int | None:
        """In some histories timers are held now and then, each worker hearing of it in its own time."""
        world = self.world
        phase = (world.now + self.skew) % 40
        return world.ms(world.now - phase) if world.faulty and world.seed % 2 and phase < 15 else None

    def _owner(self) -> str:
        self.world.serial += 1
        return f"o{self.world.serial}"

    def go_on(self) -> bool:
        """The lane runs to its next await; False when it has ended."""
        try:
            self.running.send(None)
        except StopIteration:
            return False
        return True

    def kill(self) -> None:
        """The process dies. Requests already on the wire still arrive, in order, as a prefix."""
        world = self.world
        if any(self.publisher.flight):
            world.stat["kills mid-publish"] += 1
            partition, owner = self.lane.partition, self.lane.head.owner
            for queue in self.publisher.flight:
                if queue and world.random.random() < 0.5:
                    world.late.append(_sender(world, queue[: world.random.randint(1, len(queue))], partition, owner))
        world.stat["kills"] += 1
        world.stat["found plans"] += self.lane.found
        world.stat["fenced"] += self.lane.fenced
        self.lane.found = self.lane.fenced = 0
        self.running.close()


def _sender(world: World, queue: list[Output], partition: int, owner: str) -> Callable[[], bool]:
    """Delivers one output a call; True while there is more."""

    def send() -> bool:
        world.emit(queue.pop(0), partition, owner)
        return bool(queue)

    return send


def home(world: World, raw_id: str) -> int:
    return home_partition(raw_id, world.rules.partitions)
