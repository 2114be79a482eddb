"""Silent users whose alerts fall due one after the other, from the end of the history on: so that a demo has something to show.

An alert about silence fires at an instant that the user's own rhythm decides (docs/scoring.md). `aim` draws rhythms, works out
when a silence after each of their days would cross the threshold, and keeps for every slot of `every_s` seconds one user whose
crossing falls into it. The days are then put where the crossing needs them: a crossing `r` days after the last visit hits an instant
when the last visit is `r` days before it, and since days are whole, only about one rhythm in ten thousand hits a given slot; so
thousands are drawn, which takes a second.

These users only do what the rhythm says: always logged in, never late, and no newsletter is opened. What they do on a day does not
matter, as only days count. The formulas stand here a second time, on purpose: a test folds the world with the real core and counts.
"""

import math
from collections.abc import Iterator
from random import Random
from typing import Final, NamedTuple

from streams.core.rules import DAY_MS, Churn, Drop
from streams.sim.config import AimConfig

__all__ = ["Aimed", "Rhythm", "aim"]

#: Rhythms drawn at the most. A long one gives thirty crossings, a short one seven: enough to fill nine of ten slots of a whole day.
_RHYTHMS_MAX: Final = 10_000
#: Newton's method from below: the error after so many steps is under a millisecond.
_NEWTON_STEPS: Final = 8
#: A visit must take the statistic clearly below the threshold.
_MARGIN: Final = 0.01


class Aimed(NamedTuple):
    """A user's visits and what follows from them. Days are UTC day numbers since 1970.

    rule       "churn_risk" or "engagement_drop"
    days       days with a visit, rising
    fires_ms   when the alert falls due
    returns_ms when the user comes back, which resolves it; 0: not at all
    """

    rule: str
    days: tuple[int, ...]
    fires_ms: int
    returns_ms: int


class Rhythm:
    """What the alert formulas keep of a user's active days. Day 0 is the first one."""

    def __init__(self, churn: Churn, drop: Drop) -> None:
        self._churn, self._drop = churn, drop
        self._h2, self._h4 = 2 * churn.horizon_days, 4 * churn.horizon_days
        self._c2, self._c4 = 1 - 2 ** (-1 / self._h2), 1 - 2 ** (-1 / self._h4)
        self.last = 0
        self.x = 1
        self._s2 = self._s4 = 1.0
        self._gm = self._gw = self.pc = 0.0

    @property
    def lam(self) -> float:
        """Active days per day, as the drop statistic expects them."""
        return (self._s4 + 0.5) / ((1 - 2 ** (-max(self.last, 1) / self._h4)) / self._c4 + 14)

    @property
    def gap_days(self) -> float:
        """Typical gap between active days."""
        return (self._churn.m0_days + self._gm) / (1 + self._gw)

    def add(self, day: int) -> None:
        """`day` is an active one, later than all before."""
        gap = day - self.last
        self.pc = min(40.0, max(0.0, self.drop_at(gap) + math.log(self._drop.rho)))
        self._gm, self._gw = 0.8 * self._gm + gap, 0.8 * self._gw + 1
        self._s2 = self._s2 * 2 ** (-gap / self._h2) + 1
        self._s4 = self._s4 * 2 ** (-gap / self._h4) + 1
        self.x, self.last = self.x + 1, day

    def drop_at(self, days: float) -> float:
        """The drop statistic after so many days of silence."""
        return self.pc + self.lam * (1 - self._drop.rho) * days

    def churn_at(self, days: float) -> float:
        """The churn probability after so many days of silence."""
        return math.exp(self._log_churn_at(days))

    def _log_churn_at(self, days: float) -> float:
        e = self._h2 + (1 - 2 ** (-max(self.last + days, 1.0) / self._h2)) / self._c2
        return (self._churn.r0 + self._s2 * 2 ** (-days / self._h2)) * math.log(e / (e + self._churn.horizon_days))

    def drop_crossing(self) -> float:
        """Days of silence until the drop alert; infinity for users whom it does not watch."""
        if self.x < self._drop.min_active_days:
            return math.inf
        return max(0.0, (self._drop.h_on - self.pc) / (self.lam * (1 - self._drop.rho)))

    def churn_crossing(self) -> float:
        """Days of silence until the churn alert; infinity for users whom it does not watch."""
        if self.x < self._churn.min_active_days or self.gap_days > self._churn.engaged_gap_days:
            return math.inf
        goal, days, step = math.log(self._churn.theta_on), 0.0, 1e-4
        for _ in range(_NEWTON_STEPS):
            here = self._log_churn_at(days)
            days = max(0.0, days + (goal - here) / (self._log_churn_at(days + step) - here) * step)
        return days


