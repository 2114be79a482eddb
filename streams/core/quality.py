"""How good alerts and forecasts were, from what became of the users: counts that a step adds to the sums of its partition, and what they
amount to.

Every count belongs to the day (UTC) of the instant that decided it, so a replay counts the same.
"""

from collections import Counter
from collections.abc import Mapping
from typing import Final

import msgspec

from streams.core.calibration import bin_of
from streams.core.record import Increments
from streams.core.rules import DAY_MS

__all__ = ["MILLIONTHS", "RATIOS", "Quality", "Tally", "quality", "sums_of", "terms"]

#: Hashes of sums are kept a little longer than states.
_KEEP_S: Final = 430 * 86_400
_LIMIT: Final = 128
#: Sums are whole numbers: a probability is counted in millionths.
MILLIONTHS: Final = 1_000_000
_HOUR_MS: Final = 3_600_000
#: A user who is back without having been talked about as lost.
_RETURNED: Final = ("came_back", "bought")


def sums_of(day: int) -> str:
    """Name of the hash that holds the counts of a day."""
    return f"alerts:{day}"


class Tally:
    """What one step counts, in order: a caller who goes back cuts `counted` to the length that it had.

    counted   (time, name of the sum, what it grows by)
    """

    def __init__(self) -> None:
        self.counted: list[tuple[int, str, int]] = []

    def fired(self, rule: str, at_ms: int) -> None:
        self._add(at_ms, f"{rule}.fired")

    def resolved(self, rule: str, cause: str, at_ms: int) -> None:
        self._add(at_ms, f"{rule}.resolved.{cause}")

    def judged(self, rule: str, right: bool, at_ms: int) -> None:
        """The horizon after an alert has ended without a visit, or the user was back in it."""
        self._add(at_ms, f"{rule}.{'right' if right else 'wrong'}")

    def lost(self, at_ms: int, firing: Mapping[str, int]) -> None:
        """An engaged user has been silent for the horizon; `firing` are the alerts that had said so, with the time that each began."""
        self._add(at_ms, "lost")
        for rule, starts_at_ms in firing.items():
            self._add(at_ms, f"{rule}.caught")
            self._add(at_ms, f"{rule}.lead_h", (at_ms - starts_at_ms) // _HOUR_MS)

    def forecast(self, at_ms: int, p: float, lost: bool) -> None:
        """The probability `p` of leaving has met its outcome."""
        at = bin_of(p)
        self._add(at_ms, f"forecast.n.{at}")
        self._add(at_ms, f"forecast.p.{at}", round(p * MILLIONTHS))
        self._add(at_ms, f"forecast.lost.{at}", lost)
        self._add(at_ms, "forecast.squares", round((p - lost) ** 2 * MILLIONTHS))

    def increments(self) -> tuple[Increments, ...]:
        if not self.counted:
            return ()
        days: dict[int, Counter[str]] = {}
        for at_ms, name, n in self.counted:
            days.setdefault(at_ms // DAY_MS, Counter())[name] += n
        return tuple(Increments(sums_of(day), dict(sorted(names.items())), _KEEP_S, _LIMIT) for day, names in sorted(days.items()))

    def _add(self, at_ms: int, name: str, n: int = 1) -> None:
        if n:
            self.counted.append((at_ms, name, n))


#: Figure -> what is divided by what, both of `terms`.
RATIOS: Final = {
    "precision": ("right", "judged"),
    "recall": ("caught", "lost"),
    "lead_days": ("lead_days", "caught"),
    "returned_share": ("returned", "ended"),
}


class Quality(msgspec.Struct, frozen=True, kw_only=True):
    """How good the alerts of one rule were, over some days. Figures are None where there is nothing to divide by.

    fired                 alerts that began
    right, wrong          alerts after which the user had no active day for the horizon; those after which there was one
    lost, caught          engaged users who were silent for the horizon; those of them whose alert fired before it had ended
    precision, recall     right / (right + wrong); caught / lost
    lead_days             mean of the days between the alert and the end of that horizon, of those who were caught
    resolved              by cause
    returned_share        resolved because the user was back / resolved
    """

    rule: str
    fired: int
    right: int
    wrong: int
    lost: int
    caught: int
    precision: float | None
    recall: float | None
    lead_days: float | None
    resolved: Mapping[str, int]
    returned_share: float | None


def terms(rule: str, sums: Mapping[str, int]) -> dict[str, float]:
    """What the sums of some days, added up over partitions, say of `rule`, under the names that figures are made of."""
    right, wrong, caught, lead_h, fired = (sums.get(f"{rule}.{name}", 0) for name in ("right", "wrong", "caught", "lead_h", "fired"))
    resolved = _resolved(rule, sums)
    return {
        "fired": fired,
        "right": right,
        "wrong": wrong,
        "judged": right + wrong,
        "lost": sums.get("lost", 0),
        "caught": caught,
        "lead_days": lead_h / 24,
        "returned": sum(resolved.get(cause, 0) for cause in _RETURNED),
        "ended": sum(resolved.values()),
    }


def quality(rule: str, sums: Mapping[str, int]) -> Quality:
    """What the sums of some days, added up over partitions, say of `rule`."""
    of = terms(rule, sums)
    ratios = {figure: of[top] / of[bottom] if of[bottom] else None for figure, (top, bottom) in RATIOS.items()}
    return Quality(
        rule=rule,
        fired=int(of["fired"]),
        right=int(of["right"]),
        wrong=int(of["wrong"]),
        lost=int(of["lost"]),
        caught=int(of["caught"]),
        precision=ratios["precision"],
        recall=ratios["recall"],
        lead_days=ratios["lead_days"],
        resolved=_resolved(rule, sums),
        returned_share=ratios["returned_share"],
    )


def _resolved(rule: str, sums: Mapping[str, int]) -> dict[str, int]:
    prefix = f"{rule}.resolved."
    return {name.removeprefix(prefix): n for name, n in sorted(sums.items()) if name.startswith(prefix)}
