# cython: language_level=3, wraparound=False, annotation_typing=False
"""The score record: a user at one instant, as the bytes that leave on the scores topic."""

from collections.abc import Callable
from typing import Final

import cython
import msgspec

from streams.core.envelope import rfc3339
from streams.core.rules import CUSTOM, REVENUE, SESSION, WINDOWS, Rules
from streams.core.user import User

if not cython.compiled:
    from math import floor

__all__ = ["Contribution", "ScoreRecord", "score_record"]

#: Contributions that are named one by one; the others are one more, "other".
_TOP: Final = 5

_WINDOW_24H: Final = list(WINDOWS).index("24h")
_WINDOW_7D: Final = list(WINDOWS).index("7d")
_WINDOW_30D: Final = list(WINDOWS).index("30d")


class Contribution(msgspec.Struct, frozen=True, gc=False):
    """What one event type adds to `ces` of the last seven days."""

    type: str
    count: int
    points: float


class ScoreRecord(msgspec.Struct, frozen=True, gc=False):
    """The record on the scores topic, field by field as WIRE names them."""

    score_id: str
    user_id: str
    as_of: str
    engagement_score: float
    band: str
    churn_probability: float
    churn_horizon_days: float
    model: str
    ces: dict[str, float]
    counts: dict[str, dict[str, int]]
    contributions: list[Contribution]
    sessions_30d: int
    revenue_30d_minor: int
    cause: str
    rev: int
    rules_version: str


_encode: Callable[[ScoreRecord], bytes] = msgspec.json.Encoder().encode


def score_record(user: User, rules: Rules, *, cause: str, as_of_ms: int, due_ms: int | None, rev: int) -> tuple[str, bytes]:
    """Id and JSON of the score of `user` as of `as_of_ms` (the newest event or later).

    The id names the last record folded into the user, and the due time where a timer is the cause: never a clock, a batch or a worker.
    """
    score_id = f"{user.key}@{rules.topics.inputs[user.last_topic]}/{user.last_partition}/{user.last_offset}"
    if due_ms is not None:
        score_id += f"+{due_ms}"
    user.panes.tally(as_of_ms // 60_000)
    record = ScoreRecord(
        score_id,
        user.key,
        rfc3339(as_of_ms),
        hundredths(user.engagement(as_of_ms)) / 100.0,
        rules.scoring.band_names[user.band(as_of_ms)],
        floor(user.churn(as_of_ms) * 10_000.0 + 0.5) / 10_000.0,
        rules.churn.horizon_days,
        "prior",
        {name: hundredths(user.tallied_ces(window)) / 100.0 for window, name in enumerate(WINDOWS)},
        {"24h": _named(user, _WINDOW_24H), "30d": _named(user, _WINDOW_30D)},
        _contributions(user),
        user.panes.count(_WINDOW_30D, SESSION),
        user.panes.count(_WINDOW_30D, REVENUE),
        cause,
        rev,
        rules.version,
    )
    return score_id, _encode(record)


def hundredths(value: float) -> int:
    """`value` in hundredths, half up: a third of the time of `round`."""
    return int(floor(value * 100.0 + 0.5))  # noqa: RUF046  (compiled, floor is C's)


def _named(user: User, window: int) -> dict[str, int]:
    """Name -> count of the event types in a window of the last tally."""
    counts: dict[str, int] = {}
    for i in range(user.panes.seen):
        kind = user.panes.types[i]
        if kind >= CUSTOM and user.panes.count(window, kind):
            counts[_name(user, kind)] = user.panes.count(window, kind)
    return counts


def _contributions(user: User) -> list[Contribution]:
    """The largest contributions to `ces` of seven days and the sum of the others. Their points add up to the rounded `ces`."""
    ranked: list[tuple[float, int]] = []
    for i in range(user.panes.seen):
        kind = user.panes.types[i]
        points = user.weights[kind] * user.panes.count(_WINDOW_7D, kind)
        if points != 0.0:
            ranked.append((-points, kind))
    ranked.sort()
    rest = hundredths(user.tallied_ces(_WINDOW_7D))
    top = ranked if len(ranked) <= _TOP else ranked[:_TOP]
    named: list[tuple[int, int]] = []
    for minus, kind in top:
        share = hundredths(-minus)
        rest -= share
        named.append((kind, share))
    if len(ranked) > _TOP:
        others = sum([user.panes.count(_WINDOW_7D, kind) for _, kind in ranked[_TOP:]])
        return [Contribution(_name(user, kind), user.panes.count(_WINDOW_7D, kind), share / 100.0) for kind, share in named] + [
            Contribution("other", others, rest / 100.0)
        ]
    if rest and named:  # weights with more than two digits: what rounding left over belongs to the largest
        named[0] = (named[0][0], named[0][1] + rest)
    return [Contribution(_name(user, kind), user.panes.count(_WINDOW_7D, kind), share / 100.0) for kind, share in named]


def _name(user: User, kind: int) -> str:
    """A type that the catalogue has lost is called by its number."""
    return user.names[kind] or f"type_{kind}"
