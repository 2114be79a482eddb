"""What a run left behind, judged by the oracle: every difference has a name, and an example.

lost       a record is in the log and not in its user's counters (or was never read)
doubled    a record is in the counters twice
wrong      a window, a score or an alert says something else than the records do
missing    a score, alert, dead letter or reroute was never said
false      an alert that the records do not justify
phantom    a user, score, dead letter or reroute that comes from nowhere
bytes      the same id was said with different bytes
fates      the totals in the head are not those of the records
journal    the journal has a hole, or contradicts itself
"""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from streams.core.ledger import Ledger, rolling_window
from streams.core.measures import MEASURES, Measure
from streams.core.rules import Rules
from streams.core.user import User
from tests.logs import Line, Logs
from tests.oracle import FATES, Expected, follow, read_journal
from tests.oracle_kept import SUMMED
from tests.oracle_user import REVENUE, SESSION, OracleUser, Spoken

__all__ = ["HeadView", "Report", "Run", "check"]


class HeadView(NamedTuple):
    """What a head says to the outside."""

    rev: int
    positions: Mapping[str, int]
    fates: Mapping[str, int]
    planned: bool = False


@dataclass
class Run:
    """What is left of a run: the logs of all topics, and what the store holds per partition.

    rows   user key -> state
    sums   name of a hash -> its sums
    """

    logs: Logs
    heads: dict[int, HeadView]
    rows: dict[int, Mapping[str, bytes]]
    sums: dict[int, Mapping[str, Mapping[str, int]]]


@dataclass
class Report:
    """Differences by name, and the figures of the run."""

    problems: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)
    figures: dict[str, Any] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        return not self.problems

    def add(self, kind: str, example: str) -> None:
        self.problems[kind] += 1
        self.examples.setdefault(kind, example)

    def __str__(self) -> str:
        figures = " ".join(f"{name}={value}" for name, value in self.figures.items())
        if self.ok:
            return f"exact: {figures}"
        return "\n".join([f"NOT EXACT: {figures}", *(f"  {kind} x {n}: {self.examples[kind]}" for kind, n in self.problems.items())])


def check(run: Run, rules: Rules, *, rewound: bool = False) -> Report:
    """The run against the oracle. `rewound`: the store was rolled back and steps were taken again: one copy of each must be right."""
    return _Check(run, rules, rewound).report


