"""The metrics of one user as a marketer would say them: a few short lines, in English or German."""

from collections.abc import Sequence

from streams.core.rules import Rules
from streams.core.subscores import SubScore
from streams.core.usermetrics import AggregateFigures, SessionFigures, UserMetrics
from streams.core.words import Language
from streams.phrases import PHRASES, Phrases

__all__ = ["portrait"]


def portrait(told: UserMetrics, rules: Rules, language: Language = "en") -> Sequence[tuple[str, str]]:
    """(heading, line) in the order in which they are read; what cannot be said is left out."""
    words = PHRASES[language]
    lines = [("stage", words.stage(told.stage))]
    for name, score in (("activation", told.activation), ("monetization", told.monetization), ("retention", told.retention)):
        lines.append((name, _sub_score(score, words)))
    month = told.sessions["30d"]
    if month.sessions:
        lines.append(("visits", _visits(month, words)))
    if told.features_used["30d"]:
        lines.append(("features", words.features(told.features_used["30d"], told.feature_breadth)))
    if told.orders:
        lines.append(("orders", _orders(told, rules, words)))
    if told.lifetime is not None:
        lines.append(("worth", _worth(told, rules, words)))
    if told.rfm is not None:
        lines.append(("buyer", words.buyer(told.rfm)))
    lines.append(("will_buy", words.will_buy(told.purchase_probability, told.purchase_horizon_days)))
    for each in told.streaks:
        if each.longest:
            zone_known = told.local_time_zone_known
            line = words.streak(each.days, each.longest, each.badge_days, reached=each.reached, zone_known=zone_known)
            lines.append((each.name, line))
    lines += [(each.name, _aggregate(each, words)) for each in told.aggregates]
    return [(words.heading(name), line) for name, line in lines]


def _sub_score(score: SubScore, words: Phrases) -> str:
    return words.of_hundred(score.score, " + ".join(f"{words.part(it.name)} {it.points:.0f}" for it in score.parts if it.points >= 0.5))


def _visits(month: SessionFigures, words: Phrases) -> str:
    pages, dwell_s, bounce, ga_bounce = month.pages_per_session, month.dwell_s, month.bounce, month.ga_bounce
    assert pages is not None
    assert dwell_s is not None
    assert bounce is not None
    assert ga_bounce is not None
    return words.visits(month, pages, dwell_s, bounce, ga_bounce)


def _orders(told: UserMetrics, rules: Rules, words: Phrases) -> str:
    assert told.average_order_minor is not None
    return words.orders(told.orders, _money(told.revenue_minor, rules, words), _money(told.average_order_minor, rules, words))


def _worth(told: UserMetrics, rules: Rules, words: Phrases) -> str:
    value = told.lifetime
    assert value is not None
    lifetime, order = _money(value.ltv_minor, rules, words), _money(value.average_order_minor, rules, words)
    line = words.worth(lifetime, order, value.orders_per_month, value.months)
    return line + (words.profit(_money(value.cltv_minor, rules, words), value.margin) if value.cltv_minor and value.margin else "")


def _aggregate(it: AggregateFigures, words: Phrases) -> str:
    if it.kind != "number":
        return words.texts(it)
    spread = (_figure(it.least, words), _figure(it.greatest, words), _figure(it.mean, words)) if it.n > 1 else None
    return words.numbers(it, _figure(it.sum, words), spread, _figure(it.first, words), _figure(it.last, words))


def _figure(value: object, words: Phrases) -> str:
    if not isinstance(value, float):
        return str(value)
    return words.number(value, 2).rstrip("0").rstrip(".,")


def _money(minor: float, rules: Rules, words: Phrases) -> str:
    return words.number(minor / rules.catalogue.minor_units, 2)
