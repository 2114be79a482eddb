"""The visits of an account by day, and whether the last weeks lie below what is usual there. Integers: equal visits in any order are equal.

A *visit* is an active day of one member (a UTC day with a scored event), and counts for the weight of the member.

The judgement is the user's (docs/scoring.md, "engagement drop") for many members at once: users come by the day of the week and not alone,
so an account is judged by whole weeks, and by how much its own weeks differ. W visits in a window of n days, against M in the B days of the
baseline: the likelihood ratio of two Poisson rates against one,

    G = W ln(W / (p N)) + M ln(M / ((1 - p) N)),   N = W + M,   p = n / (n + B),

over the dispersion: variance over mean of the weeks of the baseline, at least that of a weighted Poisson sum (sum of w^2 over sum of w).
"""

from collections.abc import Iterator
from math import log
from typing import Final, NamedTuple

import msgspec

from streams.core.account_rules import Accounts

__all__ = ["KEPT_DAYS", "LOOK_DAYS", "Judged", "Visits"]

#: Windows that are judged; the baseline ends where the longest begins.
WINDOW_DAYS: Final = (7, 14, 28)
LOOK_DAYS: Final = WINDOW_DAYS[-1]
#: The last four weeks, twelve before them, and as long again as two months for judgements that come late.
KEPT_DAYS: Final = 176
_WEEK: Final = 7


class Judged(NamedTuple):
    """One window of an account at the end of a day. `usual`: visits in as many days of the baseline, `value`: G over the dispersion, 0 when
    there are no fewer visits than usual."""

    window_days: int
    visits: int
    usual: float
    value: float
    dispersion: float

    @property
    def share(self) -> float:
        """Visits of the usual ones."""
        return self.visits / self.usual if self.usual else 1.0


class Visits(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    """day: the newest one, first_day: the first with a visit; -1 before. sums, squares: of the weights of the visits, `day` first, then
    back; what is missing at the end is 0."""

    day: int = -1
    first_day: int = -1
    sums: list[int] = msgspec.field(default_factory=list)
    squares: list[int] = msgspec.field(default_factory=list)

    def reach(self, day: int) -> None:
        """`day` is the newest one, where it is later. Days older than `KEPT_DAYS` are forgotten."""
        if day <= self.day:
            return
        gap = min(day - self.day, KEPT_DAYS) if self.sums else 0
        self.sums = _trimmed([0] * gap + self.sums)
        self.squares = _trimmed([0] * gap + self.squares)
        self.day = day

    def add(self, day: int, weight: int) -> None:
        """One visit of a member of this weight. On a day that is forgotten it is counted nowhere."""
        self.reach(day)
        back = self.day - day
        if back >= KEPT_DAYS:
            return
        self.first_day = day if self.first_day < 0 else min(day, self.first_day)
        for words, n in ((self.sums, weight), (self.squares, weight * weight)):
            words.extend([0] * (back + 1 - len(words)))
            words[back] += n

    def within(self, last_day: int, days: int) -> int:
        """Visits of the `days` days up to `last_day`."""
        return sum(self._slice(self.sums, last_day, days))

    def judged(self, last_day: int, rules: Accounts) -> list[Judged]:
        """Each window up to the end of `last_day`, whatever came later; nothing while the baseline is too short."""
        days = min(rules.baseline_days, last_day - LOOK_DAYS + 1 - self.first_day)
        if self.first_day < 0 or days < rules.min_days:
            return []
        before = last_day - LOOK_DAYS
        usual = self.within(before, days)
        if not usual:
            return []
        dispersion = max(sum(self._slice(self.squares, before, days)) / usual, self._weekly(before, days))
        found = []
        for window in WINDOW_DAYS:
            visits = self.within(last_day, window)
            value = _ratio(visits, window, usual, days) / dispersion
            found.append(Judged(window, visits, usual * window / days, value, dispersion))
        return found

    def _weekly(self, last_day: int, days: int) -> float:
        """Variance over mean of the whole weeks that end with `last_day`."""
        weeks = [self.within(last_day - _WEEK * i, _WEEK) for i in range(days // _WEEK)]
        mean = sum(weeks) / len(weeks)
        return sum((week - mean) ** 2 for week in weeks) / (len(weeks) - 1) / mean if mean else 0.0

    def _slice(self, words: list[int], last_day: int, days: int) -> Iterator[int]:
        begin = self.day - last_day
        return iter(words[max(begin, 0) : max(begin + days, 0)])


def _trimmed(words: list[int]) -> list[int]:
    """At most the days that are kept, without zeros at the end: equal visits have equal words."""
    end = min(len(words), KEPT_DAYS)
    while end and not words[end - 1]:
        end -= 1
    return words[:end]


def _ratio(visits: int, window: int, usual: int, days: int) -> float:
    """G of the docstring above; 0 unless there are fewer visits than usual."""
    if visits * days >= usual * window:
        return 0.0
    n, p = visits + usual, window / (window + days)
    return (visits * log(visits / (p * n)) if visits else 0.0) + usual * log(usual / ((1 - p) * n))
