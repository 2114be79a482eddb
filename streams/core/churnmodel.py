"""The online correction of churn: what a population has shown bends the closed-form probability p0, and starts out as exactly p0.

    logit p = a * logit(p0) + b + sum of w[i] * z[i]        z: the features, standardised by the population seen so far, within +-4

`a`, `b`, `w` are learned one label at a time by AdaGrad (Duchi, Hazan, Singer 2011). Labels come late: a snapshot of a user taken on day t
is judged when day t+H has ended, also when the user came back the next morning. Learning the quick returns first would teach that
everybody returns (Chapelle 2014).

Everything here is a value: learning returns a new model. Equal labels in equal order give equal models, to the byte.
"""

from collections.abc import Sequence
from math import exp, isfinite, log, sqrt
from operator import add
from typing import Annotated, Final, NamedTuple

import msgspec

__all__ = [
    "FEATURES",
    "FEATURES_FROM",
    "ChurnModel",
    "Label",
    "corrected",
    "deviations",
    "learn",
    "merge",
    "start",
]

#: What the features are, in their order: the x of docs/scoring.md.
FEATURES: Final = (
    "silence",  # against the horizon
    "silence_in_gaps",  # against the user's own typical gap
    "gap",  # the typical gap, against the horizon
    "activity_quarter",  # active days expected, from the last H/4, H and 4H days
    "activity_horizon",
    "activity_long",
    "active_days",
    "tenure",  # against the horizon
    "active_days_recent",  # decayed with half-life 2H
    "gap_excess",  # CUSUM of gaps, with the open one
)

#: Labels after which features take part. Before how many p0 is published as it is, the rules say (`learning.min_labels`).
FEATURES_FROM: Final = 200

_STEP: Final = 0.08
_ACCUMULATED: Final = 0.1
_L2: Final = 1e-4
_SCALE_A: Final = 0.3  # the slope learns slower: it multiplies what already is a probability
_CLIP: Final = 4.0
_P_MIN: Final = 1e-4
#: Below this variance a feature says nothing yet, and dividing by its deviation would say too much.
_VARIANCE_MIN: Final = 1e-9

_COUNT: Final = len(FEATURES)
_ZEROS: Final = (0.0,) * _COUNT
_Vector = Annotated[tuple[float, ...], msgspec.Meta(min_length=_COUNT, max_length=_COUNT)]


