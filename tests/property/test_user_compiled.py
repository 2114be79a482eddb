"""The compiled core and its own source, interpreted, are the same program: one long history, equal to the byte."""

import random
from types import ModuleType
from typing import Any

import msgspec
import pytest

import streams.core.score
import streams.core.user
from streams.core.activity import ACTIVE
from streams.core.metric_rules import Metrics, Streak
from streams.core.properties import Aggregated, Context, Properties
from streams.core.record import Fate
from streams.core.rules import DAY_MS, Aggregate, EventType, Rules, Scoring
from streams.core.values import aggregated
from streams.timezones import all_zones
from tests.histories import at, make_rules
from tests.interpreted import interpreted

#: In the order in which they import each other.
MODULES = (
    "panes",
    "rhythm",
    "recent",
    "lifetime",
    "sessions",
    "profile",
    "activity",
    "aggregates",
    "facts",
    "writer",
    "correction",
    "pending",
    "slots",
    "ties",
    "state",
    "user",
    "score",
)


def from_source() -> tuple[ModuleType, ModuleType]:
    found = interpreted(MODULES)
    return found["user"], found["score"]


def seen(slot: int, value: int | str) -> Aggregated:
    found = aggregated(slot, isinstance(value, str), value)
    assert found is not None
    return found


def play(user_module: Any, score_module: Any, rules: Rules) -> list[object]:
    """Everything that a long history of a few users makes: fates, turns with their instants, states, scores, facts."""
    draw = random.Random(11)
    user = user_module.User(rules)
    states: dict[str, bytes | None] = {}
    made: list[object] = []
    now_ms = at(0)
    for number in range(4_000):
        now_ms += draw.choice((0, 1_000, 60_000, 600_000, 7_200_000, DAY_MS // 2) if number % 500 else (60 * DAY_MS,))
        key = f"user-{draw.randrange(4)}"
        user.load(key, states.get(key))
        while turn := user.turn(now_ms - 1):
            made.append((turn, user.turn_ms))
            if turn == 32:
                user.load(key, None)
        late_ms = draw.choice((0, 0, 0, 0, 3_600_000, 5 * DAY_MS, 40 * DAY_MS))
        ident = draw.getrandbits(64) if draw.random() < 0.9 else number // 50
        kind = draw.randrange(10, 30)
        amount = draw.choice((0, 0, 999, -(1 << 38), 1 << 38))
        said = Properties(
            feature=f"f{draw.randrange(80)}",
            engaged_ms=draw.choice((0, 9_000)),
            counters=draw.choice(((), (240,))),
            aggregated=(seen(0, draw.randrange(-(10**9), 10**9)), seen(1, f"text {draw.randrange(draw.choice((5, 90)))}")),
        )
        context = draw.choice((None, Context(timezone="Europe/Berlin"), Context(timezone="Asia/Tokyo")))
        fate = user.fold(kind, now_ms - late_ms, ident, amount, number % 3, 5, number, draw.choice((None, said)), context)
        made.append(
            (fate, user.turns, user.due_ms, user.purchase(now_ms), user.profile.streak(1), user.profile.used_since(now_ms // DAY_MS - 7))
        )
        made.append((user.emission(user.newest_ms), user.engagement(user.newest_ms), user.churn(now_ms), user.drop(now_ms)))
        if number % 7 == 0:
            user.emitted(user.newest_ms)
            made.append(score_module.score_record(user, rules, cause="event", as_of_ms=user.newest_ms, due_ms=None, rev=number))
            made.append((tuple(user.facts(now_ms)), tuple(user.alert(0)), tuple(user.alert(1)), user.counts("24h", user.newest_ms)))
            made.append((user.aggregates.number(0), user.aggregates.text(1)))
        if fate == Fate.COUNTED:
            day = (now_ms - late_ms) // DAY_MS
            user.activity.reach(day)
            user.activity.rings[ACTIVE] |= 1 << user.activity.base - day
        if number % 30 == 3:
            made.append(user.take_in(number * 0x9E3779B97F4A7C15 & (1 << 64) - 1, now_ms))
        if number % 100 == 7:
            other = user_module.User(rules)
            other.load("other", states.get(f"user-{draw.randrange(4)}"))
            days = user.days_with(other)
            user.activity.merge(other.activity)
            user.absorb(other, days, [each.day for each in days if each.mine and each.theirs], 1, 5, number)
            made.append((user.turns, user.wrong, user.right, user.due_ms, user.counts("30d", user.newest_ms), user.lifetime()))
        states[key] = user.dump()
        made.append(states[key])
    return made


@pytest.mark.skipif(not streams.core.user.COMPILED, reason="NOT RUN: the core is not compiled here (python setup.py build_ext --inplace)")
def test_compiled_and_interpreted_are_equal_to_the_byte() -> None:
    types = [
        EventType(
            id=number,
            name=f"kind_{number}",
            weight=(number % 7) / 3,
            page=number % 3 == 0,
            active=number % 4 == 0,
            key=number % 5 == 0,
            amount="revenue" if number % 6 == 0 else None,
        )
        for number in range(11, 30)
    ]
    made = make_rules(types=types, scoring=Scoring(state_bytes=8000))
    rules = msgspec.structs.replace(
        made,
        zones=all_zones(),
        catalogue=msgspec.structs.replace(
            made.catalogue,
            aggregates=(
                Aggregate(id=3, name="number", event="kind_20", of="n"),
                Aggregate(id=1, name="text", event="kind_20", of="t", kind="text"),
            ),
        ),
        metrics=Metrics(streaks=(Streak(id=1, name="early", event="kind_12", days=3, before="12:00"),)),
    )
    user, score = from_source()
    assert user.COMPILED is False
    slow, fast = play(user, score, rules), play(streams.core.user, streams.core.score, rules)
    assert len(slow) == len(fast)
    for number, (one, other) in enumerate(zip(slow, fast, strict=True)):
        assert one == other, number


def test_the_source_alone_is_a_core() -> None:
    """Without a compiler the modules are ordinary Python."""
    user, score = from_source()
    assert (user.COMPILED, user.User is streams.core.user.User) == (False, False)
    assert score.score_record is not streams.core.score.score_record
