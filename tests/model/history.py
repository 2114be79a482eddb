"""One random history by seed: what is produced, when workers die, sleep and lose partitions, and when the world comes to rest."""

from typing import NamedTuple

import msgspec

from streams.core.account import ROW
from streams.core.envelope import rfc3339
from streams.core.headers import REROUTE_ERRAND
from streams.core.rules import Alerts, Catalogue, Churn, Drop, Emit, EventType, Learning, Limits, Rules, Scoring
from tests.model.world import START_MS, Variant, World, WorldLane, home

USERS = ("ann", "bob", "cem", "dan", "eve")
GROUP = EventType(id=14, name="group", weight=0.0)
#: Devices on which their owners browse before they log in, and one on which two log in.
DEVICES = {"d1": ("ann",), "d2": ("bob",), "d3": ("ann",), "lib": ("cem", "dan")}
#: Steps of the world after which a history that has not come to rest is stuck.
MAX_STEPS = 14_000
#: Ticks of silence at the end: every user who can be alerted has been by then.
SILENCE_TICKS = 100


class Sent(NamedTuple):
    """One event as its client meant it: counted once, however often it is resent. `device`: the anonymous id; with a user beside it, the
    user logs in there. `previous`: another user whom this one says to be."""

    message_id: str
    user: str
    tick: int
    device: str = ""
    previous: str = ""

    @property
    def raw_id(self) -> str:
        return self.user or self.device


def model_rules(partitions: int, group_from: int = 0, *, allow_alias: bool = False) -> Rules:
    """Rules under which days of silence matter: a user seen twice is worth an alert after about a week."""
    return Rules(
        version="model",
        app_id="m",
        partitions=partitions,
        catalogue=Catalogue(
            types=(
                EventType(id=10, name="view", weight=1.0),
                EventType(id=11, name="order", weight=3.0),
                EventType(id=12, name="identify"),
                EventType(id=13, name="alias"),
                GROUP,
            )
        ),
        limits=Limits(allow_alias=allow_alias),
        scoring=Scoring(half_life_days=4.0, a_ref=2.0),
        churn=Churn(horizon_days=3.0, m0_days=3.0, theta_on=0.8, theta_off=0.7, min_active_days=1, engaged_gap_days=40.0, rearm_days=0.5),
        drop=Drop(h_on=1.2, h_off=0.9, min_active_days=2, rearm_days=0.5),
        alerts=Alerts(group_from=group_from),
        emit=Emit(min_delta=5.0),
        learning=Learning(sample_one_in=1, min_active_days=1, min_labels=1),
    )


class Worker:
    """A process: it learns its assignment late, and its old lanes may go on as zombies."""

    def __init__(self, world: World) -> None:
        self.skew = world.random.choice((0, -1))
        self.view: set[int] = set()
        self.lanes: dict[int, WorldLane] = {}
        self.zombies: list[WorldLane] = []

    def everything(self) -> list[WorldLane]:
        return [*self.lanes.values(), *self.zombies]


