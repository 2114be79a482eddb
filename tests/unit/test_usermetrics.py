"""The metrics of one user: golden values."""

import msgspec
import pytest

from streams.core.metric_rules import Activation, Metrics, Rfm, Streak, Value
from streams.core.properties import Context, Properties
from streams.core.record import Fate
from streams.core.rfm import CELLS, Cell, cell_of
from streams.core.rules import Aggregate, EventType, Rules
from streams.core.user import User
from streams.core.usermetrics import AggregateFigures, UserMetrics, metrics_of
from streams.core.values import aggregated
from streams.core.zones import Zones
from streams.phrases import PHRASES
from streams.portrait import portrait
from streams.timezones import all_zones
from tests.histories import at, fresh, make_rules

VIEW, ADDED, ORDER, EMAIL, LOGIN, USED, PAGE = 10, 34, 39, 100, 21, 60, 11
MINUTE_MS = 60_000
TYPES = (
    EventType(id=LOGIN, name="signed_in", login=True),
    EventType(id=USED, name="feature_used", reads=("feature",), active=True),
    EventType(id=PAGE, name="screen_view", page=True),
)


def rules(metrics: Metrics | None = None, zones: Zones | None = None, features: tuple[str, ...] = ()) -> Rules:
    mine = make_rules(types=TYPES)
    catalogue = msgspec.structs.replace(mine.catalogue, features=features)
    return msgspec.structs.replace(mine, metrics=metrics or Metrics(), zones=zones or Zones(), catalogue=catalogue)


def event(user: User, kind: int, day: float, amount: int = 0, said: Properties | None = None, context: Context | None = None) -> None:
    offset = user.last_offset + 1
    assert user.fold(kind, at(day), 1_000_000 + offset, amount, 0, 3, offset, said, context) == Fate.COUNTED


def told(user: User, day: float, mine: Rules | None = None) -> UserMetrics:
    return metrics_of(user, mine or user.rules, at(day))


def test_sessions_of_a_window() -> None:
    user = fresh(rules())
    event(user, LOGIN, 0)
    event(user, PAGE, 0.001)
    event(user, PAGE, 0.002)
    event(user, PAGE, 1)
    event(user, USED, 2)
    week = told(user, 2).sessions["7d"]
    assert (week.sessions, week.active, week.passive, week.page_views, week.logins) == (3, 1, 2, 3, 1)
    assert (week.pages_per_session, week.bounce, week.ga_bounce) == (1.0, 1 / 3, 2 / 3)
    assert week.dwell_s == pytest.approx(172.8 / 3)


def test_without_a_session_there_are_no_rates() -> None:
    user = fresh(rules())
    event(user, EMAIL, 0)
    month = told(user, 0).sessions["30d"]
    assert (month.sessions, month.pages_per_session, month.dwell_s, month.bounce, month.ga_bounce) == (0, None, None, None, None)


def test_features_and_their_breadth() -> None:
    user = fresh(rules(features=("search", "share", "export", "import")))
    event(user, USED, 0, said=Properties(feature="Search"))
    event(user, USED, 20, said=Properties(feature="share"))
    event(user, USED, 20, said=Properties(feature="SHARE"))
    metrics = told(user, 20)
    assert (dict(metrics.features_used), metrics.feature_breadth) == ({"7d": 1, "30d": 2}, 0.5)
    assert told(user, 20, rules()).feature_breadth is None


def test_lifetime_value_is_average_order_times_orders_a_month_times_months() -> None:
    """Four orders of 50.00 in 91 days: 1.338 a month."""
    mine = rules(Metrics(value=Value(margin=0.3, max_months=1.5)))
    user = fresh(mine)
    for day in (0, 30, 60, 91.3125):
        event(user, ORDER, day, 5000)
    value = told(user, 91.3125).lifetime
    assert value is not None
    assert (value.average_order_minor, value.months) == (5000.0, 1.5)
    assert value.orders_per_month == pytest.approx(4 / (91 / 30.4375))
    assert (value.ltv_minor, value.cltv_minor, value.margin) == (10_034, 3_010, 0.3)


def test_months_end_with_the_chance_of_leaving() -> None:
    user = fresh(rules())
    event(user, ORDER, 0, 5000)
    value = told(user, 200).lifetime
    assert value is not None
    assert value.months == pytest.approx(30 / 30.4375 / user.churn(at(200)))


