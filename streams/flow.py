"""THE MAIN FLOW, pure: `read` says what the records are, `step` says what they do to users and what leaves because of them.

A step depends on nothing but its arguments, so the same plan, records and states give the same outcome to the byte: on another worker,
after a crash, in a test.
"""

from collections.abc import Callable, Mapping, Sequence

import msgspec

from streams.core.alert import Alert, alert_record
from streams.core.deadletter import dead_letter, origin_of
from streams.core.envelope import Envelope, rfc3339
from streams.core.event import WALL_CLOCK, Decoder
from streams.core.headers import DEAD_ORIGIN, REROUTE_FROM, header
from streams.core.identity import home_partition
from streams.core.record import FATES, NEVER_MS, Event, Fate, Head, Outcome, Output, Plan, Record, Rejected
from streams.core.reroute import already_sent, hops_of, rerouted
from streams.core.rules import DAY_MS, Rules
from streams.core.score import score_record
from streams.core.user import Turn, User
from streams.errors import StreamsError

__all__ = ["Flow", "Fold", "Reading"]

_AS_OF = b',"as_of":"'

Decoded = Event | Rejected | object
Item = tuple[Record, Event]
#: `User.fold`.
Fold = Callable[..., int]

#: Prefix of the rows that remember replayed dead letters: no user key holds a control character.
_MARKER = "\x01dead:"
#: As long as a letter is kept and can be replayed (14 d), and as a replay can lie in the rerouted topic before it is read (30 d).
_MARKER_TTL_MS = 45 * DAY_MS

_TURN_CAUSE = {Turn.CHURN_ON: "silence", Turn.DROP_ON: "silence", Turn.CHURN_OFF: "came_back", Turn.DROP_OFF: "came_back"}
_EVENT_TURNS = (Turn.CHURN_OFF, Turn.DROP_OFF)  # only silence raises
_SCORE_CAUSE = ("", "event", "band", "interval")


class Reading(msgspec.Struct, frozen=True):
    """The records of a step in lane order, side by side with what they say.

    says   an event, why it is none, or a control
    homes  the partition that the event's user lives on; -1 where there is no event
    keys   the rows whose state the step needs, each once
    """

    records: Sequence[Record]
    says: Sequence[Decoded]
    homes: Sequence[int]
    keys: Sequence[str]

    def clock(self, before: str) -> str:
        """What moves partition time after these records: "event" in a replay, "wall" otherwise; records without an event do not change
        it."""
        for what in reversed(self.says):
            if what is WALL_CLOCK:
                return "wall"
            if isinstance(what, Event):
                return "event" if what.event_clock else "wall"
        return before

    def newest_ms(self) -> int:
        """The newest time of the events that move partition time themselves; -1 when there is none."""
        return max((what.at_ms for what in self.says if isinstance(what, Event) and what.event_clock), default=-1)


class Flow:
    """The rules, compiled once, with the one scratch user that every fold works in."""

    def __init__(self, rules: Rules, wrap: Callable[[Fold], Fold] | None = None) -> None:
        """`wrap` stands around the fold of each event: a planted fault, in tests of bad deploys."""
        self.rules = rules
        self._decoder = Decoder(rules)
        self._user = User(rules)
        self._fold_event: Fold = wrap(self._user.fold) if wrap else self._user.fold
        self._inputs = {topic: index for index, topic in enumerate(rules.topics.inputs)}
        self._envelopes = {kind: Envelope(f"engagement.{kind}.v1", f"/{rules.app_id}") for kind in ("score", "alert", "journal")}

    def read(self, records: Sequence[Record], partition: int) -> Reading:
        """Says what each record is, and which rows a step over them needs."""
        says = self._decoder.decode(records)
        homes: list[int] = []
        keys: dict[str, None] = {}
        partitions, rerouted_topic = self.rules.partitions, self.rules.topics.rerouted
        for record, what in zip(records, says, strict=True):
            if not isinstance(what, Event):
                homes.append(-1)
                continue
            home = home_partition(what.raw_id, partitions)
            homes.append(home)
            if home == partition:
                keys[what.user] = None
                if record.topic == rerouted_topic and header(record, DEAD_ORIGIN):
                    keys[_marker(record)] = None
        return Reading(records, says, homes, list(keys))

    def step(self, plan: Plan, reading: Reading, head: Head, users: Mapping[str, bytes | None], due: Sequence[str]) -> Outcome:
        """What one plan does: records first, each to its fate, then the users that are due.

        `users` holds the states of `reading.keys` and of `due`, as the store had them when it accepted the plan.
        Raises only errors of ours that must stop the worker (`UnknownStateVersion`).
        """
        return _Step(self, plan, head, users).run(reading, due)


