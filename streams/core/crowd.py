"""Many users, one cause: when alerts of one rule come by the hundred within an hour, the rest of them is one alert with a count.

A partition counts for itself, by the hour in which alerts begin: it lists its share of `alerts.group_from` one by one, and the others
together. Everything here is a value, kept with what the partition has learned and saved by the same step.
"""

from typing import Final

import msgspec

from streams.core.alert import Reason
from streams.core.rules import Rules
from streams.core.sitealert import Words
from streams.core.words import Language, rule_name

__all__ = ["HOUR_MS", "Crowd", "crowd_words", "joined", "listed_at_most"]

HOUR_MS: Final = 3_600_000
_SAMPLE: Final = 10


class Crowd(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Alerts of one rule that began in one hour (since 1970).

    listed   alerts that were said one by one
    count    the others; `sample` names some of these users
    first    the record that the first of the others fell silent after, with its user: no other crowd has it
    """

    rule: str
    hour: int
    listed: int = 0
    count: int = 0
    sample: tuple[str, ...] = ()
    first: str = ""


def listed_at_most(rules: Rules) -> int:
    """Alerts of one rule and hour that a partition says one by one; 0: all of them."""
    return -(-rules.alerts.group_from // rules.partitions)


def joined(crowds: tuple[Crowd, ...], rule: str, at_ms: int, user: str, opened: object, rules: Rules) -> tuple[tuple[Crowd, ...], Crowd]:
    """All crowds with one more alert, of `user` and after the record `opened`, and the crowd that it belongs to.

    An hour with nothing to tell leaves when the next one of its rule begins.
    """
    hour = at_ms // HOUR_MS
    mine = next((crowd for crowd in crowds if crowd.rule == rule and crowd.hour == hour), Crowd(rule, hour))
    if mine.listed < listed_at_most(rules):
        mine = Crowd(rule, hour, mine.listed + 1, mine.count, mine.sample, mine.first)
    else:
        sample = (*mine.sample, user) if len(mine.sample) < _SAMPLE else mine.sample
        mine = Crowd(rule, hour, mine.listed, mine.count + 1, sample, mine.first or f"{user}@{opened}")
    others = (each for each in crowds if each.rule != rule or (each.hour != hour and each.count))
    return (*others, mine), mine


def crowd_words(crowd: Crowd, rules: Rules, *, over: bool) -> Words:
    """The alert of a crowd: when it begins, and, `over`, at the end of its hour, with everybody counted."""
    told, clears = _said(crowd, rules.alerts.language, over=over)
    return Words(
        rule=f"{crowd.rule}_group",
        series="users",
        firing=not over,
        cause="counted" if over else "silence",
        severity=0,
        reasons=(Reason("crowd", told, float(crowd.count), float(crowd.listed), float(crowd.count)),),
        clears_when=clears,
        opened=f"{crowd.hour}/{crowd.first}",
        starts_ms=crowd.hour * HOUR_MS,
        at_ms=(crowd.hour + 1) * HOUR_MS if over else crowd.hour * HOUR_MS,
    )


def _said(crowd: Crowd, language: Language, *, over: bool) -> tuple[str, str]:
    name, sample = rule_name(crowd.rule, language), ", ".join(crowd.sample)
    if language == "de":
        told = (
            f"{crowd.count} weitere Nutzer mit {name} in derselben Stunde, darunter {sample}"
            if over
            else f"mehr als {crowd.listed} Nutzer mit {name} in dieser Stunde: die weiteren werden gezählt statt aufgezählt"
        )
        return told, "das Ende der Stunde, wenn alle gezählt sind"
    told = (
        f"{crowd.count} more users with {name} in the same hour, among them {sample}"
        if over
        else f"more than {crowd.listed} users with {name} in this hour: the others are counted, not listed"
    )
    return told, "the end of the hour, when all are counted"