class History:
    """Runs one seed to its rest. `sent` is what clients meant, `world` holds what came of it; `stuck` says that it never came to rest."""

    def __init__(self, seed: int, variant: Variant) -> None:
        self.seed = seed
        #: In half of the histories two known users may become one.
        rules = model_rules(2 + seed % 2, group_from=1 if seed % 5 == 4 else 0, allow_alias=seed % 4 >= 2)
        self.world = World(seed, rules, variant)
        self.random = self.world.random
        self.workers = [Worker(self.world) for _ in range(self.random.choice((2, 2, 3)))]
        self.assigned = {p: self.random.randrange(len(self.workers)) for p in range(self.world.rules.partitions)}
        self.sent: list[Sent] = []
        self.bad_records = 0
        self.replays: list[tuple[str, bytes, bytes]] = []
        self.produced, self.wanted = 0, self.random.randint(18, 34)
        #: Every third history: more sleep, moves and rollbacks.
        self.hot = 4 if seed % 3 == 2 else 1
        self.quiet_since: int | None = None
        self.stuck, self.drained = True, False

    def run(self) -> "History":
        for worker in self.workers:
            self._look(worker)
        for step in range(1, MAX_STEPS):
            if step == 1200 or (step > 450 and self.produced >= self.wanted and self.world.faulty and self.random.random() < 0.01):
                self.world.faulty = False
            self._happen(step)
            if not self.world.faulty and step % 20 == 0 and self._at_rest():
                self.stuck = False
                break
        for worker in self.workers:
            for lane in worker.everything():
                self.world.stat["found plans"] += lane.lane.found
                self.world.stat["fenced"] += lane.lane.fenced
                lane.running.close()
        return self

    # -- what happens --------------------------------------------------------------------------------------------

    def _happen(self, step: int) -> None:
        world, random = self.world, self.random
        if random.random() < 0.01 and len(world.published) < 8:
            world.publish()
        x = random.random()
        if self.produced < self.wanted and x < 0.06:
            self.produced += 1
            self._produce()
        # What is on its way waits behind the days that are told meanwhile: they must not come faster than the slowest lane reads.
        elif x < (0.10 if world.faulty or self.drained else 0.03) or (x < 0.13 and self.drained):
            world.now += random.randint(1, 2)
        elif x < 0.15 and world.late:
            self._arrive(random.randrange(len(world.late)))
        elif x < 0.135 + 0.005 * self.hot and world.faulty:
            self.assigned[random.randrange(world.rules.partitions)] = random.randrange(len(self.workers))
        elif x < 0.175:
            self._look(random.choice(self.workers))
        elif x < 0.183 + 0.002 * self.hot and world.faulty and world.variant.rollback:
            world.roll_back()
        else:
            self._work(step, random.randrange(len(self.workers)))

    def _work(self, step: int, index: int) -> None:
        world, random, worker = self.world, self.random, self.workers[index]
        lanes = worker.everything()
        if not lanes:
            return
        lane = random.choice(lanes)
        y = random.random() * (8 if lane.source.idle else 1)
        if lane.asleep_until > step and world.faulty:
            if self.seed % 2:
                lane.source.fetch()  # a stalled lane whose fetcher goes on; otherwise the whole process is stopped
        elif world.faulty and y < 0.012:
            for each in lanes:
                each.kill()
            self.workers[index] = Worker(world)
            self._look(self.workers[index])
        elif world.faulty and y < 0.012 + 0.012 * self.hot:
            lane.asleep_until = step + random.randint(20, 300)
            if world.variant.rollback and random.random() < 0.4:
                world.roll_back()
        elif random.random() < 0.35:
            lane.source.fetch()
        elif not lane.go_on() and lane in worker.zombies:
            worker.zombies.remove(lane)

    def _arrive(self, index: int) -> None:
        request = self.world.late.pop(index)
        if request():
            self.world.late.insert(index, request)

    def _look(self, worker: Worker) -> None:
        """The worker learns its assignment."""
        world, number = self.world, self.workers.index(worker)
        worker.view = {p for p, owner in self.assigned.items() if owner == number}
        for p in list(worker.lanes):
            if p not in worker.view:
                lane = worker.lanes.pop(p)
                lane.lane.stop()
                if self.random.random() < 0.6:
                    lane.kill()
                else:
                    worker.zombies.append(lane)
        for p in sorted(worker.view - set(worker.lanes)):
            worker.lanes[p] = WorldLane(world, p, worker.skew)

    # -- what is produced ----------------------------------------------------------------------------------------

    def _produce(self) -> None:
        world, random = self.world, self.random
        chance = random.random()
        topic = random.choice(world.rules.topics.inputs[:2])
        if chance < world.variant.dead / 2:
            self.bad_records += 1
            entry = world.append(topic, random.randrange(world.rules.partitions), None, b"{", ())
            if random.random() < 0.7:
                sent = self._meant()
                self.replays.append((f"{entry.topic}/{entry.partition}/{entry.offset}", sent.raw_id.encode(), _event(world, sent)))
                self._replay()
            return
        if chance < world.variant.dead and self.replays:
            self._replay()
            return
        sent = self._meant()
        stray = random.random() < world.variant.stray
        partition = random.randrange(world.rules.partitions) if stray else home(world, sent.raw_id)
        world.append(topic, partition, sent.raw_id.encode(), _event(world, sent), ())
        if not stray and random.random() < 0.15:
            # The client never saw our answer. On another topic it might be read days later, when nobody remembers the first one.
            world.append(topic, partition, sent.raw_id.encode(), _event(world, sent), ())

    def _meant(self) -> Sent:
        user, device, previous, chance = self.random.choice(USERS), "", "", self.random.random()
        if self.world.rules.limits.allow_alias and self.random.random() < self.world.variant.alias:
            previous = self.random.choice([each for each in USERS if each != user])
        elif chance < self.world.variant.anonymous:
            device = self.random.choice(tuple(DEVICES))
            user = self.random.choice(DEVICES[device]) if chance < self.world.variant.anonymous / 3 else ""
        sent = Sent(f"e{len(self.sent)}", user, self.world.now, device, previous)
        self.sent.append(sent)
        return sent

    def _replay(self) -> None:
        """A dead letter is replayed, perhaps for the second time, perhaps on a partition that is not its home."""
        world, (origin, key, value) = self.world, self.random.choice(self.replays)
        world.append(
            world.rules.topics.rerouted, self.random.randrange(world.rules.partitions), key, value, (("dead-origin", origin.encode()),)
        )

    # -- rest ----------------------------------------------------------------------------------------------------

    def _at_rest(self) -> bool:
        """Everything is read and saved, nothing is on the wire, and time has gone on long enough for every silence to be heard."""
        world = self.world
        self.drained = self._drained()
        if not self.drained or not all(z.source.idle for w in self.workers for z in w.zombies):
            return False
        if self.quiet_since is None:
            self.quiet_since = world.now
        if world.now < self.quiet_since + SILENCE_TICKS:
            return False
        heads = [world.store.peek(p) for p in range(world.rules.partitions)]
        queues = [world.store.queue(p).items() for p in range(world.rules.partitions)]
        # Accounts are looked at every day, for ever.
        waited = all(at_ms > world.ms(world.now - 6) for queue in queues for key, at_ms in queue if not key.startswith(ROW))
        return waited and all(head is not None and head.plan is None for head in heads)

    def _drained(self) -> bool:
        """Everything that was produced is counted. Only then time runs fast: no lane lags behind by months."""
        world = self.world
        if self.produced < self.wanted or world.late:
            return False
        for p in range(world.rules.partitions):
            head = world.store.peek(p)
            if head is None:
                return False
            # That days are over is told for ever.
            unread = [entry for t in world.rules.topics.inputs for entry in world.logs[t, p][head.positions[t] :]]
            if any((REROUTE_ERRAND, b"over") not in entry.headers for entry in unread):
                return False
        return True


def _event(world: World, sent: Sent) -> bytes:
    who = {name: value for name, value in (("userId", sent.user), ("anonymousId", sent.device)) if value}
    last = sent.message_id[-1]
    call = "alias" if sent.previous else "identify" if len(who) == 2 else "group" if last in "59" else "track"
    return msgspec.json.encode(
        {
            "type": call,
            **({"groupId": f"firm-{len(sent.message_id) % 2}"} if call == "group" else {}),
            **({"previousId": sent.previous} if sent.previous else {}),
            "event": "order" if last == "3" else "view",
            "messageId": sent.message_id,
            **who,
            "timestamp": rfc3339(START_MS + (sent.tick - 1) * 21_600_000),
        }
    )
