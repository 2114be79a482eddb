# cython: language_level=3, annotation_typing=False, wraparound=False
"""The score record: a user at one instant, as the bytes that leave on the scores topic.

Written by hand, because it is the one record that can leave with every event (a third of the time of an encoder): names come as JSON from
`User`, numbers have a fixed number of places, and the panes are read once. `ScoreRecord` says what the bytes are; tests hold them to it.
"""

from datetime import date
from functools import lru_cache
from typing import Final

import cython
import msgspec

from streams.core.rules import CUSTOM, DAY_MS, REVENUE, SESSION, WINDOWS, Rules
from streams.core.user import User
from streams.core.writer import Writer

if not cython.compiled:
    from math import floor

__all__ = ["Contribution", "ScoreRecord", "score_record"]

#: Contributions that are named one by one; the others are one more, "other".
_TOP: Final = 5

_NAMES: Final = tuple(WINDOWS)
_KEYS: Final = tuple(f'"{name}":'.encode() for name in _NAMES)
_COUNT: Final = len(_NAMES)
_WINDOW_24H: Final = _NAMES.index("24h")
_WINDOW_7D: Final = _NAMES.index("7d")
_WINDOW_30D: Final = _NAMES.index("30d")
_SESSION: Final = SESSION
_REVENUE: Final = REVENUE
_CUSTOM: Final = CUSTOM
_DAY_MS: Final = DAY_MS
_EPOCH: Final = date(1970, 1, 1).toordinal()

_json = msgspec.json.Encoder().encode

#: Emptied by every record; one for the process, like the user.
_out = Writer()


class Contribution(msgspec.Struct, frozen=True, gc=False):
    """What one event type adds to `ces` of the last seven days."""

    type: str
    count: int
    points: float


class ScoreRecord(msgspec.Struct, frozen=True, gc=False):
    """The record on the scores topic, field by field as docs/wire.md names them."""

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


def score_record(user: User, rules: Rules, *, cause: str, as_of_ms: int, due_ms: int | None, rev: int) -> tuple[str, bytes]:
    """Id and JSON of the score of `user` as of `as_of_ms` (the newest event or later).

    The id names the last record folded into the user, and the due time where a timer is the cause: never a clock, a batch or a worker.
    """
    spelled = _spelled(rules)
    tail = f"@{spelled.inputs[user.last_topic]}/{user.last_partition}/{user.last_offset}"
    if due_ms is not None:
        tail += f"+{due_ms}"
    return user.key + tail, _write(user, spelled, tail.encode(), cause.encode(), as_of_ms, rev)


class _Spelled:
    """What is the same in every record, ready to be written."""

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self.inputs = rules.topics.inputs
        self.horizon = _json(rules.churn.horizon_days)
        self.version = _json(rules.version)


#: Of the rules that were asked for last: a process has one.
_last: list[_Spelled] = []


def _spelled(rules: Rules) -> _Spelled:
    if not _last or _last[0].rules is not rules:
        _last[:] = [_Spelled(rules)]
    return _last[0]


