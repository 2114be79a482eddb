"""Scenarios in which workers die, sleep, or are asked to stop. Each is a coroutine that fails by AssertionError and returns its figures."""

import asyncio
import random
import signal
import time
from collections import Counter
from collections.abc import Sequence
from statistics import median

from tests.chaos.ground import Ground
from tests.chaos.harness import Stage, Worker, until
from tests.feed import Feed, Sender, Sent

__all__ = ["ALERTS", "crash_points", "graceful_stop", "kills", "live", "moves", "now_ms", "through_deaths", "zombie"]

POINTS = ("after_plan", "after_step", "in_sweep", "mid_publish", "between_topics", "after_publish", "mid_save", "after_save", "before_ack")

#: A worker that was killed is fresh again within so long of its restart, the median of many: the machine is shared.
FRESH_S = 15.0

#: Users are worth an alert after four visits, so that short histories have many.
ALERTS = {"risk.yaml": {"churn": {"min_active_days": 4, "engaged_gap_days": 9.0}, "drop": {"min_active_days": 5}, "examples": []}}


def now_ms() -> int:
    return time.time_ns() // 1_000_000


async def through_deaths(stage: Stage, worker: Worker, points: Sequence[str], records: Sequence[Sent], chance: random.Random) -> None:
    """The worker dies once at each of `points`, and lives on after the last one. `records` come evenly over its lives."""
    size = len(records) // (len(points) + 1)
    for n, point in enumerate(points):
        await worker.start(STREAMS_CRASH_AT=f"{point}:{chance.randint(1, 3)}")
        await stage.feed(records[n * size : (n + 1) * size])
        code = await worker.ended()
        assert code == -signal.SIGKILL, f"{point}: exit {code}\n{worker.tail()}"
    await worker.start()
    await stage.feed(records[len(points) * size :])


async def crash_points(ground: Ground, *, times: int = 1, seed: int = 4) -> str:
    """4. A worker dies at every point of a step, `times` times each, in the middle of a history full of alerts."""
    chance = random.Random(seed)
    async with ground.stage("crash-points", overrides=ALERTS) as stage:
        feed, points = Feed(seed, stage.rules, users=150), POINTS * times
        await through_deaths(stage, stage.worker(), points, feed.history(90, now_ms()), chance)
        await stage.feed(feed.wall())
        _, report = await stage.exact()
        return f"{len(points)} of {len(points)} exact; {report}"


async def kills(ground: Ground, *, records: int, per_s: int, every_s: tuple[float, float], times: int, seed: int = 3) -> str:
    """3. Two workers under load; a random one is killed again and again, and is back at once under its name."""
    chance = random.Random(seed)
    async with ground.stage("kills", overrides=ALERTS) as stage:
        feed = Feed(seed, stage.rules, users=5000)
        workers = [await stage.worker(n).start() for n in (1, 2)]
        enough = asyncio.Event()
        feeding = asyncio.create_task(live(stage, feed, records, per_s, enough=enough))
        killed, fresh_s = 0, []
        while killed < times and not feeding.done():
            await asyncio.sleep(chance.uniform(*every_s))
            victim = chance.choice(workers)
            await victim.kill()
            await victim.start()
            killed += 1
            fresh_s.append(await until("the worker is fresh again", victim.fresh))
        enough.set()
        await feeding
        took_s = await stage.caught_up()
        _, report = await stage.exact()
        assert killed == times, f"only {killed} kills while the feed ran"
        assert median(fresh_s) <= FRESH_S, f"fresh again {median(fresh_s):.1f} s after a restart (median)"
        fresh = f"fresh {median(fresh_s):.1f} s after a restart, {max(fresh_s):.1f} s at the worst"
        return f"{killed} kills, {fresh}, caught up {took_s:.1f} s after the last record; {report}"


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
        _, report = await stage.exact()
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
        rejoined_s = await until("the woken worker has its place in the group again", first.ready)
        await stage.feed(feed.live(2000, now_ms()))
        await stage.caught_up()
        woken = {p: head.rev for p, head in (await stage.heads()).items()}
        assert all(held[p] <= taken[p] <= woken[p] for p in held), (held, taken, woken)
        fenced = (await first.metrics()).value("streams_fenced_total")
        assert fenced >= 1, "the woken worker was not refused"
        await second.kill()
        await stage.feed(feed.live(1000, now_ms()))
        back_s = await stage.caught_up()
        _, report = await stage.exact()
        woke = f"the woken worker was fenced {fenced:.0f} times, rejoined in {rejoined_s:.1f} s"
        return f"no stale save, {woke}, works on {back_s:.1f} s after the other is gone; {report}"


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
        left, report = await stage.exact()
        spoken = Counter(
            (topic, line.header("ce_id"))
            for (topic, _), lines in left.logs.items()
            if topic in (stage.rules.topics.alerts, stage.rules.topics.scores)
            for line in lines
            if line.value
        )
        assert max(spoken.values()) == 1, f"said twice: {[ident for ident, n in spoken.items() if n > 1][:3]}"
        return f"{times} stops, the slowest {slowest_s:.1f} s, nothing said twice; {report}"


async def _moved(stage: Stage) -> bool:
    """Whether steps are being saved right now."""
    stage.assert_alive()
    before = sum(head.rev for head in (await stage.heads()).values())
    await asyncio.sleep(0.3)
    return sum(head.rev for head in (await stage.heads()).values()) > before


async def live(stage: Stage, feed: Feed, records: int, per_s: int, *, enough: asyncio.Event | None = None) -> None:
    """`records` live records at `per_s`, made second by second; more of them until it is `enough`."""
    sent = 0
    async with Sender(stage.direct) as sender:
        while sent < records or (enough is not None and not enough.is_set()):
            size = per_s if sent >= records else min(per_s, records - sent)
            sent += await sender.send(feed.live(size, now_ms()), per_s=per_s)
