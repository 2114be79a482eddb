"""What the scores topic has said of people: how many of each score, who is active, who moves, and how soon a score is told.

Pure: records and times in, numbers out. Bounded by the number of users it is given.
"""

from collections import OrderedDict, deque
from collections.abc import Sequence
from heapq import nlargest
from typing import Final

import msgspec

from streams.core.rules import Rules

__all__ = ["ACTIVE_S", "BINS", "Band", "Latency", "Move", "Movers", "People"]

#: Bins of the score distribution, five points each; 100 belongs to the last one.
BINS: Final = 20
#: Active is who was scored for something of their own within this time: as long as a score may stay away (`emit.max_interval_s`).
ACTIVE_S: Final = 900
#: A move is told for so long after it began.
_MOVE_MS: Final = 600_000
_MOVES_KEPT: Final = 10_000
#: An event that is older when its score comes was late already when it was sent: that is the device's latency, not ours.
_LATE_MS: Final = 60_000
_LATENCY_MS: Final = 60_000
_LATENCIES_KEPT: Final = 5000


class Band(msgspec.Struct, frozen=True):
    """One band of the engagement score and how many users are in it. `start` is its lower edge."""

    name: str
    start: float
    users: int


class Move(msgspec.Struct, frozen=True):
    """A user whose score has changed within ten minutes, in points."""

    user_id: str
    before: float
    after: float
    delta: float
    band: str


class Movers(msgspec.Struct, frozen=True):
    """Who has moved most, the largest first."""

    up: Sequence[Move]
    down: Sequence[Move]


class Latency(msgspec.Struct, frozen=True):
    """Milliseconds from the time of an event to its score being read here, over the last minute; None when there was none."""

    p50_ms: float | None
    p99_ms: float | None
    scores: int


class _Score(msgspec.Struct, frozen=True, gc=False):
    """The fields of a score that are looked at."""

    user_id: str
    engagement_score: float
    band: str
    rev: int
    cause: str


class _Known(msgspec.Struct, gc=False):
    rev: int
    score: float
    band: str


class _Moving(msgspec.Struct, gc=False):
    since_ms: int
    before: float
    after: float
    band: str


class People:
    """The newest score of each user, at most `most_users` of them: those that were scored last."""

    def __init__(self, rules: Rules, most_users: int = 200_000) -> None:
        self._edges = (0.0, *rules.scoring.bands)
        self._names = rules.scoring.band_names
        self._most = most_users
        self._known: OrderedDict[bytes, _Known] = OrderedDict()
        self._active: OrderedDict[bytes, int] = OrderedDict()
        self._moving: OrderedDict[bytes, _Moving] = OrderedDict()
        self._latencies: deque[tuple[int, int]] = deque(maxlen=_LATENCIES_KEPT)
        self._bands = dict.fromkeys(self._names, 0)
        self._bins = [0] * BINS
        self._decode = msgspec.json.Decoder(_Score).decode

    @property
    def users(self) -> int:
        return len(self._known)

    @property
    def histogram(self) -> list[int]:
        """Users by score, five points to a bin."""
        return list(self._bins)

    @property
    def bands(self) -> list[Band]:
        """Users by band, the lowest first."""
        return [Band(name, start, self._bands.get(name, 0)) for name, start in zip(self._names, self._edges, strict=True)]

    def take(self, key: bytes, value: bytes | None, at_ms: int, now_ms: int, *, live: bool) -> None:
        """One record of the scores topic is known. `at_ms` is its own time; those that come live can be moves and have a latency.

        Raises `msgspec.DecodeError` for bytes that are no score.
        """
        before = self._known.pop(key, None)
        if before is not None:
            self._count(before, -1)
        if value is None:
            self._moving.pop(key, None)
            self._active.pop(key, None)
            return
        score = self._decode(value)
        if before is not None and score.rev < before.rev:  # an older one, told once more
            self._known[key] = before
            self._count(before, 1)
            return
        now = _Known(score.rev, score.engagement_score, score.band)
        self._known[key] = now
        self._count(now, 1)
        if len(self._known) > self._most:
            self._count(self._known.popitem(last=False)[1], -1)
        if score.cause != "timer":
            self._act(key, at_ms)
        if live:
            if score.cause != "timer" and now_ms - at_ms < _LATE_MS:
                self._latencies.append((now_ms, max(0, now_ms - at_ms)))
            # A replay tells of moves that were made long ago.
            if before is not None and now_ms - at_ms < _MOVE_MS:
                self._move(key, before.score, now, now_ms)

    def active(self, now_ms: int) -> int:
        """How many users did something within `ACTIVE_S`, as far as their scores tell."""
        while self._active and next(iter(self._active.values())) < now_ms - ACTIVE_S * 1000:
            self._active.popitem(last=False)
        return len(self._active)

    def movers(self, now_ms: int, most: int = 5) -> Movers:
        """Who has moved most within ten minutes."""
        while self._moving and next(iter(self._moving.values())).since_ms < now_ms - _MOVE_MS:
            self._moving.popitem(last=False)
        moves = [(it.after - it.before, key, it) for key, it in self._moving.items()]
        up = [_told(key, it) for delta, key, it in nlargest(most, moves, key=lambda move: move[0]) if delta >= 1]
        down = [_told(key, it) for delta, key, it in nlargest(most, moves, key=lambda move: -move[0]) if delta <= -1]
        return Movers(up, down)

    def latency(self, now_ms: int) -> Latency:
        """How soon scores came within the last minute."""
        while self._latencies and self._latencies[0][0] < now_ms - _LATENCY_MS:
            self._latencies.popleft()
        values = sorted(ms for _, ms in self._latencies)
        if not values:
            return Latency(None, None, 0)
        return Latency(float(values[len(values) // 2]), float(values[len(values) * 99 // 100]), len(values))

    def _count(self, known: _Known, by: int) -> None:
        self._bands[known.band] = self._bands.get(known.band, 0) + by
        self._bins[min(BINS - 1, max(0, int(known.score * BINS / 100)))] += by

    def _act(self, key: bytes, at_ms: int) -> None:
        # Kept in the order of their times, nearly: a late one is taken out a little late.
        self._active[key] = max(at_ms, self._active.pop(key, 0))
        if len(self._active) > self._most:
            self._active.popitem(last=False)

    def _move(self, key: bytes, before: float, now: _Known, now_ms: int) -> None:
        moving = self._moving.get(key)
        if moving is None or moving.since_ms < now_ms - _MOVE_MS:
            self._moving.pop(key, None)
            self._moving[key] = _Moving(now_ms, before, now.score, now.band)
            if len(self._moving) > _MOVES_KEPT:
                self._moving.popitem(last=False)
        else:
            moving.after, moving.band = now.score, now.band


def _told(key: bytes, it: _Moving) -> Move:
    return Move(key.decode(errors="replace"), it.before, it.after, round(it.after - it.before, 2), it.band)