class _Check:
    def __init__(self, run: Run, rules: Rules, rewound: bool) -> None:
        self.run, self.rules, self.rewound, self.report = run, rules, rewound, Report()
        topics = rules.topics
        revs = {partition: head.rev for partition, head in run.heads.items()}
        journal = read_journal(run.logs, topics.journal, rewound=rewound, revs=revs)
        for fault in journal.faults:
            self.report.add("journal", fault)
        raised = frozenset(_origin(line) for line in self._lines(topics.dead) if line.header("dead-reason") == "rule_error")
        self.expected: Expected = follow(run.logs, journal, msgspec.to_builtins(rules), rule_errors=raised)
        for line in self.expected.misnamed:
            self.report.add("journal", line)
        self._heads()
        self._states()
        self._business()
        self._scores()
        self._alerts()
        self._letters()
        self._reroutes()
        told = Counter(status for _, status in self.expected.alerts)
        records = sum(len(lines) for (topic, _), lines in run.logs.items() if topic in topics.inputs)
        fates: Counter[str] = Counter()
        for head in run.heads.values():
            fates.update(head.fates)
        self.report.figures = {
            "records": records,
            "read": self.expected.read,
            "sum": fates.total(),
            **{name: fates[name] for name in FATES if fates[name]},
            "users": sum(map(len, self.expected.users.values())),
            "scores": len(self.expected.scores),
            "firing": told["firing"],
            "resolved": told["resolved"],
            "rewinds": journal.rewinds,
            "crowded": sum(user.crowded for users in self.expected.users.values() for user in users.values()),
        }
        if not records == self.expected.read == fates.total():
            self.report.add("fates", f"{records} records in the logs, {self.expected.read} in the journal, {fates.total()} fates")

    def _lines(self, topic: str) -> Iterable[Line]:
        for (name, _), lines in self.run.logs.items():
            if name == topic:
                yield from lines

    # -- the store --------------------------------------------------------------------------------------------------

    def _heads(self) -> None:
        for partition in range(self.rules.partitions):
            head = self.run.heads.get(partition)
            if head is None:
                self.report.add("lost", f"partition {partition} has no head")
                continue
            if head.planned:
                self.report.add("lost", f"partition {partition}: a plan was begun and never saved")
            for topic in self.rules.topics.inputs:
                end, at = len(self.run.logs.get((topic, partition), [])), head.positions.get(topic, 0)
                if at != end:
                    self.report.add("lost", f"{topic}/{partition}: the head is at {at}, the log ends at {end}")
            if head.rev != self.expected.revs.get(partition, 0):
                self.report.add(
                    "journal", f"partition {partition}: the head is at {head.rev}, the journal at {self.expected.revs.get(partition)}"
                )
            theirs, ours = {n: head.fates.get(n, 0) for n in FATES}, self.expected.fates.get(partition, dict.fromkeys(FATES, 0))
            if theirs != ours:
                differences = {n: (theirs[n], ours[n]) for n in FATES if theirs[n] != ours[n]}
                self.report.add("fates", f"partition {partition}: (head, records) are {differences}")

    def _states(self) -> None:
        scratch = User(self.rules)
        for partition in range(self.rules.partitions):
            ours = self.expected.users.get(partition, {})
            theirs = {key: row for key, row in self.run.rows.get(partition, {}).items() if not key.startswith("\x01")}
            for key in ours.keys() - theirs.keys():
                if ours[key].last is not None:
                    self.report.add("lost", f"user {key} is not in the store")
            for key in theirs.keys() - ours.keys():
                self.report.add("phantom", f"user {key} is in the store, on partition {partition}")
            for key in sorted(ours.keys() & theirs.keys()):
                scratch.load(key, theirs[key])
                self._state(scratch, ours[key])

    def _state(self, theirs: User, ours: OracleUser) -> None:
        got = {kind: n for kind, n in theirs.lifetime().items() if n}
        want = {kind: n for kind, n in ours.lifetime.items() if n}
        for kind in sorted(got.keys() | want.keys()):
            have, need = got.get(kind, 0), want.get(kind, 0)
            if have != need:
                name = "wrong" if kind in (SESSION, REVENUE) else "lost" if have < need else "doubled"
                self.report.add(name, f"user {ours.key}, type {kind}: {have} in the store, {need} in the log")
        if theirs.newest_ms != ours.newest_ms:
            self.report.add("wrong", f"user {ours.key}: newest event {theirs.newest_ms}, in the log {ours.newest_ms}")
            return
        at_ms = ours.newest_ms
        given_up = theirs.panes.truncated_day
        if given_up > ours.exact_from:
            self.report.add("wrong", f"user {ours.key}: days before {given_up} were given up, those from {ours.exact_from} on have room")
        for window in ours.exact_windows(given_up):
            have_all, need_all = {k: n for k, n in theirs.counts(window, at_ms).items() if n}, ours.counts(window, at_ms)
            if have_all != need_all:
                self.report.add("wrong", f"user {ours.key}, window {window}: {have_all} in the store, {need_all} in the log")
        r = ours.r(at_ms)
        for name, have_x, need_x in (
            ("engagement", theirs.engagement(at_ms), ours.engagement(r)),
            ("churn", theirs.churn(at_ms), ours.p0(r)),
            ("drop", theirs.drop(at_ms), ours.drop(r)),
        ):
            if not _near(have_x, need_x):
                self.report.add("wrong", f"user {ours.key}: {name} is {have_x!r} by the store, {need_x!r} by the log")

        for slot, declared in enumerate(self.rules.catalogue.aggregates):
            have_seen, need_seen = _seen(theirs, slot, declared.kind), ours.kept.figures(slot)
            if have_seen != need_seen:
                self.report.add("wrong", f"user {ours.key}, aggregate {declared.name}: {have_seen} in the store, {need_seen} in the log")

    def _business(self) -> None:
        """Sums of each day, and different users of each day and of the 7 and 30 days that end with it."""
        for partition, ours in self.expected.business.items():
            ledger = Ledger()
            for name, sums in self.run.sums.get(partition, {}).items():
                ledger.put(partition, name, sums)
            for measure, name in ((number, name) for number, name in MEASURES.items() if name in SUMMED):
                days = {day for (summed, day) in ours.totals if summed == name} | set(ledger.days())
                for day in sorted(days):
                    have, need = ledger.total(measure, rolling_window("day", day)), ours.totals[name, day]
                    if have != need:
                        self.report.add("wrong", f"partition {partition}, day {day}: {name} {have} in the store, {need} in the log")
            for each in ours.distinct():
                measure = Measure.ACTIVE if each.kind == "active" else Measure.BUYERS
                users = ledger.distinct(measure, each.last - each.days + 1, each.last)
                if users != each.users:
                    what = f"{each.kind} in {each.days} days up to {each.last}"
                    self.report.add("wrong", f"partition {partition}: {users} users {what} in the store, {each.users} in the log")

    # -- the topics -------------------------------------------------------------------------------------------------

    def _scores(self) -> None:
        copies: dict[str, list[Line]] = defaultdict(list)
        tombstones: Counter[str] = Counter()
        for line in self._lines(self.rules.topics.scores):
            if line.value is None:
                tombstones[(line.key or b"").decode()] += 1
            else:
                copies[json.loads(line.value)["score_id"]].append(line)
        self._said("score", copies, self.expected.scores, _score_differences, unexpected="phantom")
        for key in set(self.expected.expired) - set(tombstones):
            self.report.add("missing", f"the tombstone of {key}")
        for key in set(tombstones) - set(self.expected.expired):
            self.report.add("phantom", f"a tombstone of {key}")

    def _alerts(self) -> None:
        copies: dict[tuple[str, str], list[Line]] = defaultdict(list)
        for line in self._lines(self.rules.topics.alerts):
            alert = json.loads(line.value or b"{}")
            copies[alert["alert_id"], alert["status"]].append(line)
        self._said("alert", copies, self.expected.alerts, _alert_differences, unexpected="false")

    def _said(
        self, what: str, copies: Mapping[Any, list[Line]], expected: Mapping[Any, Spoken], differences: Any, *, unexpected: str
    ) -> None:
        for ident, spoken in expected.items():
            if ident not in copies:
                self.report.add("missing", f"{what} {ident} of {spoken.user}, revision {spoken.rev}")
        for ident, lines in copies.items():
            if ident not in expected:
                if not self.rewound:
                    self.report.add(unexpected, f"{what} {ident}: {lines[0].value!r}")
                continue
            if not self.rewound and any(_body(line) != _body(lines[0]) for line in lines):
                self.report.add("bytes", f"{what} {ident}: {lines[0].value!r} and {lines[-1].value!r}")
            found = [differences(line, expected[ident]) for line in (lines if self.rewound else lines[:1])]
            if all(found):
                self.report.add("wrong", f"{what} {ident} of {expected[ident].user}: {found[-1]}")

    def _letters(self) -> None:
        copies: dict[str, list[Line]] = defaultdict(list)
        for line in self._lines(self.rules.topics.dead):
            copies[_origin(line)].append(line)
        for origin, letters in self.expected.letters.items():
            for letter in letters:
                same = [line for line in copies.get(origin, []) if line.header("dead-reason") == letter.reason]
                if not same:
                    said = [line.header("dead-reason") for line in copies.get(origin, [])]
                    self.report.add("wrong" if said else "missing", f"dead letter {origin}: reason {letter.reason}, the topic has {said}")
                elif any((line.key, line.value) != (letter.line.key, letter.line.value) for line in same):
                    self.report.add("bytes", f"dead letter {origin}: not the bytes of the record")
                elif any(not set(letter.line.headers) <= set(line.headers) for line in same):
                    self.report.add("bytes", f"dead letter {origin}: headers of the record are gone")
        for origin in copies.keys() - self.expected.letters.keys():
            self.report.add("phantom", f"dead letter {origin}: {copies[origin][0].header('dead-reason')}")

    def _reroutes(self) -> None:
        sent: set[tuple[str, int]] = set()
        for line in self._lines(self.rules.topics.rerouted):
            sender = line.header("reroute-from")
            if sender is None:
                continue  # a replayed dead letter
            sent.add((sender, line.partition))
            source = self.expected.reroutes.get((sender, line.partition))
            if source is None:
                self.report.add("phantom", f"{line.place} claims to come from {sender}")
            elif (source.key, source.value) != (line.key, line.value):
                self.report.add("bytes", f"{line.place}: not the bytes of {sender}")
        for sender, target in self.expected.reroutes.keys() - sent:
            self.report.add("missing", f"{sender} was never sent on to partition {target}")


