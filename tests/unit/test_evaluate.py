"""The evaluation's own arithmetic: figures by hand, no look into the future, and a word about what is not there."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import pytest

from streams.core.rules import DAY_MS, Catalogue, EventType, Rules
from streams.replay.mapping import load_mapping
from streams.replay.sources import read
from tests.evaluate import drops
from tests.evaluate.__main__ import main
from tests.evaluate.datasets import SETS, Absent, Protocol, Target, Visit
from tests.evaluate.judge import AlertFigures, Verdicts, judge_alerts
from tests.evaluate.metrics import auc, average_precision, bins, bootstrap, brier, ece, median, roc, top_precision
from tests.evaluate.plots import Panel, svg
from tests.evaluate.replay import Replay, rules_for
from tests.evaluate.report import Churn, Drops, render
from tests.evaluate.shop import FILE, MAPPING, Compared, compare_shop

SCORES = [0.9, 0.8, 0.7, 0.7, 0.2]
TRUTHS = [True, False, True, False, False]

RULES = Rules(version="v", app_id="a", partitions=1, catalogue=Catalogue(types=(EventType(id=10, name="visit"),)))


def nothing(_: Path) -> Iterator[Visit]:
    yield from ()


PROTOCOL = Protocol("made", "Made", nothing, 10, 10, 3, range(40, 61, 10), Target(0.5, 0.5))


def visits(**days: range | list[int]) -> list[Visit]:
    """Visits at noon of a user's days, in the order of time."""
    made = [Visit(user, day * DAY_MS + DAY_MS // 2, "visit") for user, its in days.items() for day in its]
    return sorted(made, key=lambda visit: visit.at_ms)


# -- figures ------------------------------------------------------------------------------------------------------------------


def test_auc_counts_ties_half() -> None:
    """Of six pairs, four are in order and one is tied."""
    assert auc(SCORES, TRUTHS) == pytest.approx(4.5 / 6)


def test_auc_of_a_perfect_and_of_an_inverted_forecast() -> None:
    assert (auc([0.9, 0.1], [True, False]), auc([0.1, 0.9], [True, False]), auc([0.5, 0.5], [True, False])) == (1.0, 0.0, 0.5)


def test_a_roc_needs_both_outcomes() -> None:
    with pytest.raises(ValueError, match="both outcomes"):
        roc([0.1, 0.2], [True, True])


def test_average_precision_takes_a_tie_as_one_step() -> None:
    """Half of the positives at precision 1, half at 2/4."""
    assert average_precision(SCORES, TRUTHS) == pytest.approx(0.75)


def test_average_precision_needs_a_positive() -> None:
    with pytest.raises(ValueError, match="positive"):
        average_precision([0.1], [False])


def test_brier_is_the_mean_squared_distance() -> None:
    assert brier([0.9, 0.2], [True, True]) == pytest.approx(0.325)


def test_calibration_by_tenths() -> None:
    """0.72 and 0.78 share a bin, of which half came true: 0.25 apart; 1.0 belongs to the last one."""
    forecasts, truths = [0.72, 0.78, 1.0, 0.05], [True, False, True, False]
    assert [(b.n, round(b.forecast, 6), b.came_true) for b in bins(forecasts, truths)] == [(1, 0.05, 0.0), (2, 0.75, 0.5), (1, 1.0, 1.0)]
    assert ece(forecasts, truths) == pytest.approx((0.05 + 2 * 0.25) / 4)


def test_precision_of_the_top_shares_the_last_place() -> None:
    """Three places: 0.9, 0.8, and one of the two at 0.7."""
    assert top_precision(SCORES, TRUTHS, share=0.6) == pytest.approx(1.5 / 3)


def test_median_of_an_even_number() -> None:
    assert (median([3, 1, 2]), median([4, 1, 2, 3])) == (2, 2.5)


def test_a_bootstrap_draws_whole_groups_and_the_same_ones_each_time() -> None:
    """A user with a hundred equal alerts counts as one user."""
    groups = [[1.0] * 100, [0.0] * 100]
    one = bootstrap(groups, lambda values: sum(values) / len(values), draws=200)
    assert one == (0.5, 0.0, 1.0)
    assert one == bootstrap(groups, lambda values: sum(values) / len(values), draws=200)


# -- replay -------------------------------------------------------------------------------------------------------------------


def test_rules_follow_the_horizon() -> None:
    """Engaged is m <= H/4, an alert rests for H/2, thresholds stay."""
    churn = rules_for(RULES, PROTOCOL).churn
    assert (churn.horizon_days, churn.engaged_gap_days, churn.rearm_days, churn.theta_on) == (10.0, 2.5, 5.0, 0.3)


def test_churned_is_who_has_no_active_day_within_the_horizon() -> None:
    """Cut on day 40, H = 10: a return on day 50 counts, one on day 51 does not."""
    early, late = [*range(30, 41), 50, 75], [*range(30, 41), 51, 75]
    replay = Replay(RULES, PROTOCOL).run(visits(early=early, late=late, first=[0]))
    assert {each.user: each.label.churned for each in replay.tested if each.day == 40} == {"early": False, "late": True}


def test_eligible_is_who_was_there_lately_and_often_enough() -> None:
    """At least three active days, the last at most ten days ago."""
    replay = Replay(RULES, PROTOCOL).run(visits(twice=[38, 39], gone=[27, 28, 29], just=[28, 29, 30], first=[0], last=[80]))
    assert [each.user for each in replay.tested if each.day == 40] == ["just"]


def test_eligible_by_events_is_who_did_often_enough_on_however_few_days() -> None:
    replay = Replay(RULES, PROTOCOL).run(visits(thrice=[39, 39, 39], twice=[38, 39], just=[28, 29, 30], first=[0], last=[80]))
    assert [each.user for each in replay.tested if each.day == 40] == ["just"]
    assert sorted(each.user for each in replay.by_events if each.day == 40) == ["just", "thrice"]


def test_nothing_after_a_cut_day_is_in_its_features() -> None:
    """Day by day, whoever visits later."""
    seen = [
        [
            (each.user, each.label.p0, each.label.x)
            for each in Replay(RULES, PROTOCOL).run(visits(u=days, z=[0, 90])).tested
            if each.day == 40
        ]
        for days in (range(20, 41), range(20, 70))
    ]
    assert seen[0] == seen[1]
    assert len(seen[0]) == 1


def test_what_has_no_outcome_in_the_set_is_not_judged() -> None:
    """The set ends on day 55: the cut of day 50 cannot be known."""
    replay = Replay(RULES, PROTOCOL).run(visits(**{f"u{i}": range(56) for i in range(8)}))
    assert {each.day for each in replay.tested} == {40}
    assert 40 < max(each.ripe_day for each in replay.learned) <= 56


def test_a_user_is_looked_at_again_when_the_outcome_of_the_last_look_is_known() -> None:
    """The product's lessons: one at a time."""
    learned = Replay(RULES, PROTOCOL).run(visits(u=range(300))).learned
    assert len(learned) > 3
    assert all(later.ripe_day > earlier.ripe_day + 10 for earlier, later in pairwise(learned))


def test_alerts_are_those_of_the_product_and_meet_their_outcome() -> None:
    """Twenty daily visits, then silence: both alerts fire; the one who returns before the horizon after them made them wrong."""
    replay = Replay(RULES, PROTOCOL).run(visits(gone=range(20), back=[*range(20), 35], end=[200]))
    drop = {alert.user: alert for alert in replay.alerts if alert.rule == "engagement_drop"}
    assert {user: (alert.last_day, alert.returned_ms) for user, alert in drop.items()} == {
        "gone": (19, None),
        "back": (19, 35 * DAY_MS),
    }
    churn, dropped = judge_alerts(replay)
    assert (dropped.rule, dropped.judged, dropped.right, dropped.precision) == ("engagement_drop", 2, 1, None)
    assert churn.per_user_month == pytest.approx(sum(a.rule == "churn_risk" for a in replay.alerts) / 4)


def test_an_empty_set_is_an_error() -> None:
    with pytest.raises(ValueError, match="no visits"):
        Replay(RULES, PROTOCOL).run([])


# -- drops --------------------------------------------------------------------------------------------------------------------


def test_an_injected_drop_is_found_in_a_regular_series() -> None:
    """A thousand in every hour: half of it is 28 deviations less. Nothing false, all found in the first hour."""
    ticks = [drops.Tick(datetime(2024, 1, 1, tzinfo=UTC) + timedelta(hours=hour), 1000.0) for hour in range(6 * 168)]
    result = drops.evaluate("made", ticks, theta=3.0)
    assert (result.false_per_14d, result.tried, set(result.delays_h), result.found(1)) == (0.0, 27, {1}, 1.0)
    assert drops.calibrate(ticks) == 0.5


# -- a shop, counted twice ----------------------------------------------------------------------------------------------------


def a_shop(folder: Path) -> None:
    """Invoice lines of three users over ninety days, with prices of half pennies, returns, and users who come back after a month."""
    pandas = pytest.importorskip("pandas", reason="what evaluates is not installed")
    rows = []
    for number, day in enumerate((0, 0, 1, 3, 8, 9, 33, 34, 41, 70, 89)):
        event, qty = ("return", -2) if number % 5 == 4 else ("purchase", 1 + number % 4)
        for line in range(2):
            ts = 1_291_161_600 + 86_400 * day + 3_600 + 60 * line
            rows.append((ts, 17_850 + number % 3, event, str(536_365 + number), f"{line}", qty, (2.55, 0.125)[line], "France"))
    columns = ["ts", "user_id", "event_type", "invoice", "sku", "qty", "unit_price", "country"]
    lines = pandas.DataFrame(rows, columns=columns).astype({"unit_price": "float32", "qty": "int32"})
    lines.to_parquet(folder / FILE)


def test_the_product_and_the_lines_of_a_shop_agree(tmp_path: Path) -> None:
    """Each figure of each of ninety days, and of three months."""
    a_shop(tmp_path)
    assert compare_shop(tmp_path) == Compared(90 * 40 + 3 * 8, ())


def test_a_penny_too_much_is_found(tmp_path: Path) -> None:
    """In every figure that rests on it, and in no other."""
    a_shop(tmp_path)
    first, *others = read(tmp_path / FILE, load_mapping(MAPPING))
    dearer = first._replace(value=first.value.replace(b"2.55", b"2.56"))
    wrong = {difference.partition("/")[0] for difference in compare_shop(tmp_path, [dearer, *others]).differences}
    assert wrong == {"sales", "revenue", "average_order", "arpu"}


# -- what is not there, and what is written -----------------------------------------------------------------------------------


def test_an_absent_folder_is_said_and_skipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Each set by a line, and the report stays as it is."""
    monkeypatch.setenv("STREAMS_EVALUATION_DATA", str(tmp_path))
    assert main(["mathoverflow", "retail", "drops", "shop"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"# mathoverflow skipped: mathoverflow_events.parquet is not in {tmp_path}",
        f"# retail skipped: online_retail_events.parquet is not in {tmp_path}",
        f"# drops skipped: aggregate_hourly.parquet is not in {tmp_path}",
        f"# shop skipped: online_retail_events.parquet is not in {tmp_path}",
        "# the report was left as it is: not everything was measured",
    ]


def test_an_unknown_set_is_refused() -> None:
    with pytest.raises(SystemExit, match="no such set: mathunderflow"):
        main(["mathunderflow"])


def test_reading_an_absent_set_says_which_file(tmp_path: Path) -> None:
    with pytest.raises(Absent, match=r"online_retail_events\.parquet"):
        next(SETS[1].read(tmp_path))


def test_a_plot_is_well_formed() -> None:
    """Also with names that mean something to XML."""
    root = ElementTree.fromstring(svg([Panel("a < b", "x", "y", {"p & q": [(0.0, 0.0), (1.0, 1.0)]}, dots=True)]))
    assert root.tag == "{http://www.w3.org/2000/svg}svg"


def test_the_report_has_what_was_measured() -> None:
    """Each set in its row; what each threshold of the drop alert costs, and what eligibility by events gives."""
    figures = {"auc_prior": 0.4, "auc_online": 0.6, "auc_prior_by_events": 0.51, "auc_online_by_events": 0.61}
    figures |= {"churned": 0.25, "churned_engaged": 0.1}
    alerts = [AlertFigures("churn_risk", 4, 1, 0.01, None, None)]
    churn = Churn(PROTOCOL, 7, 1234, Verdicts(figures, {}, {}, 20, 30, 5, 99), alerts, {4.8: 0.35})
    series = [drops.SeriesResult("hourly", 2.0, 0.5, 10, (3,))]
    report = render([churn], Drops(series, series, {"Christmas": True}), Compared(1234, ()))
    for row in (
        "| Made | 7 | 1,234 | 10 | 10 | 3 | 40 to 60, every 10 | 20 | 30 | 25 % |",
        "- Made: auc_prior 0.4000, to reach: 0.50",
        "| Made | 3 | 99 | 0.5100 | 0.50 | 0.6100 | 0.50 |",
        "| Made | `churn_risk` | 4 | 0.0100 | 1 of 4 | 0.10 (of 5) | - |",
        "| 4.8 | 35.0 % |",
        "| hourly | 2.00 | 0.50 | 10 % | 10 % | 3 | 2.00 | 0.50 | 10 % | 10 % | 3 |",
        "Of 1,234 figures 0 differ, money to the cent.",
    ):
        assert f"\n{row}\n" in report