class _Step:
    """One step while it is being taken."""

    def __init__(self, flow: Flow, plan: Plan, head: Head, users: Mapping[str, bytes | None]) -> None:
        self.rules, self.user, self.inputs, self.envelopes = flow.rules, flow._user, flow._inputs, flow._envelopes
        self.fold_event = flow._fold_event
        self.plan, self.head, self.partition, self.loaded = plan, head, head.partition, users
        self.users: dict[str, bytes | None] = {}
        self.due: dict[str, int | None] = {}
        self.outputs: list[Output] = []
        self.fates = [0] * len(FATES)
        self.guards = dict(head.guards)
        self.rejects: dict[str, int] = {}
        self.entry_ms = NEVER_MS  # of the loaded user: where the store's queue has it

    def run(self, reading: Reading, due: Sequence[str]) -> Outcome:
        for key, items in self._route(reading).items():
            self._fold_user(key, items)
        for key in due:
            self._wake_user(key)
        self.outputs.append(self._journal())
        return Outcome(self.users, self.due, self.outputs, self.fates, self.guards, self.rejects)

    # -- records ------------------------------------------------------------------------------------------------

    def _route(self, reading: Reading) -> dict[str, list[Item]]:
        """Gives every record that is not folded its fate, and groups the others by user: within a user the order stays, between users
        it says nothing."""
        groups: dict[str, list[Item]] = {}
        rerouted_topic = self.rules.topics.rerouted
        for record, what, home in zip(reading.records, reading.says, reading.homes, strict=True):
            if record.topic == rerouted_topic and self._seen(record, what):
                self.fates[Fate.DUPLICATE] += 1
            elif isinstance(what, Rejected):
                self._reject(record, what, "decode")
            elif not isinstance(what, Event):
                self.fates[Fate.CONTROL] += 1
            elif home != self.partition:
                self._reroute(record, home)
            elif record.topic == rerouted_topic and self._replayed_before(record):
                self.fates[Fate.DUPLICATE] += 1
            else:
                group = groups.get(what.user)
                if group is None:
                    groups[what.user] = [(record, what)]
                else:
                    group.append((record, what))
        return groups

    def _seen(self, record: Record, what: Decoded) -> bool:
        """Whether this sending was accepted before, whoever repeats it."""
        return already_sent(record, self.guards)

    def _reroute(self, record: Record, home: int) -> None:
        if hops_of(record) >= self.rules.limits.reroute_hops:
            self._reject(record, Rejected("limit", f"$headers.{REROUTE_FROM}"), "route")
            return
        self.fates[Fate.REROUTED] += 1
        self.outputs.append(rerouted(record, self.rules.topics.rerouted, home))

    def _replayed_before(self, record: Record) -> bool:
        """Whether this dead letter was replayed before; remembers it when not."""
        if header(record, DEAD_ORIGIN) is None:
            return False
        marker = _marker(record)
        if marker in self.users or self.loaded.get(marker) is not None:
            return True
        self.users[marker] = b"\x00"
        self.due[marker] = max(self.plan.now_ms, self.plan.time_ms) + _MARKER_TTL_MS
        return False

    def _forget_replay(self, record: Record) -> None:
        """A replayed dead letter that is refused again may be replayed once more, when the rule is mended."""
        if header(record, DEAD_ORIGIN) is not None:
            self.users.pop(_marker(record), None)
            self.due.pop(_marker(record), None)

    def _reject(self, record: Record, why: Rejected, stage: str) -> None:
        self.fates[Fate.REJECTED] += 1
        self.rejects[why.reason] = self.rejects.get(why.reason, 0) + 1
        self.outputs.append(dead_letter(record, why, self.rules.topics.dead, self.partition, stage))

    # -- users ---------------------------------------------------------------------------------------------------

    def _fold_user(self, key: str, items: list[Item]) -> None:
        """Folds a user's events. A record whose rule raises is rejected, and the user folded again from the stored state without it."""
        while items:
            said, fates = len(self.outputs), list(self.fates)
            self.user.load(key, self.loaded.get(key))
            self.entry_ms = self.user.entry_ms
            broken = self._fold(items)
            if broken is None:
                self._keep(key)
                return
            del self.outputs[said:]
            self.fates = fates
            self.users.pop(key, None)
            self.due.pop(key, None)
            self._reject(broken[0], Rejected("rule_error"), "fold")
            self._forget_replay(broken[0])
            items = [item for item in items if item is not broken]

    def _fold(self, items: list[Item]) -> Item | None:
        """Folds `items` into the loaded user; the first one whose rule raised, or None."""
        user, each = self.user, self.rules.emit.mode == "event"
        time_ms, inputs, fates, fold = self.plan.time_ms, self.inputs, self.fates, self.fold_event
        counted = False
        for item in items:
            record, event = item
            try:
                # What fell due before this event fires first, as if a sweep had just passed: a later event does not cancel it,
                # whatever the batching.
                # Never beyond the plan's time, up to which nothing unread can still contradict it.
                bound_ms = min(time_ms, (event.at_ms if event.event_clock else record.timestamp) - 1)
                if user.due_ms <= bound_ms:
                    self._turn(bound_ms)
                fate = fold(event.type_id, event.at_ms, event.id_hash, event.amount, inputs[record.topic], record.partition, record.offset)
                fates[fate] += 1
                if fate == Fate.COUNTED:
                    counted = True
                    if user.turns:
                        self._event_turns(event.at_ms)
                    if each:
                        self._score("event", user.newest_ms)
            except StreamsError:
                raise
            except Exception:  # the one place that may: a rule that raises costs one record, not the partition
                return item
        if counted and not each:
            cause = "event" if self.rules.emit.mode == "step" else _SCORE_CAUSE[user.emission(user.newest_ms)]
            if cause:
                self._score(cause, user.newest_ms)
        return None

    def _wake_user(self, key: str) -> None:
        """Looks at a user whose entry in the queue of due times has come: the entry may be early, it is never late."""
        if key.startswith(_MARKER):
            self.users[key], self.due[key] = None, None
            return
        blob = self.users[key] if key in self.users else self.loaded.get(key)
        if blob is None:
            self.due.setdefault(key, None)
            return
        self.user.load(key, blob)
        self.entry_ms, self.due[key] = NEVER_MS, None  # the entry is being used up
        if self.user.due_ms > self.plan.time_ms or self._turn(self.plan.time_ms):
            self._keep(key)

    def _keep(self, key: str) -> None:
        """The user's new state is in the outcome, and an entry in the queue where the due time moved before the one that is there."""
        user = self.user
        if user.due_ms < self.entry_ms:
            self.due[key] = self.entry_ms = user.due_ms
        user.entry_ms = self.entry_ms
        blob = user.dump()
        if key in self.users or blob != self.loaded.get(key):
            self.users[key] = blob

    # -- what is said --------------------------------------------------------------------------------------------

    def _turn(self, bound_ms: int) -> bool:
        """Applies every timer of the loaded user up to `bound_ms`, in order; one score at the last of them. False when the user has
        expired."""
        user, last_ms = self.user, 0
        while turn := user.turn(bound_ms):
            last_ms = user.turn_ms
            if turn == Turn.EXPIRED:
                self._expire(last_ms)
                return False
            if turn != Turn.BAND:
                self._alert(turn, last_ms, _TURN_CAUSE[turn])
        if last_ms:
            self._score("timer", last_ms)
        return True

    def _expire(self, at_ms: int) -> None:
        """The user's state is gone, with a tombstone on the compacted topic; what was firing is resolved."""
        user, key = self.user, self.user.key
        for rule, turn in ((0, Turn.CHURN_OFF), (1, Turn.DROP_OFF)):
            if user.alert(rule).firing:
                self._alert(turn, at_ms, "expired")
        self.outputs.append(Output(self.rules.topics.scores, self.partition, key.encode(), None, (), self._dated(at_ms)))
        self.users[key], self.due[key], self.entry_ms = None, None, NEVER_MS
        user.load(key, None)

    def _event_turns(self, at_ms: int) -> None:
        for turn in _EVENT_TURNS:
            if self.user.turns & turn:
                self._alert(turn, at_ms, _TURN_CAUSE[turn])

    def _alert(self, turn: int, at_ms: int, cause: str) -> None:
        alert: Alert = alert_record(self.user, self.rules, turn, at_ms=at_ms, cause=cause, rev=self.plan.rev, now_ms=self.plan.now_ms)
        key = self.user.key.encode()
        headers = self.envelopes["alert"].headers(alert.ident, key, rfc3339(at_ms).encode())
        self.outputs.append(Output(self.rules.topics.alerts, self.partition, key, alert.value, headers, self._dated(at_ms)))

    def _score(self, cause: str, as_of_ms: int) -> None:
        user = self.user
        due_ms = as_of_ms if cause == "timer" else None
        ident, value = score_record(user, self.rules, cause=cause, as_of_ms=as_of_ms, due_ms=due_ms, rev=self.plan.rev)
        if self.rules.emit.mode == "meaningful":  # the other modes never ask what was said last
            user.emitted(as_of_ms)
        key = user.key.encode()
        at = value.index(_AS_OF) + len(_AS_OF)  # spelled already
        headers = self.envelopes["score"].headers(ident, key, value[at : at + len("2026-01-31T08:00:00.000Z")])
        self.outputs.append(Output(self.rules.topics.scores, self.partition, key, value, headers, as_of_ms))

    def _dated(self, at_ms: int) -> int:
        """CreateTime of a record on a topic that deletes by age: Kafka would drop an older one minutes after it was written."""
        return max(at_ms, self.plan.now_ms - DAY_MS)

    def _journal(self) -> Output:
        """One line for each step: the order in which things were done, for audits, and for replays of a store that was rolled back."""
        line = {
            "rev": self.plan.rev,
            "owner": self.head.owner,
            "plan": self.plan,
            "fates": {name: n for name, n in zip(FATES, self.fates, strict=True) if n},
        }
        key = str(self.partition).encode()
        headers = self.envelopes["journal"].headers(f"{self.partition}:{self.plan.rev}", key, rfc3339(self.plan.now_ms).encode())
        return Output(self.rules.topics.journal, self.partition, key, msgspec.json.encode(line), headers)


def _marker(record: Record) -> str:
    return _MARKER + "/".join(origin_of(record))
