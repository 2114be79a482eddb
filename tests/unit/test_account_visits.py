"""The visits of an account by day, and when the last weeks lie below its usual."""

from math import log

import pytest

from streams.core.account_rules import Accounts
from streams.core.visits import KEPT_DAYS, Visits

RULES = Accounts()


def daily(days: int, weight: int = 1, step: int = 1) -> Visits:
    """One visit on every `step`-th of days 0 .. days - 1."""
    visits = Visits()
    for day in range(0, days, step):
        visits.add(day, weight)
    return visits


def test_nothing_is_judged_before_four_weeks_of_baseline() -> None:
    """28 days that are judged, and 28 before them."""
    assert daily(56).judged(54, RULES) == []
    assert [judged.window_days for judged in daily(56).judged(55, RULES)] == [7, 14, 28]


def test_a_week_of_silence_is_judged_by_the_ratio_of_two_rates() -> None:
    """84 visits in 84 days, none in 7: G = 84 ln(84 / (84 * 84/91)). A visit a day has no dispersion of its own: that of one visit is 1."""
    visits = daily(112)
    week = visits.judged(118, RULES)[0]
    assert (week.visits, week.usual, week.dispersion, week.share) == (0, 7.0, 1.0, 0.0)
    assert week.value == pytest.approx(84 * log(91 / 84))


def test_more_visits_than_usual_are_no_evidence() -> None:
    visits = daily(140, step=2)
    for day in range(126, 140):
        visits.add(day, 1)
    assert [judged.value for judged in visits.judged(139, RULES)] == [0.0, 0.0, 0.0]


def test_weights_are_no_evidence_of_their_own() -> None:
    """Members of weight 3 count three times, and so does their chance: the value is that of members of weight 1."""
    assert daily(112, weight=3).judged(118, RULES)[0].value == pytest.approx(daily(112).judged(118, RULES)[0].value)


def test_weeks_that_differ_make_evidence_weak() -> None:
    """Eight visits in every other week, none in the one between: the variance of the weeks is above their mean."""
    steady, wild = daily(112, step=2), Visits()
    for day in range(112):
        if day // 7 % 2:
            wild.add(day, 1)
    assert wild.judged(118, RULES)[0].dispersion == pytest.approx(7 * 12 / 11 / 2)  # 7 or 0 around 3.5
    assert wild.judged(118, RULES)[0].value < steady.judged(118, RULES)[0].value / 3


def test_late_visits_count_as_if_they_had_come_in_time() -> None:
    forwards, backwards = Visits(), Visits()
    for day in range(0, 100, 3):
        forwards.add(day, 2)
    for day in reversed(range(0, 100, 3)):
        backwards.add(day, 2)
    assert forwards == backwards


def test_a_day_is_judged_alike_whatever_came_after_it() -> None:
    early, late = daily(118), daily(150)
    late.reach(160)
    assert early.judged(117, RULES) == late.judged(117, RULES)


def test_days_beyond_those_kept_are_forgotten() -> None:
    visits = daily(10)
    visits.reach(KEPT_DAYS + 20)
    assert visits.sums == []
    visits.add(3, 1)
    assert visits.sums == []
    visits.add(KEPT_DAYS + 25, 1)
    assert visits.sums == [1]