def test_without_a_margin_there_is_no_cltv() -> None:
    user = fresh(rules())
    event(user, ORDER, 0, 5000)
    value = told(user, 0).lifetime
    assert "cltv_minor" not in msgspec.to_builtins(value)


def test_without_an_order_there_is_no_value() -> None:
    user = fresh(rules())
    event(user, VIEW, 0)
    metrics = told(user, 0)
    assert (metrics.lifetime, metrics.rfm, metrics.average_order_minor, metrics.orders) == (None, None, None, 0)


@pytest.mark.parametrize(
    ("recency", "orders", "revenue", "expected"),
    [
        (0, 5, 25_000, ("champion", 5, 5, 5)),
        (7, 5, 25_000, ("champion", 5, 5, 5)),
        (8, 5, 25_000, ("loyal", 4, 5, 5)),
        (3, 1, 2_000, ("potential_loyalist", 5, 2, 1)),
        (3, 0, 0, ("new_customer", 5, 1, 1)),
        (30, 1, 5_000, ("needs_attention", 3, 2, 3)),
        (60, 5, 30_000, ("cannot_lose", 2, 5, 5)),
        (60, 2, 8_000, ("at_risk", 2, 3, 3)),
        (90, 0, 0, ("hibernating", 2, 1, 1)),
        (91, 0, 0, ("lost", 1, 1, 1)),
    ],
)
def test_cells(recency: int, orders: int, revenue: int, expected: tuple[str, int, int, int]) -> None:
    cell = cell_of(Rfm(), recency, orders, revenue)
    assert (cell.cell, cell.recency, cell.frequency, cell.monetary) == expected


def test_every_combination_has_exactly_one_cell() -> None:
    for recency in range(1, 6):
        for worth in range(1, 6):
            assert sum(a <= recency <= b and c <= worth <= d for _, (a, b), (c, d) in CELLS) == 1, (recency, worth)


@pytest.mark.parametrize(
    ("days", "now", "stage"),
    [
        ([0], 0, "new"),
        ([0], 13.9, "new"),
        ([0], 14, "active"),
        ([0], 29.9, "active"),  # one visit has no gap to be longer than
        ([0], 30, "dormant"),
        (range(20), 19, "power"),
        (range(20), 25.9, "power"),
        (range(20), 26, "slipping"),
        (range(20), 49, "dormant"),
        ([0, 7, 14, 21, 28], 42, "active"),  # twice the usual gap
        ([0, 7, 14, 21, 28], 49.1, "slipping"),
        ([0, 30], 30, "resurrected"),
        ([0, 30], 44, "active"),
        ([0, 7, 14, 50, 55, 60], 63.9, "resurrected"),
        ([0, 7, 14, 50, 55, 60], 64, "active"),
    ],
)
def test_stages(days: list[int], now: float, stage: str) -> None:
    user = fresh(rules())
    for day in days:
        event(user, ADDED, day)
    assert told(user, now).stage == stage


def test_somebody_who_was_only_written_to_is_new_and_then_dormant() -> None:
    user = fresh(rules())
    event(user, EMAIL, 0)
    assert (told(user, 14).stage, told(user, 15).stage) == ("new", "dormant")


def test_purchase_probability_is_the_churn_formula_on_order_days() -> None:
    """No order in 0 days: 1 - (61/68)^0.1. One order on the first day: 1 - (61/68)^1.1."""
    user = fresh(rules())
    event(user, VIEW, 0)
    assert told(user, 0).purchase_probability == pytest.approx(1 - (61 / 68) ** 0.1)
    event(user, ORDER, 0, 100)
    assert told(user, 0).purchase_probability == pytest.approx(1 - (61 / 68) ** 1.1)


def test_a_chance_to_buy_fades_with_time() -> None:
    user = fresh(rules())
    for day in (0, 7, 14):
        event(user, ORDER, day, 100)
    chances = [told(user, day).purchase_probability for day in (14, 20, 40, 100)]
    assert chances == sorted(chances, reverse=True)
    assert chances[0] > 0.2


