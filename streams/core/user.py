# cython: language_level=3, wraparound=False, annotation_typing=False
"""One user: events are folded into the state, and silence turns it.

There is one `User` per process: `load`, `fold` or `turn`, `dump`; it never holds two users. Compiled or interpreted, the bytes are equal.

Definitions that the formulas leave open:

- **Late**: of a day that the longest window before the user's newest event does not hold. Judged first, so a late duplicate is late.
- **Duplicate**: the id is among the last `dedup_ids` accepted, of those accepted since the previous active day began.
- **Session**: begins with a scored event (`streams.core.sessions`), so that being sent an e-mail begins none.
- **Came back**: an event never raises an alert, it may resolve one. It is judged at the latest instant the state knows of (the newest
  event, or the beginning of the alert), so that a late event from before the silence does not end it.
- **Turns** happen after the newest event, and on a day after the last active one. A resolved alert rests for `rearm_days`.
- **Band**: rises with events, falls by `turn` only.
"""

from array import array
from typing import Final
from zlib import crc32

import cython
import msgspec
from xxhash import xxh3_64_intdigest

from streams.core.correction import Correction
from streams.core.facts import Facts, facts_of
from streams.core.parameters import Parameters
from streams.core.pending import Lesson
from streams.core.properties import Context, Properties
from streams.core.record import NEVER_MS, PRIOR, Fate
from streams.core.rfm import rfm_of
from streams.core.rhythm import Rhythm, SharedDay
from streams.core.room import TYPES
from streams.core.rules import DAY_MS, DWELL, MARKS, REVENUE, SESSION, EventType, Rules
from streams.core.slots import Alert
from streams.core.state import STATE_VERSION, State
from streams.core.zones import minute_of

__all__ = ["COMPILED", "STATE_VERSION", "Alert", "Facts", "Turn", "User"]

#: Whether this module runs compiled.
COMPILED: Final[bool] = cython.compiled


class Turn:
    """What happens to a user, as bits."""

    CHURN_ON: Final = 1
    CHURN_OFF: Final = 2
    DROP_ON: Final = 4
    DROP_OFF: Final = 8
    BAND: Final = 16
    EXPIRED: Final = 32
    LESSON: Final = 64
    CHURN_RIGHT: Final = 128
    DROP_RIGHT: Final = 256
    LOST: Final = 512


_json = msgspec.json.Encoder().encode
_SESSION, _REVENUE, _DWELL, _MARKS = SESSION, REVENUE, DWELL, MARKS
_COUNTED, _DUPLICATE, _LATE = Fate.COUNTED, Fate.DUPLICATE, Fate.LATE
_CHURN_ON, _CHURN_OFF, _DROP_ON, _DROP_OFF, _BAND, _EXPIRED, _LESSON = 1, 2, 4, 8, 16, 32, 64
_CHURN_RIGHT, _DROP_RIGHT, _LOST = 128, 256, 512
_DAY_MS, _MINUTE_MS, _NEVER_MS = DAY_MS, 60_000, NEVER_MS
_TYPES: Final = TYPES

#: What a type is to sessions, to the profile and to the aggregates, as bits.
_ORDER, _STREAK, _AGGREGATE = 8, 16, 32


