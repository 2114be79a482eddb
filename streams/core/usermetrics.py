"""The metrics of one user at one instant, from its state: docs/scoring.md has every formula, config/scoring.yaml every number."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

import msgspec

from streams.core.envelope import rfc3339
from streams.core.rfm import Cell, cell_of, spending_of
from streams.core.rules import DAY_MS, DWELL, MARKS, REVENUE, SESSION, WINDOWS, Aggregate, EventType, Rules
from streams.core.sessions import marked
from streams.core.subscores import SubScore, activation, monetization, retention

if TYPE_CHECKING:
    from streams.core.user import User

__all__ = ["STAGES", "AggregateFigures", "Lifetime", "SessionFigures", "StreakFigures", "UserMetrics", "buyer_of", "metrics_of", "stage_of"]

#: What `stage_of` answers.
STAGES: Final = ("new", "active", "power", "slipping", "dormant", "resurrected")

#: A month of money: a twelfth of a year.
_MONTH_DAYS: Final = 30.4375
_DAY_WINDOWS: Final = {name: panes for name, (panes, minutes) in WINDOWS.items() if minutes == 1440}
_SECOND_MS: Final = 1000.0
_THOUSANDTHS: Final = 1000.0


class SessionFigures(msgspec.Struct, frozen=True):
    """Sessions that began in a window. Rates are None where there is no session.

    active, passive     sessions with, and without, an event of a type marked active
    pages_per_session   page views of the window, also those outside of sessions, by session
    dwell_s             mean time in a session
    bounce              share with exactly one page view
    ga_bounce           share that is not engaged, as Google Analytics 4 has it
    """

    sessions: int
    active: int
    passive: int
    page_views: int
    pages_per_session: float | None
    dwell_s: float | None
    bounce: float | None
    ga_bounce: float | None
    logins: int


class Lifetime(msgspec.Struct, frozen=True):
    """`ltv_minor` = average order x orders per month x months; `cltv_minor` is profit, absent where no margin is configured.

    months   how long the user is expected to stay: one horizon for each time that the chance of leaving fits into 1, up to a bound
    """

    ltv_minor: int
    average_order_minor: float
    orders_per_month: float
    months: float
    cltv_minor: int | msgspec.UnsetType | None = msgspec.UNSET
    margin: float | msgspec.UnsetType | None = msgspec.UNSET


class StreakFigures(msgspec.Struct, frozen=True):
    """Days in a row by the user's own clock; `days` is 0 once a day was missed. `reached`: the badge has been earned once."""

    name: str
    days: int
    longest: int
    badge_days: int
    reached: bool


class AggregateFigures(msgspec.Struct, frozen=True, omit_defaults=True):
    """What was kept over a property of the events of a type, since the first one that had it; `aggregates` in catalogue.yaml.

    kind     `number` or `text`; what there is of one kind only is absent for the other
    n        values seen
    since_s  seconds since the last one
    mean     sum / count; numbers are exact to a thousandth
    most_frequent, most_frequent_n   it came at least `most_frequent_n` times less `most_frequent_error`, which is absent where it is exact
    unique, unique_exact   how many different ones; estimated (within about a fifth) where `unique_exact` is false
    """

    name: str
    kind: str
    event: str
    n: int
    first: float | str
    first_at: str
    last: float | str
    last_at: str
    since_s: float
    sum: float | msgspec.UnsetType = msgspec.UNSET
    least: float | msgspec.UnsetType = msgspec.UNSET
    greatest: float | msgspec.UnsetType = msgspec.UNSET
    mean: float | msgspec.UnsetType = msgspec.UNSET
    most_frequent: str | msgspec.UnsetType = msgspec.UNSET
    most_frequent_n: int | msgspec.UnsetType = msgspec.UNSET
    most_frequent_error: int | msgspec.UnsetType = msgspec.UNSET
    unique: int | msgspec.UnsetType = msgspec.UNSET
    unique_exact: bool | msgspec.UnsetType = msgspec.UNSET


