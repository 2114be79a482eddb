"""How often the drop alert would cry wolf: users who change nothing, let live for a season, for each threshold `h` at once.

Such a user is active on a day by a lot that is the same every day; whoever crosses `h` then has changed nothing. One life tells for every
`h`, since the highest value of the statistic decides. The lots are drawn by hash: the same users give the same answer. It is the least that
must be reckoned with: people have holidays and moods, which no lot has.
"""

from collections.abc import Sequence
from typing import Final

import xxhash

from streams.core.rhythm import Rhythm
from streams.core.rules import Rules

__all__ = ["DAYS", "HEIGHTS", "false_rate", "highest", "threshold_for"]

#: The season that a false rate is given for.
DAYS: Final = 90
#: Days lived before that, so that nobody starts as if just seen.
_BEFORE: Final = 120
#: Thresholds to choose among: what a new configuration has, and two on either side, 0.7 apart: half of what one active day takes off.
HEIGHTS: Final = (3.4, 4.1, 4.8, 5.5, 6.2)
_SPAN: Final = float(1 << 64)


def highest(rules: Rules, rate: float, lot: str, days: int = DAYS) -> float:
    """The highest drop statistic of one life of a user who is active on a share `rate` of days; `lot` names the life."""
    rhythm, top = Rhythm(rules), 0.0
    for day in range(_BEFORE + days):
        if day >= _BEFORE and rhythm.x:
            top = max(top, rhythm.drop(float(day - rhythm.last_day)))
        if xxhash.xxh3_64_intdigest(f"{lot}\x00{day}".encode()) / _SPAN < rate:
            rhythm.visit(day, 1.0)
    return top


def false_rate(tops: Sequence[float], h: float) -> float:
    """The share of lives that reached `h`."""
    return sum(top >= h for top in tops) / len(tops)


def threshold_for(tops: Sequence[float], share: float) -> float:
    """The least `h`, to a tenth, that at most this share of lives reached."""
    h = 0.1
    while false_rate(tops, h) > share:
        h = round(h + 0.1, 1)
    return h
