"""The business metrics as data: what is divided by what, over which windows and segments; and their values, from the ledger.

Definitions in words: docs/scoring.md. A changed definition gets a higher `version`, so that nobody compares two things by one name.
"""

from collections.abc import Iterator, Mapping
from typing import Final, Literal

import msgspec

from streams.core.business_rules import BusinessRules
from streams.core.ledger import ALL, Ledger, Window
from streams.core.measures import MEASURES, Measure

__all__ = ["METRICS", "Figure", "Metric", "figure_of", "figures", "metric_named"]

Unit = Literal["percent", "ratio", "count", "money_minor", "score", "days"]
#: Term -> how often it is added.
Sum = Mapping[str, float]

_NUMBERS: Final = {name: number for number, name in MEASURES.items() if number >= Measure.GAPS}
#: Users with such a day in the window; users by their last answer in it.
_USERS: Final = {"active": Measure.ACTIVE, "buyers": Measure.BUYERS, "converters": Measure.CONVERTERS}
_ANSWERERS: Final = {"promoters": Measure.PROMOTERS, "passives": Measure.PASSIVES, "detractors": Measure.DETRACTORS}
_CALENDAR: Final = ("day", "7d", "30d")
_ANY: Final = ("hour", "day", "24h", "7d", "30d")
_MONTH: Final = ("month",)
_ANY_MONTH: Final = (*_ANY, "month")


class Metric(msgspec.Struct, frozen=True, kw_only=True):
    """One metric: `scale` times `numerator` over `denominator`; the numerator alone where nothing divides it.

    ids       of the catalogue of metrics (docs/scoring.md)
    windows   kinds of window that it is told for
    segments  it is told for segments, too
    by        label of the names that it is told for, too: `campaign`, `survey`, `source`, `feature`
    """

    name: str
    ids: str
    text: str
    unit: Unit
    numerator: Sum
    denominator: Sum = {}
    windows: tuple[str, ...] = _ANY
    segments: bool = True
    by: str | None = None
    version: int = 1

    @property
    def scale(self) -> float:
        return 100.0 if self.unit == "percent" else 1.0


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """A metric of one window and segment. `value` None: there is nothing to divide by. `n` is how many it rests on: what it is divided by,
    else itself."""

    metric: Metric
    window: Window
    segment: str
    value: float | None
    numerator: float
    denominator: float | None
    n: float

    @property
    def series(self) -> str:
        """Key of the figure: `ctr/7d/channel=email`, `orders/day/2026-01-31`."""
        return "/".join(part for part in (self.metric.name, self.window.kind, self.window.label, self.segment) if part)


def _m(name: str, ids: str, text: str, unit: Unit, numerator: str | Sum, denominator: str | Sum = "", **more: object) -> Metric:
    top: Sum = {numerator: 1.0} if isinstance(numerator, str) else numerator
    bottom: Sum = ({denominator: 1.0} if denominator else {}) if isinstance(denominator, str) else denominator
    return Metric(name=name, ids=ids, text=text, unit=unit, numerator=top, denominator=bottom, **more)  # type: ignore[arg-type]


_NET: Final[Sum] = {"sales": 1.0, "returns": -1.0}
_ANSWERS: Final[Sum] = {"promoters": 1.0, "passives": 1.0, "detractors": 1.0}

