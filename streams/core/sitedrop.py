"""The drop detector of a whole site, a segment, a page category or a campaign: is this hour far below its usual count?

One series is one count per tick (an hour or a minute). Counts are judged as `z = sqrt(y + 3/8)`, whose noise is the same at every height
(Anscombe 1948). Each hour of the week has its own running mean and variance of z. The alarm is raised when the last two, six or twenty-four
ticks together are too many standard deviations too low: a crash is seen at once, a slow leak within the day. Only drops raise it: a record
day is no reason to wake anybody.

Everything here is a value: a tick returns a new series. The caller knows the calendar: which hour of the week it is in the product's time
zone, which hours are muted, and whether the source itself was silent.
"""

from math import inf, sqrt
from typing import Annotated, Final, Literal, NamedTuple

import msgspec

__all__ = ["SLOTS", "Reading", "Series", "band", "observe"]

#: Hours of the week.
SLOTS: Final = 168

#: Ticks that a slot must have seen before it is judged, or protects itself from outliers.
_KNOWN_FROM: Final = 3
_CLIP: Final = 4.0
_GAIN_MIN: Final = 0.1
#: Variance of z when y is a Poisson count: a slot is never surer of itself than that.
_POISSON_VARIANCE: Final = 0.25
_ANSCOMBE: Final = 3 / 8
#: Ticks whose mean is judged, and its weight: the mean of six errs least; two ticks must be twice as low, and a day a little less. Chosen
#: on the first 60 % of each series of docs/evaluation.
_SPANS: Final = ((2, 0.5), (6, 1.0), (24, 1.2))
_MEMORY: Final = 24


class Slot(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One hour of the week: ticks seen, mean and variance of z."""

    n: int = 0
    mean: float = 0.0
    variance: float = 0.0


class Series(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """All that is known of one series. `recent`: residuals of the last ticks, the newest last. `firing`: an alarm is on."""

    slots: Annotated[tuple[Slot, ...], msgspec.Meta(min_length=SLOTS, max_length=SLOTS)] = (Slot(),) * SLOTS
    recent: Annotated[tuple[float, ...], msgspec.Meta(min_length=_MEMORY, max_length=_MEMORY)] = (0.0,) * _MEMORY
    firing: bool = False

    def expected(self, slot: int) -> float | None:
        """The usual count of a tick of hour-of-week `slot`; None until it is known."""
        return _expected(self.slots[slot])


class Reading(NamedTuple):
    """What one tick says.

    expected   the usual count; None until the slot is known
    residual   distance from it in standard deviations, negative below; 0 until the slot is known
    drop       the statistic: how far the last ticks are too low together
    turn       whether an alarm began or ended with this tick
    """

    expected: float | None
    residual: float
    drop: float
    turn: Literal["", "began", "ended"]


def observe(series: Series, slot: int, y: float | None, theta: float = 2.0) -> tuple[Series, Reading]:
    """The series after a tick of hour-of-week `slot` with count `y`, and what the tick says.

    An alarm begins at `theta`, and ends when the last two ticks together are less than half of `theta` low: what was before is forgotten
    then. None for a tick that says nothing (muted, or the source was silent): nothing is learned and an alarm stays. A site without
    visitors is 0, not None. Raises `ValueError` for what is no count and for a slot that no week has.
    """
    if not 0 <= slot < SLOTS:
        raise ValueError("a week has the slots 0 to 167")
    if y is None:
        quiet = msgspec.structs.replace(series, recent=(*series.recent[1:], 0.0))
        return quiet, Reading(_expected(series.slots[slot]), 0.0, 0.0, "")
    if not 0.0 <= y < inf:
        raise ValueError("a count is finite and not negative")
    usual, z = series.slots[slot], sqrt(y + _ANSCOMBE)
    residual = (z - usual.mean) / _deviation(usual) if usual.n >= _KNOWN_FROM else 0.0
    recent = (*series.recent[1:], residual)
    drop = max(0.0, *(-weight * sum(recent[-span:]) / span for span, weight in _SPANS))
    firing = -(recent[-1] + recent[-2]) / 2 >= theta / 2 if series.firing else drop >= theta
    if series.firing and not firing:
        recent = (0.0,) * _MEMORY
    turn: Literal["", "began", "ended"] = "" if firing == series.firing else "began" if firing else "ended"
    slots = series.slots[:slot] + (_learned(usual, z),) + series.slots[slot + 1 :]
    return Series(slots, recent, firing), Reading(_expected(usual), residual, drop, turn)


def band(usual: Slot, theta: float) -> tuple[float, float, float] | None:
    """Expected count, and the counts that are `theta` standard deviations below and above; None while the slot is unknown.

    Even in z, so wider above than below here.
    """
    if usual.n < _KNOWN_FROM:
        return None
    away = theta * _deviation(usual)
    expected, low, high = (round(_count(z), 2) for z in (usual.mean, usual.mean - away, usual.mean + away))
    return expected, low, high


def _deviation(slot: Slot) -> float:
    return sqrt(slot.variance + _POISSON_VARIANCE)


def _expected(slot: Slot) -> float | None:
    return _count(slot.mean) if slot.n >= _KNOWN_FROM else None


def _count(z: float) -> float:
    """The count that is judged as `z`."""
    return max(0.0, max(0.0, z) * z - _ANSCOMBE)


def _learned(slot: Slot, z: float) -> Slot:
    """Mean and variance move by a gain that falls to a tenth: about ten weeks are remembered. An outlier moves a known slot by at most four
    deviations; one that knows nothing yet would take years to reach the height of its series that way."""
    apart = z - slot.mean
    if slot.n == 0:
        return Slot(1, z, 0.0)
    if slot.n >= _KNOWN_FROM:
        bound = _CLIP * _deviation(slot)
        apart = min(bound, max(-bound, apart))
    gain = max(_GAIN_MIN, 1.0 / (slot.n + 1))
    return Slot(slot.n + 1, slot.mean + gain * apart, (1.0 - gain) * (slot.variance + gain * apart * apart))
