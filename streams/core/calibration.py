"""How good the forecasts of churn have been lately: every lesson judges the forecast that was in force when it was learned."""

from collections.abc import Sequence
from typing import Final

import msgspec

from streams.core.churnmodel import ChurnModel, Label, deviations

__all__ = ["BINS", "Calibration", "bin_of", "figures", "judged", "scored"]

#: Tenths of probability.
BINS: Final = 10
#: A lesson weighs half after about 700 others, so that the figures are those of the last weeks.
_FORGET: Final = 0.999
#: The recent population is about the last 200 lessons.
_RECENT: Final = 1 / 200


class Calibration(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """How forecasts have fared: per tenth of probability how many there were, their sum and who was lost; all of them forgotten slowly.

    squares   sum of squared errors
    recent    running mean of the features: what the population looks like lately
    """

    n: tuple[float, ...] = (0.0,) * BINS
    p: tuple[float, ...] = (0.0,) * BINS
    lost: tuple[float, ...] = (0.0,) * BINS
    squares: float = 0.0
    recent: tuple[float, ...] = ()


def judged(table: Calibration, label: Label, p: float) -> Calibration:
    """The record after the forecast `p` has met its outcome."""
    at = bin_of(p)

    def counted(bins: Sequence[float], value: float) -> tuple[float, ...]:
        return tuple(_FORGET * each + (value if i == at else 0.0) for i, each in enumerate(bins))

    recent = tuple(old + _RECENT * (new - old) for old, new in zip(table.recent or label.x, label.x, strict=True))
    squares = _FORGET * table.squares + (p - label.churned) ** 2
    return Calibration(counted(table.n, 1.0), counted(table.p, p), counted(table.lost, float(label.churned)), squares, recent)


def bin_of(p: float) -> int:
    """Which tenth a probability lies in."""
    return min(int(p * BINS), BINS - 1)


def scored(n: Sequence[float], p: Sequence[float], lost: Sequence[float], squares: float) -> dict[str, float]:
    """What tenths of probability amount to: forecasts, sum of their probabilities, how many were lost, sum of squared errors, and `apart`,
    the distances of the two, tenth by tenth (the expected calibration error of Naeini 2015 is apart / n)."""
    apart = sum(abs(said - came) for said, came in zip(p, lost, strict=True))
    return {"n": sum(n), "p": sum(p), "lost": sum(lost), "squares": squares, "apart": apart}


def figures(parts: Sequence[tuple[ChurnModel, Calibration]]) -> dict[str, float]:
    """How good the forecasts have been lately, over all of `parts`; figures that need lessons are absent before there are any.

    labels_lost, labels_stayed   learned so far
    brier, ece         mean squared error; mean distance of forecast and outcome over tenths of probability (Naeini 2015)
    forecast, outcome  mean probability, and the share that was lost
    drift              greatest distance of a feature's recent mean from its mean of all time, in standard deviations
    """
    found = {
        "labels_lost": float(sum(model.churned for model, _ in parts)),
        "labels_stayed": float(sum(model.stayed for model, _ in parts)),
    }
    tables = [table for _, table in parts]
    n, p, lost = (
        [sum(column) for column in zip(*rows, strict=True)]
        for rows in ([t.n for t in tables], [t.p for t in tables], [t.lost for t in tables])
    )
    terms = scored(n, p, lost, sum(table.squares for table in tables))
    if not terms["n"]:
        return found
    for name, term in (("brier", "squares"), ("ece", "apart"), ("forecast", "p"), ("outcome", "lost")):
        found[name] = terms[term] / terms["n"]
    found["drift"] = max(_drift(*part) for part in parts)
    return found


def _drift(model: ChurnModel, table: Calibration) -> float:
    apart = zip(table.recent, model.mean, deviations(model), strict=False)
    return max((abs(recent - mean) / deviation for recent, mean, deviation in apart if deviation), default=0.0)
