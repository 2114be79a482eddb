"""The oracle: what must be true of Redis and of every output topic, computed from the logs and the journal alone.

Slow and obvious on purpose, and without a line of the product: one dictionary per user, one record at a time. The journal says in
which order things were done (spans per step); everything else follows from the records.
"""

import json
from base64 import b64decode
from bisect import bisect_left
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from tests.logs import Line, Logs, home_partition
from tests.oracle_events import CONTROL, Reader, Refused, Said
from tests.oracle_kept import BusinessOracle
from tests.oracle_user import COUNTED, NEVER_MS, OracleUser, Spoken

__all__ = ["FATES", "Expected", "Journal", "Step", "follow", "read_journal"]

FATES = ("counted", "duplicate", "late", "rejected", "rerouted", "erased", "control")
DAY_MS = 86_400_000
REPLAY_TTL_MS = 60 * DAY_MS
HOPS = 3


class Step(NamedTuple):
    """One line of the journal: what a step read, and when."""

    rev: int
    spans: dict[str, tuple[int, int]]
    time_ms: int
    timers_ms: int
    now_ms: int
    due_limit: int
    fates: dict[str, int]
    apart: dict[tuple[str, int], str]


class Journal(NamedTuple):
    """Steps per partition in the order of their revisions, and what is wrong with the journal itself."""

    steps: dict[int, list[Step]]
    faults: list[str]
    rewinds: int


class Letter(NamedTuple):
    """A dead letter: by the coordinates of the first append."""

    origin: str
    reason: str
    line: Line


@dataclass
class Expected:
    """What the logs and the journal say must be there."""

    users: dict[int, dict[str, OracleUser]] = field(default_factory=dict)
    fates: dict[int, dict[str, int]] = field(default_factory=dict)
    positions: dict[int, dict[str, int]] = field(default_factory=dict)
    misnamed: list[str] = field(default_factory=list)  # lines of the journal that say other fates
    revs: dict[int, int] = field(default_factory=dict)
    alerts: dict[tuple[str, str], Spoken] = field(default_factory=dict)  # (alert id, status)
    scores: dict[str, Spoken] = field(default_factory=dict)
    letters: dict[str, list[Letter]] = field(default_factory=lambda: defaultdict(list))  # by origin
    reroutes: dict[tuple[str, int], Line] = field(default_factory=dict)  # (sender, target partition)
    business: dict[int, BusinessOracle] = field(default_factory=dict)
    expired: list[str] = field(default_factory=list)
    read: int = 0


def read_journal(logs: Logs, topic: str, *, rewound: bool = False, revs: dict[int, int] | None = None) -> Journal:
    """The journal by partition, in the order of revisions. A repeated line must say the same plan.

    `rewound`: the store was rolled back, so steps from some revision on were taken again, otherwise: the later ones hold, up to `revs`,
    where the heads are.
    """
    steps: dict[int, list[Step]] = {}
    faults: list[str] = []
    rewinds = 0
    for (name, partition), lines in logs.items():
        if name != topic:
            continue
        chain: list[dict[str, Any]] = []
        for line in lines:
            entry = json.loads(line.value or b"{}")
            rev = entry["rev"]
            if rev > len(chain):
                faults.append(f"journal {partition}: revision {len(chain)} is missing")
                break
            if rev < len(chain) and entry["plan"] != chain[rev]["plan"]:
                rewinds += 1
                del chain[rev:]
                if not rewound:
                    faults.append(f"journal {partition}: revision {rev} was said with two plans")
            if rev == len(chain):
                chain.append(entry)
        if rewound and revs is not None:
            del chain[revs.get(partition, 0) :]
        at: dict[str, int] = {}
        for entry in chain:
            spans = entry["plan"]["spans"]
            if any(start != at.get(name, 0) for name, (start, _) in spans.items()):
                faults.append(f"journal {partition}: revision {entry['rev']} does not begin where the one before ended")
                break
            at |= {name: to for name, (_, to) in spans.items()}
        steps[partition] = [_step_of(entry) for entry in chain]
    return Journal(steps, faults, rewinds)


def _step_of(entry: dict[str, Any]) -> Step:
    plan = entry["plan"]
    spans = {name: (start, to) for name, (start, to) in plan["spans"].items()}
    held = plan.get("hold_ms")
    timers_ms = plan["time_ms"] if held is None else min(plan["time_ms"], held)
    return Step(entry["rev"], spans, plan["time_ms"], timers_ms, plan["now_ms"], plan["due_limit"], entry["fates"], _apart_of(entry, spans))


