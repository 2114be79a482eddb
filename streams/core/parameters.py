"""What users are read by: constants of the rules at first, and later what the population has shown, under a version that plans name."""

from collections.abc import Sequence
from typing import Final

import msgspec

from streams.core.churnmodel import ChurnModel, corrected
from streams.core.record import PRIOR
from streams.core.rfm import Edges
from streams.core.rules import Rules
from streams.core.versioned import Versioned

__all__ = ["Parameters", "decode_parameters", "encode_parameters", "forecast", "prior"]


class Parameters(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """What users are read by in a step. `churn` None: p0 is published as it is. `rfm` None: the edges are those of the rules.

    since_ms   when it was published; a threshold that it moved is crossed then at the earliest
    """

    version: str
    since_ms: int
    a_ref: float
    m0_days: float
    theta_on: float
    theta_off: float
    churn: ChurnModel | None = None
    rfm: Edges | None = None


_stored: Final = Versioned(Parameters, 1, "parameters")
encode_parameters: Final = _stored.encode
decode_parameters: Final = _stored.decode


def prior(rules: Rules) -> Parameters:
    """The constants of the rules."""
    churn = rules.churn
    return Parameters(PRIOR, 0, rules.scoring.a_ref, churn.m0_days, churn.theta_on, churn.theta_off)


def forecast(parameters: Parameters, p0: float, x: Sequence[float]) -> float:
    """The churn probability that is published."""
    return p0 if parameters.churn is None else corrected(parameters.churn, p0, x)