#: In the order in which they are shown.
METRICS: Final[tuple[Metric, ...]] = (
    _m("dau", "M11", "users with an active day", "count", "active", windows=("day",)),
    _m("wau", "M11", "users with an active day in seven", "count", "active", windows=("7d",)),
    _m("mau", "M11", "users with an active day in thirty", "count", "active", windows=("30d",)),
    _m("stickiness", "M11", "daily over monthly active users", "percent", "active_on_last_day", "active", windows=("30d",)),
    _m("new_users", "M14", "users active for the first time", "count", "new", windows=_CALENDAR),
    _m(
        "returning_share",
        "M14",
        "of the active users, those who were active before the window",
        "percent",
        {"active": 1.0, "new": -1.0},
        "active",
        windows=_CALENDAR,
    ),
    _m(
        "retention_d1",
        "M10",
        "of the users first active a day before, those who came back on that day",
        "percent",
        "retained_1",
        "cohort_1",
        windows=_CALENDAR,
    ),
    _m("retention_d7", "M10", "the same after seven days", "percent", "retained_7", "cohort_7", windows=_CALENDAR),
    _m("retention_d30", "M10", "the same after thirty days", "percent", "retained_30", "cohort_30", windows=_CALENDAR),
    _m(
        "churn_rate_silence",
        "M09",
        "lost by silence in the month, of the users at its start",
        "percent",
        "lost",
        "users_at_start",
        windows=_MONTH,
    ),
    _m(
        "churn_rate_cancelled",
        "M09",
        "cancelled in the month, of the users at its start",
        "percent",
        "cancellations",
        "users_at_start",
        windows=_MONTH,
    ),
    _m(
        "retention_rate",
        "M10",
        "not lost by silence in the month, of the users at its start",
        "percent",
        {"users_at_start": 1.0, "lost": -1.0},
        "users_at_start",
        windows=_MONTH,
    ),
    _m("visits", "M12", "visits begun", "count", "visits"),
    _m("engaged_session_rate", "M02", "visits of more than ten seconds, two views or a key event", "percent", "engaged_visits", "visits"),
    _m("interaction_rate", "M02", "shares, comments, reviews, questions, answers per visit", "percent", "interactions", "visits"),
    _m("interaction_rate_weighted", "M02", "the same, by the points of each", "percent", {"interaction_points": 0.001}, "visits"),
    _m("page_views", "M15", "page views", "count", "page_views"),
    _m("referrals", "M15", "visits by source", "count", "visits", segments=False, by="source", windows=_CALENDAR),
    _m("shares", "M17", "shares", "count", "shares"),
    _m("k_factor", "M17", "visits from shares per share", "ratio", "share_visits", "shares"),
    _m("orders", "M05", "orders", "count", "orders", windows=_ANY_MONTH),
    _m("cvr_events", "M05", "conversions per visit", "percent", "conversions", "visits"),
    _m("cvr_users", "M05", "of the active users, those who converted", "percent", "converters", "active", windows=_CALENDAR),
    _m("revenue", "M24", "sales less returns", "money_minor", _NET, windows=_ANY_MONTH),
    _m("sales", "M24", "everything bought", "money_minor", "sales", windows=_ANY_MONTH),
    _m("returns", "M24", "everything given back", "money_minor", "returns", windows=_ANY_MONTH),
    _m("refunds", "M24", "orders given back, in whole or in part", "count", "refunds", windows=_ANY_MONTH),
    _m("average_order", "M24", "sales per order", "money_minor", "sales", "orders", windows=_ANY_MONTH),
    _m("arpu", "M08", "revenue per active user", "money_minor", _NET, "active", windows=_CALENDAR),
    _m("buyers", "M23", "users who ordered", "count", "buyers", windows=_CALENDAR),
    _m("repeat_buyers", "M23", "of the buyers, those with two orders or more", "percent", "repeaters", "buyers", windows=_CALENDAR),
    _m("orders_per_user", "M24", "orders per buyer", "ratio", "orders", "buyers", windows=_CALENDAR),
    _m("expansion_revenue", "M27", "positive changes of plan", "money_minor", "expansion", windows=_ANY_MONTH),
    _m("contraction_revenue", "M27", "negative changes of plan", "money_minor", "contraction", windows=_ANY_MONTH),
    _m("abandonment_rate", "M32", "carts that became no order", "percent", {"carts": 1.0, "cart_orders": -1.0}, "carts"),
    _m("ctr", "M18", "unique clicks per message delivered", "percent", "clicks", "deliveries", by="campaign"),
    _m("ctr_sent", "M18", "unique clicks per message sent", "percent", "clicks", "sends", by="campaign"),
    _m("open_rate", "M28", "unique opens per message delivered, machines left out", "percent", "opens", "deliveries", by="campaign"),
    _m("open_rate_sent", "M28", "unique opens per message sent, machines left out", "percent", "opens", "sends", by="campaign"),
    _m(
        "nps",
        "M03",
        "promoters less detractors, by the last answer of each user",
        "score",
        {"promoters": 100.0, "detractors": -100.0},
        _ANSWERS,
        windows=_CALENDAR,
    ),
    _m(
        "csat",
        "M04",
        "mean answer, by survey and scale",
        "score",
        {"csat_thousandths": 0.001},
        "csat_answers",
        segments=False,
        by="survey",
        windows=_CALENDAR,
    ),
    _m(
        "feature_usage",
        "M20",
        "users of a feature, of the active ones",
        "percent",
        "feature",
        "active",
        segments=False,
        by="feature",
        windows=_CALENDAR,
    ),
    _m("sign_ups", "M26", "sign-ups", "count", "sign_ups"),
    _m("activation_rate", "M26", "of those who signed up, activated in time", "percent", "activations", "sign_ups"),
    _m("opt_in_rate", "M31", "of those who answered, said yes", "percent", "opt_ins", {"opt_ins": 1.0, "opt_outs": 1.0}),
)


