"""The protocol, checked by random histories of the real lane, buffer and flow. `STREAMS_MODEL_SEEDS=20000` for the long run."""

import hashlib
import os
from collections import Counter

import pytest

from tests.model.history import History
from tests.model.planted import PLANTED
from tests.model.verdict import verdict
from tests.model.world import Variant

SEEDS = int(os.environ.get("STREAMS_MODEL_SEEDS", "500"))
FIRST = int(os.environ.get("STREAMS_MODEL_FIRST", "0"))
#: What a history must have in it, somewhere, to prove anything.
NEEDED = ("kills", "kills mid-publish", "found plans", "fenced", "lost replies", "producer failures", "zombie copies")


def run(variant: Variant, *, exact_outputs: bool = True) -> tuple[dict[int, set[str]], Counter[str]]:
    """Every seed: which promises it broke, and what happened in all of them together."""
    broken, happened = {}, Counter[str]()
    for seed in range(FIRST, FIRST + SEEDS):
        history = History(seed, variant).run()
        if found := verdict(history, exact_outputs=exact_outputs):
            broken[seed] = found
        happened += history.world.stat
    return broken, happened


def test_no_history_breaks_a_promise(capsys: pytest.CaptureFixture[str]) -> None:
    """Counters, fates, ids, bytes, silences and states are right after any crash, lost reply, zombie and rebalance."""
    broken, happened = run(Variant())
    with capsys.disabled():
        print(f"\nmodel: {SEEDS} histories, {len(broken)} violations; " + ", ".join(f"{n} {name}" for name, n in sorted(happened.items())))
    assert broken == {}
    assert [name for name in NEEDED if not happened[name]] == []


def test_after_a_rolled_back_store_counters_are_exact(capsys: pytest.CaptureFixture[str]) -> None:
    """A store that lost its last writes loses nothing that the logs still hold: states and fates are those of the plans that stand."""
    broken, happened = run(Variant(rollback=True), exact_outputs=False)
    with capsys.disabled():
        print(f"\nmodel with rollback: {SEEDS} histories, {len(broken)} violations, {happened['rollbacks']} rollbacks")
    assert broken == {}
    assert happened["rollbacks"] > 0


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_bug_is_found_within_200_histories(name: str) -> None:
    """Each rule of the protocol earns its place: without it, a history breaks a promise."""
    assert any(verdict(History(seed, PLANTED[name]).run()) for seed in range(200))


def test_a_seed_is_a_history() -> None:
    """The same seed twice says the same, in the same order, to the byte."""

    def trace() -> str:
        digest = hashlib.sha256()
        for output, zombie in History(7, Variant()).run().world.said:
            digest.update(repr((output, zombie)).encode())
        return digest.hexdigest()

    assert trace() == trace()