class User(State):
    """The scratch user.

    due_ms      earliest instant at which `turn` could return something; never late, may be early
    turns       what the last counted event turned
    wrong       bit r: the last counted event was a return within the horizon of an alert of rule r
    right       bit r: it came after that, or was the user's leave
    turn_ms     instant of the last turn
    learned     version of the parameters that users are read by; empty for those of the rules
    rfm         edges between the scores of recency, frequency and monetary value
    leaves      type id -> whether the user leaves with it
    lesson      what the last `LESSON` taught
    """

    due_ms: int
    turns: int
    turn_ms: int
    _churn_due_ms: int
    _drop_due_ms: int
    _band_due_ms: int
    _lesson_due_ms: int
    _verdict_due_ms: int
    wrong: int
    right: int
    _expiry_ms: int

    def __init__(self, rules: Rules) -> None:
        super().__init__(rules)
        scoring, churn, drop, emit = rules.scoring, rules.churn, rules.drop, rules.emit
        self._trial = Rhythm(rules)
        self.correction = Correction(rules)
        self.lesson: Lesson | None = None
        self._kinds = array("B", bytes(_TYPES))
        self.leaves = bytearray(_TYPES)
        aggregated = [aggregate.event for aggregate in rules.catalogue.aggregates]
        for entry in rules.catalogue.types:
            self.leaves[entry.id] = entry.leaves
            self._kinds[entry.id] = _kind_of(entry) | (_AGGREGATE if entry.name in aggregated else 0)
        self._take_streaks(rules)
        self._horizon_ms = round(churn.horizon_days * DAY_MS)
        self._ttl_ms = scoring.state_ttl_days * DAY_MS
        self._theta_on, self._theta_off, self._h_off = churn.theta_on, churn.theta_off, drop.h_off
        self._since_ms = 0
        self.learned, self.rfm = b"", rules.metrics.rfm
        self._min_delta, self._max_interval_ms = emit.min_delta, emit.max_interval_s * 1000
        self._ruled = _json((churn, drop))
        self._fingerprint = crc32(self._ruled)
        self.load("", None)

    def use(self, parameters: Parameters) -> None:
        """Users that are loaded from now on are read by `parameters`; the one that is here is no longer."""
        self.rhythm.use(parameters.a_ref, parameters.m0_days, parameters.theta_on)
        self._trial.use(parameters.a_ref, parameters.m0_days, parameters.theta_on)
        self.correction.use(parameters.churn)
        self._theta_on, self._theta_off, self._since_ms = parameters.theta_on, parameters.theta_off, parameters.since_ms
        self.learned = b"" if parameters.version == PRIOR else parameters.version.encode()
        self.rfm = rfm_of(parameters.rfm, self.rules)
        self._fingerprint = crc32(self._ruled + self.learned)
        self.load("", None)

    def load(self, key: str, blob: bytes | None) -> None:
        """The user `key` is here, as `dump` left it; a new user when `blob` is None.

        Raises `UnknownStateVersion` for a state of a release after this one, `StreamsError` for bytes that are no state.
        """
        self.turns = self.turn_ms = self.wrong = self.right = 0
        if blob is None:
            self._empty(key)
        elif self._take(key, blob):
            self._cross()
        if self._free() < 0:  # written by rules that allowed more
            self._make_room()
        self._settle()

    # -- events -----------------------------------------------------------------------------------------------------

    def fold(
        self,
        type_id: int,
        at_ms: int,
        id_hash: int,
        amount: int,
        topic: int,
        partition: int,
        offset: int,
        properties: Properties | None = None,
        context: Context | None = None,
    ) -> int:
        """The fate of one event; a counted one is in the state, and what it turned is in `turns`.

        topic is an index into `rules.topics.inputs`. Raises `ValueError` or `OverflowError` for what no decoded event has; load again then.
        """
        if at_ms < 0 or not 0 < type_id < _TYPES:
            raise ValueError("no such time or type")
        newest_ms = self.newest_ms
        day = at_ms // _DAY_MS
        if newest_ms >= 0 and day < self.panes.oldest_day():
            return _LATE
        if self._recent.knows(id_hash):
            return _DUPLICATE
        if self._free() < self._event_words:
            self._make_room()
        minute = at_ms // _MINUTE_MS
        if at_ms > newest_ms:
            self.newest_ms = at_ms
            self.panes.advance(minute)
        weight = self.weights[type_id]
        kind = self._kinds[type_id]
        focus_ms = 0
        self._count(minute, type_id, 1)
        if amount:
            self._count(minute, _REVENUE, amount)
        if properties is not None:
            focus_ms = properties.engaged_ms
            for counter in properties.counters:
                self._count(minute, counter, 1)
            if kind & _AGGREGATE:
                self.aggregates.add(at_ms, properties.aggregated)
            if properties.feature:
                self.profile.use(xxh3_64_intdigest(properties.feature.casefold().encode()) >> 16, day)
        if weight > 0.0 or kind & ~_AGGREGATE or focus_ms:
            self._in_session(at_ms, weight > 0.0, kind & 7, focus_ms)
        if context is not None and self._zones:
            self.profile.zone = self._codes.get(context.timezone, self.profile.zone)
        if kind & _ORDER:
            self.profile.order(day)
        if kind & _STREAK:
            self._streak(type_id, at_ms)
        self.last_topic, self.last_partition, self.last_offset = topic, partition, offset
        self.turns = self.wrong = self.right = 0
        if weight > 0.0:
            self._score_event(at_ms, day, weight)
        self._recent.remember(id_hash)
        if self.leaves[type_id]:
            self._leave(day)
        if self.slots.firing:
            self._come_back()
        self._settle()
        return _COUNTED

    def _leave(self, day: int) -> None:
        """The user has left in so many words: nothing fires before the next active day, and what fires is resolved."""
        slots = self.slots
        self._left = True
        self.right |= slots.unjudged()
        slots.judge(slots.firing)
        self._pending.left(day, self.rhythm, self.correction)
        self._cross()
        for rule in (0, 1):
            if slots.firing >> rule & 1:
                self._end(rule, max(self.newest_ms, slots.starts_ms(rule)))

    def _end(self, rule: int, at_ms: int) -> None:
        """The alert of `rule` is resolved by an event."""
        self.slots.end(rule, at_ms)
        self.turns |= _DROP_OFF if rule else _CHURN_OFF

    def _judge_return(self, at_ms: int) -> None:
        """The user is back: alerts that fire were wrong, unless their horizon had passed."""
        slots = self.slots
        for rule in (0, 1):
            if slots.unjudged() >> rule & 1:
                if at_ms <= slots.starts_ms(rule) + self._horizon_ms:
                    self.wrong |= 1 << rule
                else:
                    self.right |= 1 << rule
        slots.judge(slots.firing)

    def _score_event(self, at_ms: int, day: int, weight: float) -> None:
        """A scored event is in the rhythm, and in what follows from it."""
        rhythm, profile = self.rhythm, self.profile
        last_day = rhythm.last_day
        before = rhythm.engagement(self.newest_ms) if profile.power else 0.0
        if self._pending.awaits(day):
            self._pending.returned(day, rhythm, self.correction)
        if rhythm.visit(day, weight):
            if last_day >= 0:
                profile.came(day, last_day)
            self._recent.new_day()
            self._left = self._lost = False
            if self.slots.unjudged():
                self._judge_return(at_ms)
            self._cross()
            if self._pending.day < 0:
                self._pending.draw(self.key, rhythm, day)
        score = rhythm.engagement(self.newest_ms)
        profile.score_moved(before, score)
        self._band = max(self._band, self._band_of(score))

    def _in_session(self, at_ms: int, scored: bool, kind: int, focus_ms: int) -> None:
        """The event is in its session, and what it changed there in the panes of the session's beginning."""
        sessions, panes = self.sessions, self.panes
        if sessions.see(at_ms, scored, kind, focus_ms):
            self._count(sessions.minute, _SESSION, 1)
        if (sessions.dwell_ms or sessions.marks) and panes.holds(sessions.minute):
            if sessions.dwell_ms:
                panes.add(sessions.minute, _DWELL, sessions.dwell_ms)
            if sessions.marks:
                panes.add(sessions.minute, _MARKS, sessions.marks)

    def _take_streaks(self, rules: Rules) -> None:
        """The streak rules, by the type that they look for."""
        self._codes = rules.zones.codes()
        self._streaks: dict[int, list[tuple[int, int, int]]] = {}
        for rule in rules.metrics.streaks:
            for entry in rules.catalogue.types:
                if entry.name == rule.event:
                    self._kinds[entry.id] |= _STREAK
                    self._streaks.setdefault(entry.id, []).append((rule.id, minute_of(rule.after), minute_of(rule.before)))

    def _streak(self, type_id: int, at_ms: int) -> None:
        """The event is in the streaks that it matches by the user's own clock."""
        day, minute = self.local(at_ms)
        for rule, after, before in self._streaks[type_id]:
            if after <= minute < before:
                self.profile.match(rule, day)

    def _come_back(self) -> None:
        """Alerts that the event has taken below their lower threshold are resolved."""
        slots = self.slots
        if slots.firing & 1:
            at_ms = max(self.newest_ms, slots.starts_ms(0))
            if self.churn(at_ms) < self._theta_off:
                self._end(0, at_ms)
        if slots.firing & 2:
            at_ms = max(self.newest_ms, slots.starts_ms(1))
            if self.drop(at_ms) < self._h_off:
                self._end(1, at_ms)

    # -- other ids of the same person ---------------------------------------------------------------------------------

    def take_in(self, ident: int, at_ms: int) -> int:
        """An id (a hash) is this user's: 1. 0 when that was known, -1 when the user has too many."""
        if self._free() < self._event_words:
            self._make_room()
        return self.ties.take_in(ident, at_ms)

    def share(self, at_ms: int) -> None:
        """This anonymous id belongs to several people: it is never merged."""
        self.ties.share(at_ms)
        self._settle()

    def absorb(self, other: State, days: list[SharedDay], orders: list[int], topic: int, partition: int, offset: int) -> None:
        """`other`, the same person under another id, is in this state, its activity aside; what that turned is in `turns`. The state counts
        as a record: topic, partition and offset are those that it came with.

        days    as `days_with` gave them, orders: the days on which both had one, both from before the activities were merged
        """
        rhythm, last_day = self.rhythm, self.rhythm.last_day
        self.turns = self.wrong = self.right = 0
        for each in days:
            if each.theirs and self._pending.awaits(each.day):
                self._pending.returned(each.day, rhythm, self.correction)
        self._unite(other, days, orders)
        if rhythm.last_day > last_day:
            self._left, self._lost = other._left, other._lost
            if self.slots.unjudged():
                self._judge_return(rhythm.last_day * _DAY_MS)
            if self._pending.day < 0:
                self._pending.draw(self.key, rhythm, rhythm.last_day)
        self._cross()
        score = rhythm.engagement(self.newest_ms)
        self.profile.score_moved(score, score)
        self._band = max(self._band, self._band_of(score))
        self.last_topic, self.last_partition, self.last_offset = topic, partition, offset
        if self.slots.firing:
            self._come_back()
        if self._free() < self._event_words:  # the account of the other one follows
            self._make_room()
        self._settle()

    # -- silence ----------------------------------------------------------------------------------------------------

    def turn(self, bound_ms: int) -> int:
        """The earliest turn that silence brings up to `bound_ms`, applied, as a bit of `Turn`; 0 when there is none.

        Its instant is in `turn_ms`. After `EXPIRED` the caller deletes the user. At equal instants: churn, drop, band, lesson, verdict,
        expiry.
        """
        while self.due_ms <= bound_ms and self.due_ms < _NEVER_MS:
            at_ms = self.due_ms
            if self._churn_due_ms == at_ms:
                turn = _CHURN_ON
                self._fire(0, at_ms)
            elif self._drop_due_ms == at_ms:
                turn = _DROP_ON
                self._fire(1, at_ms)
            elif self._band_due_ms == at_ms:
                exact_ms = self._band_at_ms(at_ms)
                if exact_ms != at_ms:
                    self._band_due_ms = exact_ms
                    self._next()
                    continue
                turn = _BAND
                self._band = self.band(at_ms)
            elif self._lesson_due_ms == at_ms:
                turn = _LESSON
                self.lesson = self._pending.lesson(self.rhythm, self.correction)
                self._pending.draw(self.key, self.rhythm, at_ms // _DAY_MS)
            elif self._verdict_due_ms == at_ms:
                turn = self._verdict(at_ms)
            else:
                self.turn_ms = at_ms
                return _EXPIRED
            self.turn_ms = at_ms
            self._settle()
            return turn
        return 0

    def _verdict(self, at_ms: int) -> int:
        """One verdict that the end of a horizon brings, at the instant `at_ms`: an alert was right, or an engaged user is lost."""
        for rule in (0, 1):
            if self.slots.unjudged() >> rule & 1 and self._verdict_at_ms(rule) == at_ms:
                self.slots.judge(1 << rule)
                return _DROP_RIGHT if rule else _CHURN_RIGHT
        self._lost = True
        return _LOST

    def _verdict_at_ms(self, rule: int) -> int:
        """When the horizon after the alert of `rule` ends; turns happen after the newest event."""
        return max(self.slots.starts_ms(rule) + self._horizon_ms, self.newest_ms + 1)

    def _fire(self, rule: int, at_ms: int) -> None:
        self.slots.fire(rule, at_ms, self.last_topic, self.last_partition, self.last_offset)

    def _band_at_ms(self, at_ms: int) -> int:
        """The first millisecond from `at_ms` (never late, a little early) on at which the score is below the user's band."""
        while self.band(at_ms) >= self._band:
            at_ms += 1
        return at_ms

    def _cross(self) -> None:
        """The crossings of this silence: they change with active days only."""
        if self._left:
            self._churn_at_ms = self._drop_at_ms = _NEVER_MS
            return
        self._churn_at_ms = self.correction.churn_at_ms(self.rhythm, self._theta_on)
        self._drop_at_ms = self.rhythm.drop_at_ms()

    def _settle(self) -> None:
        """The due times follow from the state."""
        slots, after_ms = self.slots, self.newest_ms + 1
        # What parameters have moved happens when they came: in the past it would be stale, and might have happened there before.
        moved_ms = max(after_ms, self._since_ms)
        self._churn_due_ms = self._drop_due_ms = self._band_due_ms = _NEVER_MS
        if not slots.firing & 1 and self._churn_at_ms < _NEVER_MS:
            self._churn_due_ms = slots.earliest_ms(0, max(self._churn_at_ms, moved_ms))
        if not slots.firing & 2 and self._drop_at_ms < _NEVER_MS:
            self._drop_due_ms = slots.earliest_ms(1, max(self._drop_at_ms, after_ms))
        if self._band > 0:
            self._band_due_ms = max(self.rhythm.fade_at_ms(self._edges[self._band - 1]), moved_ms)
        self._lesson_due_ms = max(self._pending.due_ms(), after_ms)
        self._verdict_due_ms = _NEVER_MS
        if slots.unjudged():
            for rule in (0, 1):
                if slots.unjudged() >> rule & 1:
                    self._verdict_due_ms = min(self._verdict_due_ms, self._verdict_at_ms(rule))
        if not self._lost and self.rhythm.alertable():
            gone_ms = self.rhythm.last_day * _DAY_MS + self._horizon_ms + _DAY_MS
            self._verdict_due_ms = min(self._verdict_due_ms, max(gone_ms, after_ms))
        known_ms = max(self.newest_ms, self.ties.since_ms)
        self._expiry_ms = known_ms + self._ttl_ms if known_ms >= 0 else _NEVER_MS
        self._next()

    def _next(self) -> None:
        alerts_ms = min(self._churn_due_ms, self._drop_due_ms)
        self.due_ms = min(min(alerts_ms, self._band_due_ms), min(min(self._lesson_due_ms, self._verdict_due_ms), self._expiry_ms))

    # -- emission ---------------------------------------------------------------------------------------------------

    def emission(self, at_ms: int) -> int:
        """Why a score should leave (mode "meaningful"): 1 it moved, or none ever left; 2 another band; 3 none for long; 0 no reason."""
        if self._said_ms < 0:
            return 1
        score = self.engagement(at_ms)
        if score - self._said_score >= self._min_delta or self._said_score - score >= self._min_delta:
            return 1
        if self.band(at_ms) != self._said_band:
            return 2
        return 3 if at_ms - self._said_ms >= self._max_interval_ms else 0

    def emitted(self, at_ms: int) -> None:
        """The score as of `at_ms` is the one that was last emitted."""
        self._said_score = self.engagement(at_ms)
        self._said_band = self.band(at_ms)
        self._said_ms = at_ms

    # -- reading ----------------------------------------------------------------------------------------------------

    def churn(self, at_ms: int) -> float:
        """Churn probability: p0, or the corrected one where a model is in force."""
        return self.correction.churn(self.rhythm, self.rhythm.silence(at_ms))

    def thetas(self) -> tuple[float, float]:
        """Probabilities at which a churn alert begins and ends."""
        return self._theta_on, self._theta_off

    def drop(self, at_ms: int) -> float:
        """Drop statistic."""
        return self.rhythm.drop(self.rhythm.silence(at_ms))

    def alert(self, rule: int) -> Alert:
        """Alert rule 0 (churn_risk) or 1 (engagement_drop)."""
        alert: Alert = self.slots.alert(rule)
        return alert

    def visits_to_clear(self, rule: int, at_ms: int, most: int) -> int | None:
        """How many visits, one on the day of `at_ms` and one on each following day, take the value of an alert rule below where the alert
        ends; None when `most` are too few. Tried out on a copy of the rhythm."""
        trial = self._trial
        trial.copy(self.rhythm)
        day = max(at_ms // _DAY_MS, trial.last_day)
        for visits in range(most):
            trial.visit(day + visits, 1.0)
            over = self.correction.churn(trial, 0.0) < self._theta_off if rule == 0 else trial.drop(0.0) < self._h_off
            if over:
                return visits + 1
        return None

    def facts(self, at_ms: int) -> Facts:
        """What the score and the alerts rest on, as of `at_ms`."""
        return facts_of(self.rhythm, self.churn(at_ms), self.rules.churn.horizon_days, at_ms, self.lifetime())


def _kind_of(entry: EventType) -> int:
    """What a type is to sessions and to the profile: 1 a page view, 2 active, 4 a key event, 8 an order."""
    return entry.page + 2 * entry.active + 4 * entry.key + (_ORDER if entry.order else 0)
