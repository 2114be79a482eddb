"""The drop detector of a whole site, a segment, a page category or a campaign: is this hour far below its usual count?

One series is one count per tick (an hour or a minute). Counts are judged as `z = sqrt(y + 3/8)`, whose noise is the same at every height
(Anscombe 1948). Each hour of the week has its own running mean and variance of z; two ticks in a row that are together `theta` standard
deviations too low raise the alarm. Only drops do: a record day is no reason to wake anybody.

Everything here is a value: a tick returns a new series. The caller knows the calendar: which hour of the week it is in the product's time
zone, which hours are muted, and whether the source itself was silent.
"""

from math import inf, sqrt
from typing import Final, Literal, NamedTuple

import msgspec

from streams.errors import StreamsError, UnknownStateVersion

__all__ = ["SERIES_VERSION", "SLOTS", "Reading", "Series", "decode", "encode", "observe"]

#: First byte of every encoded series.
SERIES_VERSION: Final = 1
#: Hours of the week.
SLOTS: Final = 168

#: Ticks that a slot must have seen before it is judged, or protects itself from outliers.
_KNOWN_FROM: Final = 3
_CLIP: Final = 4.0
_GAIN_MIN: Final = 0.1
#: Variance of z when y is a Poisson count: a slot is never surer of itself than that.
_POISSON_VARIANCE: Final = 0.25
_ANSCOMBE: Final = 3 / 8


class Slot(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One hour of the week: ticks seen, mean and variance of z."""

    n: int = 0
    mean: float = 0.0
    variance: float = 0.0


class Series(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """All that is known of one series. `residual`: of the tick before. `firing`: an alarm is on."""

    slots: tuple[Slot, ...] = (Slot(),) * SLOTS
    residual: float = 0.0
    firing: bool = False


class Reading(NamedTuple):
    """What one tick says.

    expected   the usual count; None until the slot is known
    residual   distance from it in standard deviations, negative below; 0 until the slot is known
    drop       the statistic: how far this tick and the one before are too low together
    turn       whether an alarm began or ended with this tick
    """

    expected: float | None
    residual: float
    drop: float
    turn: Literal["", "began", "ended"]


def observe(series: Series, slot: int, y: float | None, theta: float = 3.0) -> tuple[Series, Reading]:
    """The series after a tick of hour-of-week `slot` with count `y`, and what the tick says.

    An alarm begins at `theta` and ends below half of it. None for a tick that says nothing (muted, or the source was silent): nothing is
    learned and an alarm stays as it is. A site without visitors is 0, not None. Raises `ValueError` for what is no count and for a slot
    that no week has.
    """
    if not 0 <= slot < SLOTS:
        raise ValueError("a week has the slots 0 to 167")
    if y is None:
        return msgspec.structs.replace(series, residual=0.0), Reading(_expected(series.slots[slot]), 0.0, 0.0, "")
    if not 0.0 <= y < inf:
        raise ValueError("a count is finite and not negative")
    usual, z = series.slots[slot], sqrt(y + _ANSCOMBE)
    residual = (z - usual.mean) / _deviation(usual) if usual.n >= _KNOWN_FROM else 0.0
    drop = max(0.0, -(residual + series.residual) / 2)
    firing = drop >= theta / 2 if series.firing else drop >= theta
    turn: Literal["", "began", "ended"] = "" if firing == series.firing else "began" if firing else "ended"
    slots = series.slots[:slot] + (_learned(usual, z),) + series.slots[slot + 1 :]
    return Series(slots, residual, firing), Reading(_expected(usual), residual, drop, turn)


def encode(series: Series) -> bytes:
    """The series as bytes: a version byte, then MessagePack. Equal series have equal bytes."""
    return bytes([SERIES_VERSION]) + _encode(series)


def decode(blob: bytes) -> Series:
    """The series as `encode` left it. `UnknownStateVersion` for one of a later release, `StreamsError` for bytes that are no series."""
    if blob and blob[0] != SERIES_VERSION:
        raise UnknownStateVersion(f"a series has version {blob[0]}, this release reads up to version {SERIES_VERSION}")
    try:
        series = _decode(blob[1:])
    except msgspec.DecodeError as error:
        raise StreamsError(f"a series is damaged: {error}") from None
    if len(series.slots) != SLOTS:
        raise StreamsError(f"a series is damaged: it has {len(series.slots)} slots")
    return series


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Series).decode


def _deviation(slot: Slot) -> float:
    return sqrt(slot.variance + _POISSON_VARIANCE)


def _expected(slot: Slot) -> float | None:
    return max(0.0, slot.mean * slot.mean - _ANSCOMBE) if slot.n >= _KNOWN_FROM else None


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