class ChurnModel(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """What a population has taught. One per partition learns; a merged one is published.

    horizon_days   H that users were judged by
    churned, stayed   labels learned, by kind
    a, b, w        slope, offset and weights of the standardised features
    sq_a, sq_b, sq_w   AdaGrad's sums of squared gradients
    mean, spread   of the features seen: mean, and sum of squared deviations from it (Welford 1962)
    """

    horizon_days: float
    churned: int = 0
    stayed: int = 0
    a: float = 1.0
    b: float = 0.0
    w: _Vector = _ZEROS
    sq_a: float = _ACCUMULATED
    sq_b: float = _ACCUMULATED
    sq_w: _Vector = (_ACCUMULATED,) * _COUNT
    mean: _Vector = _ZEROS
    spread: _Vector = _ZEROS

    @property
    def labels(self) -> int:
        return self.churned + self.stayed


class Label(NamedTuple):
    """How a user looked at the end of a day (features: `core/correction.py`), and whether the horizon after it passed without a visit."""

    p0: float
    x: tuple[float, ...]
    churned: bool


# -- reading --------------------------------------------------------------------------------------------------------------------------


def start(horizon_days: float) -> ChurnModel:
    """A model that has seen nothing: it corrects nothing."""
    return ChurnModel(horizon_days)


def corrected(model: ChurnModel, p0: float, x: Sequence[float]) -> float:
    """The corrected probability, whatever the model has seen."""
    return _p(model, _logit(p0), _standardised(model, x))


# -- learning -------------------------------------------------------------------------------------------------------------------------


def learn(model: ChurnModel, seen: Label) -> ChurnModel:
    """The model after one more label. The features of the label are part of the population before they are standardised by it.

    Raises `ValueError` for a p0 or a feature that is no number: it would stay in the model for ever.
    """
    if len(seen.x) != _COUNT or not all(map(isfinite, (seen.p0, *seen.x))):
        raise ValueError("a label is not made of numbers")
    model = _met(model, seen)
    featured = model.labels > FEATURES_FROM
    z, prior = _standardised(model, seen.x), _logit(seen.p0)
    error = _p(model, prior, z) - seen.churned
    a, sq_a = _stepped(model.a, model.sq_a, _SCALE_A * error * prior)
    b, sq_b = _stepped(model.b, model.sq_b, error)
    w, sq_w = model.w, model.sq_w
    if featured:
        steps = [_stepped(w_i, sq_i, error * z_i + _L2 * w_i) for w_i, sq_i, z_i in zip(w, sq_w, z, strict=True)]
        w, sq_w = tuple(value for value, _ in steps), tuple(square for _, square in steps)
    return ChurnModel(model.horizon_days, model.churned, model.stayed, a, b, w, sq_a, sq_b, sq_w, model.mean, model.spread)


def merge(models: Sequence[ChurnModel]) -> ChurnModel:
    """One model of several partitions' models, each weighing as many labels as it has seen.

    Its logit is the weighted mean of theirs (where no feature is clipped): weights are compared per unit of the feature, since each
    partition standardises by its own users. Mean and spread are those of all users together (Chan, Golub, LeVeque 1983). Squared gradients
    add up beyond their starting value, so a merged model that goes on learning does so as slowly as one that has seen all labels.
    Raises `ValueError` without models, and for different horizons: their labels mean different things.
    """
    if len({model.horizon_days for model in models}) != 1:
        raise ValueError("models of one horizon are needed, and at least one of them")
    n = sum(model.labels for model in models)
    if n == 0:
        return models[0]
    shares = [model.labels / n for model in models]
    mean = _mixed(shares, [model.mean for model in models])
    spread = tuple(sum(model.spread[i] + model.labels * (model.mean[i] - mean[i]) ** 2 for model in models) for i in range(_COUNT))
    # Weights per unit of the feature, and the offsets that belong to them; then back to weights per deviation of all users.
    slopes = [tuple(w / d if d else 0.0 for w, d in zip(model.w, deviations(model), strict=True)) for model in models]
    offsets = [model.b - sum(s * c for s, c in zip(slope, model.mean, strict=True)) for model, slope in zip(models, slopes, strict=True)]
    slope = _mixed(shares, slopes)
    merged = ChurnModel(
        models[0].horizon_days,
        sum(model.churned for model in models),
        sum(model.stayed for model in models),
        a=sum(share * model.a for share, model in zip(shares, models, strict=True)),
        b=sum(share * b for share, b in zip(shares, offsets, strict=True)) + sum(s * c for s, c in zip(slope, mean, strict=True)),
        sq_a=_ACCUMULATED + sum(model.sq_a - _ACCUMULATED for model in models),
        sq_b=_ACCUMULATED + sum(model.sq_b - _ACCUMULATED for model in models),
        sq_w=tuple(_ACCUMULATED + sum(model.sq_w[i] - _ACCUMULATED for model in models) for i in range(_COUNT)),
        mean=mean,
        spread=spread,
    )
    return msgspec.structs.replace(merged, w=tuple(s * d for s, d in zip(slope, deviations(merged), strict=True)))


# -- parts ----------------------------------------------------------------------------------------------------------------------------


def _met(model: ChurnModel, seen: Label) -> ChurnModel:
    """The label is counted, and its features are in mean and spread."""
    n = model.labels + 1
    apart = [x - c for x, c in zip(seen.x, model.mean, strict=True)]
    mean = tuple(c + d / n for c, d in zip(model.mean, apart, strict=True))
    spread = tuple(s + d * (x - c) for s, d, x, c in zip(model.spread, apart, seen.x, mean, strict=True))
    churned, stayed = model.churned + seen.churned, model.stayed + (not seen.churned)
    return ChurnModel(model.horizon_days, churned, stayed, model.a, model.b, model.w, model.sq_a, model.sq_b, model.sq_w, mean, spread)


def deviations(model: ChurnModel) -> tuple[float, ...]:
    """Standard deviations of the features seen; 0 for a feature that has not varied."""
    n = max(model.labels, 1)
    return tuple(sqrt(s / n) if s / n > _VARIANCE_MIN else 0.0 for s in model.spread)


def _standardised(model: ChurnModel, x: Sequence[float]) -> tuple[float, ...]:
    return tuple(_clipped((value - c) / d) if d else 0.0 for value, c, d in zip(x, model.mean, deviations(model), strict=True))


def _p(model: ChurnModel, prior: float, z: Sequence[float]) -> float:
    return _sigmoid(model.a * prior + model.b + sum(w * v for w, v in zip(model.w, z, strict=True)))


def _stepped(value: float, squares: float, gradient: float) -> tuple[float, float]:
    """AdaGrad: a value and its sum of squared gradients, one step on."""
    squares += gradient * gradient
    return value - _STEP * gradient / sqrt(squares), squares


def _mixed(shares: Sequence[float], vectors: Sequence[Sequence[float]]) -> tuple[float, ...]:
    total: tuple[float, ...] = _ZEROS
    for share, vector in zip(shares, vectors, strict=True):
        total = tuple(map(add, total, (share * value for value in vector)))
    return total


def _clipped(value: float) -> float:
    return min(_CLIP, max(-_CLIP, value))


def _logit(p: float) -> float:
    p = min(1.0 - _P_MIN, max(_P_MIN, p))
    return log(p / (1.0 - p))


def _sigmoid(logit: float) -> float:
    if logit >= 0.0:
        return 1.0 / (1.0 + exp(-logit))
    odds = exp(logit)  # never overflows, whatever the logit
    return odds / (1.0 + odds)
