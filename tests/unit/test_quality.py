"""The quality of alerts: what is counted, when, and what it amounts to."""

from io import StringIO

import pytest
from rich.console import Console

from streams.commands.quality import Report, render
from streams.core.ledger import rolling_window
from streams.core.quality import Quality, Tally, quality, sums_of
from streams.core.quality_metrics import QUALITY_METRICS, drift_figure, quality_figures
from streams.core.rules import DAY_MS, EventType
from streams.core.user import Turn, User
from tests.histories import at, fresh, history, make_rules

GONE = 200


def stock(user: User, until_day: float) -> list[tuple[int, float]]:
    """Turns that only take stock of the verdicts, with their days."""
    found = []
    while turn := user.turn(at(until_day)):
        if turn in (Turn.CHURN_RIGHT, Turn.DROP_RIGHT, Turn.LOST):
            found.append((turn, (user.turn_ms - at(0)) / DAY_MS))
    return found


def alerted(days: int = 20) -> User:
    """Daily, then silent until the drop alert fires (day 33.5)."""
    user = history(fresh(make_rules(types=[EventType(id=GONE, name="account_deleted", weight=0.0, leaves=True)])), range(days))
    while user.turn(at(400)) != Turn.DROP_ON:
        pass
    return user


def test_an_alert_was_right_when_the_horizon_after_it_has_ended_without_a_visit() -> None:
    user = alerted()
    begins_ms = user.turn_ms
    while user.turn(begins_ms + 31 * DAY_MS) != Turn.DROP_RIGHT:
        pass
    assert user.turn_ms == begins_ms + 30 * DAY_MS


def test_an_alert_is_judged_once() -> None:
    assert [turn for turn, _ in stock(alerted(), 350)].count(Turn.DROP_RIGHT) == 1


def test_who_is_back_within_the_horizon_makes_the_alert_wrong() -> None:
    user = history(alerted(), (40,))
    assert (user.wrong, user.right) == (2, 0)
    assert stock(user, 60) == []


def test_who_is_back_after_the_horizon_leaves_it_right() -> None:
    """Also when nobody looked in between."""
    user = history(alerted(), (90,))
    assert (user.wrong, user.right) == (0, 2)


def test_who_leaves_in_so_many_words_makes_it_right() -> None:
    user = history(alerted(), (35,), GONE)
    assert (user.wrong, user.right) == (0, 2)


def test_an_engaged_user_is_lost_after_the_horizon_and_once() -> None:
    """Last there on day 19: the horizon of 30 days ends with day 49."""
    assert [day for turn, day in stock(alerted(), 350) if turn == Turn.LOST] == [50.0]


def test_who_was_never_engaged_is_not_lost() -> None:
    assert stock(history(fresh(), range(7)), 350) == []


def test_what_is_known_of_an_alert_rests_in_the_state() -> None:
    user = alerted()
    stock(user, 70)
    other = fresh(make_rules(types=[EventType(id=GONE, name="account_deleted", weight=0.0, leaves=True)]))
    other.load("ann", user.dump())
    assert other.dump() == user.dump()
    assert stock(other, 90) == []


def test_counts_belong_to_the_day_that_decided_them() -> None:
    tally = Tally()
    tally.fired("churn_risk", at(1))
    tally.fired("churn_risk", at(1, 5))
    tally.lost(at(2), {"churn_risk": at(0), "engagement_drop": at(2)})
    first, second = tally.increments()
    assert (first.name, first.fields) == (sums_of(18_001), {"churn_risk.fired": 2})
    assert second.fields == {"churn_risk.caught": 1, "churn_risk.lead_h": 48, "engagement_drop.caught": 1, "lost": 1}


def test_figures_are_what_the_sums_say() -> None:
    sums = {
        "churn_risk.fired": 12,
        "churn_risk.right": 6,
        "churn_risk.wrong": 2,
        "lost": 10,
        "churn_risk.caught": 4,
        "churn_risk.lead_h": 480,
        "churn_risk.resolved.came_back": 2,
        "churn_risk.resolved.bought": 1,
        "churn_risk.resolved.expired": 1,
    }
    assert quality("churn_risk", sums) == Quality(
        rule="churn_risk",
        fired=12,
        right=6,
        wrong=2,
        lost=10,
        caught=4,
        precision=0.75,
        recall=0.4,
        lead_days=5.0,
        resolved={"bought": 1, "came_back": 2, "expired": 1},
        returned_share=0.75,
    )


