"""Scenarios in which Kafka or Redis is away, comes back, comes back younger, or comes back empty."""

import asyncio
import os
import time
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete

from tests.chaos.crashes import ALERTS, live, now_ms
from tests.chaos.ground import Ground
from tests.chaos.harness import Stage, Worker, until
from tests.feed import Feed
from tests.proxy import Proxy
from tests.stack import Kafka

__all__ = [
    "broker_bounce",
    "broker_silent",
    "leader_killed",
    "redis_full",
    "redis_kills",
    "redis_lost",
    "redis_refused",
    "retention_passed",
]

RSS_GROWTH_BYTES = 50 << 20
#: A broker that comes back finds its workers fresh within so long, the median of many: the machine is shared.
FRESH_S = 30.0


class _Load(NamedTuple):
    """A worker at work, and what must be true of it when the fault is over."""

    stage: Stage
    worker: Worker
    rss_bytes: int
    pid: int
    feeding: "asyncio.Task[None]"

    @classmethod
    async def on(cls, stage: Stage, seed: int, records: int, per_s: int) -> "_Load":
        """A worker has caught up with the first records, and `records` more are on their way."""
        feed = Feed(seed, stage.rules, users=500)
        worker = await stage.worker().start()
        await stage.feed(feed.live(1000, now_ms()))
        await stage.caught_up()
        return cls(stage, worker, worker.rss_bytes, worker.process.pid, asyncio.create_task(live(stage, feed, records, per_s)))

    async def survived(self) -> str:
        """The same process went on by itself, grew by no queue, and all is exact; the figures."""
        await self.feeding
        caught_s = await self.stage.caught_up()
        grown = self.worker.rss_bytes - self.rss_bytes
        assert self.worker.process.pid == self.pid
        assert self.worker.alive, self.worker.tail()
        _, report = await self.stage.exact()
        assert grown <= RSS_GROWTH_BYTES, f"the worker grew by {grown >> 20} MiB"
        return f"caught up {caught_s:.1f} s after the last record, RSS +{grown / 2**20:.0f} MiB; {report}"


async def broker_bounce(
    ground: Ground, *, bounces: int = 1, down_s: float = 5.0, records: int = 20_000, per_s: int = 1000, seed: int = 8
) -> str:
    """8. The broker is killed under load and comes back on the same log: the worker goes on by itself, and grows by no queue."""
    async with ground.own_kafka("bounce") as kafka, ground.stage("bounce", overrides=ALERTS, broker=kafka.bootstrap) as stage:
        load = await _Load.on(stage, seed, records, per_s)
        fresh_s = []
        for _ in range(bounces):
            await asyncio.sleep(records / per_s / (bounces + 1) / 2)
            kafka.kill()
            await asyncio.sleep(down_s)
            await kafka.started()
            fresh_s.append(await until("the worker is fresh again", load.worker.fresh))
        survived = await load.survived()
        assert median(fresh_s) <= FRESH_S, f"fresh again {median(fresh_s):.1f} s after the broker (median)"
        fresh = f"fresh {median(fresh_s):.1f} s after the broker, {max(fresh_s):.1f} s at the worst"
        return f"{bounces} bounces, {fresh}, {survived}"


async def broker_silent(ground: Ground, *, silent_s: float = 60.0, records: int = 90_000, per_s: int = 1000, seed: int = 88) -> str:
    """8, second part: the network swallows everything between worker and broker; nothing is closed, nothing answers."""
    async with (
        Proxy() as proxy,
        ground.own_kafka("silent", advertised_port=proxy.port) as kafka,
        ground.stage("silent", overrides=ALERTS, broker=kafka.bootstrap, direct=kafka.direct) as stage,
    ):
        proxy.retarget(port=kafka.port)
        load = await _Load.on(stage, seed, records, per_s)
        await asyncio.sleep(5)
        proxy.blackhole()
        await asyncio.sleep(silent_s)
        proxy.restore()
        return f"silent for {silent_s:.0f} s, {await load.survived()}"


async def leader_killed(ground: Ground, *, down_s: float = 20.0, records: int = 60_000, per_s: int = 1000, seed: int = 888) -> str:
    """8, third part: of three nodes the one that leads partition 0 is killed under load; what the two others acknowledge is all there."""
    nodes = Kafka.cluster(ground.folder / "three")
    try:
        for node in nodes:
            node.spawn()
        for node in nodes:
            await asyncio.to_thread(node.wait)
        everywhere = ",".join(node.bootstrap for node in nodes)
        async with ground.stage("leader", overrides=ALERTS, broker=everywhere) as stage:
            load = await _Load.on(stage, seed, records, per_s)
            await asyncio.sleep(5)
            leading = await _leader(everywhere, stage.rules.topics.clickstream)
            leader = next(node for node in nodes if node.node_id == leading)
            leader.kill()
            await asyncio.sleep(down_s)
            await leader.started()
            return f"node {leader.node_id} of 3 away for {down_s:.0f} s, {await load.survived()}"
    finally:
        for node in nodes:
            node.kill()


async def _leader(broker: str, topic: str) -> int:
    """Node id of the leader of partition 0."""
    admin: Any = AIOKafkaAdminClient(bootstrap_servers=broker)
    await admin.start()
    try:
        [described] = await admin.describe_topics([topic])
        return int(next(part["leader"] for part in described["partitions"] if part["partition"] == 0))
    finally:
        await admin.close()


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
        noticed = (await worker.metrics()).value("streams_rewinds_total")
        _, report = await stage.exact(rewound=True)
        assert report.figures["rewinds"] or not cut_bytes, "nothing was rolled back"
        assert noticed == report.figures["rewinds"], f"{noticed:.0f} rewinds noticed, {report.figures['rewinds']} in the journal"
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
        _, report = await stage.exact(rewound=True)
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
        _, report = await stage.exact()
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