class UserMetrics(msgspec.Struct, frozen=True):
    """Metrics of one user as of one instant. Windows are those of the counters; money is in minor units.

    features_used         window -> different features used, at most 64 are known of
    feature_breadth       share of the declared features used in 30 days; None where none are declared
    orders, revenue_minor since the first event; refunds are taken off the revenue
    purchase_probability  of an order within `purchase_horizon_days`
    lifetime              None before the first order
    rfm                   None before the first order
    local_time_zone_known whether streaks follow the user's own clock, and not UTC
    aggregates            of those that are declared, what has seen a value
    """

    stage: str
    activation: SubScore
    monetization: SubScore
    retention: SubScore
    sessions: Mapping[str, SessionFigures]
    features_used: Mapping[str, int]
    feature_breadth: float | None
    orders: int
    revenue_minor: int
    average_order_minor: float | None
    purchase_probability: float
    purchase_horizon_days: float
    lifetime: Lifetime | None
    rfm: Cell | None
    streaks: Sequence[StreakFigures]
    local_time_zone_known: bool
    aggregates: Sequence[AggregateFigures]


def metrics_of(user: "User", rules: Rules, at_ms: int) -> UserMetrics:
    """The metrics of the loaded user as of `at_ms` (its newest event or later)."""
    types = rules.catalogue.types
    counts = {window: user.tallied(window, at_ms) for window in WINDOWS}
    month, ever = counts["30d"], user.lifetime()
    day = at_ms // DAY_MS
    features = {window: user.profile.used_since(max(0, day - days + 1)) for window, days in _DAY_WINDOWS.items()}
    orders = sum(ever.get(entry.id, 0) for entry in types if entry.order)
    revenue = ever.get(REVENUE, 0)
    average = revenue / orders if orders else None
    spent = spending_of(user, rules, at_ms)
    known = rules.catalogue.features
    facts = user.facts(at_ms)
    return UserMetrics(
        stage=stage_of(user, rules, at_ms),
        activation=activation(rules, facts, month, features["30d"]),
        monetization=monetization(rules, spent.orders if spent else 0, month.get(REVENUE, 0)),
        retention=retention(rules, facts),
        sessions={window: _sessions(counts[window], types) for window in WINDOWS},
        features_used=features,
        feature_breadth=min(1.0, features["30d"] / len(known)) if known else None,
        orders=orders,
        revenue_minor=revenue,
        average_order_minor=average,
        purchase_probability=user.purchase(at_ms),
        purchase_horizon_days=rules.metrics.purchase.horizon_days,
        lifetime=_lifetime(rules, orders, average, facts.tenure_days, facts.p0) if average is not None else None,
        rfm=None if spent is None else cell_of(user.rfm, *spent),
        streaks=_streaks(user, rules, at_ms),
        local_time_zone_known=user.profile.zone != 0,
        aggregates=_aggregates(user, rules, at_ms),
    )


def buyer_of(user: "User", rules: Rules, at_ms: int) -> Cell | None:
    """What kind of buyer the loaded user is; None before the first order."""
    spent = spending_of(user, rules, at_ms)
    return None if spent is None else cell_of(user.rfm, *spent)


def stage_of(user: "User", rules: Rules, at_ms: int) -> str:
    """One of `STAGES`; judged in the order dormant, slipping, resurrected, new, power."""
    stages, rhythm, profile = rules.metrics.stages, user.rhythm, user.profile
    silence = rhythm.silence(at_ms)
    day = at_ms // DAY_MS
    if rhythm.x == 0:
        return "new" if user.newest_ms >= at_ms - stages.new_days * DAY_MS else "dormant"
    if silence >= stages.dormant_days:
        return "dormant"
    if rhythm.x > 1 and silence >= max(stages.slipping_min_days, stages.slipping_gaps * rhythm.gap_days()):
        return "slipping"
    if profile.returned and day - profile.returned < stages.resurrected_days:
        return "resurrected"
    if day - rhythm.first_day < stages.new_days:
        return "new"
    return "power" if profile.power and rhythm.engagement(at_ms) >= stages.power_below else "active"


