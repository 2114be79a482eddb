"""Histories of one user for the tests of the core: rules, and days written as numbers."""

from collections.abc import Iterable

from streams.core.record import Fate
from streams.core.rules import DAY_MS, Catalogue, Churn, Drop, Emit, EventType, Rules, Scoring
from streams.core.user import User

__all__ = ["ADDED", "DAY_ZERO", "EMAIL", "ORDER", "VIEW", "at", "fresh", "history", "make_rules"]

VIEW, ADDED, ORDER, EMAIL = 10, 34, 39, 100

#: Day 0 of the tests is 2019-04-14.
DAY_ZERO = 18_000


def make_rules(
    *,
    scoring: Scoring | None = None,
    churn: Churn | None = None,
    drop: Drop | None = None,
    emit: Emit | None = None,
    types: Iterable[EventType] = (),
) -> Rules:
    """Four event types, of weight 1, 3, 10 and 0, and the defaults for everything that is not said."""
    mine = (
        EventType(id=VIEW, name="page_view", weight=1.0),
        EventType(id=ADDED, name="product_added", weight=3.0),
        EventType(id=ORDER, name="order_completed", weight=10.0, amount="revenue"),
        EventType(id=EMAIL, name="email_send", weight=0.0, channel="email"),
    )
    return Rules(
        version="test",
        app_id="engagement",
        partitions=12,
        catalogue=Catalogue(types=(*mine, *types), custom_weight=0.5),
        scoring=scoring or Scoring(),
        churn=churn or Churn(),
        drop=drop or Drop(),
        emit=emit or Emit(),
    )


def at(day: float, ms: int = 0) -> int:
    """Milliseconds of a day of the tests; `at(0.5)` is noon of day 0."""
    return DAY_ZERO * DAY_MS + round(day * DAY_MS) + ms


def fresh(rules: Rules | None = None, key: str = "ann") -> User:
    """A new user."""
    user = User(rules or make_rules())
    user.load(key, None)
    return user


def history(user: User, days: Iterable[float], kind: int = ADDED) -> User:
    """`user` after one event on each of the days, all of them counted; ids and offsets count on."""
    for day in days:
        offset = user.last_offset + 1
        assert user.fold(kind, at(day), 1_000_000 + offset, 0, 0, 3, offset) == Fate.COUNTED
    return user