@pytest.mark.parametrize("figure", ["precision", "recall", "lead_days", "returned_share"])
def test_nothing_is_divided_by_nothing(figure: str) -> None:
    assert getattr(quality("churn_risk", {}), figure) is None


# -- forecasts ----------------------------------------------------------------------------------------------------------------


def test_a_forecast_is_counted_in_its_tenth_when_its_outcome_is_known() -> None:
    """In millionths; 1.0 belongs to the last tenth."""
    tally = Tally()
    tally.forecast(at(1), 0.25, False)
    tally.forecast(at(1), 1.0, True)
    (day,) = tally.increments()
    assert day.fields == {
        "forecast.n.2": 1,
        "forecast.p.2": 250_000,
        "forecast.squares": 62_500,
        "forecast.n.9": 1,
        "forecast.p.9": 1_000_000,
        "forecast.lost.9": 1,
    }


def test_a_day_of_every_kind_of_count_fits_its_hash() -> None:
    """Every rule, every cause, every tenth: nothing is left to `overflow`."""
    tally = Tally()
    for rule in ("churn_risk", "engagement_drop"):
        tally.fired(rule, at(1))
        for cause in ("came_back", "bought", "cancelled", "expired", "erased", "merged"):
            tally.resolved(rule, cause, at(1))
        for right in (True, False):
            tally.judged(rule, right, at(1))
        tally.lost(at(1), {rule: at(0)})
    for tenth in range(10):
        tally.forecast(at(1), tenth / 10 + 0.05, True)
    (day,) = tally.increments()
    assert len(day.fields) <= day.limit


# -- as metrics ---------------------------------------------------------------------------------------------------------------


def test_every_figure_has_its_denominator_and_its_version() -> None:
    """Of each rule five, of forecasts five: also where nothing was counted, as no value over 0."""
    told = list(quality_figures(rolling_window("7d", 18_001), {}))
    assert [(each.metric.name, each.segment) for each in told[4:6]] == [
        ("alert_returned_share", "rule=churn_risk"),
        ("alerts_fired", "rule=engagement_drop"),
    ]
    assert len(told) == 15
    assert all(each.value is None and each.n == 0 for each in told if each.metric.denominator)
    assert {metric.version for metric in QUALITY_METRICS} == {1}


def test_the_calibration_error_is_the_distance_tenth_by_tenth() -> None:
    """.72 and .78 share a tenth of which half came true: apart by .5; .05 is apart by .05."""
    tally = Tally()
    for p, lost in ((0.72, True), (0.78, False), (0.05, False)):
        tally.forecast(at(1), p, lost)
    (day,) = tally.increments()
    told = {each.metric.name: each for each in quality_figures(rolling_window("day", 18_001), day.fields)}
    assert told["forecast_ece"].value == pytest.approx(100 * 0.55 / 3)
    assert (told["forecast_ece"].denominator, told["forecasts_judged"].value) == (3, 3)


def test_drift_rests_on_the_lessons() -> None:
    drift = drift_figure(rolling_window("day", 18_001), 1.5, 700)
    assert (drift.series, drift.value, drift.n, drift.denominator) == ("model_drift/day/2019-04-15", 1.5, 700, None)


# -- for people ---------------------------------------------------------------------------------------------------------------


def test_the_report_names_what_a_threshold_costs() -> None:
    """The one in force is marked; figures that have nothing to divide by are a dot."""
    report = Report(
        days=90,
        parameters_version="2026-01-31-0123abcd",
        alerts=[quality("churn_risk", {"churn_risk.fired": 12, "churn_risk.right": 6, "churn_risk.wrong": 2})],
        forecasts={"labels_lost": 40.0, "labels_stayed": 60.0, "brier": 0.2, "ece": 0.031, "forecast": 0.4, "outcome": 0.38, "drift": 0.5},
        users=812,
        h_on=4.8,
        false_rates={"4.1": 0.2, "4.8": 0.15},
        h_for={"0.05": 6.9},
    )
    out = StringIO()
    render(Console(file=out, width=80, force_terminal=False), report)
    said = out.getvalue()
    for line in (
        "churn risk      12       6       2      75.0 %        ·      ·          ·",
        "Forecasts read by 2026-01-31-0123abcd; learned from 40 lost, 60 stayed",
        "calibration error 3.1 %, Brier 0.200, drift 0.50 sd",
        "4.8 (yours)",
        "For 5 %: h_on 6.9",
    ):
        assert line in said, said