def _write(user: User, spelled: _Spelled, tail: bytes, cause: bytes, as_of_ms: int, rev: int) -> bytes:
    panes, out = user.panes, _out
    key = _json(user.key)
    panes.tally(as_of_ms // 60_000)
    out.begin()
    out.raw(b'{"score_id":')
    out.raw(key[: len(key) - 1])  # without the closing quote; topic names need no escapes
    out.raw(tail)
    out.raw(b'","user_id":')
    out.raw(key)
    out.raw(b',"as_of":"')
    _time(out, as_of_ms)
    out.raw(b'","engagement_score":')
    out.fixed(_parts(user.engagement(as_of_ms), 100), 100)
    out.raw(b',"band":')
    out.raw(user.band_names[user.band(as_of_ms)])
    out.raw(b',"churn_probability":')
    out.fixed(_parts(user.churn(as_of_ms), 10_000), 10_000)
    out.raw(b',"churn_horizon_days":')
    out.raw(spelled.horizon)
    out.raw(b',"model":"prior","ces":{')
    for window in range(_COUNT):
        if window:
            out.raw(b",")
        out.raw(_KEYS[window])
        out.fixed(_parts(user.tallied_ces(window), 100), 100)
    out.raw(b'},"counts":{"24h":{')
    _counts(out, user, _WINDOW_24H)
    out.raw(b'},"30d":{')
    _counts(out, user, _WINDOW_30D)
    out.raw(b'}},"contributions":[')
    _contributions(out, user)
    out.raw(b'],"sessions_30d":')
    out.integer(panes.count(_WINDOW_30D, _SESSION))
    out.raw(b',"revenue_30d_minor":')
    out.integer(panes.count(_WINDOW_30D, _REVENUE))
    out.raw(b',"cause":"')
    out.raw(cause)
    out.raw(b'","rev":')
    out.integer(rev)
    out.raw(b',"rules_version":')
    out.raw(spelled.version)
    out.raw(b"}")
    return out.done()


def _counts(out: Writer, user: User, window: int) -> None:
    """Counts of the event types in a window of the last tally."""
    panes = user.panes
    first = True
    for i in range(panes.seen):
        kind = panes.types[i]
        n = panes.count(window, kind)
        if n and kind >= _CUSTOM:
            if not first:
                out.raw(b",")
            first = False
            out.raw(user.names[kind])
            out.raw(b":")
            out.integer(n)


def _contributions(out: Writer, user: User) -> None:
    """The largest contributions to `ces` of seven days, and the sum of the others. Their points add up to the rounded `ces`."""
    panes = user.panes
    rest = _parts(user.tallied_ces(_WINDOW_7D), 100)
    top: list[int] = []
    others = others_count = 0
    largest = 0
    for i in range(panes.seen):
        kind = panes.types[i]
        if user.weights[kind] * panes.count(_WINDOW_7D, kind) != 0.0:
            others += 1
            others_count += panes.count(_WINDOW_7D, kind)
    kind = -1
    while len(top) < _TOP and others > 0:
        kind = _next(user, kind)
        top.append(kind)
        others -= 1
        others_count -= panes.count(_WINDOW_7D, kind)
        rest -= _parts(user.weights[kind] * panes.count(_WINDOW_7D, kind), 100)
    if not others:
        largest = rest  # weights of more than two digits: what rounding left over belongs to the largest
    for i in range(len(top)):
        kind = top[i]
        share = _parts(user.weights[kind] * panes.count(_WINDOW_7D, kind), 100)
        if i:
            out.raw(b",")
        else:
            share += largest
        _contribution(out, user.names[kind], panes.count(_WINDOW_7D, kind), share)
    if others:
        out.raw(b",")
        _contribution(out, b'"other"', others_count, rest)


def _contribution(out: Writer, name: bytes, count: int, points: int) -> None:
    out.raw(b'{"type":')
    out.raw(name)
    out.raw(b',"count":')
    out.integer(count)
    out.raw(b',"points":')
    out.fixed(points, 100)
    out.raw(b"}")


def _next(user: User, after: int) -> int:
    """The type that contributes most to seven days after the type `after` (-1: of all); equal ones in the order of their numbers."""
    panes = user.panes
    limit = user.weights[after] * panes.count(_WINDOW_7D, after) if after >= 0 else 0.0
    found, most = -1, 0.0
    for i in range(panes.seen):
        kind = panes.types[i]
        points = user.weights[kind] * panes.count(_WINDOW_7D, kind)
        if points != 0.0 and (after < 0 or points < limit or (points == limit and kind > after)) and (found < 0 or points > most):
            found, most = kind, points
    return found


def _parts(value: float, unit: int) -> int:
    """`value` in units of `1 / unit`, half up: a third of the time of `round`."""
    return int(floor(value * unit + 0.5))  # noqa: RUF046  (compiled, floor is C's)


def _time(out: Writer, at_ms: int) -> None:
    """RFC 3339 in UTC with milliseconds. The date is looked up: it is the same for most records of a day."""
    day = at_ms // _DAY_MS
    rest = at_ms - day * _DAY_MS
    out.raw(_date(day))
    out.digits(rest // 3_600_000, 2)
    out.raw(b":")
    out.digits(rest // 60_000 % 60, 2)
    out.raw(b":")
    out.digits(rest // 1000 % 60, 2)
    out.raw(b".")
    out.digits(rest % 1000, 3)
    out.raw(b"Z")


@lru_cache(maxsize=64)
def _date(day: int) -> bytes:
    return f"{date.fromordinal(_EPOCH + day).isoformat()}T".encode()
