"""Events straight through the rules to a report: what the worker would have said, without Kafka and Redis. Rules are tried out this way."""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from heapq import heappop, heappush
from itertools import islice
from typing import Final

import msgspec

from streams.core.headers import STREAMS_CLOCK
from streams.core.record import FATES, PRIOR, Head, LogRecord, Outcome, Outgoing, Plan
from streams.core.rules import CUSTOM, REVENUE, SESSION, WINDOWS, Rules
from streams.core.user import User
from streams.flow import Flow
from streams.shell.heads import is_user
from streams.sim.emission import Emission

__all__ = ["AlertCounts", "StraightReport", "straight"]

#: Events of one step. The alerts do not depend on it, the scores told in between do, as they do in a worker.
_STEP: Final = 4000
_BINS: Final = 10
_HEADERS: Final = ((STREAMS_CLOCK, b"event"),)


class AlertCounts(msgspec.Struct):
    """Alerts of one rule: told as firing and as resolved, and those that are firing at the end."""

    fired: int = 0
    resolved: int = 0
    firing: int = 0


class StraightReport(msgspec.Struct):
    """What came of the events. Everything about users is as of the newest event.

    fates     of the events read; they add up to `events`
    rejects   reason -> events
    windows   window -> event type -> events in it, of all users, most frequent first
    bands     band -> users; `scores`: users with an engagement score in [0, 10), [10, 20), ... [90, 100]
    alerts    rule -> counts
    told      scores that would have been published
    """

    events: int = 0
    users: int = 0
    first_ms: int = 0
    last_ms: int = 0
    fates: dict[str, int] = {}
    rejects: dict[str, int] = {}
    windows: dict[str, dict[str, int]] = {}
    bands: dict[str, int] = {}
    scores: list[int] = []
    alerts: dict[str, AlertCounts] = {}
    told: int = 0
    seconds: float = 0.0

    @property
    def rate(self) -> float:
        """Events per second."""
        return self.events / self.seconds if self.seconds > 0 else 0.0


class _Alert(msgspec.Struct):
    rule: str
    status: str


_decode_alert: Final = msgspec.json.Decoder(_Alert).decode
_RULES: Final = ("churn_risk", "engagement_drop")


def straight(
    events: Iterable[Emission], rules: Rules, on_progress: Callable[[StraightReport], None] | None = None, *, step: int = _STEP
) -> StraightReport:
    """The report of all `events`, read in their order, `step` at a time. Time is that of the events, as in a replay through Kafka."""
    run = _Run(rules)
    started_s = time.monotonic()
    remaining = iter(events)
    while emissions := list(islice(remaining, step)):
        run.step(emissions)
        run.report.seconds = time.monotonic() - started_s
        if on_progress is not None:
            on_progress(run.report)
    run.sweep()
    run.look_at_users()
    run.report.seconds = time.monotonic() - started_s
    return run.report


