"""Scenarios in which Kafka or Redis is away, comes back, comes back younger, or comes back empty."""

import asyncio
import os
import time
from pathlib import Path
from typing import Any

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete

from tests.chaos.crashes import ALERTS, live, now_ms
from tests.chaos.ground import Ground
from tests.chaos.harness import Worker, until
from tests.feed import Feed

__all__ = ["broker_bounce", "redis_full", "redis_kills", "redis_lost", "redis_refused", "retention_passed"]

RSS_GROWTH_BYTES = 50 << 20


async def broker_bounce(
    ground: Ground, *, bounces: int = 1, down_s: float = 5.0, records: int = 20_000, per_s: int = 1000, seed: int = 8
) -> str:
    """8. The broker is killed under load and comes back on the same log: the worker goes on by itself, and grows by no queue."""
    async with ground.own_kafka("bounce") as kafka, ground.stage("bounce", overrides=ALERTS, broker=kafka.bootstrap) as stage:
        feed = Feed(seed, stage.rules, users=500)
        worker = await stage.worker().start()
        await stage.feed(feed.live(1000, now_ms()))
        await stage.caught_up()
        rss, pid = worker.rss_bytes, worker.process.pid
        feeding = asyncio.create_task(live(stage, feed, records, per_s))
        for _ in range(bounces):
            await asyncio.sleep(records / per_s / (bounces + 1) / 2)
            kafka.kill()
            await asyncio.sleep(down_s)
            await kafka.started()
        await feeding
        fresh_s = await stage.caught_up()
        grown = worker.rss_bytes - rss
        assert worker.process.pid == pid
        assert worker.alive, worker.tail()
        report = await stage.verdict()
        assert report.ok, str(report)
        assert grown <= RSS_GROWTH_BYTES, f"the worker grew by {grown >> 20} MiB"
        return f"{bounces} bounces, fresh {fresh_s:.1f} s after the last record, RSS +{grown / 2**20:.0f} MiB; {report}"


async def redis_kills(
    ground: Ground, *, times: int = 1, records: int = 10_000, per_s: int = 1500, cut_bytes: int = 400_000, seed: int = 9
) -> str:
    """9. Redis is killed under load and may lose its last second: heads and states go back together, and are computed again."""
    async with ground.own_redis("rewind") as redis, ground.stage("redis-kills", overrides=ALERTS, redis_url=redis.url) as stage:
        feed = Feed(seed, stage.rules, users=500)
        worker = await stage.worker().start()
        await stage.feed(feed.live(1000, now_ms()))
        await stage.caught_up()
        feeding = asyncio.create_task(live(stage, feed, records, per_s))
        for n in range(times):
            await asyncio.sleep(records / per_s / (times + 1))
            redis.kill()
            if cut_bytes and n == times - 1:
                _cut(redis.folder, cut_bytes)
            await redis.started()
        await feeding
        back_s = await stage.caught_up()
        assert worker.alive, worker.tail()
        report = await stage.verdict(rewound=True)
        assert report.ok, str(report)
        assert report.figures["rewinds"] or not cut_bytes, "nothing was rolled back"
        return f"{times} kills, {report.figures['rewinds']} rewinds, caught up {back_s:.1f} s after the last record; {report}"


