# cython: language_level=3, wraparound=False, cdivision=False, annotation_typing=False
"""The rhythm of one user's active days: points, churn and drop, and the instants at which silence takes them over a threshold.

Formulas and names are those of docs/scoring.md. An active day is a UTC day with a scored event; days are numbered since 1970. Silence is
`r = t - last` in days, and 0 on the last active day itself: a day is one visit, whatever the hour.
"""

from typing import Final, NamedTuple

import cython

from streams.core.record import NEVER_MS
from streams.core.rules import DAY_MS, Rules

if not cython.compiled:
    from math import log, pow

__all__ = ["Rhythm", "SharedDay"]

_DAY_MS: Final = DAY_MS
_NEVER_MS: Final = NEVER_MS
#: Silence longer than this is not looked at for a crossing (100 years).
_HORIZON_DAYS: Final = 36_500
_PC_MAX: Final = 40.0
_SECANT_STEPS: Final = 5
_LOG_2: Final = log(2.0)


class SharedDay(NamedTuple):
    """A day on which one person was active under this id (`mine`), under another one (`theirs`), or both, with the weights of the day; -1
    where they are not known any more."""

    day: int
    mine: bool
    theirs: bool
    my_weight: float
    their_weight: float


class Rhythm:
    """One user's active days; `clear`, or setting every public field, begins another user.

    first_day, last_day   of the active days, -1 when there is none
    x                     active days
    points, wday          P as of `last_day`, and the weight of that day
    s_q, s_h, s_2h, s_4h  S with half-lives H/4, H, 2H, 4H, as of `last_day`
    gm, gw                smoothed sum of gaps and of their weights
    cus, pc               CUSUM of gaps, Poisson CUSUM
    """

    first_day: int
    last_day: int
    x: int
    points: float
    wday: float
    s_q: float
    s_h: float
    s_2h: float
    s_4h: float
    gm: float
    gw: float
    cus: float
    pc: float

    def __init__(self, rules: Rules) -> None:
        churn, drop, scoring = rules.churn, rules.drop, rules.scoring
        self._half_life, self._a_ref = scoring.half_life_days, scoring.a_ref
        self._horizon, self._m0, self._r0, self._theta_on = churn.horizon_days, churn.m0_days, churn.r0, churn.theta_on
        self._churn_days, self._engaged_gap = churn.min_active_days, churn.engaged_gap_days
        self._rho, self._log_rho, self._h_on, self._drop_days = drop.rho, log(drop.rho), drop.h_on, drop.min_active_days
        self._h_q, self._h_h = churn.horizon_days / 4, churn.horizon_days
        self._h_2h, self._h_4h = 2 * churn.horizon_days, 4 * churn.horizon_days
        self.clear()

    def clear(self) -> None:
        """There is no active day."""
        self.first_day = self.last_day = -1
        self.x = 0
        self.points = self.wday = self.s_q = self.s_h = self.s_2h = self.s_4h = self.gm = self.gw = self.cus = self.pc = 0.0

    def copy(self, other: "Rhythm") -> None:
        """This is another rhythm with the same active days."""
        self.first_day, self.last_day, self.x = other.first_day, other.last_day, other.x
        self.points, self.wday = other.points, other.wday
        self.s_q, self.s_h, self.s_2h, self.s_4h = other.s_q, other.s_h, other.s_2h, other.s_4h
        self.gm, self.gw, self.cus, self.pc = other.gm, other.gw, other.cus, other.pc

    def use(self, a_ref: float, m0_days: float, theta_on: float) -> None:
        """What the population has shown is what users are read by from now on."""
        self._a_ref, self._m0, self._theta_on = a_ref, m0_days, theta_on

    # -- writing ----------------------------------------------------------------------------------------------------

    def visit(self, day: int, weight: float) -> bool:
        """A scored event on `day` is in the points. True when it began a new active day; one of an earlier day adds points only."""
        if self.x == 0:
            self.first_day = self.last_day = day
            self.x = 1
            self.s_q = self.s_h = self.s_2h = self.s_4h = 1.0
            self.points = log(1.0 + weight)
            self.wday = weight
            return True
        if day <= self.last_day:
            self.points += log(1.0 + self.wday + weight) - log(1.0 + self.wday)
            self.wday += weight
            return False
        gap = day - self.last_day
        # Both statistics judge the gap by the rhythm before it.
        self.pc = min(_PC_MAX, max(0.0, self.pc + self.rate() * (1.0 - self._rho) * gap + self._log_rho))
        self.cus = max(0.0, self.cus + gap / self.gap_days() - 1.5)
        self.gm = 0.8 * self.gm + gap
        self.gw = 0.8 * self.gw + 1.0
        self.s_q = self.s_q * pow(2.0, -gap / self._h_q) + 1.0
        self.s_h = self.s_h * pow(2.0, -gap / self._h_h) + 1.0
        self.s_2h = self.s_2h * pow(2.0, -gap / self._h_2h) + 1.0
        self.s_4h = self.s_4h * pow(2.0, -gap / self._h_4h) + 1.0
        self.points = self.points * pow(2.0, -gap / self._half_life) + log(1.0 + weight)
        self.wday = weight
        self.x += 1
        self.last_day = day
        return True

    def merge(self, other: "Rhythm", days: list[SharedDay]) -> None:
        """The active days of the same person under another id are in the rhythm. `days`: those of both that are still known, ascending.

        Sums that decay are linear: what both had on one day is taken out again. Days of late events only are in no sum, but may be common
        ones: what either has had is there in any case. Gaps are not linear: they are exact where all active days of both are known. Else
        those of the id that has been there longer hold, with the known days after its last one; what is wrong then fades by a fifth with
        each active day.
        """
        if other.x == 0:
            return
        last = max(self.last_day, other.last_day)
        first = other.first_day if self.x == 0 else min(self.first_day, other.first_day)
        common = [each for each in days if each.mine and each.theirs]
        known = sum([each.mine for each in days]) == self.x and sum([each.theirs for each in days]) == other.x
        twice = 0.0
        for each in common:
            if each.my_weight >= 0.0 and each.their_weight >= 0.0:
                much = log(1.0 + each.my_weight) + log(1.0 + each.their_weight) - log(1.0 + each.my_weight + each.their_weight)
                twice += much * pow(2.0, -(last - each.day) / self._half_life)
        points = self._united(other, last, self._half_life, self.points, other.points, twice)
        wday = (self.wday if self.last_day == last else 0.0) + (other.wday if other.last_day == last else 0.0)
        sums = []
        for half_life, mine, theirs in (
            (self._h_q, self.s_q, other.s_q),
            (self._h_h, self.s_h, other.s_h),
            (self._h_2h, self.s_2h, other.s_2h),
            (self._h_4h, self.s_4h, other.s_4h),
        ):
            both = sum([pow(2.0, -(last - each.day) / half_life) for each in common])
            sums.append(self._united(other, last, half_life, mine, theirs, both))
        x = max(self.x, other.x, self.x + other.x - len(common))
        if known:
            self.clear()
        elif self.x == 0 or other.first_day < self.first_day:
            self.copy(other)
        for each in days:
            if each.day > self.last_day:
                self.visit(each.day, 1.0)
        self.first_day, self.last_day, self.x, self.points, self.wday = first, last, x, points, wday
        self.s_q, self.s_h, self.s_2h, self.s_4h = sums

    def _united(self, other: "Rhythm", last: int, half_life: float, mine: float, theirs: float, twice: float) -> float:
        """A decaying sum of both, as of the day `last`; `twice` is what is in both."""
        my_part = mine * pow(2.0, -(last - self.last_day) / half_life) if self.x else 0.0
        their_part = theirs * pow(2.0, -(last - other.last_day) / half_life)
        return max(my_part, their_part, my_part + their_part - twice)

    # -- reading ----------------------------------------------------------------------------------------------------

    def silence(self, at_ms: int) -> float:
        """r: days since the last active day, 0 on that day and before."""
        if self.x == 0 or at_ms < (self.last_day + 1) * _DAY_MS:
            return 0.0
        return (at_ms - self.last_day * _DAY_MS) / 86_400_000.0

    def tenure(self, r: float) -> float:
        """T: days since the first active day, after `r` days of silence."""
        return (self.last_day - self.first_day) + r

    def exposure(self, half_life: float, tenure: float) -> float:
        """E: what S of this half-life would be after `tenure` days with a visit on each."""
        return (1.0 - pow(2.0, -max(tenure, 1.0) / half_life)) / (1.0 - pow(2.0, -1.0 / half_life))

    def gap_days(self) -> float:
        """m: the user's typical gap between active days."""
        return (self._m0 + self.gm) / (1.0 + self.gw)

    def rate(self) -> float:
        """lam: active days per day, before the silence."""
        return (self.s_4h + 0.5) / (self.exposure(self._h_4h, self.tenure(0.0)) + 14.0)

    def decayed(self, at_ms: int) -> float:
        """A: the points as they count at `at_ms`."""
        return self.points * pow(2.0, -self.silence(at_ms) / self._half_life)

    def engagement(self, at_ms: int) -> float:
        """The engagement score, 0 to 100."""
        decayed = self.decayed(at_ms)
        return 100.0 * decayed / (decayed + self._a_ref)

    def churn(self, r: float) -> float:
        """p0 after `r` days of silence: the probability of no further active day within the horizon. 0 before the first active day."""
        if self.x == 0:
            return 0.0
        known = self._h_2h + self.exposure(self._h_2h, self.tenure(r))
        return pow(known / (known + self._horizon), self._r0 + self.s_2h * pow(2.0, -r / self._h_2h))

    def drop(self, r: float) -> float:
        """The drop statistic after `r` days of silence. 0 before the first active day."""
        return self.pc + self.rate() * (1.0 - self._rho) * r if self.x else 0.0

    def alertable(self) -> bool:
        """Whether this is an engaged user, whose leaving is worth an alert."""
        return self.x >= self._churn_days and self.gap_days() <= self._engaged_gap

    # -- crossings: the first millisecond of a silence ------------------------------------------------------------------

    def churn_at_ms(self) -> int:
        """When p0 reaches theta_on, `NEVER_MS` if the user is not one to be alerted. Holds until the next active day."""
        if not self.alertable():
            return _NEVER_MS
        low = _DAY_MS - 1  # on the day itself there is no silence
        high = _HORIZON_DAYS * _DAY_MS
        if self._calm(high):
            return _NEVER_MS
        # The guess is right to a few milliseconds: steps around it that grow, and then halving, cost a handful of looks.
        middle: int = cython.cast(cython.longlong, self._guess() * 86_400_000.0)
        step = 1
        while high - low > 1:
            if not low < middle < high:
                middle = (low + high) // 2
            if self._calm(middle):
                low = middle
                middle += step
            else:
                high = middle
                middle -= step
            step *= 4
        return self.last_day * _DAY_MS + high

    def _calm(self, after_ms: int) -> bool:
        """Whether p0 is below theta_on after a silence."""
        return self.churn(after_ms / 86_400_000.0) < self._theta_on

    def _guess(self) -> float:
        """About how many days of silence take p0 to theta_on.

        With E held still, p0 = theta has a closed solution F(E). F falls as E grows, so `F(E(r)) = r` has one root: a secant finds it.
        """
        before = 0.0
        error_before = self._solved(before) - before
        r = max(0.0, before + error_before)
        for _ in range(_SECANT_STEPS):
            error = self._solved(r) - r
            if error == error_before:
                break
            before, r, error_before = r, max(0.0, r - error * (r - before) / (error - error_before)), error
        return min(r, 1.0 * _HORIZON_DAYS)

    def _solved(self, r: float) -> float:
        """F: the silence after which p0 is theta_on, if E were what it is after `r` days."""
        known = self._h_2h + self.exposure(self._h_2h, self.tenure(r))
        visits = log(self._theta_on) / log(known / (known + self._horizon)) - self._r0
        return self._h_2h * log(self.s_2h / visits) / _LOG_2 if visits > 0.0 else 1.0 * _HORIZON_DAYS

    def drop_at_ms(self) -> int:
        """When the drop statistic reaches h_on, `NEVER_MS` before its minimum of active days. Holds until the next active day."""
        if self.x < self._drop_days:
            return _NEVER_MS
        days = (self._h_on - self.pc) / (self.rate() * (1.0 - self._rho))
        if not days < _HORIZON_DAYS:
            return _NEVER_MS
        at: int = cython.cast(cython.longlong, max(days, 1.0) * 86_400_000.0)
        at = max(at - 2, _DAY_MS)
        # The closed form is right to about a millisecond; the statistic itself decides which one.
        while self.drop(at / 86_400_000.0) < self._h_on:
            at += 1
        return self.last_day * _DAY_MS + at

    def fade_at_ms(self, edge: float) -> int:
        """When decay takes the engagement score below `edge`: never late, up to 3 ms early. `NEVER_MS` if it never does."""
        if self.points <= 0.0 or not 0.0 < edge < 100.0:
            return _NEVER_MS
        days = self._half_life * log(self.points * (100.0 - edge) / (self._a_ref * edge)) / _LOG_2
        if not days < _HORIZON_DAYS:
            return _NEVER_MS
        at: int = cython.cast(cython.longlong, max(days, 1.0) * 86_400_000.0)
        return self.last_day * _DAY_MS + max(at - 2, _DAY_MS)
