# cython: language_level=3, annotation_typing=False
"""THE MAIN FLOW, pure: `read` says what the records are, `step` says what they do to users and what leaves because of them.

A step depends on nothing but its arguments, so the same plan, records and states give the same outcome to the byte: on another worker,
after a crash, in a test.
"""

from collections.abc import Callable, Mapping, Sequence

from streams.core.account import ROW
from streams.core.accountdesk import AccountDesk
from streams.core.business import Business
from streams.core.drift import Sampler
from streams.core.envelope import Envelope
from streams.core.errands import Errand, Forwarded, errand_of, forwarded, parted
from streams.core.event import Decoder
from streams.core.headers import DEAD_ORIGIN, header
from streams.core.identity import home_partition
from streams.core.learning import encode_learned
from streams.core.moved import is_moved
from streams.core.parameters import Parameters, prior
from streams.core.quality import Tally
from streams.core.reading import Decoded, Reading
from streams.core.record import FATES, NEVER_MS, PRIOR, Event, Head, Increments, Outcome, Plan, Record, Rejected
from streams.core.rules import Rules
from streams.core.state import State
from streams.core.step.kin import Kin
from streams.core.step.routes import MARKER, marker_of
from streams.core.step.says import CROWDS, Fold
from streams.core.ticks import Ticks
from streams.core.trackingplan import Misfit, compiled, marked
from streams.core.user import User

__all__ = ["Flow", "Fold", "Reading"]

#: Versions of parameters kept ready: the present one, and those of plans that were found.
_PARAMETERS_MAX = 8


class Flow:
    """The rules, compiled once, with the one scratch user that every fold works in."""

    def __init__(self, rules: Rules, wrap: Callable[[Fold], Fold] | None = None) -> None:
        """`wrap` stands around the fold of each event: a planted fault, in tests of bad deploys."""
        self.rules = rules
        self._decoder = Decoder(rules)
        self._tracking_plan = compiled(rules.tracking_plan)
        self._user, self._shipped = User(rules), State(rules)
        self._fold_event: Fold = wrap(self._user.fold) if wrap else self._user.fold
        self._ticks, self._sampler = Ticks(rules) if rules.site.enabled else None, Sampler(rules)
        self._business = Business(rules)
        self._inputs = {topic: index for index, topic in enumerate(rules.topics.inputs)}
        self._envelopes = {kind: Envelope(f"engagement.{kind}.v1", f"/{rules.app_id}") for kind in ("alert", "identity", "journal")}
        self._parameters = {PRIOR: prior(rules)}
        self._read_by = PRIOR

    def read(self, records: Sequence[Record], partition: int) -> Reading:
        """Says what each record is, and which rows a step over them needs."""
        says: list[Decoded] = [*self._decoder.decode(records)]
        marks = self._judge(records, says) if self._tracking_plan is not None else {}
        homes: list[int] = []
        keys: dict[str, None] = {}
        partitions, rerouted_topic = self.rules.partitions, self.rules.topics.rerouted
        for place, (record, what) in enumerate(zip(records, says, strict=True)):
            if record.topic == rerouted_topic:
                what = says[place] = self._sent(record, what, partition)
                if isinstance(what, Forwarded | Errand):
                    homes.append(-1)
                    if what.user:
                        keys[what.user] = None
                    continue
            if not isinstance(what, Event):
                homes.append(-1)
                continue
            home = home_partition(what.raw_id, partitions)
            homes.append(home)
            if home == partition:
                keys[what.user] = None
                if record.topic == rerouted_topic and header(record, DEAD_ORIGIN):
                    keys[marker_of(record)] = None
        return Reading(records, says, homes, list(keys), marks, self._naming(says))

    def _sent(self, record: Record, what: Decoded, partition: int) -> Decoded:
        """What a record that another partition has sent is, beside an event that is on its way home."""
        sent: Decoded = errand_of(record) or what
        if isinstance(sent, Event):
            sent = forwarded(record, sent) or sent
        if isinstance(sent, Forwarded | Errand) and sent.home(self.rules.partitions) != partition:
            return Rejected("bad_id", "$headers")
        return sent

    def _naming(self, says: Sequence[Decoded]) -> frozenset[str]:
        """The users whom an event gives another name."""
        if not self._decoder.linked:
            return frozenset()
        events = [what.event if isinstance(what, Forwarded) else what for what in says]
        return frozenset([event.user for event in events if isinstance(event, Event) and event.linked])

    def _judge(self, records: Sequence[Record], says: list[Decoded]) -> dict[int, Misfit]:
        """Holds events against the tracking plan: those that it sets aside are refused in `says`, those that it marks are answered."""
        assert self._tracking_plan is not None
        judge, marks = self._tracking_plan.judge, {}
        for place, (record, what) in enumerate(zip(records, says, strict=True)):
            if isinstance(what, Event) and (misfit := judge(record.value or b"")) is not None:
                if misfit.mode == "dead-letter":
                    says[place] = Rejected("off_plan", misfit.at)
                else:
                    marks[place] = misfit
        return marks

    def knows(self, version: str) -> bool:
        """Whether plans that name this version of the parameters can be executed."""
        return version in self._parameters

    def know(self, parameters: Parameters) -> None:
        """Plans may name these parameters. Those known longest are forgotten: few versions are in plans at a time."""
        self._parameters[parameters.version] = parameters
        for version in [each for each in self._parameters if each != PRIOR][:-_PARAMETERS_MAX]:
            del self._parameters[version]

    def read_by(self, version: str) -> Parameters:
        """The scratch user reads by the parameters of this version. Raises `KeyError` for one that was never made known."""
        parameters = self._parameters[version]
        if version != self._read_by:
            self._user.use(parameters)
            self._read_by = version
        return parameters

    def step(self, plan: Plan, reading: Reading, head: Head, users: Mapping[str, bytes | None], due: Sequence[str]) -> Outcome:
        """What one plan does: records first, each to its fate, then the users that are due.

        `users` holds the states of `reading.keys` and of `due`, as the store had them when it accepted the plan.
        Raises only errors of ours that must stop the worker (`UnknownStateVersion`).
        """
        return _Step(self, plan, head, users).run(reading, due)


