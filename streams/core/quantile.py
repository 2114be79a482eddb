"""A running quantile in constant memory: the P2 algorithm (Jain and Chlamtac, Communications of the ACM 28(10), 1985).

Five markers stand for the least, the greatest, the wanted quantile and the two halves beside it; each new value moves them by a parabola.
Everything here is a value: observing returns a new one, and equal values in equal order give equal markers, to the byte.
"""

from collections.abc import Sequence
from math import isfinite
from typing import Final

import msgspec

__all__ = ["Quantile", "merged", "observe", "quantile"]

_MARKERS: Final = 5


class Quantile(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """The markers of one quantile.

    share   which quantile: 0.5 is the median
    n       values seen
    heights the first five values, sorted; from then on the markers' heights
    places  how many values are at or below each marker
    """

    share: float = 0.5
    n: int = 0
    heights: tuple[float, ...] = ()
    places: tuple[int, ...] = (1, 2, 3, 4, 5)


def quantile(seen: Quantile) -> float | None:
    """The quantile of what was seen, exact up to five values; None before the first."""
    if not seen.n:
        return None
    if seen.n <= _MARKERS:
        return seen.heights[min(int(seen.share * seen.n), seen.n - 1)]
    return seen.heights[2]


def observe(seen: Quantile, value: float) -> Quantile:
    """The quantile after one more value. Raises `ValueError` for a value that is no number: it would stay for ever."""
    if not isfinite(value):
        raise ValueError("a quantile is of numbers")
    n, share = seen.n + 1, seen.share
    if n <= _MARKERS:
        return Quantile(share, n, tuple(sorted((*seen.heights, value))), seen.places)
    q = [min(seen.heights[0], value), *seen.heights[1:4], max(seen.heights[4], value)]
    # The marker at or below the new value stays where it is, those above it move up by one value.
    places = [place + (value < height) for place, height in zip(seen.places, q, strict=True)]
    places[0], places[4] = 1, n
    wanted = (1.0, 1 + (n - 1) * share / 2, 1 + (n - 1) * share, 1 + (n - 1) * (1 + share) / 2, float(n))
    for i in (1, 2, 3):
        apart = wanted[i] - places[i]
        if (apart >= 1 and places[i + 1] - places[i] > 1) or (apart <= -1 and places[i - 1] - places[i] < -1):
            step = 1 if apart > 0 else -1
            height = _parabola(q, places, i, step)
            q[i] = height if q[i - 1] < height < q[i + 1] else _line(q, places, i, step)
            places[i] += step
    return Quantile(share, n, tuple(q), tuple(places))


def merged(parts: Sequence[Quantile]) -> float | None:
    """The quantile of several populations: their own, each weighing as many values as it has seen. None when nobody has seen any.

    Exact where the parts are alike, as users dealt out by a hash are; a bound is the range of the parts' quantiles.
    """
    total = sum(part.n for part in parts)
    if not total:
        return None
    return sum(part.n * value for part in parts if (value := quantile(part)) is not None) / total


def _parabola(q: Sequence[float], places: Sequence[int], i: int, step: int) -> float:
    below, here, above = places[i - 1 : i + 2]
    rise = (here - below + step) * (q[i + 1] - q[i]) / (above - here) + (above - here - step) * (q[i] - q[i - 1]) / (here - below)
    return q[i] + step / (above - below) * rise


def _line(q: Sequence[float], places: Sequence[int], i: int, step: int) -> float:
    return q[i] + step * (q[i + step] - q[i]) / (places[i + step] - places[i])
