# cython: language_level=3, annotation_typing=False, wraparound=False
"""The score record: a user at one instant, as the bytes that leave on the scores topic.

Written by hand, because it is the one record that can leave with every event (a third of the time of an encoder): names come as JSON from
`User`, numbers have a fixed number of places, and the panes are read once. `ScoreRecord` says what the bytes are; tests hold them to it.
"""

from array import array
from typing import Final

import cython
import msgspec

from streams.core.envelope import Envelope, rfc3339
from streams.core.headers import TRACEPARENT
from streams.core.recordbatch import Packed, arena, prefixed
from streams.core.rules import CUSTOM, DAY_MS, FIRST_TYPE, REVENUE, SESSION, WINDOWS, Rules
from streams.core.user import User
from streams.core.writer import Writer

if not cython.compiled:
    from math import floor

__all__ = ["Contribution", "ScoreRecord", "score_output", "score_record"]

#: `2026-01-31T08:00:00.000Z`
_TIME_BYTES: Final = 24
_DATE_BYTES: Final = 11
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
_FIRST_TYPE: Final = FIRST_TYPE
_DAY_MS: Final = DAY_MS

#: Headers of a score, besides that of its trace.
_HEADERS: Final = 7
_CE_ID: Final = prefixed(b"ce_id")
_CE_SUBJECT: Final = prefixed(b"ce_subject")
_CE_TIME: Final = prefixed(b"ce_time")
_TRACEPARENT: Final = prefixed(TRACEPARENT.encode())

_json = msgspec.json.Encoder().encode

#: Emptied by every record; one for the process, like the user.
_out = Writer()
#: Of the types that the panes have seen, their contributions; the largest of these, and what they are in hundredths.
_points = array("d", bytes(8 * 256))
_ranked = array("q", bytes(8 * _TOP))
_shares = array("q", bytes(8 * _TOP))


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
    tail = _tail(user, spelled, -1 if due_ms is None else due_ms)
    _write(user, spelled, tail, cause.encode(), as_of_ms, rev)
    return user.key + tail.decode(), _out.done()


def score_output(
    user: User, rules: Rules, partition: int, cause: str, as_of_ms: int, due_ms: int | None, rev: int, trace: bytes | None = None
) -> Packed:
    """The same record as it leaves for `partition` of the scores topic: with its key, its headers and its time.

    `trace` is the `traceparent` of the record that it is told because of.
    """
    spelled, out, body = _spelled(rules), _out, arena()
    tail = _tail(user, spelled, -1 if due_ms is None else due_ms)
    _write(user, spelled, tail, cause.encode(), as_of_ms, rev)
    key, start = spelled.key, body.size
    body.varint(len(key))
    body.raw(key)
    body.varint(out.size)
    body.text(out, 0, out.size)
    body.varint(_HEADERS if trace is None else _HEADERS + 1)
    body.raw(spelled.fixed)
    body.raw(_CE_ID)
    body.varint(len(key) + len(tail))
    body.raw(key)
    body.raw(tail)
    body.raw(_CE_SUBJECT)
    body.varint(len(key))
    body.raw(key)
    body.raw(_CE_TIME)
    body.varint(_TIME_BYTES)
    body.text(out, spelled.time_at, _TIME_BYTES)
    if trace is not None:
        body.raw(_TRACEPARENT)
        body.varint(len(trace))
        body.raw(trace)
    return Packed(spelled.topic, partition, as_of_ms, body, start)


def _tail(user: User, spelled: "_Spelled", due_ms: int) -> bytes:
    """What follows the user key in the id; no due time below 0."""
    out = _out
    out.begin()
    out.raw(b"@")
    out.raw(spelled.inputs[user.last_topic])
    out.raw(b"/")
    out.integer(user.last_partition)
    out.raw(b"/")
    out.integer(user.last_offset)
    if due_ms >= 0:
        out.raw(b"+")
        out.integer(due_ms)
        if user.learned:  # other parameters may see another band at the same instant
            out.raw(b"~")
            out.raw(user.learned)
    return out.done()