def _sessions(counts: Mapping[int, int], types: Sequence[EventType]) -> SessionFigures:
    sessions = counts.get(SESSION, 0)
    active, engaged, bounced = marked(counts.get(MARKS, 0))
    pages = sum(counts.get(entry.id, 0) for entry in types if entry.page)
    return SessionFigures(
        sessions=sessions,
        active=active,
        passive=sessions - active,
        page_views=pages,
        pages_per_session=pages / sessions if sessions else None,
        dwell_s=counts.get(DWELL, 0) / sessions / _SECOND_MS if sessions else None,
        bounce=bounced / sessions if sessions else None,
        ga_bounce=(sessions - engaged) / sessions if sessions else None,
        logins=sum(counts.get(entry.id, 0) for entry in types if entry.login),
    )


def _lifetime(rules: Rules, orders: int, average: float, tenure_days: float, risk: float) -> Lifetime:
    """Seed: average purchase value x transactions x retention period. A user of less than a month has had one month."""
    value = rules.metrics.value
    per_month = orders / max(1.0, tenure_days / _MONTH_DAYS)
    horizon_months = rules.churn.horizon_days / _MONTH_DAYS
    months = min(value.max_months, horizon_months / risk) if risk > 0.0 else value.max_months
    ltv = round(average * per_month * months)
    if value.margin is None:
        return Lifetime(ltv, average, per_month, months)
    return Lifetime(ltv, average, per_month, months, round(ltv * value.margin), value.margin)


def _streaks(user: "User", rules: Rules, at_ms: int) -> list[StreakFigures]:
    today, _ = user.local(at_ms)
    found = []
    for rule in rules.metrics.streaks:
        last, days, longest = user.profile.streak(rule.id)
        alive = days if last >= today - 1 else 0
        found.append(StreakFigures(rule.name, alive, longest, rule.days, longest >= rule.days))
    return found


def _aggregates(user: "User", rules: Rules, at_ms: int) -> list[AggregateFigures]:
    found = []
    for slot, declared in enumerate(rules.catalogue.aggregates):
        figures = _of_texts(user, slot, declared, at_ms) if declared.kind == "text" else _of_numbers(user, slot, declared, at_ms)
        if figures is not None:
            found.append(figures)
    return found


def _of_numbers(user: "User", slot: int, declared: Aggregate, at_ms: int) -> AggregateFigures | None:
    seen = user.aggregates.number(slot)
    if seen is None:
        return None
    return AggregateFigures(
        name=declared.name,
        kind=declared.kind,
        event=declared.event,
        n=seen.n,
        first=seen.first / _THOUSANDTHS,
        first_at=rfc3339(seen.first_ms),
        last=seen.last / _THOUSANDTHS,
        last_at=rfc3339(seen.last_ms),
        since_s=max(0, at_ms - seen.last_ms) / _SECOND_MS,
        sum=seen.sum / _THOUSANDTHS,
        least=seen.least / _THOUSANDTHS,
        greatest=seen.greatest / _THOUSANDTHS,
        mean=seen.sum / _THOUSANDTHS / seen.n,
    )


def _of_texts(user: "User", slot: int, declared: Aggregate, at_ms: int) -> AggregateFigures | None:
    seen = user.aggregates.text(slot)
    if seen is None:
        return None
    return AggregateFigures(
        name=declared.name,
        kind=declared.kind,
        event=declared.event,
        n=seen.n,
        first=seen.first,
        first_at=rfc3339(seen.first_ms),
        last=seen.last,
        last_at=rfc3339(seen.last_ms),
        since_s=max(0, at_ms - seen.last_ms) / _SECOND_MS,
        most_frequent=seen.most_frequent,
        most_frequent_n=seen.most_frequent_n,
        most_frequent_error=seen.error or msgspec.UNSET,
        unique=seen.unique,
        unique_exact=seen.exact,
    )