def _seen(user: User, slot: int, kind: str) -> tuple[object, ...] | None:
    """What the state says of an aggregate, as the oracle has it. Runs have few different texts: all of it is exact."""
    if kind == "number":
        numbers = user.aggregates.number(slot)
        return None if numbers is None else tuple(numbers)
    texts = user.aggregates.text(slot)
    return None if texts is None else (*texts[:7], texts.unique)


def _score_differences(line: Line, spoken: Spoken) -> dict[str, Any]:
    """Fields that are not as the oracle has them: name -> (said, expected)."""
    said, want = json.loads(line.value or b"{}"), spoken.fields
    found = {
        name: (said[name], want[name])
        for name in ("user_id", "band", "cause", *(("sessions_30d", "revenue_30d_minor") if "30d" in want["exact_windows"] else ()))
        if said[name] != want[name]
    }
    if said["rev"] != spoken.rev:
        found["rev"] = (said["rev"], spoken.rev)
    if abs(_ms(said["as_of"]) - want["as_of_ms"]) > 1:
        found["as_of"] = (said["as_of"], want["as_of_ms"])
    for name in ("engagement_score", "churn_probability"):
        if abs(said[name] - want[name]) > 0.011:
            found[name] = (said[name], want[name])
    if any(abs(said["ces"].get(window, 0) - want["ces"][window]) > 0.011 for window in want["exact_windows"]):
        found["ces"] = (said["ces"], want["ces"])
    for window, counts in want["counts"].items():
        if window in want["exact_windows"] and said["counts"].get(window, {}) != counts:
            found[f"counts {window}"] = (said["counts"].get(window), counts)
    points = sum(part["points"] for part in said["contributions"])
    if abs(points - want["ces"]["7d"]) > 0.011 * (1 + len(said["contributions"])):
        found["contributions"] = (points, want["ces"]["7d"])
    return found


