"""What a partition learns from its users, and what all partitions know together.

`Learned` changes by lessons only, and is saved by the step that gave them. Everything here is a value: equal lessons in equal order give
equal knowledge, to the byte.
"""

from collections.abc import Sequence
from hashlib import sha256
from typing import Final

import msgspec

from streams.core.calibration import Calibration, judged
from streams.core.churnmodel import ChurnModel, learn, merge, start
from streams.core.crowd import Crowd
from streams.core.envelope import rfc3339
from streams.core.horizon import Horizon
from streams.core.parameters import Parameters, prior
from streams.core.pending import Lesson
from streams.core.quantile import Quantile, merged, observe
from streams.core.rfm import Fifths, Spending, edges_of, fifths_with
from streams.core.rules import Rules
from streams.core.versioned import Versioned

__all__ = ["Learned", "beginning", "decode_learned", "encode_learned", "learned_from", "publication"]

#: Nobody acts on one in a hundred; and above this nothing would ever be reached.
_THETA_MIN, _THETA_MAX = 0.01, 0.95


class Learned(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """What one partition has learned.

    points, gap          medians of the engagement points A and of the users' own gaps, over users looked at
    engaged              lessons of users who can be alerted: what the thetas were moved by
    theta_on, theta_off  thresholds that keep the alert budget
    fifths               of recency, frequency and monetary value, over users with an order (`core/rfm.py`)
    crowds               hours in which alerts began, as far as they are not told yet (`core/crowd.py`)
    horizon              which days are over, here and for whom (`core/horizon.py`)
    """

    churn: ChurnModel
    theta_on: float
    theta_off: float
    points: Quantile = Quantile()
    gap: Quantile = Quantile()
    engaged: int = 0
    calibration: Calibration = Calibration()
    crowds: tuple[Crowd, ...] = ()
    fifths: Fifths = Fifths()
    horizon: Horizon = Horizon()


_stored: Final = Versioned(Learned, 1, "what was learned")
encode_learned: Final = _stored.encode


# -- a partition ----------------------------------------------------------------------------------------------------------------------


def beginning(rules: Rules) -> Learned:
    """What a partition knows before its first lesson."""
    return Learned(start(rules.churn.horizon_days), rules.churn.theta_on, rules.churn.theta_off)


def learned_from(learned: Learned, lesson: Lesson, rules: Rules, p: float, spent: Spending | None = None) -> Learned:
    """What is known after one more lesson, which judges the forecast `p`: that of the parameters that are in force. `spent`: what the user
    has spent by now, if there was an order."""
    budget = rules.learning
    on, off = learned.theta_on, learned.theta_off
    if lesson.alertable and budget.budget is not None:
        # A threshold that a share q of users is above: up when one is, down a little when one is not (Robbins and Monro 1951).
        on = _theta(on + budget.budget_step * ((p >= on) - budget.budget))
        off = min(on, _theta(off + budget.budget_step * ((p >= off) - budget.budget_off)))
    return Learned(
        learn(learned.churn, lesson.label),
        on,
        off,
        observe(learned.points, lesson.points),
        observe(learned.gap, lesson.gap),
        learned.engaged + lesson.alertable,
        judged(learned.calibration, lesson.label, p),
        learned.crowds,
        learned.fifths if spent is None else fifths_with(learned.fifths, spent),
        learned.horizon,
    )


def decode_learned(blob: bytes, rules: Rules) -> Learned:
    """What `encode_learned` wrote; the beginning for no bytes, and for labels of another horizon, which meant something else."""
    if not blob:
        return beginning(rules)
    learned = _stored.decode(blob)
    if learned.churn.horizon_days != rules.churn.horizon_days:
        return msgspec.structs.replace(beginning(rules), crowds=learned.crowds, horizon=learned.horizon)
    return learned


# -- all of them ----------------------------------------------------------------------------------------------------------------------


def publication(rules: Rules, parts: Sequence[Learned], now_ms: int) -> Parameters | None:
    """What all partitions know together; None before there are `min_labels` of either kind. Equal parts give an equal version."""
    parts = [part for part in parts if part.churn.labels]
    least = rules.learning.min_labels
    if min(sum(part.churn.churned for part in parts), sum(part.churn.stayed for part in parts)) < least:
        return None
    first = prior(rules)
    points, gap, engaged = merged([part.points for part in parts]), merged([part.gap for part in parts]), sum(p.engaged for p in parts)
    on, off = first.theta_on, first.theta_off
    if rules.learning.budget is not None and engaged >= least:
        on = sum(part.engaged * part.theta_on for part in parts) / engaged
        off = min(on, sum(part.engaged * part.theta_off for part in parts) / engaged)
    edges = edges_of([part.fifths for part in parts], least)
    found = Parameters("", now_ms, points or first.a_ref, gap or first.m0_days, on, off, merge([part.churn for part in parts]), edges)
    # Named by what it says, not by when: who merges the same again finds it there.
    digest = sha256(msgspec.msgpack.encode((*msgspec.structs.astuple(found)[2:], rules.version))).hexdigest()[:8]
    return msgspec.structs.replace(found, version=f"{rfc3339(now_ms)[:10]}-{digest}")


def _theta(value: float) -> float:
    return min(_THETA_MAX, max(_THETA_MIN, value))
