"""What a forecast is worth, in the usual figures; plain Python, one list of scores and one of outcomes."""

import random
from collections.abc import Callable, Sequence
from itertools import groupby, pairwise
from typing import NamedTuple, TypeVar

__all__ = ["Bin", "Interval", "auc", "average_precision", "bins", "bootstrap", "brier", "ece", "median", "roc", "top_precision"]

T = TypeVar("T")


class Bin(NamedTuple):
    """Forecasts of like height: how many, their mean, and the share that came true."""

    n: int
    forecast: float
    came_true: float


class Interval(NamedTuple):
    """An estimate with its 95 % interval."""

    value: float
    low: float
    high: float


def roc(scores: Sequence[float], truths: Sequence[bool]) -> list[tuple[float, float]]:
    """(false positive rate, true positive rate) from (0, 0) to (1, 1), one point per distinct score. Needs both outcomes."""
    positive = sum(truths)
    negative = len(truths) - positive
    if not positive or not negative:
        raise ValueError("both outcomes are needed")
    points, hits, misses = [(0.0, 0.0)], 0, 0
    for _, tied in groupby(_falling(scores, truths), key=lambda pair: pair[0]):
        for _, truth in tied:
            hits += truth
            misses += not truth
        points.append((misses / negative, hits / positive))
    return points


def auc(scores: Sequence[float], truths: Sequence[bool]) -> float:
    """Area under the ROC curve: how often who churns scores above who stays; ties count half."""
    points = roc(scores, truths)
    return sum((x - x0) * (y + y0) / 2 for (x0, y0), (x, y) in pairwise(points))


def average_precision(scores: Sequence[float], truths: Sequence[bool]) -> float:
    """Area under the precision-recall curve, by steps: mean precision over the recalls gained."""
    positive, seen, hits, total = sum(truths), 0, 0, 0.0
    if not positive:
        raise ValueError("a positive outcome is needed")
    for _, tied in groupby(_falling(scores, truths), key=lambda pair: pair[0]):
        group = [truth for _, truth in tied]
        gained = sum(group)
        seen, hits = seen + len(group), hits + gained
        total += gained / positive * hits / seen
    return total


def brier(scores: Sequence[float], truths: Sequence[bool]) -> float:
    """Mean squared distance of forecast and outcome."""
    return sum((score - truth) ** 2 for score, truth in zip(scores, truths, strict=True)) / len(scores)


def bins(scores: Sequence[float], truths: Sequence[bool], count: int = 10) -> list[Bin]:
    """Forecasts by tenths of the probability; empty ones are left out."""
    groups: dict[int, list[tuple[float, bool]]] = {}
    for score, truth in zip(scores, truths, strict=True):
        groups.setdefault(min(count - 1, int(score * count)), []).append((score, truth))
    return [
        Bin(len(group), sum(score for score, _ in group) / len(group), sum(truth for _, truth in group) / len(group))
        for _, group in sorted(groups.items())
    ]


def ece(scores: Sequence[float], truths: Sequence[bool], count: int = 10) -> float:
    """Expected calibration error (Naeini 2015): mean distance of forecast and outcome over the bins, by size."""
    return sum(each.n * abs(each.forecast - each.came_true) for each in bins(scores, truths, count)) / len(scores)


def top_precision(scores: Sequence[float], truths: Sequence[bool], share: float = 0.1) -> float:
    """Share that came true among the highest scores; who ties with the last of them counts in part."""
    wanted = left = max(1, round(len(scores) * share))
    hits = 0.0
    for _, tied in groupby(_falling(scores, truths), key=lambda pair: pair[0]):
        group = [truth for _, truth in tied]
        taken = min(left, len(group))
        hits += sum(group) * taken / len(group)
        left -= taken
        if not left:
            break
    return hits / wanted


def median(values: Sequence[float]) -> float:
    ordered = sorted(values)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


def bootstrap(groups: Sequence[Sequence[T]], statistic: Callable[[list[T]], float], draws: int = 1000) -> Interval:
    """The statistic of all, with a percentile interval from groups drawn anew (Efron 1979): what a user does twice is not seen twice."""
    draw = random.Random(1979)
    values = sorted(statistic([each for group in draw.choices(groups, k=len(groups)) for each in group]) for _ in range(draws))
    everything = [each for group in groups for each in group]
    return Interval(statistic(everything), values[int(0.025 * draws)], values[int(0.975 * draws)])


def _falling(scores: Sequence[float], truths: Sequence[bool]) -> list[tuple[float, bool]]:
    return sorted(zip(scores, truths, strict=True), key=lambda pair: -pair[0])