def _alert_differences(line: Line, spoken: Spoken) -> dict[str, Any]:
    said, want = json.loads(line.value or b"{}"), spoken.fields
    names = ("user_id", "rule", "status", "cause", "severity", "band", "value_band", "stale")
    found = {name: (said[name], want[name]) for name in names if said[name] != want[name]}
    if said["rev"] != spoken.rev:
        found["rev"] = (said["rev"], spoken.rev)
    if abs(said["risk"] - want["risk"]) > 0.00011:
        found["risk"] = (said["risk"], want["risk"])
    if abs(sum(reason["contribution"] for reason in said["reasons"]) - want["judged"]) > 0.00031:
        found["reasons"] = (said["reasons"], want["judged"])
    for name in ("starts_at", "ends_at"):
        have, need = said[name], want[f"{name}_ms"]
        if (have is None) != (need is None) or (have is not None and abs(_ms(have) - need) > 1):
            found[name] = (have, need)
    return found


def _origin(letter: Line) -> str:
    return "/".join(str(letter.header(f"__connect.errors.{name}")) for name in ("topic", "partition", "offset"))


def _body(line: Line) -> Any:
    return (line.key, line.value, line.headers)


def _ms(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)


def _near(a: float, b: float) -> bool:
    return abs(a - b) <= 1e-9 * max(1.0, abs(a), abs(b))
