"""The metrics of one user as a marketer would say them: a few short lines."""

from collections.abc import Sequence
from typing import Final

from streams.core.rules import Rules
from streams.core.subscores import SubScore
from streams.core.usermetrics import AggregateFigures, SessionFigures, UserMetrics

__all__ = ["portrait"]

#: Stage -> what it says of the user.
_STAGES: Final = {
    "new": "new",
    "active": "active",
    "power": "a power user",
    "slipping": "slipping away: silent for longer than is usual for them",
    "dormant": "dormant",
    "resurrected": "back from dormancy",
}


def portrait(told: UserMetrics, rules: Rules) -> Sequence[tuple[str, str]]:
    """(heading, line) in the order in which they are read; what cannot be said is left out."""
    lines = [("Stage", _STAGES[told.stage])]
    lines += [(name, _sub_score(score)) for name, score in _sub_scores(told)]
    month = told.sessions["30d"]
    if month.sessions:
        lines.append(("Visits", _visits(month)))
    if told.features_used["30d"]:
        breadth = "" if told.feature_breadth is None else f", {100 * told.feature_breadth:.0f} % of what there is"
        lines.append(("Features", f"{told.features_used['30d']} used in 30 days{breadth}"))
    if told.orders:
        lines.append(("Orders", _orders(told, rules)))
    if told.lifetime is not None:
        lines.append(("Worth", _worth(told, rules)))
    if told.rfm is not None:
        cell = told.rfm
        lines.append(("Buyer", f"{_said(cell.cell)} (recency {cell.recency}, frequency {cell.frequency}, money {cell.monetary} of 5)"))
    chance = f"{100 * told.purchase_probability:.0f} %"
    lines.append(("Will buy", f"{chance} chance of an order within {told.purchase_horizon_days:g} days"))
    clock = "" if told.local_time_zone_known else ", by UTC: no time zone is known"
    for streak in told.streaks:
        if streak.longest:
            now = f"{_days(streak.days)} in a row" if streak.days else "none now"
            badge = "earned" if streak.reached else f"at {streak.badge_days}"
            lines.append((_said(streak.name).capitalize(), f"{now}, longest {streak.longest}, badge {badge}{clock}"))
    lines += [(_said(each.name).capitalize(), _aggregate(each)) for each in told.aggregates]
    return lines


def _sub_scores(told: UserMetrics) -> Sequence[tuple[str, SubScore]]:
    return (("Activation", told.activation), ("Monetization", told.monetization), ("Retention", told.retention))


def _sub_score(score: SubScore) -> str:
    parts = " + ".join(f"{_said(part.name)} {part.points:.0f}" for part in score.parts if part.points >= 0.5)
    return f"{score.score:.0f} of 100" + (f" = {parts}" if parts else "")


def _visits(month: SessionFigures) -> str:
    pages, dwell_s, bounce, ga_bounce = month.pages_per_session, month.dwell_s, month.bounce, month.ga_bounce
    assert pages is not None
    assert dwell_s is not None
    assert bounce is not None
    assert ga_bounce is not None
    stay = f"{dwell_s / 60:.0f} min" if dwell_s >= 90 else f"{dwell_s:.0f} s"
    logins = f", {month.logins} login{'s' if month.logins != 1 else ''}" if month.logins else ""
    return (
        f"{month.sessions} in 30 days, {month.active} of them active; {pages:.1f} pages and {stay} each; "
        f"{100 * bounce:.0f} % bounced ({100 * ga_bounce:.0f} % by GA4's rule){logins}"
    )


def _orders(told: UserMetrics, rules: Rules) -> str:
    assert told.average_order_minor is not None
    total = _money(told.revenue_minor, rules)
    return f"{told.orders}, {total} in all, {_money(told.average_order_minor, rules)} each"


def _aggregate(it: AggregateFigures) -> str:
    last = f"last {_figure(it.last)}, {_span(it.since_s)} ago"
    if it.kind == "number":
        spread = f"{_figure(it.least)} to {_figure(it.greatest)}, {_figure(it.mean)} on average" if it.n > 1 else _figure(it.last)
        return f"{it.n} times, {_figure(it.sum)} in all: {spread}; first {_figure(it.first)}, {last}"
    about = "" if it.unique_exact else "about "
    often = f"{it.most_frequent} most often ({'about ' if it.most_frequent_error else ''}{it.most_frequent_n})"
    return f"{it.n} times, {about}{it.unique} different: {often}; first {it.first}, {last}"


def _figure(value: object) -> str:
    return f"{value:,.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)


def _span(seconds: float) -> str:
    for unit, size_s in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= size_s:
            return f"{seconds / size_s:.0f} {unit}"
    return f"{seconds:.0f} s"


def _worth(told: UserMetrics, rules: Rules) -> str:
    value = told.lifetime
    assert value is not None
    made_of = f"{_money(value.average_order_minor, rules)} x {value.orders_per_month:.2f} orders a month x {value.months:.1f} months"
    profit = f"; profit {_money(value.cltv_minor, rules)} at {100 * value.margin:.0f} %" if value.cltv_minor and value.margin else ""
    return f"{_money(value.ltv_minor, rules)} in a lifetime = {made_of}{profit}"


def _money(minor: float, rules: Rules) -> str:
    return f"{minor / rules.catalogue.minor_units:,.2f}"


def _days(n: int) -> str:
    return f"{n} day{'' if n == 1 else 's'}"


def _said(name: str) -> str:
    return name.replace("_", " ")