async def redis_lost(ground: Ground, *, records: int = 30_000, seed: int = 11) -> str:
    """11. FLUSHALL under load: the worker begins at the beginning of the log, which still holds everything."""
    async with ground.own_redis("lost") as redis, ground.stage("redis-lost", overrides=ALERTS, redis_url=redis.url) as stage:
        feed = Feed(seed, stage.rules, users=2000)
        worker = await stage.worker().start()
        history = feed.history(60, now_ms())
        await stage.feed([*history[: records // 2], *feed.wall(), *feed.live(max(0, records - len(history)), now_ms())])
        await stage.caught_up()
        feeding = asyncio.create_task(live(stage, feed, 3000, 1000))
        await asyncio.sleep(1)
        redis.flush()
        start_s = time.monotonic()
        await feeding
        await stage.caught_up()
        rebuilt_s = time.monotonic() - start_s
        assert worker.alive, worker.tail()
        report = await stage.verdict(rewound=True)
        assert report.ok, str(report)
        return f"{report.figures['records']} records rebuilt in {rebuilt_s:.1f} s; {report}"


async def retention_passed(ground: Ground, *, seed: int = 111) -> str:
    """11, second half: the state is lost and the log no longer begins at 0: exit 4, and one line says why."""
    async with ground.own_redis("gap") as redis, ground.stage("gap", redis_url=redis.url) as stage:
        feed = Feed(seed, stage.rules, users=100)
        await stage.feed(feed.live(2000, now_ms()))
        topic = stage.rules.topics.clickstream
        admin: Any = AIOKafkaAdminClient(bootstrap_servers=stage.direct)
        await admin.start()
        try:
            await admin.delete_records({TopicPartition(topic, 0): RecordsToDelete(before_offset=5)})
        finally:
            await admin.close()
        worker = await stage.worker().start()
        code = await worker.ended()
        assert code == 4, f"exit {code}:\n{worker.tail()}"
        said = [line for line in worker.text().splitlines() if "begins at offset 5" in line]
        assert len(said) == 1, worker.tail()
        return f"exit 4: {said[0]}"


async def redis_full(ground: Ground, *, seed: int = 12) -> str:
    """12. Redis is full: the worker waits and says so, loses nothing, and goes on by itself when there is room."""
    async with ground.own_redis("full") as redis, ground.stage("redis-full", redis_url=redis.url) as stage:
        feed = Feed(seed, stage.rules, users=20_000, zipf=0.2)
        worker = await stage.worker().start()
        await stage.feed(feed.live(1000, now_ms()))
        await stage.caught_up()
        redis.config_set("maxmemory", redis.info("memory")["used_memory"])
        await stage.feed(feed.live(6000, now_ms()))
        said_s = await until("the worker says that it waits", lambda: "waiting for Redis" in worker.text())
        stuck = {p: head.rev for p, head in (await stage.heads()).items()}
        redis.config_set("maxmemory", 0)
        start_s = time.monotonic()
        await until("the worker goes on", lambda: _moved_from(stage, stuck))
        resumed_s = time.monotonic() - start_s
        assert worker.alive, worker.tail()
        report = await stage.verdict()
        assert report.ok, str(report)
        assert not report.figures.get("rejected"), "dead letters"
        return f"said so after {said_s:.1f} s, went on {resumed_s:.1f} s after there was room; {report}"


async def redis_refused(ground: Ground) -> str:
    """12, at the start: a Redis that evicts, or that writes nothing to disk, is refused with exit 2."""
    lines = []
    for name, settings in (("evicts", {"maxmemory-policy": "allkeys-lru"}), ("forgets", {"appendonly": "no"})):
        async with ground.own_redis(name, settings) as redis, ground.stage(f"redis-{name}", redis_url=redis.url) as stage:
            worker = await stage.worker().start()
            code = await worker.ended(30)
            assert code == 2, f"{name}: exit {code}\n{worker.tail()}"
            lines.append(last_line(worker))
    return f"exit 2: {' | '.join(lines)}"


def last_line(worker: Worker) -> str:
    return (worker.text().strip().splitlines() or [""])[-1]


async def _moved_from(stage: Any, revs: dict[int, int]) -> bool:
    return any(head.rev > revs.get(p, 0) for p, head in (await stage.heads()).items())


def _cut(folder: Path, size: int) -> None:
    """The end of the append-only file never reached the disk."""
    newest = max(folder.rglob("*.aof"), key=lambda path: path.stat().st_mtime_ns)
    if (length := newest.stat().st_size) > size:
        os.truncate(newest, length - size)