def test_the_parts_of_a_sub_score_add_up_to_it() -> None:
    mine = rules(Metrics(activation=Activation(steps=("page_view", "product_added", "order_completed"))))
    user = fresh(mine)
    for day in range(10):
        event(user, ADDED, day)
    event(user, ORDER, 10, 5000)
    metrics = told(user, 10)
    for score in (metrics.activation, metrics.monetization, metrics.retention):
        assert sum(part.points for part in score.parts) == pytest.approx(score.score)
        assert 0 <= score.score <= 100
    assert [(part.name, part.fill) for part in metrics.activation.parts] == [("visits", 1.0), ("funnel", 1.0), ("breadth", 0.0)]
    assert metrics.activation.score == 80.0
    assert metrics.monetization.score == 50.0  # each part half full
    assert metrics.retention.score == pytest.approx(50 + 50 * (1 - user.churn(at(10))))


EARLY = Metrics(streaks=(Streak(id=1, name="early_bird", event="signed_in", days=3, after="04:00", before="08:00"),))


def test_a_streak_follows_the_user_s_own_clock_through_a_change_of_it() -> None:
    """07:30 in Berlin on 29 March 2019 to 1 April 2019: 06:30 UTC until the clocks change, 05:30 UTC after."""
    user = fresh(rules(EARLY, all_zones()))
    berlin = Context(timezone="Europe/Berlin")
    for day, utc_minutes in ((-16, 390), (-15, 390), (-14, 330), (-13, 330)):
        event(user, LOGIN, day + utc_minutes / 1440, context=berlin)
    (streak,) = told(user, -13 + 330 / 1440).streaks
    assert (streak.days, streak.longest, streak.reached) == (4, 4, True)
    assert told(user, -13).local_time_zone_known


def test_a_streak_without_a_time_zone_follows_utc() -> None:
    user = fresh(rules(EARLY, all_zones()))
    event(user, LOGIN, 0.2)  # 04:48
    event(user, LOGIN, 1.1)  # 02:24: too early
    event(user, LOGIN, 1.34)  # 08:09: too late
    metrics = told(user, 1.34)
    assert (metrics.streaks[0].days, metrics.local_time_zone_known) == (1, False)


def test_a_streak_is_over_once_a_day_was_missed() -> None:
    user = fresh(rules(EARLY))
    for day in (0.2, 1.2, 2.2):
        event(user, LOGIN, day)
    assert [told(user, day).streaks[0].days for day in (2.2, 3.99, 4)] == [3, 3, 0]
    assert told(user, 4).streaks[0].longest == 3


def test_an_unknown_time_zone_changes_nothing() -> None:
    user = fresh(rules(EARLY, all_zones()))
    event(user, LOGIN, 0.2, context=Context(timezone="Europe/Berlin"))
    code = user.profile.zone
    event(user, LOGIN, 1.2, context=Context(timezone="Middle/Earth"))
    assert user.profile.zone == code != 0


def test_a_filtered_counter_counts_in_every_window_and_for_ever() -> None:
    user = fresh(rules())
    event(user, VIEW, 0, said=Properties(counters=(240,)))
    event(user, VIEW, 1)
    event(user, VIEW, 40, said=Properties(counters=(240, 241)))
    assert [user.counts(window, at(40)).get(240, 0) for window in ("5m", "30d")] == [1, 1]
    assert (user.lifetime()[240], user.lifetime()[241], user.ces("30d", at(40))) == (2, 1, 1.0)


def early_buyer(amount: int) -> tuple[User, Rules]:
    """Three mornings in a row, a search, and an order of `amount`; with the rules that tell of them."""
    mine = rules(msgspec.structs.replace(EARLY, value=Value(margin=0.25)), features=("search", "share"))
    user = fresh(mine)
    for day in (0.2, 1.2, 2.2):
        event(user, LOGIN, day)
        event(user, PAGE, day + 0.001)
    event(user, USED, 2.21, said=Properties(feature="search"))
    event(user, ORDER, 2.215, amount)
    return user, mine


def test_a_portrait_reads_well() -> None:
    user, mine = early_buyer(3995)
    lines = dict(portrait(told(user, 2.215), mine))
    assert lines["Stage"] == "new"
    assert lines["Visits"] == "3 in 30 days, 1 of them active; 1.0 pages and 8 min each; 100 % bounced (0 % by GA4's rule), 3 logins"
    assert lines["Features"] == "1 used in 30 days, 50 % of what there is"
    assert lines["Orders"] == "1, 39.95 in all, 39.95 each"
    assert lines["Buyer"] == "potential loyalist (recency 5, frequency 2, money 2 of 5)"
    assert lines["Early bird"] == "3 days in a row, longest 3, badge earned, by UTC: no time zone is known"
    assert lines["Monetization"].startswith("47 of 100 = orders 20 + revenue 18 + average order 9")