def metric_named(name: str) -> Metric | None:
    """The metric of that name, None when there is none."""
    return next((metric for metric in METRICS if metric.name == name), None)


def figures(ledger: Ledger, window: Window, rules: BusinessRules, *, segments: bool = True) -> Iterator[Figure]:
    """Every metric of a window, one at a time so that a caller can give way between them: over all, then by segment and by name. What
    has happened in no segment of the window is told over all only."""
    found = ledger.segments(window) if segments else []
    for metric in METRICS:
        if window.kind not in metric.windows:
            continue
        if metric.by not in ("survey", "feature"):  # of these there is no "all": scales are not mixed, features not added
            top, bottom = (_sum(ledger, each, window, ALL, rules) for each in (metric.numerator, metric.denominator))
            yield figure_of(metric, window, ALL, top, bottom)
        for segment in found if metric.segments else ():
            top, bottom = (_sum(ledger, each, window, segment, rules) for each in (metric.numerator, metric.denominator))
            if top or bottom:
                yield figure_of(metric, window, segment, top, bottom)
        if metric.by is not None and segments and not window.hours:
            yield from _by_name(ledger, metric, window, rules)


def figure_of(metric: Metric, window: Window, segment: str, top: float, bottom: float) -> Figure:
    """The figure that numerator and denominator make; what the denominator is does not matter where the metric has none."""
    value: float | None = _whole(top)
    denominator: float | None = None
    if metric.denominator:
        value = metric.scale * top / bottom if bottom else None
        denominator = _whole(bottom)
    rests_on = _whole(bottom if metric.denominator else top)
    return Figure(metric=metric, window=window, segment=segment, value=value, numerator=_whole(top), denominator=denominator, n=rests_on)


def _whole(number: float) -> float:
    return int(number) if number == int(number) else number


def _by_name(ledger: Ledger, metric: Metric, window: Window, rules: BusinessRules) -> Iterator[Figure]:
    assert metric.by is not None
    if metric.by == "feature":
        active = ledger.distinct(Measure.ACTIVE, window.first, window.last)
        users = dict.fromkeys((name.casefold() for name in rules.features), 0) | ledger.feature_users(window.first, window.last)
        for name in sorted(users):
            yield figure_of(metric, window, f"feature={name}", users[name], active)
        return
    sums = [
        {term: (factor, ledger.named(f"{term}|{metric.by}=", window)) for term, factor in each.items()}
        for each in (metric.numerator, metric.denominator)
    ]
    names = sorted({name for each in sums for _, found in each.values() for name in found})
    for name in names:
        top, bottom = (sum(factor * found.get(name, 0) for factor, found in each.values()) for each in sums)
        yield figure_of(metric, window, f"{metric.by}={name}", top, bottom)


def _sum(ledger: Ledger, terms: Sum, window: Window, segment: str, rules: BusinessRules) -> float:
    return sum(factor * _term(ledger, term, window, segment, rules) for term, factor in terms.items())


def _term(ledger: Ledger, term: str, window: Window, segment: str, rules: BusinessRules) -> int:
    """One count or sum of a window."""
    if term in _NUMBERS:
        return ledger.total(_NUMBERS[term], window, segment)
    first, last = window.first, window.last
    name, _, days_after = term.partition("_")
    if name in ("retained", "cohort"):
        after = int(days_after)
        if name == "cohort":
            return ledger.new(first - after, last - after, segment)
        return ledger.retained(first - after, last - after, after, segment)
    if term in _USERS:
        return ledger.distinct(_USERS[term], first, last, segment)
    if term in _ANSWERERS:
        return ledger.answers(_ANSWERERS[term], first, last, segment)
    match term:
        case "active_on_last_day":
            return ledger.distinct(Measure.ACTIVE, last, last, segment)
        case "new":
            return ledger.new(first, last, segment)
        case "repeaters":
            return ledger.repeaters(first, last, segment)
        case "users_at_start":
            return ledger.distinct(Measure.ACTIVE, first - rules.silence_days, first - 1, segment)
        case "lost":
            return ledger.lost_in(first, last, rules.silence_days, segment)
        case _:
            raise AssertionError(term)
