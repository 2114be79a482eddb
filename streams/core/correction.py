# cython: language_level=3, wraparound=False, cdivision=False, annotation_typing=False
"""The published correction of the churn probability, as the hot path reads it: `core/churnmodel.py` says what it means.

A published model stands still, so its standardisation is worked out once: `logit p = a * logit(p0) + b + sum of w[i] * z[i]`, with
`z[i] = (x[i] - mean[i]) / deviation[i]` within +-4. Without a model this is p0 itself.
"""

from array import array
from typing import Final

import cython

from streams.core.churnmodel import FEATURES, ChurnModel, deviations
from streams.core.record import NEVER_MS
from streams.core.rhythm import Rhythm
from streams.core.rules import DAY_MS, Rules

if not cython.compiled:
    from math import exp, log, pow

__all__ = ["Correction"]

_COUNT: Final = len(FEATURES)
_CLIP: Final = 4.0
_P_MIN: Final = 1e-4
_DAY_MS: Final = DAY_MS
_NEVER_MS: Final = NEVER_MS
#: Silence longer than this is not looked at for a crossing (100 years).
_HORIZON_DAYS: Final = 36_500
#: A crossing of the corrected probability is known to the minute: what was learned is not more exact than that.
_GRAIN_MS: Final = 60_000


class Correction:
    """The model in force, and the features of the user that was looked at last.

    on  whether a model corrects p0
    x   features of the last `look`, in the order of `churnmodel.FEATURES`
    """

    on: bool

    def __init__(self, rules: Rules) -> None:
        self.x = array("d", bytes(8 * _COUNT))
        self._w, self._mean, self._deviation = (array("d", bytes(8 * _COUNT)) for _ in range(3))
        self._horizon, self._half_life_2h = rules.churn.horizon_days, 2 * rules.churn.horizon_days
        self.use(None)

    def use(self, model: ChurnModel | None) -> None:
        """`model` is in force; p0 stands alone when it is None."""
        self.on = model is not None
        self._a, self._b = 1.0, 0.0
        if model is None:
            return
        self._a, self._b = model.a, model.b
        for i, (weight, mean, deviation) in enumerate(zip(model.w, model.mean, deviations(model), strict=True)):
            self._w[i], self._mean[i], self._deviation[i] = weight, mean, deviation

    def look(self, rhythm: Rhythm, r: float) -> None:
        """`x` holds the features of a user with this rhythm after `r` days of silence."""
        h = self._horizon
        m = rhythm.gap_days()
        tenure = rhythm.tenure(r)
        x = self.x
        x[0] = log(1.0 + 10.0 * r / h)
        x[1] = _clipped(log((r + 0.5) / m))
        x[2] = log(m / h)
        x[3] = log(rhythm.s_q * pow(2.0, -r / (h / 4)) / rhythm.exposure(h / 4, tenure) * h / 4.0 + 0.1)
        x[4] = log(rhythm.s_h * pow(2.0, -r / h) / rhythm.exposure(h, tenure) * h + 0.1)
        x[5] = log(rhythm.s_4h * pow(2.0, -r / (4 * h)) / rhythm.exposure(4 * h, tenure) * 2.0 * h + 0.1)
        x[6] = log(1.0 + min(rhythm.x, 50))
        x[7] = log(1.0 + min(tenure / h, 12.0))
        x[8] = log(1.0 + rhythm.s_2h * pow(2.0, -r / self._half_life_2h))
        x[9] = log(1.0 + max(0.0, rhythm.cus + r / m - 1.5))

    def churn(self, rhythm: Rhythm, r: float) -> float:
        """The churn probability after `r` days of silence: corrected where a model is in force. 0 before the first active day."""
        p0 = rhythm.churn(r)
        if not self.on or rhythm.x == 0:
            return p0
        self.look(rhythm, r)
        p0 = min(1.0 - _P_MIN, max(_P_MIN, p0))
        logit = self._a * log(p0 / (1.0 - p0)) + self._b
        for i in range(_COUNT):
            if self._deviation[i] > 0.0:
                logit += self._w[i] * _clipped((self.x[i] - self._mean[i]) / self._deviation[i])
        if logit >= 0.0:
            return 1.0 / (1.0 + exp(-logit))
        odds = exp(logit)  # never overflows, whatever the logit
        return odds / (1.0 + odds)

    def churn_at_ms(self, rhythm: Rhythm, theta_on: float) -> int:
        """When silence takes the probability to `theta_on`; `NEVER_MS` if it never does. Holds until the next active day.

        p0 only rises in silence, a corrected one may wave: this is a crossing between the first of the days 1, 2, 4, 8 ... at which it is
        reached, and the one before.
        """
        if not self.on:
            return rhythm.churn_at_ms()
        if not rhythm.alertable():
            return _NEVER_MS
        low = high = 1
        while self.churn(rhythm, high) < theta_on:
            if high >= _HORIZON_DAYS:
                return _NEVER_MS
            low = high
            high = min(2 * high, _HORIZON_DAYS)
        low_ms = low * _DAY_MS
        high_ms = high * _DAY_MS
        while high_ms - low_ms > _GRAIN_MS:
            middle_ms = (low_ms + high_ms) // 2
            if self.churn(rhythm, middle_ms / 86_400_000.0) < theta_on:
                low_ms = middle_ms
            else:
                high_ms = middle_ms
        return rhythm.last_day * _DAY_MS + high_ms


def _clipped(value: float) -> float:
    return min(_CLIP, max(-_CLIP, value))
