"""Scenarios 18 to 20, 22 and 23 without services: on random histories flow and oracle agree to the record, whatever order and batches."""

import msgspec
import pytest

from streams.core.rules import Emit
from tests.chaos.test_checker import NOW_MS, checker_rules
from tests.check import Report, check
from tests.feed import Feed
from tests.memory_run import MemoryRun

DAY_MS = 86_400_000
MODES = ("meaningful", "step", "event")


async def wild_run(seed: int, *, clock_back_ms: int = 0) -> tuple[MemoryRun, Report]:
    """History with disorder and strays; then live records, a tenth resent and more of them late, between silences of up to twelve days."""
    rules = msgspec.structs.replace(checker_rules(), emit=Emit(mode=MODES[seed % 3]))
    run, feed = MemoryRun(rules, seed, NOW_MS), Feed(seed, rules, users=25)
    chance = feed.random
    history = feed.history(90, NOW_MS - 3_600_000)
    for i in range(len(history)):
        if chance.random() < 0.1:
            j = min(len(history) - 1, i + chance.randint(1, 60))
            history[i], history[j] = history[j], history[i]
        if chance.random() < 0.05:
            history[i] = history[i]._replace(partition=chance.randrange(rules.partitions))
    run.feed([*history, *feed.wall()])
    await run.drain()
    for n in range(4):
        run.feed(feed.live(60, run.now_ms, late=0.15, anonymous=0.1, resent=0.1), step_ms=500)
        await run.drain()
        run.now_ms += chance.randint(0, 12) * DAY_MS
        if n == 2:
            run.now_ms -= clock_back_ms
        await run.drain()
    return run, check(run.result(), rules)


@pytest.mark.parametrize("seed", range(8))
async def test_the_flow_does_what_the_definitions_say(seed: int) -> None:
    run, report = await wild_run(seed)
    assert report.ok, f"seed {seed}: {report}"
    assert report.figures["firing"] > 5
    assert max(len(row) for p in range(run.rules.partitions) for row in run.store.rows(p).values()) <= 8192


@pytest.mark.parametrize("seed", range(101, 103))
async def test_a_clock_that_is_set_back_an_hour_repeats_no_alert_and_loses_none(seed: int) -> None:
    _, report = await wild_run(seed, clock_back_ms=3_600_000)
    assert report.ok, f"seed {seed}: {report}"
