"""Recency, frequency and monetary value as scores 1..5, and the name that marketers have for the combination.

The edges between the scores are those of the rules at first, and the fifths of the population once enough of it has been seen: each lesson
of a user with an order shows one more, and the edges are published with everything else that is learned (`core/learning.py`).
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from streams.core.metric_rules import Rfm
from streams.core.quantile import Quantile, merged, observe
from streams.core.rules import DAY_MS, REVENUE, Rules

if TYPE_CHECKING:
    from streams.core.user import User

__all__ = ["CELLS", "Cell", "Edges", "Fifths", "Spending", "cell_of", "edges_of", "fifths_with", "rfm_of", "spending_of"]

#: Edges of recency, frequency and monetary value, in the order of the scores.
Edges = tuple[tuple[float, ...], tuple[float, ...], tuple[float, ...]]
_SHARES: Final = (0.2, 0.4, 0.6, 0.8)

#: Lowest and highest score of recency, and of frequency and monetary value together (their mean, rounded half up); first match counts.
CELLS: Final[Sequence[tuple[str, tuple[int, int], tuple[int, int]]]] = (
    ("champion", (5, 5), (4, 5)),
    ("loyal", (3, 4), (4, 5)),
    ("potential_loyalist", (4, 5), (2, 3)),
    ("new_customer", (5, 5), (1, 1)),
    ("promising", (4, 4), (1, 1)),
    ("needs_attention", (3, 3), (2, 3)),
    ("about_to_sleep", (3, 3), (1, 1)),
    ("cannot_lose", (1, 2), (5, 5)),
    ("at_risk", (1, 2), (3, 4)),
    ("hibernating", (2, 2), (1, 2)),
    ("lost", (1, 1), (1, 2)),
)


class Cell(msgspec.Struct, frozen=True):
    """The scores of a user, what they rest on, and the name of the cell.

    recency_days  since the day of the last order
    frequency     orders in 30 days
    monetary_minor revenue in 30 days, less refunds
    """

    cell: str
    recency: int
    frequency: int
    monetary: int
    recency_days: int
    orders_30d: int
    revenue_30d_minor: int


class Spending(NamedTuple):
    """What the scores of a user with an order rest on, as in `Cell`."""

    recency_days: int
    orders: int
    revenue_minor: int


def spending_of(user: "User", rules: Rules, at_ms: int) -> Spending | None:
    """What the loaded user has spent, as of `at_ms` (its newest event or later); None before the first order."""
    if not user.profile.order_days:
        return None
    month = user.counts("30d", at_ms)
    orders = sum(month.get(entry.id, 0) for entry in rules.catalogue.types if entry.order)
    return Spending(at_ms // DAY_MS - user.profile.order_last, orders, month.get(REVENUE, 0))


def _quantiles() -> tuple[Quantile, ...]:
    return tuple(Quantile(share) for share in _SHARES)


class Fifths(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """The quantiles of a fifth, two, three and four of recency, frequency and monetary value, over users with an order."""

    recency: tuple[Quantile, ...] = _quantiles()
    frequency: tuple[Quantile, ...] = _quantiles()
    monetary: tuple[Quantile, ...] = _quantiles()


def fifths_with(fifths: Fifths, spent: Spending) -> Fifths:
    """The fifths after one more user."""
    return Fifths(
        tuple(observe(each, float(spent.recency_days)) for each in fifths.recency),
        tuple(observe(each, float(spent.orders)) for each in fifths.frequency),
        tuple(observe(each, float(spent.revenue_minor)) for each in fifths.monetary),
    )


def edges_of(parts: Sequence[Fifths], least: int) -> Edges | None:
    """The edges of the population that `parts` have seen; None before it counts `least` users. Sorted, as each is estimated for itself."""
    if sum(part.recency[0].n for part in parts) < least:
        return None
    recency, frequency, monetary = (
        sorted(merged([row[at] for row in rows]) or 0.0 for at in range(len(_SHARES)))
        for rows in ([part.recency for part in parts], [part.frequency for part in parts], [part.monetary for part in parts])
    )
    return tuple(reversed(recency)), tuple(frequency), tuple(monetary)


def rfm_of(edges: Edges | None, rules: Rules) -> Rfm:
    """The edges that scores are read by: what was learned, else those of the rules."""
    if edges is None:
        return rules.metrics.rfm
    recency, frequency, monetary = edges
    return Rfm(recency_days=recency, frequency=frequency, monetary_minor=monetary)  # type: ignore[arg-type]


def cell_of(rules: Rfm, recency_days: int, orders: int, revenue_minor: int) -> Cell:
    """The cell of a user with an order. A value at an edge has the better score."""
    recency = 1 + sum(recency_days <= edge for edge in rules.recency_days)
    frequency = 1 + sum(orders >= edge for edge in rules.frequency)
    monetary = 1 + sum(revenue_minor >= edge for edge in rules.monetary_minor)
    worth = (frequency + monetary + 1) // 2
    name = next(name for name, (low, high), (least, most) in CELLS if low <= recency <= high and least <= worth <= most)
    return Cell(name, recency, frequency, monetary, recency_days, orders, revenue_minor)
