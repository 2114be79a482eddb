"""Scenario 2, the long form: tens of thousands of random histories of the real lane, buffer and flow on a world that fails."""

import asyncio
import os
from collections import Counter
from concurrent.futures import ProcessPoolExecutor

from tests.chaos.ground import Ground
from tests.model.history import History
from tests.model.verdict import verdict
from tests.model.world import Variant

__all__ = ["histories"]

_CHUNK = 100


async def histories(ground: Ground, *, seeds: int = 20_000) -> str:
    """2. No promise is broken in any of `seeds` histories: kills, lost replies, zombies, rebalances at every point of a step."""
    happened, broken = Counter[str](), list[int]()
    loop = asyncio.get_running_loop()
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        runs = [loop.run_in_executor(pool, _run, first, min(first + _CHUNK, seeds)) for first in range(0, seeds, _CHUNK)]
        for found, seen in await asyncio.gather(*runs):
            broken += found
            happened += seen
    said = ", ".join(f"{n} {name}" for name, n in sorted(happened.items()))
    assert not broken, f"{seeds} histories, {len(broken)} violations, seeds {broken[:20]}; {said}"
    return f"{seeds} histories, 0 violations; {said}"


def _run(first: int, end: int) -> tuple[list[int], Counter[str]]:
    """The seeds in [first, end) that broke a promise, and what happened in all of them."""
    broken, happened = [], Counter[str]()
    for seed in range(first, end):
        history = History(seed, Variant()).run()
        if verdict(history):
            broken.append(seed)
        happened += history.world.stat
    return broken, happened