def _apart_of(entry: dict[str, Any], spans: dict[str, tuple[int, int]]) -> dict[tuple[str, int], str]:
    """(topic, offset) -> fate, of the records that the line says were not counted."""
    found = {(each["topic"], each["offset"]): each["fate"] for each in entry["apart"]}
    for fate, topics in entry.get("rest", {}).items():
        for topic, text in topics.items():
            bits = int.from_bytes(b64decode(text), "little")
            found |= {(topic, spans[topic][0] + n): fate for n in range(bits.bit_length()) if bits >> n & 1}
    return found


def follow(logs: Logs, journal: Journal, rules: dict[str, Any], *, rule_errors: frozenset[str] = frozenset()) -> Expected:
    """Everything that follows from the steps of the journal.

    rules        the rules as plain dictionaries and numbers
    rule_errors  where records were first appended whose rule is known to have raised (a bad deploy cannot be foreseen from the logs)
    """
    expected = Expected()
    for partition, steps in sorted(journal.steps.items()):
        _Partition(partition, logs, rules, rule_errors, expected).run(steps)
    return expected


class _Partition:
    """One partition, step by step."""

    def __init__(self, partition: int, logs: Logs, rules: dict[str, Any], rule_errors: frozenset[str], expected: Expected) -> None:
        self.partition, self.logs, self.rules, self.rule_errors, self.expected = partition, logs, rules, rule_errors, expected
        self.reader = Reader(rules)
        topics = rules["topics"]
        self.inputs = [topics["clickstream"], topics["campaigns"], topics["rerouted"]]
        self.users: dict[str, OracleUser] = {}
        self.business = BusinessOracle(rules)
        self.guards: dict[str, int] = {}
        self.replays: dict[str, int] = {}
        self.fates: Counter[str] = Counter()
        self.apart: dict[tuple[str, int], str] = {}

    def run(self, steps: list[Step]) -> None:
        expected, at = self.expected, dict.fromkeys(self.inputs, 0)
        for step in steps:
            self._step(step)
            at |= {name: to for name, (_, to) in step.spans.items()}
        expected.users[self.partition] = self.users
        expected.business[self.partition] = self.business
        expected.fates[self.partition] = {name: self.fates[name] for name in FATES}
        expected.positions[self.partition] = at
        expected.revs[self.partition] = len(steps)
        expected.read += self.fates.total()

    def _step(self, step: Step) -> None:
        due = self._due(step)
        counted: dict[str, bool] = {}
        for line in self._merged(step):
            said = self._fate_of(line, step)
            if said is None:
                continue
            user = self.users.setdefault(said.user, OracleUser(said.user, self.rules))
            bound_ms = min(step.timers_ms, (said.at_ms if said.event_clock else line.timestamp) - 1)
            user = self.users[said.user] = self._turn(user, bound_ms, step)
            fate = user.fold(said, line.place)
            self._meets(line, fate)
            counted[said.user] = counted.get(said.user, False) or fate == COUNTED
            if fate == COUNTED:
                self.business.count(user, said.type_id, said.type_name, said.at_ms, said.amount)
                self._hear(user.take_event_turns(step.rev, step.now_ms))
                if self.rules["emit"]["mode"] == "event":
                    self._score(user, "event", user.newest_ms, step)
        for key, any_counted in counted.items():
            user = self.users[key]
            if any_counted and self.rules["emit"]["mode"] != "event":
                cause = "event" if self.rules["emit"]["mode"] == "step" else user.emission(user.newest_ms)
                if cause:
                    self._score(user, cause, user.newest_ms, step)
            user.entry_ms = min(user.entry_ms, user.due_ms())
        for key in due:
            self._wake(key, step)
        if self.apart != step.apart:
            wrong = sorted(self.apart.items() ^ step.apart.items())
            self.expected.misnamed.append(f"journal {self.partition}: revision {step.rev} tells other fates than these of {wrong[:5]}")
        self.apart = {}

    # -- records ----------------------------------------------------------------------------------------------------

    def _meets(self, line: Line, fate: str) -> None:
        self.fates[fate] += 1
        if fate != COUNTED:
            self.apart[line.topic, line.offset] = fate

    def _merged(self, step: Step) -> list[Line]:
        """The records of the step as one log: of the topics' next records the one appended first, ties in the order of the topics."""
        queues = []
        for rank, topic in enumerate(self.inputs):
            start, to = step.spans.get(topic, (0, 0))
            log = self.logs.get((topic, self.partition), [])
            low, high = (bisect_left(log, offset, key=lambda line: line.offset) for offset in (start, to))
            queues.append((rank, log[low:high][::-1]))
        merged: list[Line] = []
        while any(lines for _, lines in queues):
            _, lines = min(((rank, lines) for rank, lines in queues if lines), key=lambda each: (each[1][-1].timestamp, each[0]))
            merged.append(lines.pop())
        return merged

    def _fate_of(self, line: Line, step: Step) -> Said | None:
        """The event to be folded into a user of this partition; None when the record meets another fate here."""
        rerouted = line.topic == self.inputs[2]
        if rerouted and self._sent_before(line):
            self._meets(line, "duplicate")
            return None
        try:
            said = self.reader.read(line)
        except Refused as why:
            self._reject(line, str(why))
            return None
        if isinstance(said, str):
            assert said == CONTROL
            self._meets(line, "control")
            return None
        home = home_partition(said.raw_id, self.rules["partitions"])
        if home != self.partition:
            if int(line.header("reroute-hops") or 0) >= HOPS:
                self._reject(line, "limit")
            else:
                self._meets(line, "rerouted")
                self.expected.reroutes[str(line.place), home] = line
            return None
        origin = line.header("dead-origin") if rerouted else None
        if origin is not None and origin in self.replays:
            self._meets(line, "duplicate")
            return None
        if origin is None and (line.header("reroute-origin") or str(line.place)) in self.rule_errors:
            self._reject(line, "rule_error")
            return None
        if origin is not None:
            self.replays[origin] = max(step.now_ms, step.time_ms) + REPLAY_TTL_MS
        return said

    def _sent_before(self, line: Line) -> bool:
        """Whether this sending of a rerouted record was accepted before: the highest offset of each sender is remembered."""
        sender = line.header("reroute-from")
        if sender is None:
            return False
        place, _, offset = sender.rpartition("/")
        if int(offset) <= self.guards.get(place, -1):
            return True
        self.guards[place] = int(offset)
        return False

    def _reject(self, line: Line, reason: str) -> None:
        self._meets(line, "rejected")
        origin = line.header("dead-origin") or line.header("reroute-origin") or str(line.place)
        self.expected.letters[origin].append(Letter(origin, reason, line))

    # -- timers -----------------------------------------------------------------------------------------------------

    def _due(self, step: Step) -> list[str]:
        """Who is woken by the step, as the queue of due times was before it."""
        queue = [(user.entry_ms, key) for key, user in self.users.items() if user.entry_ms <= step.timers_ms]
        queue += [(at_ms, f"\x01dead:{origin}") for origin, at_ms in self.replays.items() if at_ms <= step.timers_ms]
        return [key for _, key in sorted(queue)[: step.due_limit]]

    def _wake(self, key: str, step: Step) -> None:
        if key.startswith("\x01dead:"):
            del self.replays[key.removeprefix("\x01dead:")]
            return
        user = self.users.get(key)
        if user is None:
            return
        user.entry_ms = NEVER_MS
        user = self._turn(user, step.timers_ms, step)
        user.entry_ms = user.due_ms()

    def _turn(self, user: OracleUser, bound_ms: int, step: Step) -> OracleUser:
        """Every timer of the user up to `bound_ms` has fired; the user, or a new one where it has expired."""
        spoken, last_ms = user.turns_until(bound_ms, step.rev, step.now_ms)
        self._hear(spoken)
        if user.expired:
            self.expected.expired.append(user.key)
            del self.users[user.key]
            return OracleUser(user.key, self.rules)
        if last_ms is not None:
            self._score(user, "timer", last_ms, step)
        return user

    # -- what is said -----------------------------------------------------------------------------------------------

    def _hear(self, spoken: list[Spoken]) -> None:
        for each in spoken:
            self.expected.alerts[each.ident, each.fields["status"]] = each

    def _score(self, user: OracleUser, cause: str, as_of_ms: int, step: Step) -> None:
        score = user.score(cause, as_of_ms, step.rev)
        self.expected.scores[score.ident] = score
