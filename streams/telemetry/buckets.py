"""A histogram of plain numbers: cheap enough for every step, and for many records at once."""

from bisect import bisect_left
from collections.abc import Sequence
from typing import Final

from streams.core.record import Record

__all__ = ["FRESHNESS_S", "STEP_S", "Buckets"]

#: From the shortest way through (a few milliseconds) to a backlog of an hour.
FRESHNESS_S: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 3600.0)
#: From a plan on an idle Redis to the timeout of a request.
STEP_S: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Buckets:
    """How many values were at most each of `bounds`. `counts` has one more, for those above."""

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = tuple(bounds)
        self.counts = [0] * (len(self.bounds) + 1)
        self.sum = 0.0

    def add(self, value: float, n: int = 1) -> None:
        """`n` values of `value`."""
        self.counts[bisect_left(self.bounds, value)] += n
        self.sum += value * n

    def add_ages(self, records: Sequence[Record], now_ms: int) -> None:
        """The ages at `now_ms` of records in append order (as a lane has them), in seconds.

        Costs per bucket, not per record: those of one step are nearly always in one or two. Counts are exact; of each bucket the sum takes
        the mean of its oldest and its youngest record.
        """
        end = len(records)
        while end:
            youngest_s = _age_s(records[end - 1], now_ms)
            place = bisect_left(self.bounds, youngest_s)
            above = self.bounds[place] if place < len(self.bounds) else None
            start = 0 if above is None or _age_s(records[0], now_ms) <= above else _first_within(records, now_ms, above, end)
            self.counts[place] += end - start
            self.sum += (end - start) * (youngest_s + _age_s(records[start], now_ms)) / 2
            end = start

    def cumulative(self) -> list[tuple[str, int]]:
        """As Prometheus has them: (upper bound, how many values are not above it), the last one without a bound."""
        out, total = [], 0
        for bound, n in zip((*self.bounds, float("inf")), self.counts, strict=True):
            total += n
            out.append(("+Inf" if bound == float("inf") else repr(float(bound)), total))
        return out


def _age_s(record: Record, now_ms: int) -> float:
    """Never negative: the broker's clock may be ahead of ours."""
    return max(0, now_ms - record.timestamp) / 1000


def _first_within(records: Sequence[Record], now_ms: int, above_s: float, end: int) -> int:
    """The first of `records[:end]` that is at most `above_s` old; the last one is, whatever the order of the others."""
    low, high = 0, end - 1
    while low < high:
        middle = (low + high) // 2
        if _age_s(records[middle], now_ms) > above_s:
            low = middle + 1
        else:
            high = middle
    return low
