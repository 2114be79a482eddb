"""Sub-scores 0..100: activation, monetization, retention. Each is a weighted mean of parts, and says what each part adds."""

from collections.abc import Mapping, Sequence

import msgspec

from streams.core.facts import Facts
from streams.core.rules import Rules

__all__ = ["Part", "SubScore", "activation", "monetization", "retention"]


class Part(msgspec.Struct, frozen=True):
    """One part of a sub-score: how full it is (0..1), what it is full of, and the points it adds."""

    name: str
    value: float
    fill: float
    points: float


class SubScore(msgspec.Struct, frozen=True):
    """A sub-score and its parts, the largest first; the points add up to the score."""

    score: float
    parts: Sequence[Part]


def activation(rules: Rules, facts: Facts, month: Mapping[int, int], features: int) -> SubScore:
    """How far the user has come: share of active days, furthest step of the funnel in 30 days, breadth of features."""
    mine = rules.metrics.activation
    visits = facts.S[1] / facts.E[1] if facts.x else 0.0
    ids = {entry.name: entry.id for entry in rules.catalogue.types}
    reached = max((number for number, name in enumerate(mine.steps, 1) if month.get(ids[name], 0) > 0), default=0)
    parts = [
        ("visits", visits, visits / mine.visits_full, mine.visits),
        ("funnel", float(reached), reached / len(mine.steps) if mine.steps else 0.0, mine.funnel if mine.steps else 0.0),
        ("breadth", float(features), features / mine.breadth_full, mine.breadth),
    ]
    return _mean(parts)


def monetization(rules: Rules, orders: int, revenue_minor: int) -> SubScore:
    """What the user spends in 30 days. A part of `x` is `x / (x + half)` full: the second order says less than the first."""
    mine = rules.metrics.monetization
    average = max(0.0, revenue_minor / orders) if orders else 0.0
    revenue = float(max(0, revenue_minor))
    parts = [
        ("orders", float(orders), orders / (orders + mine.orders_half), mine.orders),
        ("revenue", revenue, revenue / (revenue + mine.revenue_half_minor), mine.revenue),
        ("average_order", average, average / (average + mine.average_half_minor), mine.average_order),
    ]
    return _mean(parts)


def retention(rules: Rules, facts: Facts) -> SubScore:
    """Whether the user stays: silence by the own rhythm, and the chance of staying."""
    mine = rules.metrics.retention
    gaps = facts.r_days / facts.m
    parts = [
        ("rhythm", gaps, 1.0 - gaps / mine.rhythm_gaps if facts.x else 0.0, mine.rhythm),
        ("safety", 1.0 - facts.p0, 1.0 - facts.p0 if facts.x else 0.0, mine.safety),
    ]
    return _mean(parts)


def _mean(parts: Sequence[tuple[str, float, float, float]]) -> SubScore:
    """(name, value, fill, weight) -> the score; a fill counts from 0 to 1."""
    total = sum(weight for _, _, _, weight in parts)
    found = []
    for name, value, fill, weight in parts:
        full = min(1.0, max(0.0, fill))
        found.append(Part(name, round(value, 4), round(full, 4), 100.0 * full * weight / total))
    found.sort(key=lambda part: -part.points)
    return SubScore(sum(part.points for part in found), found)
