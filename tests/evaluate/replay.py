"""A set of visits through the product's own user state, day by day: who looked how on which day, what was alerted, and what came of it."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from itertools import groupby
from typing import NamedTuple

import msgspec

from streams.core.churnmodel import Label
from streams.core.rules import CUSTOM, DAY_MS, Rules
from streams.core.user import Turn, User
from tests.evaluate.datasets import Protocol, Visit

__all__ = ["Alert", "Judged", "Lesson", "Replay", "rules_for"]

_RULES = {Turn.CHURN_ON: "churn_risk", Turn.DROP_ON: "engagement_drop"}


class Lesson(NamedTuple):
    """What the product learned from a user, and on which day."""

    user: str
    ripe_day: int
    label: Label


class Judged(NamedTuple):
    """A user on a cut day, and what came of it. `active_days`: how many the user had by then."""

    user: str
    day: int
    silence_days: float
    active_days: int
    label: Label


class Alert(NamedTuple):
    """An alert as it fired. `returned_ms`: the start of the next active day, None when there was none in the set."""

    user: str
    rule: str
    at_ms: int
    last_day: int
    returned_ms: int | None


def rules_for(rules: Rules, protocol: Protocol) -> Rules:
    """The product's rules with the set's horizon; engaged is who usually comes every H/4 days, an alert rests for H/2, and who
    has as many active days as the protocol asks may be learned from."""
    horizon = float(protocol.horizon_days)
    churn = msgspec.structs.replace(rules.churn, horizon_days=horizon, engaged_gap_days=horizon / 4, rearm_days=horizon / 2)
    learning = msgspec.structs.replace(rules.learning, min_active_days=protocol.active_days)
    return msgspec.structs.replace(rules, churn=churn, learning=learning)


class Replay:
    """One pass over a set.

    learned   the lessons that the product takes, by day; `core/pending.py` says of whom and when
    tested    all eligible users on the protocol's cut days
    by_events the same, where as many events as `tested` asks active days are enough
    alerts    every alert that fired, in no order
    false_drops(h)  share of regular users in whom a drop of `h` would have been an error, by 90 days
    active_months   30-day months of a user that had an active day in them
    """

    def __init__(self, rules: Rules, protocol: Protocol) -> None:
        self.protocol, self.rules = protocol, rules_for(rules, protocol)
        self.learned: list[Lesson] = []
        self.tested: list[Judged] = []
        self.by_events: list[Judged] = []
        self.alerts: list[Alert] = []
        self.events = self.first_day = self.last_day = 0
        self._user = User(self.rules)
        self._types = {entry.name: entry.id for entry in self.rules.catalogue.types}
        self._states: dict[str, bytes] = {}
        self._last_active: dict[str, int] = {}
        self._counted: Counter[str] = Counter()
        self._highest: dict[tuple[str, int], float] = {}
        self._months: set[tuple[str, int]] = set()
        self._waiting: dict[int, list[Judged]] = defaultdict(list)
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
            self._note_return(key, day)
            self._counted[key] += len(events)
            for visit in events:
                self._turn(visit.at_ms - 1)
                self.events += 1
                user.fold(self._types.get(visit.event, CUSTOM), visit.at_ms, self.events, visit.amount_minor, 0, 0, self.events)
            self._states[key] = user.dump()
            if user.rhythm.last_day == day:
                self._last_active[key] = day
                self._months.add((key, (day - self.first_day) // 30))
                self.alerts += (alert._replace(returned_ms=day * DAY_MS) for alert in self._open.pop(key, ()))

    def _note_return(self, key: str, day: int) -> None:
        """The loaded user is back: had the drop alert fired in this silence, it would have been an error, unless the silence was that of
        somebody lost."""
        rhythm = self._user.rhythm
        if rhythm.x >= self.rules.drop.min_active_days and rhythm.last_day < day:
            at = key, (day - self.first_day) // 90
            silence = day - rhythm.last_day
            reached = rhythm.drop(float(silence)) if silence <= self.protocol.horizon_days else 0.0
            self._highest[at] = max(self._highest.get(at, 0.0), reached)

    def false_drops(self, h: float) -> float:
        return sum(reached >= h for reached in self._highest.values()) / max(1, len(self._highest))

    def _turn(self, bound_ms: int) -> None:
        """What silence does to the loaded user up to `bound_ms`, as in the product's flow."""
        user = self._user
        while turn := user.turn(bound_ms):
            if turn == Turn.EXPIRED:
                user.load(user.key, None)
            elif turn == Turn.LESSON:
                assert user.lesson is not None
                self.learned.append(Lesson(user.key, user.turn_ms // DAY_MS - self.first_day, user.lesson.label))
            elif turn in _RULES:
                self._open[user.key].append(Alert(user.key, _RULES[turn], user.turn_ms, user.rhythm.last_day, None))

    def _end(self, at_ms: int) -> None:
        for key, blob in self._states.items():
            self._user.load(key, blob)
            self._turn(at_ms)
        for alerts in self._open.values():
            self.alerts += alerts
        self._open.clear()
        # A user turns when something is asked of it: only now all lessons are there.
        self.learned.sort(key=lambda lesson: (lesson.ripe_day, lesson.user))

    # -- looking ----------------------------------------------------------------------------------------------------

    def _look(self, day: int) -> None:
        """On a cut day, at its end: everybody who is eligible is seen as the product sees them, and waits for the outcome."""
        if day - self.first_day not in self.protocol.cuts:
            return
        user, ripe_day = self._user, day + self.protocol.horizon_days + 1
        for key, last in self._last_active.items():
            if day - last > self.protocol.silence_days or self._counted[key] < self.protocol.active_days:
                continue
            user.load(key, self._states[key])
            silence = user.rhythm.silence(day * DAY_MS)
            user.correction.look(user.rhythm, silence)
            label = Label(user.rhythm.churn(silence), tuple(user.correction.x), False)
            self._waiting[ripe_day].append(Judged(key, day - self.first_day, silence, user.rhythm.x, label))

    def _ripen(self, today: int) -> None:
        """Whose horizon ended yesterday meets the outcome, before an event of today is folded."""
        for each in self._waiting.pop(today, ()):
            churned = self._last_active[each.user] <= self.first_day + each.day
            known = each._replace(label=each.label._replace(churned=churned))
            self.by_events.append(known)
            if known.active_days >= self.protocol.active_days:
                self.tested.append(known)