class _Run:
    """A lane without a log and a store: one partition, all states in memory."""

    def __init__(self, rules: Rules) -> None:
        self.report = StraightReport(fates=dict.fromkeys(FATES, 0), alerts={rule: AlertCounts() for rule in _RULES})
        self._rules = msgspec.structs.replace(rules, partitions=1)
        self._user = User(self._rules)
        self._flow = Flow(self._rules)
        self._topics = {"clickstream": rules.topics.clickstream, "campaigns": rules.topics.campaigns}
        self._head = Head(0, "straight", 0, dict.fromkeys(self._topics.values(), 0), None, 0, "event", {}, {})
        self._users: dict[str, bytes | None] = {}
        self._due: dict[str, int] = {}
        self._queue: list[tuple[int, str]] = []

    def step(self, emissions: Sequence[Emission]) -> None:
        """One step of the worker over `emissions`, and the users that fall due by the end of it."""
        head, report = self._head, self.report
        spans: dict[str, tuple[int, int]] = {}
        records = []
        for emission in emissions:
            topic = self._topics[emission.topic]
            begin, end = spans.get(topic, (head.positions[topic],) * 2)
            records.append(LogRecord(topic, 0, end, emission.at_ms, emission.key, emission.value, (*_HEADERS, *emission.headers)))
            spans[topic] = (begin, end + 1)
        report.first_ms = report.first_ms or emissions[0].at_ms
        report.events += len(emissions)
        self._take(records, spans)

    def sweep(self) -> None:
        """Who falls due by the newest event without a step behind it that would have looked."""
        while self._queue and self._queue[0][0] <= self._head.time_ms:
            self._take([], {})

    def _take(self, records: Sequence[LogRecord], spans: dict[str, tuple[int, int]]) -> None:
        head = self._head
        reading = self._flow.read(records, 0)
        newest_ms = max(head.time_ms, reading.newest_ms())
        version = self._rules.version
        plan = Plan(head.rev, spans, newest_ms, newest_ms, "event", version, PRIOR, len(self._users) + len(records))
        outcome = self._flow.step(plan, reading, head, self._users, list(self._due_at(newest_ms)))
        self._keep(outcome)
        self._count(outcome)
        head.positions |= {topic: end for topic, (_, end) in spans.items()}
        head.rev, head.time_ms, head.guards = head.rev + 1, newest_ms, outcome.guards
        head.learned = head.learned if outcome.learned is None else outcome.learned
        self.report.last_ms = newest_ms
        self._deliver([output for output in outcome.outputs if output.topic == self._rules.topics.rerouted])

    def _deliver(self, sent: Sequence[Outgoing]) -> None:
        """What the partition has sent itself (links of ids, states, events that follow them) is read at once."""
        if sent:
            topic, at_ms = self._rules.topics.rerouted, self._head.time_ms
            start = self._head.positions.get(topic, 0)
            records = [
                LogRecord(topic, 0, start + n, at_ms, each.key, each.value or b"", tuple(each.headers)) for n, each in enumerate(sent)
            ]
            self._take(records, {topic: (start, start + len(sent))})

    def _due_at(self, at_ms: int) -> Iterator[str]:
        """Users due by `at_ms` in the order of their due times, as the store's queue gives them. Entries that were replaced are skipped."""
        while self._queue and self._queue[0][0] <= at_ms:
            due_ms, key = heappop(self._queue)
            if self._due.get(key) == due_ms:
                del self._due[key]
                yield key

    def _keep(self, outcome: Outcome) -> None:
        for key, blob in outcome.users.items():
            if blob is None:
                self._users.pop(key, None)
            else:
                self._users[key] = blob
        for key, due_ms in outcome.due.items():
            if due_ms is None:
                self._due.pop(key, None)
            else:
                self._due[key] = due_ms
                heappush(self._queue, (due_ms, key))

    def _count(self, outcome: Outcome) -> None:
        report, topics = self.report, self._rules.topics
        for fate, n in zip(FATES, outcome.fates, strict=True):
            if fate not in ("rerouted", "control"):  # of what it sent itself: an event meets its fate where it arrives
                report.fates[fate] += n
        for reason, n in outcome.rejects.items():
            report.rejects[reason] = report.rejects.get(reason, 0) + n
        for output in outcome.outputs:
            if output.topic == topics.scores:
                report.told += output.value is not None
            elif output.topic == topics.alerts and output.value is not None:
                alert = _decode_alert(output.value)
                counts = report.alerts.get(alert.rule)
                if counts is None:  # not about one user
                    continue
                if alert.status == "firing":
                    counts.fired += 1
                else:
                    counts.resolved += 1

    def look_at_users(self) -> None:
        """Windows, scores and alerts of all users at the newest event."""
        report, user, at_ms = self.report, self._user, self.report.last_ms
        windows: dict[str, Counter[int]] = {window: Counter() for window in WINDOWS}
        bands: Counter[int] = Counter()
        report.scores = [0] * _BINS
        for key, blob in self._users.items():
            if blob is None or not is_user(key.encode(), blob):
                continue
            user.load(key, blob)
            for window, total in windows.items():
                total.update(user.counts(window, at_ms))
            report.users += 1
            bands[user.band(at_ms)] += 1
            report.scores[min(_BINS - 1, int(user.engagement(at_ms) * _BINS / 100))] += 1
            for rule, counts in enumerate(report.alerts.values()):
                counts.firing += user.alert(rule).firing
        names = self._rules.catalogue.names | {
            SESSION: "session",
            REVENUE: "revenue_minor",
            CUSTOM: "custom",
        }
        report.windows = {window: {names[type_id]: n for type_id, n in total.most_common() if n} for window, total in windows.items()}
        report.bands = {name: bands[band] for band, name in enumerate(self._rules.scoring.band_names)}