def aim(rng: Random, config: AimConfig, *, users: int, days: int, until_ms: int, churn: Churn, drop: Drop) -> list[Aimed]:
    """Users with their alerts in successive slots from `lead_s` before `until_ms` on, at most as many as `config` allows of `users`.

    In the order of their alerts. Slots that no rhythm hits stay empty; with a history of under 40 `days` most of them do.
    """
    count = min(config.users_max, int(users * config.share))
    every_ms, begin_ms = int(config.every_s * 1000), until_ms - int(config.lead_s * 1000)
    first_day = -(-(until_ms - days * DAY_MS) // DAY_MS)
    slots: list[Aimed | None] = [None] * count
    meant = [config.churn_every > 0 and slot % config.churn_every == 0 for slot in range(count)]
    empty = {True: sum(meant), False: count - sum(meant)}
    for drawn in range(_RHYTHMS_MAX):
        if empty[False] <= count // 50 and empty[True] <= count // 100:
            break
        churning = empty[True] > count // 100 and (drawn % 4 > 0 or empty[False] <= count // 50)
        for rule, visits, rhythm, silence in _crossings(rng, days, churn, drop, churning):
            fires_ms = begin_ms + int((silence * DAY_MS - begin_ms) % DAY_MS)
            while (slot := (fires_ms - begin_ms) // every_ms) < count:
                last = round(fires_ms / DAY_MS - silence)
                if meant[slot] == churning and slots[slot] is None and last - visits[-1] >= first_day:
                    when = tuple(last - visits[-1] + day for day in visits)
                    back = not churning and int((slot + 1) * config.return_share) > int(slot * config.return_share)  # evenly spread
                    returns_ms = _return(rng, config, drop, rhythm, last, max(fires_ms, until_ms)) if back else 0
                    slots[slot] = Aimed(rule, when, fires_ms, returns_ms)
                    empty[churning] -= 1
                    break
                fires_ms += DAY_MS
    return [aimed for aimed in slots if aimed is not None]


def _crossings(rng: Random, days: int, churn: Churn, drop: Drop, churning: bool) -> Iterator[tuple[str, list[int], Rhythm, float]]:
    """Each day of one drawn rhythm after which a silence would raise the wanted alert, and no other before it; `silence` in days."""
    rhythm, visits = Rhythm(churn, drop), [0]
    chance = 0.45 + 0.5 * rng.random()
    for day in range(1, days // 3 if churning else days // 2):
        if rng.random() >= chance:
            continue
        rhythm.add(day)
        visits.append(day)
        drops, churns = rhythm.drop_crossing(), math.inf
        if churning:
            if rhythm.x >= drop.min_active_days:
                return
            churns = rhythm.churn_crossing()
        elif drops < math.inf and rhythm.churn_at(drops) >= churn.theta_on:
            continue
        silence = churns if churning else drops
        if silence >= 1 and silence + day < days - 1:
            yield ("churn_risk" if churning else "engagement_drop"), visits, rhythm, silence


def _return(rng: Random, config: AimConfig, drop: Drop, rhythm: Rhythm, last: int, after_ms: int) -> int:
    """When a user comes back after `after_ms`; 0 when the visit would not take the drop statistic below `h_off`."""
    soonest, latest = config.return_after_s
    returns_ms = after_ms + int((soonest + rng.random() * (latest - soonest)) * 1000)
    back = rhythm.drop_at(returns_ms // DAY_MS - last) + math.log(drop.rho)
    return returns_ms if back < drop.h_off - _MARGIN else 0