def test_a_portrait_is_had_in_german_too() -> None:
    user, mine = early_buyer(123_456)
    lines = dict(portrait(told(user, 2.215), mine, "de"))
    assert lines["Phase"] == "neu"
    assert lines["Besuche"] == (
        "3 in 30 Tagen, davon 1 aktiv; je 1,0 Seiten und 8 min; 100 % abgesprungen (0 % nach der Regel von GA4), 3 Anmeldungen"
    )
    assert lines["Funktionen"] == "1 in 30 Tagen benutzt, 50 % aller"
    assert lines["Bestellungen"] == "1, zusammen 1.234,56, im Mittel 1.234,56"
    assert lines["Käufertyp"] == "Spitzenkunde (Aktualität 5, Häufigkeit 2, Betrag 5 von 5)"
    assert lines["Early bird"] == "3 Tage in Folge, höchstens 3, Abzeichen verdient, nach UTC: eine Zeitzone ist nicht bekannt"
    assert lines["Umsatz"] == "78 von 100 = Umsatz 38 + Bestellungen 20 + Bestellwert 19"
    assert set(dict(portrait(told(user, 2.215), mine))) & set(lines) == {"Early bird"}


def test_every_cell_and_part_has_its_german_word() -> None:
    german = PHRASES["de"]
    assert all(german.buyer(Cell(name, 5, 5, 5, 0, 1, 1)).split(" (")[0] != name for name, *_ in CELLS)
    nobody = told(fresh(rules()), 0)
    for score in (nobody.activation, nobody.monetization, nobody.retention):
        assert all(german.part(part.name) != part.name.replace("_", " ") for part in score.parts)


# -- aggregates ---------------------------------------------------------------------------------------------------------------

AGGREGATES = (
    Aggregate(id=1, name="order_value", event="order_completed", of="revenue"),
    Aggregate(id=2, name="viewed_category", event="page_view", of="category", kind="text"),
)


def saw(user: User, day: float, value: float | str) -> None:
    found = aggregated(int(isinstance(value, str)), isinstance(value, str), value)
    assert found is not None
    event(user, VIEW if isinstance(value, str) else ORDER, day, said=Properties(aggregated=(found,)))


def test_aggregates_are_told_with_how_long_ago_the_last_one_was() -> None:
    """A late event is neither the last one nor the first; who has seen nothing is told nothing."""
    mine = rules()
    mine = msgspec.structs.replace(mine, catalogue=msgspec.structs.replace(mine.catalogue, aggregates=AGGREGATES))
    user = fresh(mine)
    assert told(user, 0).aggregates == []
    for day, value in ((0, 20.0), (3, 10.5), (2, 99.0), (1, "hats"), (2.5, "shoes"), (2, "shoes"), (2, "ties")):
        saw(user, day, value)
    numbers, texts = told(user, 5).aggregates
    assert numbers == AggregateFigures(
        name="order_value",
        kind="number",
        event="order_completed",
        n=3,
        first=20.0,
        first_at="2019-04-14T00:00:00.000Z",
        last=10.5,
        last_at="2019-04-17T00:00:00.000Z",
        since_s=2 * 86_400.0,
        sum=129.5,
        least=10.5,
        greatest=99.0,
        mean=129.5 / 3,
    )
    assert (texts.first, texts.last, texts.since_s) == ("hats", "shoes", 2.5 * 86_400)
    assert (texts.most_frequent, texts.most_frequent_n, texts.unique, texts.unique_exact) == ("shoes", 2, 3, True)
    assert (texts.sum, texts.most_frequent_error) == (msgspec.UNSET, msgspec.UNSET)
    assert portrait(told(user, 5), mine)[-2:] == [
        ("Order value", "3 times, 129.5 in all: 10.5 to 99, 43.17 on average; first 20, last 10.5, 2 d ago"),
        ("Viewed category", "4 times, 3 different: shoes most often (2); first hats, last shoes, 2 d ago"),
    ]
    assert [line for _, line in portrait(told(user, 5), mine, "de")[-2:]] == [
        "3-mal, zusammen 129,5: 10,5 bis 99, im Mittel 43,17; zuerst 20, zuletzt 10,5, vor 2 d",
        "4-mal, 3 verschiedene: am häufigsten shoes (2); zuerst hats, zuletzt shoes, vor 2 d",
    ]