class _Spelled:
    """What is the same in every record, ready to be written."""

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self.inputs = tuple(name.encode() for name in rules.topics.inputs)
        self.topic = rules.topics.scores
        self.fixed = b"".join(
            [prefixed(name.encode()) + prefixed(text) for name, text in Envelope("engagement.score.v1", f"/{rules.app_id}").fixed]
        )
        self.time_at = 0  # where the last record written has its time
        # Neighbours are often of one user, and nearly always of one day.
        self.user, self.key, self.quoted = "", b"", b'"'
        self.day, self.date = -1, b""
        self.horizon = _json(rules.churn.horizon_days)
        self.version = _json(rules.version)

    def of(self, user: str) -> None:
        """`key` and `quoted` are those of `user`: the bytes, and the JSON without the closing quote."""
        if user != self.user:
            text = _json(user)
            self.user, self.key, self.quoted = user, user.encode(), text[: len(text) - 1]

    def on(self, day: int) -> bytes:
        """The date of a day since 1970, and what stands between it and the time."""
        if day != self.day:
            self.day, self.date = day, rfc3339(day * _DAY_MS)[:_DATE_BYTES].encode()
        return self.date


#: Of the rules that were asked for last: a process has one.
_last: list[_Spelled] = []


def _spelled(rules: Rules) -> _Spelled:
    if not _last or _last[0].rules is not rules:
        _last[:] = [_Spelled(rules)]
    return _last[0]


def _write(user: User, spelled: _Spelled, tail: bytes, cause: bytes, as_of_ms: int, rev: int) -> None:
    """The JSON of the score is in `_out`."""
    panes, out = user.panes, _out
    spelled.of(user.key)
    panes.tally(as_of_ms // 60_000)
    out.begin()
    out.raw(b'{"score_id":')
    out.raw(spelled.quoted)
    out.raw(tail)  # topic names need no escapes
    out.raw(b'","user_id":')
    out.raw(spelled.quoted)
    out.raw(b'","as_of":"')
    spelled.time_at = out.size
    _time(out, spelled, as_of_ms)
    out.raw(b'","engagement_score":')
    out.fixed(_parts(user.engagement(as_of_ms), 100), 100)
    out.raw(b',"band":')
    out.raw(user.band_names[user.band(as_of_ms)])
    out.raw(b',"churn_probability":')
    out.fixed(_parts(user.churn(as_of_ms), 10_000), 10_000)
    out.raw(b',"churn_horizon_days":')
    out.raw(spelled.horizon)
    out.raw(b',"model":"online","ces":{' if user.correction.on else b',"model":"prior","ces":{')
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


def _counts(out: Writer, user: User, window: int) -> None:
    """Counts of the event types in a window of the last tally."""
    panes = user.panes
    first = True
    for i in range(panes.seen):
        kind = panes.types[i]
        n = panes.count(window, kind)
        if n and (kind == _CUSTOM or kind >= _FIRST_TYPE):  # the others are ours
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
    others = others_count = 0
    for i in range(panes.seen):
        kind = panes.types[i]
        _points[i] = user.weights[kind] * panes.count(_WINDOW_7D, kind)
        if _points[i] != 0.0:
            others += 1
            others_count += panes.count(_WINDOW_7D, kind)
    rank = 0
    while rank < _TOP and others > 0:
        best = -1
        for i in range(panes.seen):  # of equal ones the first: types are in the order of their numbers
            if _points[i] != 0.0 and (best < 0 or _points[i] > _points[best]):
                best = i
        _ranked[rank] = best
        _shares[rank] = _parts(_points[best], 100)
        rest -= _shares[rank]
        others_count -= panes.count(_WINDOW_7D, panes.types[best])
        _points[best] = 0.0
        others -= 1
        rank += 1
    if not others and rank:
        _shares[0] += rest  # weights of more than two digits: what rounding left over belongs to the largest
    for i in range(rank):
        kind = panes.types[_ranked[i]]
        if i:
            out.raw(b",")
        _contribution(out, user.names[kind], panes.count(_WINDOW_7D, kind), _shares[i])
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


def _parts(value: float, unit: int) -> int:
    """`value` in units of `1 / unit`, half up: a third of the time of `round`."""
    return int(floor(value * unit + 0.5))  # noqa: RUF046  (compiled, floor is C's)


def _time(out: Writer, spelled: _Spelled, at_ms: int) -> None:
    """RFC 3339 in UTC with milliseconds."""
    day = at_ms // _DAY_MS
    rest = at_ms - day * _DAY_MS
    out.raw(spelled.on(day))
    out.digits(rest // 3_600_000, 2)
    out.raw(b":")
    out.digits(rest // 60_000 % 60, 2)
    out.raw(b":")
    out.digits(rest // 1000 % 60, 2)
    out.raw(b".")
    out.digits(rest % 1000, 3)
    out.raw(b"Z")
