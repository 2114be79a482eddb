"""The compiled core and its own source, interpreted, are the same program: one long history, equal to the byte."""

import random
import sys
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import streams.core.score
import streams.core.user
from streams.core.rules import DAY_MS, EventType, Rules, Scoring
from tests.histories import at, make_rules

#: In the order in which they import each other.
MODULES = ("panes", "rhythm", "recent", "lifetime", "facts", "writer", "user", "score")
CORE = Path(__file__).resolve().parents[2] / "streams" / "core"


def interpreted() -> tuple[ModuleType, ModuleType]:
    """`user` and `score` from their source, importing each other so; what was imported before is untouched."""
    names = [f"streams.core.{name}" for name in MODULES]
    before = {name: sys.modules.pop(name) for name in names if name in sys.modules}
    try:
        for name in names:
            loader = SourceFileLoader(name, str(CORE / f"{name.rpartition('.')[2]}.py"))
            spec = spec_from_loader(name, loader)
            assert spec is not None
            sys.modules[name] = module_from_spec(spec)
            loader.exec_module(sys.modules[name])
        return sys.modules["streams.core.user"], sys.modules["streams.core.score"]
    finally:
        sys.modules.update(before)


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
        made.append((user.fold(kind, now_ms - late_ms, ident, amount, number % 3, 5, number), user.turns, user.due_ms))
        made.append((user.emission(user.newest_ms), user.engagement(user.newest_ms), user.churn(now_ms), user.drop(now_ms)))
        if number % 7 == 0:
            user.emitted(user.newest_ms)
            made.append(score_module.score_record(user, rules, cause="event", as_of_ms=user.newest_ms, due_ms=None, rev=number))
            made.append((tuple(user.facts(now_ms)), tuple(user.alert(0)), tuple(user.alert(1)), user.counts("24h", user.newest_ms)))
        states[key] = user.dump()
        made.append(states[key])
    return made


@pytest.mark.skipif(not streams.core.user.COMPILED, reason="NOT RUN: the core is not compiled here (python setup.py build_ext --inplace)")
def test_compiled_and_interpreted_are_equal_to_the_byte() -> None:
    types = [EventType(id=number, name=f"kind_{number}", weight=(number % 7) / 3) for number in range(11, 30)]
    rules = make_rules(types=types, scoring=Scoring(state_bytes=6656))
    user, score = interpreted()
    assert user.COMPILED is False
    slow, fast = play(user, score, rules), play(streams.core.user, streams.core.score, rules)
    assert len(slow) == len(fast)
    for number, (one, other) in enumerate(zip(slow, fast, strict=True)):
        assert one == other, number


def test_the_source_alone_is_a_core() -> None:
    """Without a compiler the modules are ordinary Python."""
    user, score = interpreted()
    assert (user.COMPILED, user.User is streams.core.user.User) == (False, False)
    assert score.score_record is not streams.core.score.score_record
