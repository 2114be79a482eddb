"""Scenarios in which workers die, sleep, or are asked to stop. Each is a coroutine that fails by AssertionError and returns its figures."""

import asyncio
import random
import signal
import time
from collections import Counter

from tests.chaos.ground import Ground
from tests.chaos.harness import Stage, until
from tests.feed import Feed, Sender

__all__ = ["ALERTS", "crash_points", "graceful_stop", "kills", "live", "moves", "now_ms", "zombie"]

POINTS = ("after_plan", "after_step", "in_sweep", "mid_publish", "between_topics", "after_publish", "mid_save", "after_save", "before_ack")

#: Users are worth an alert after four visits, so that short histories have many.
ALERTS = {"risk.yaml": {"churn": {"min_active_days": 4, "engaged_gap_days": 9.0}, "drop": {"min_active_days": 5}, "examples": []}}


def now_ms() -> int:
    return time.time_ns() // 1_000_000


async def crash_points(ground: Ground, *, times: int = 1, seed: int = 4) -> str:
    """4. A worker dies at every point of a step, `times` times each, in the middle of a history full of alerts."""
    chance = random.Random(seed)
    async with ground.stage("crash-points", overrides=ALERTS) as stage:
        feed, worker = Feed(seed, stage.rules, users=150), stage.worker()
        history = feed.history(90, now_ms())
        lives = list(POINTS) * times
        size = len(history) // (len(lives) + 1)
        for n, point in enumerate(lives):
            await worker.start(STREAMS_CRASH_AT=f"{point}:{chance.randint(1, 3)}")
            await stage.feed(history[n * size : (n + 1) * size])
            code = await worker.ended()
            assert code == -signal.SIGKILL, f"{point}: exit {code}\n{worker.tail()}"
        await worker.start()
        await stage.feed([*history[len(lives) * size :], *feed.wall()])
        report = await stage.verdict()
        assert report.ok, str(report)
        return f"{len(lives)} of {len(lives)} exact; {report}"


async def kills(ground: Ground, *, records: int, per_s: int, every_s: tuple[float, float], times: int, seed: int = 3) -> str:
    """3. Two workers under load; a random one is killed again and again, and is back at once under its name."""
    chance = random.Random(seed)
    async with ground.stage("kills", overrides=ALERTS) as stage:
        feed = Feed(seed, stage.rules, users=5000)
        workers = [await stage.worker(n).start() for n in (1, 2)]
        feeding = asyncio.create_task(live(stage, feed, records, per_s))
        killed = 0
        while killed < times and not feeding.done():
            await asyncio.sleep(chance.uniform(*every_s))
            victim = chance.choice(workers)
            await victim.kill()
            await victim.start()
            killed += 1
        await feeding
        took_s = await stage.caught_up()
        report = await stage.verdict()
        assert report.ok, str(report)
        assert killed == times, f"only {killed} kills while the feed ran"
        return f"{killed} kills, caught up {took_s:.1f} s after the last record; {report}"


async def moves(ground: Ground, *, records: int, per_s: int, times: int, seed: int = 5) -> str:
    """Two workers under load, `times` times one is killed for good and another joins under a new name: partitions move for real."""
    chance = random.Random(seed)
    async with ground.stage("moves", overrides=ALERTS) as stage:
        feed = Feed(seed, stage.rules, users=5000)
        workers = [await stage.worker(n).start() for n in (1, 2)]
        feeding = asyncio.create_task(live(stage, feed, records, per_s))
        for n in range(times):
            await asyncio.sleep(records / per_s / (times + 1))
            await workers.pop(chance.randrange(2)).kill()
            workers.append(await stage.worker(3 + n).start())
        await feeding
        took_s = await stage.caught_up()
        report = await stage.verdict()
        assert report.ok, str(report)
        return f"{times} moves, caught up {took_s:.1f} s after the last record; {report}"


async def zombie(ground: Ground, *, seed: int = 7) -> str:
    """7. A worker is stopped between publish and save, another one takes over, and the first wakes up with its save still in hand."""
    async with ground.stage("zombie", overrides=ALERTS) as stage:
        feed = Feed(seed, stage.rules, users=300)
        first, second = stage.worker(1), stage.worker(2)
        await first.start(STREAMS_HOLD_AT="after_publish:6")
        await stage.feed(feed.live(4000, now_ms()))
        await until("the first worker is held", lambda: first.stopped or not first.alive)
        assert first.alive, first.tail()
        held = {p: head.rev for p, head in (await stage.heads()).items()}
        await second.start()
        await stage.feed(feed.live(2000, now_ms()))
        await stage.caught_up()
        taken = {p: head.rev for p, head in (await stage.heads()).items()}
        first.signal(signal.SIGCONT)
        await stage.feed(feed.live(2000, now_ms()))
        await stage.caught_up()
        woken = {p: head.rev for p, head in (await stage.heads()).items()}
        assert all(held[p] <= taken[p] <= woken[p] for p in held), (held, taken, woken)
        await second.kill()
        await stage.feed(feed.live(1000, now_ms()))
        back_s = await stage.caught_up()
        report = await stage.verdict()
        assert report.ok, str(report)
        return f"no stale save, the woken worker works on {back_s:.1f} s after the other is gone; {report}"


async def graceful_stop(ground: Ground, *, times: int = 2, seed: int = 14) -> str:
    """14. SIGTERM under load: exit 0, and nothing is said twice."""
    async with ground.stage("graceful", overrides=ALERTS) as stage:
        feed, worker = Feed(seed, stage.rules, users=300), stage.worker()
        history = feed.history(60, now_ms())
        size = len(history) // (times + 1)
        slowest_s = 0.0
        for n in range(times):
            await worker.start()
            feeding = asyncio.create_task(stage.feed(history[n * size : (n + 1) * size], per_s=1500))
            await until("the worker is at work", lambda: _moved(stage))
            start_s = time.monotonic()
            code = await worker.stop()
            slowest_s = max(slowest_s, time.monotonic() - start_s)
            assert code == 0, f"exit {code}:\n{worker.tail()}"
            await feeding
        await worker.start()
        await stage.feed([*history[times * size :], *feed.wall()])
        await stage.caught_up()
        await stage.stop()
        left = await stage.result()
        spoken = Counter(
            (topic, line.header("ce_id"))
            for (topic, _), lines in left.logs.items()
            if topic in (stage.rules.topics.alerts, stage.rules.topics.scores)
            for line in lines
            if line.value
        )
        report = stage.judge(left)
        assert report.ok, str(report)
        assert max(spoken.values()) == 1, f"said twice: {[ident for ident, n in spoken.items() if n > 1][:3]}"
        return f"{times} stops, the slowest {slowest_s:.1f} s, nothing said twice; {report}"


async def _moved(stage: Stage) -> bool:
    """Whether steps are being saved right now."""
    stage.assert_alive()
    before = sum(head.rev for head in (await stage.heads()).values())
    await asyncio.sleep(0.3)
    return sum(head.rev for head in (await stage.heads()).values()) > before


async def live(stage: Stage, feed: Feed, records: int, per_s: int) -> None:
    """`records` live records at `per_s`, made second by second."""
    sent = 0
    async with Sender(stage.direct) as sender:
        while sent < records:
            sent += await sender.send(feed.live(min(per_s, records - sent), now_ms()), per_s=per_s)
