"""A set of visits through the product's own user state, day by day: who looked how on which day, what was alerted, and what came of it."""

from collections import defaultdict
from collections.abc import Iterable
from itertools import groupby
from typing import NamedTuple

import msgspec

from streams.core.churnmodel import Label, Snapshot, label, sampled, snapshot
from streams.core.rules import CUSTOM, DAY_MS, Rules
from streams.core.user import Turn, User
from tests.evaluate.datasets import Protocol, Visit

__all__ = ["Alert", "Judged", "Replay", "rules_for"]

#: One user in so many is sampled each week: nearly everybody has a snapshot pending, nobody has two.
ONE_IN = 4
_RULES = {Turn.CHURN_ON: "churn_risk", Turn.DROP_ON: "engagement_drop"}


class Judged(NamedTuple):
    """A user on a day, and what came of it. `ripe_day`: the first day on which that is known."""

    user: str
    day: int
    ripe_day: int
    silence_days: float
    label: Label


class Alert(NamedTuple):
    """An alert as it fired. `returned_ms`: the start of the next active day, None when there was none in the set."""

    user: str
    rule: str
    at_ms: int
    last_day: int
    returned_ms: int | None


def rules_for(rules: Rules, protocol: Protocol) -> Rules:
    """The product's rules with the set's horizon; engaged is who usually comes every H/4 days, and an alert rests for H/2."""
    horizon = float(protocol.horizon_days)
    churn = msgspec.structs.replace(rules.churn, horizon_days=horizon, engaged_gap_days=horizon / 4, rearm_days=horizon / 2)
    return msgspec.structs.replace(rules, churn=churn)


class Replay:
    """One pass over a set.

    learned   snapshots as the product would take them: of a sample of users, at weekly times, one pending per user; by order of outcome
    tested    all eligible users on the protocol's cut days
    alerts    every alert that fired, in no order
    active_months   30-day months of a user that had an active day in them
    """

    def __init__(self, rules: Rules, protocol: Protocol) -> None:
        self.protocol, self.rules = protocol, rules_for(rules, protocol)
        self.learned: list[Judged] = []
        self.tested: list[Judged] = []
        self.alerts: list[Alert] = []
        self.events = self.first_day = self.last_day = 0
        self._user = User(self.rules)
        self._types = {entry.name: entry.id for entry in self.rules.catalogue.types}
        self._states: dict[str, bytes] = {}
        self._last_active: dict[str, int] = {}
        self._months: set[tuple[str, int]] = set()
        self._waiting: dict[int, list[tuple[str, Snapshot, float, list[Judged]]]] = defaultdict(list)
        self._pending: set[str] = set()
        self._open: dict[str, list[Alert]] = defaultdict(list)

    @property
    def users(self) -> int:
        return len(self._last_active)

    @property
    def active_months(self) -> int:
        return len(self._months)

    def run(self, visits: Iterable[Visit]) -> "Replay":
        """The visits, in the order of time, are replayed to the end of their last day."""
        days = groupby(visits, key=lambda visit: visit.at_ms // DAY_MS)
        upcoming = next(days, None)
        if upcoming is None:
            raise ValueError("there are no visits")
        self.first_day = self.last_day = day = upcoming[0]
        while upcoming is not None:
            self._ripen(day)
            if upcoming[0] == day:
                self._fold_day(day, upcoming[1])
                self.last_day, upcoming = day, next(days, None)
            self._look(day)
            day += 1
        self._ripen(day)
        self._end((self.last_day + 1) * DAY_MS - 1)
        return self

    # -- events -----------------------------------------------------------------------------------------------------

    def _fold_day(self, day: int, visits: Iterable[Visit]) -> None:
        by_user: dict[str, list[Visit]] = defaultdict(list)
        for visit in visits:
            by_user[visit.user].append(visit)
        user = self._user
        for key, events in by_user.items():
            user.load(key, self._states.get(key))
            for visit in events:
                self._turn(visit.at_ms - 1)
                self.events += 1
                user.fold(self._types.get(visit.event, CUSTOM), visit.at_ms, self.events, visit.amount_minor, 0, 0, self.events)
            self._states[key] = user.dump()
            if user.rhythm.last_day == day:
                self._last_active[key] = day
                self._months.add((key, (day - self.first_day) // 30))
                self.alerts += (alert._replace(returned_ms=day * DAY_MS) for alert in self._open.pop(key, ()))

    def _turn(self, bound_ms: int) -> None:
        """What silence does to the loaded user up to `bound_ms`, as in the product's flow."""
        user = self._user
        while turn := user.turn(bound_ms):
            if turn == Turn.EXPIRED:
                user.load(user.key, None)
            elif turn in _RULES:
                self._open[user.key].append(Alert(user.key, _RULES[turn], user.turn_ms, user.rhythm.last_day, None))

    def _end(self, at_ms: int) -> None:
        for key, blob in self._states.items():
            self._user.load(key, blob)
            self._turn(at_ms)
        for alerts in self._open.values():
            self.alerts += alerts
        self._open.clear()

    # -- looking ----------------------------------------------------------------------------------------------------

    def _look(self, day: int) -> None:
        """At the end of a day: snapshots of the sample once a week, and of everybody on a cut day."""
        number = day - self.first_day
        if number in self.protocol.cuts:
            for key in self._recent(day):
                self._take(key, day, self.tested)
        if number % 7 == 0:
            for key in self._recent(day):
                if key not in self._pending and sampled(key, number // 7, ONE_IN) and self._take(key, day, self.learned):
                    self._pending.add(key)

    def _recent(self, day: int) -> list[str]:
        return [key for key, last in self._last_active.items() if day - last <= self.protocol.silence_days]

    def _take(self, key: str, day: int, into: list[Judged]) -> bool:
        """A snapshot of the user waits for its outcome, unless the user is not eligible."""
        self._user.load(key, self._states[key])
        facts = self._user.facts(day * DAY_MS)
        if facts.x < self.protocol.active_days:
            return False
        taken = snapshot(facts, day, self.protocol.horizon_days)
        self._waiting[day + self.protocol.horizon_days + 1].append((key, taken, facts.r_days, into))
        return True

    def _ripen(self, today: int) -> None:
        """Snapshots whose horizon ended yesterday meet their outcome, before an event of today is folded."""
        for key, taken, silence, into in self._waiting.pop(today, ()):
            last_day = self._last_active[key]
            known = label(taken, last_day=last_day, today=today, horizon_days=self.protocol.horizon_days)
            assert known is not None
            into.append(Judged(key, taken.day - self.first_day, today - self.first_day, silence, known))
            if into is self.learned:
                self._pending.discard(key)
