"""How much may come: events per second of one write key, events per minute of one user."""

import math
from typing import Final

__all__ = ["Bucket", "Velocity"]

#: A key may send this many seconds' worth at once: trackers that were offline come back with all they have.
_BURST_S: Final = 5.0


class Bucket:
    """A token bucket. It may be overdrawn by one request, which the following ones pay back: no batch is too large to ever pass."""

    def __init__(self, rate_per_s: float, now_s: float) -> None:
        self._rate, self._most = rate_per_s, rate_per_s * _BURST_S
        self._tokens, self._at_s = self._most, now_s

    def wait_s(self, now_s: float) -> int:
        """0 when a request may come now, else after how many seconds it may."""
        self._tokens = min(self._most, self._tokens + (now_s - self._at_s) * self._rate)
        self._at_s = now_s
        return 0 if self._tokens > 0 else max(1, math.ceil((1 - self._tokens) / self._rate))

    def take(self, events: int) -> None:
        """`events` have come."""
        self._tokens -= events


class Velocity:
    """Counts the events of each user in each minute. Faster than `most_per_min` nobody clicks.

    `most_users` are counted at the most; who comes on top of them in the same minute is not.
    """

    def __init__(self, most_per_min: int, most_users: int = 200_000) -> None:
        self._most, self._users = most_per_min, most_users
        self._minute, self._counts = 0, dict[str, int]()

    def exceeded(self, user: str, now_ms: int) -> bool:
        """Whether this event of `user` is one too many."""
        if self._most == 0:
            return False
        minute = now_ms // 60_000
        if minute != self._minute:
            self._minute, self._counts = minute, {}
        count = self._counts.get(user, 0) + 1
        if count == 1 and len(self._counts) >= self._users:
            return False
        self._counts[user] = count
        return count > self._most