class _Step(Kin):
    """One step while it is being taken: the order in which things are done. Each thing itself is in a layer (`core/step`)."""

    def __init__(self, flow: Flow, plan: Plan, head: Head, users: Mapping[str, bytes | None]) -> None:
        self.rules, self.user, self.inputs, self.envelopes = flow.rules, flow._user, flow._inputs, flow._envelopes
        self.shipped = flow._shipped
        self.business = flow._business
        self.fold_event = flow._fold_event
        self.ticks, self.sampler = flow._ticks, flow._sampler
        self.plan, self.head, self.partition, self.loaded = plan, head, head.partition, users
        self.timers_ms = plan.timers_ms  # worked out, and asked for with every user
        self.parameters = flow.read_by(plan.parameters_version)
        self.learned = None
        self.horizon = None
        self.quality = Tally()
        self.users = {}
        self.due = {}
        self.outputs = []
        self.fates = [0] * len(FATES)
        self.guards = dict(head.guards)
        self.rejects = {}
        self.apart = []
        self.sendings = []
        self.desk = AccountDesk(flow.rules, self.parameters, plan, head.partition, users, self.users, self.due, self.outputs)
        self.asked = set()
        self.entry_ms = NEVER_MS

    def run(self, reading: Reading, due: Sequence[str]) -> Outcome:
        self.business.take()  # what a step left that could not be ended
        for key, items in self._route(reading).items():
            if key in self.asked or key in reading.naming:
                self._follow(key, items)
            else:
                self._fold_user(key, items)  # type: ignore[arg-type]  # all of them are events then
        for key in due:
            self._wake_user(key)
        self.desk.close()
        sent, after = parted(self._sent_in_order(reading))
        self.outputs += sent
        self._end_day()
        self.outputs.append(self._journal())
        self.outputs += after
        learned = None if self.learned is None else encode_learned(self.learned)
        return Outcome(self.users, self.due, self.outputs, self.fates, self.guards, self.rejects, self._sums(reading), learned, len(after))

    def _sums(self, reading: Reading) -> tuple[Increments, ...]:
        """What the step adds to the sums of the partition."""
        records, says, homes, partition = reading.records, reading.says, reading.homes, self.partition
        sums = self.business.take() + self.quality.increments()
        if self.ticks is not None:
            sums += self.ticks.of(records, says, homes, partition) + self.sampler.of(records, says, homes, partition, self.plan.rev)
        return sums + marked(reading.marks, records, homes, partition) if reading.marks else sums

    def _wake_user(self, key: str) -> None:
        """Looks at a user whose entry in the queue of due times has come: the entry may be early, it is never late."""
        if key == CROWDS:
            self._tell_crowds()
            return
        if key.startswith(ROW):
            self.desk.wake(key, self._horizon().all_over())
            return
        if key.startswith(MARKER):
            self.users[key], self.due[key] = None, None
            return
        blob = self.users[key] if key in self.users else self.loaded.get(key)
        if blob is None:
            self.due.setdefault(key, None)
            return
        if is_moved(blob):
            if key not in self.users:  # written in this step, it has a new entry
                self.users[key], self.due[key] = None, None
            return
        self.user.load(key, blob)
        self.entry_ms, self.due[key] = NEVER_MS, None  # the entry is being used up
        if self.user.due_ms > self.timers_ms or self._turn(self.timers_ms):
            self._keep(key)
