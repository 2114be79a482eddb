"""What the metrics of one user are made of, as frozen structs (config/scoring.yaml): docs/scoring.md has the formulas."""

from streams.core.frozen import Frozen

__all__ = [
    "Activation",
    "Metrics",
    "Monetization",
    "Purchase",
    "Retention",
    "Rfm",
    "Stages",
    "Streak",
    "Value",
]


class Stages(Frozen, frozen=True):
    """One word for where a user stands: docs/scoring.md. Days and engagement scores."""

    new_days: int = 14
    slipping_gaps: float = 3.0
    slipping_min_days: int = 7
    dormant_days: int = 30
    resurrected_days: int = 14
    power_from: float = 80.0
    power_below: float = 70.0


class Purchase(Frozen, frozen=True):
    """Probability of an order within `horizon_days`: the churn formula on days with an order. r0 orders in a0 days are the prior."""

    horizon_days: float = 7.0
    half_life_days: float = 60.0
    r0: float = 0.1
    a0_days: float = 60.0


class Value(Frozen, frozen=True):
    """Lifetime value. margin: profit per revenue, None when it is not known; max_months: no customer is counted on for longer."""

    margin: float | None = None
    max_months: float = 36.0


class Rfm(Frozen, frozen=True):
    """Edges between the scores 1..5 of recency (days since the last order), frequency and monetary value (30 days, minor units).

    recency_days falls from score 1 to 5, the others rise; a value at an edge has the better score
    """

    recency_days: tuple[float, float, float, float] = (90.0, 45.0, 21.0, 7.0)
    frequency: tuple[float, float, float, float] = (1.0, 2.0, 3.0, 5.0)
    monetary_minor: tuple[float, float, float, float] = (2_500.0, 5_000.0, 10_000.0, 25_000.0)


class Activation(Frozen, frozen=True):
    """Sub-score: weights of its parts, and what makes a part full. funnel: names of types, the first step first."""

    visits: float = 40.0
    funnel: float = 40.0
    breadth: float = 20.0
    visits_full: float = 0.5
    breadth_full: int = 5
    steps: tuple[str, ...] = ()


class Monetization(Frozen, frozen=True):
    """Sub-score: weights of its parts, and at how much a part is half full (30 days; minor units)."""

    orders: float = 40.0
    revenue: float = 40.0
    average_order: float = 20.0
    orders_half: float = 1.0
    revenue_half_minor: float = 5_000.0
    average_half_minor: float = 5_000.0


class Retention(Frozen, frozen=True):
    """Sub-score: weights of its parts, and how many typical gaps of silence empty the rhythm."""

    rhythm: float = 50.0
    safety: float = 50.0
    rhythm_gaps: float = 4.0


class Streak(Frozen, frozen=True):
    """Days in a row, by the user's own clock, with an event of a type from `after` on and before `before` (HH:MM).

    id    stored in states: 0 to 255, never reused
    days  so many in a row are the badge
    """

    id: int
    name: str
    event: str
    days: int
    after: str = "00:00"
    before: str = "24:00"


class Metrics(Frozen, frozen=True):
    """User-level metrics: docs/scoring.md."""

    stages: Stages = Stages()
    purchase: Purchase = Purchase()
    value: Value = Value()
    rfm: Rfm = Rfm()
    activation: Activation = Activation()
    monetization: Monetization = Monetization()
    retention: Retention = Retention()
    streaks: tuple[Streak, ...] = ()
