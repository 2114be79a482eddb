"""Worked examples of the rule files, computed: given these events of one user, is what was expected true?"""

import heapq
import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from streams.core.catalogue import Names
from streams.core.rules import DAY_MS, Rules
from streams.errors import ConfigError
from streams.settings_files import Example, Expected

if TYPE_CHECKING:
    from streams.core.user import User

__all__ = ["differences"]

#: Day 0 of every example: Monday, 1 January 2024, 00:00 UTC. Any midnight would do.
_DAY_0_MS: Final = 1_704_067_200_000

_CHURN, _DROP = 0, 1


def differences(rules: Rules, example: Example) -> list[str]:
    """What turned out otherwise, in words; empty when everything expected is true.

    Raises `ConfigError` (without a file) when the example itself makes no sense: an event that the catalogue does not know, a band that
    does not exist, a day that is none, an expectation of a time when there was no event yet.
    """
    from streams.core.user import User  # here: an interpreted core takes a while to load, and not every command needs it

    user = User(rules)
    user.load("example", None)
    found: list[str] = []
    for at_ms, what in _history(rules, example):
        _fire_timers(user, at_ms)
        if isinstance(what, Expected):
            found += _compare(user, rules, what, at_ms)
        else:
            type_id, amount, number = what
            user.fold(type_id, at_ms, number, amount, 0, 0, number)
    return found


def _history(rules: Rules, example: Example) -> Iterator[tuple[int, Expected | tuple[int, int, int]]]:
    """Events (type, amount, number) and expectations in order of time; an event of the same moment comes first."""
    names = Names(rules.catalogue)
    heap: list[tuple[int, int, int, Expected | tuple[int, int, int]]] = []
    number = 0
    for index, given in enumerate(example.given):
        entry = names.find(given.event)
        if entry is None:
            raise ConfigError(f"`{given.event}` is not an event of catalogue.yaml", path=f"given[{index}].event")
        for day in given.days:
            number += 1
            event = (entry.id, entry.sign * round(given.amount * rules.catalogue.minor_units), number)
            heapq.heappush(heap, (_instant_ms(day, f"given[{index}].days"), 0, number, event))
    if not heap:
        raise ConfigError("must hold at least one event", path="given")
    first_ms = heap[0][0]
    for index, expected in enumerate(example.expect):
        at_ms = _instant_ms(expected.day, f"expect[{index}].day")
        if at_ms < first_ms:
            raise ConfigError("lies before the first event", path=f"expect[{index}].day")
        if expected.band is not None and expected.band not in rules.scoring.band_names:
            bands = ", ".join(rules.scoring.band_names)
            raise ConfigError(f"must be one of {bands}, got {expected.band}", path=f"expect[{index}].band")
        heapq.heappush(heap, (at_ms, 1, index, expected))
    if not example.expect:
        raise ConfigError("must hold at least one expectation", path="expect")
    while heap:
        at_ms, _, _, what = heapq.heappop(heap)
        yield at_ms, what


def _instant_ms(day: float, path: str) -> int:
    if not math.isfinite(day) or not 0 <= day <= 3650:
        raise ConfigError(f"must be a day between 0 and 3650, got {day:g}", path=path)
    return _DAY_0_MS + round(day * DAY_MS)


def _fire_timers(user: "User", at_ms: int) -> None:
    """What silence did to the user until `at_ms` has happened. A user whose state expired is a new one."""
    from streams.core.user import Turn

    while user.due_ms <= at_ms:
        if user.turn(at_ms) == Turn.EXPIRED:
            user.load("example", None)


def _compare(user: "User", rules: Rules, expected: Expected, at_ms: int) -> list[str]:
    actual: dict[str, float | str | bool] = {
        "engagement_score": user.engagement(at_ms),
        "band": rules.scoring.band_names[user.band(at_ms)],
        "churn_probability": user.churn(at_ms),
        "drop": user.drop(at_ms),
        "churn_alert": user.alert(_CHURN).firing,
        "drop_alert": user.alert(_DROP).firing,
    }
    found = []
    for name, is_value in actual.items():
        wanted = getattr(expected, name)
        if wanted is None:
            continue
        if isinstance(wanted, float) and isinstance(is_value, float):
            digits = _decimals(wanted)
            if abs(is_value - wanted) > 0.500001 * 10.0**-digits:
                found.append(f"on day {expected.day:g} {name} is {is_value:.{digits}f}, not {wanted:.{digits}f}")
        elif wanted != is_value:
            found.append(f"on day {expected.day:g} {name} is {_said(is_value)}, not {_said(wanted)}")
    return found


def _decimals(number: float) -> int:
    """How many digits somebody wrote after the point."""
    text = repr(number)
    return 0 if "e" in text or text.endswith(".0") else len(text.partition(".")[2])


def _said(value: float | str | bool) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
