"""The whole job on Apache Kafka and Redis: CPU per million events, latency at a steady rate, memory.

    python tests/bench/bench_worker.py [--events 1000000] [--only engine|metrics|latency|state]

`engine`   a worker on a backlog; the CPU time of its process from the first step to the last, start-up left out. Once with a score for
every event (what
           other engines are compared by) and once as shipped (meaningful changes only).
`metrics`  the same with a score for every event, by turns with and without all that is not scores: business metrics, learning, the watch
           over the whole. Visits and distinct users stay: they cannot be left out.
`latency`  2,000 events/s, each sent alone; from `send` to the score in a consumer's hands, in this process.
`state`    Redis' memory for 1,000,000 users with 10 events each over 8 days, written by the store's own script.
"""

import argparse
import asyncio
import contextlib
import gc
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import redis.asyncio as aioredis
import uvloop
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from streams.core.identity import home_partition
from streams.core.record import NEVER_MS, Head, Outcome, Plan
from streams.core.rules import DAY_MS, Rules
from streams.core.user import COMPILED, User
from streams.replay.write import write
from streams.shell.store import PartitionStore
from streams.sim.uniform import uniform_events
from tests.chaos.harness import Stage, Worker, until
from tests.stack import Kafka, Redis

#: As shipped, where the scenarios of failure use fewer partitions and smaller steps.
SHIPPED: Final = {
    "topics.yaml": {"partitions": 12},
    "streams.yaml": {"worker": {"max_batch_records": 8000, "stop_timeout_s": 10.0, "session_timeout_s": 45.0}},
}
#: What can be left out, left out.
BARE: Final = {
    "metrics.yaml": {
        **{name: [] for name in ("page_views", "shares", "orders", "refunds", "conversions", "carts", "key_events", "sign_ups")},
        **{name: [] for name in ("cancellations", "opt_ins", "opt_outs")},
        "activation": {"events": []},
        "surveys": {"events": []},
    },
    "risk.yaml": {"learning": {"enabled": False}, "site": {"enabled": False}},
}
#: How often each of the two is measured: one alone says little on a machine that does other things, too.
TURNS: Final = 3
USERS: Final = 35_000
RATE: Final = 2_000
TICK_HZ: Final = os.sysconf("SC_CLK_TCK")


def figure(name: str, value: float, unit: str) -> None:
    print(f"bench {name} {value:.4g} {unit}", flush=True)


def cpu_s(worker: Worker) -> float:
    """CPU time of the worker so far, all threads, user and system."""
    fields = Path(f"/proc/{worker.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICK_HZ


def configured(emit: Mapping[str, Any], **worker: Any) -> dict[str, Any]:
    streams = {"emit": dict(emit), "worker": {**SHIPPED["streams.yaml"]["worker"], **worker}}
    return {**SHIPPED, "streams.yaml": streams}


async def engine(stage: Stage, suffix: str, events: int) -> float:
    """One worker on one core counts a backlog of eight days, in event time as any history. Returns its CPU-seconds per million events."""
    now_ms = time.time_ns() // 1_000_000
    await write(uniform_events(events, USERS, 7, 8, now_ms), stage.settings, keep_event_clock=True)
    worker = await stage.worker().start()
    os.sched_setaffinity(worker.process.pid, {os.cpu_count() - 1 if os.cpu_count() else 0})

    async def begun() -> bool:
        return any(head.rev > 0 for head in (await stage.heads()).values())

    await until("the worker has begun", begun, every_s=0.01)
    counted = sum(sum(head.fates.values()) for head in (await stage.heads()).values())
    before_s, start_s = cpu_s(worker), time.monotonic()
    await stage.caught_up()
    spent_s, took_s, rss = cpu_s(worker) - before_s, time.monotonic() - start_s, worker.rss_bytes
    left = events - counted
    cost_s = spent_s / left * 1e6
    figure(f"engine_cpu_s_per_million{suffix}", cost_s, "s")
    figure(f"engine_events_per_s{suffix}", left / took_s, "1/s")
    figure(f"engine_rss{suffix}", rss / 1e6, "MB")
    scores = await count(stage, stage.rules.topics.scores)
    figure(f"outputs_per_event{suffix}", scores / events, "1")
    await stage.stop()
    return cost_s


async def count(stage: Stage, topic: str) -> int:
    consumer: Any = AIOKafkaConsumer(bootstrap_servers=stage.direct, enable_auto_commit=False)
    await consumer.start()
    try:
        return sum((await consumer.end_offsets([TopicPartition(topic, p) for p in range(stage.rules.partitions)])).values())
    finally:
        await consumer.stop()


async def latency(stage: Stage, suffix: str, seconds: int) -> None:
    """A steady stream, and how long each event takes to become a score."""
    worker = await stage.worker().start()

    async def opened() -> bool:
        return len(await stage.heads()) == stage.rules.partitions

    await until("the worker has its partitions", opened)
    sent_s: dict[tuple[int, int], float] = {}
    took_ms: list[float] = []
    scores: Any = AIOKafkaConsumer(
        stage.rules.topics.scores, bootstrap_servers=stage.direct, auto_offset_reset="latest", fetch_max_wait_ms=5
    )
    producer: Any = AIOKafkaProducer(bootstrap_servers=stage.direct, linger_ms=0)
    await scores.start()
    await producer.start()
    seen: dict[tuple[int, int], float] = {}

    async def listen() -> None:
        while True:
            for batch in (await scores.getmany(timeout_ms=100)).values():
                now_s = time.monotonic()
                for record in batch:
                    ident = next(value for name, value in record.headers if name == "ce_id")
                    _, partition, offset = ident.rsplit(b"/", 2)
                    seen[int(partition), int(offset)] = now_s

    def note(at_s: float, future: Any) -> None:
        with contextlib.suppress(Exception):
            meta = future.result()
            sent_s[meta.partition, meta.offset] = at_s

    listening = asyncio.create_task(listen())
    events = uniform_events(RATE * seconds, USERS, 11, 0.001, time.time_ns() // 1_000_000)
    try:
        start_s = time.monotonic()
        warm_s = 3.0
        before_s, window_s = 0.0, 0.0
        for n, event in enumerate(events):
            ahead_s = start_s + n / RATE - time.monotonic()
            if ahead_s > 0:
                await asyncio.sleep(ahead_s)
            if not before_s and n >= warm_s * RATE:
                before_s, window_s = cpu_s(worker), time.monotonic()
            at_s = time.monotonic()
            partition = home_partition(event.key.decode(), stage.rules.partitions)
            future = await producer.send(stage.rules.topics.clickstream, event.value, event.key, partition)
            future.add_done_callback(lambda done, at_s=at_s: note(at_s, done))
        share = (cpu_s(worker) - before_s) / (time.monotonic() - window_s)
        await until("all scores are there", lambda: len(seen) >= RATE * seconds, deadline_s=60)
    finally:
        listening.cancel()
        await scores.stop()
        await producer.stop()
    took_ms = sorted(1000 * (seen[place] - at_s) for place, at_s in sent_s.items() if at_s >= start_s + warm_s)
    figure(f"latency_p50_ms{suffix}", statistics.median(took_ms), "ms")
    figure(f"latency_p99_ms{suffix}", took_ms[int(len(took_ms) * 0.99)], "ms")
    figure(f"core_share_at_2000{suffix}", 100 * share, "%")
    await stage.stop()


async def state(rules: Rules, url: str, users: int) -> None:
    """Users as the fold leaves them, in Redis as the store writes them."""
    client: Any = aioredis.from_url(url)
    before = (await client.info("memory"))["used_memory"]
    store = PartitionStore("bench-state", url)
    size = 0
    for p in range(rules.partitions):
        head = await store.create(Head(p, "bench", 0, {"t": 0}, None, -1, "wall", {}, {}))
        for step in steps(rules, users, p):
            size += sum(len(blob) for blob in step.users.values() if blob)
            plan = Plan(head.rev, {"t": (head.positions["t"], head.positions["t"] + 1)}, 0, 0, "wall", "r", "prior", 1)
            await store.plan(head, plan, [])
            head = await store.save(head, plan, step)
    after = (await client.info("memory"))["used_memory"]
    figure("redis_bytes_per_user", (after - before) / users, "B")
    figure("state_bytes_per_user", size / users, "B")
    await store.close()
    await client.aclose()


def steps(rules: Rules, users: int, partition: int) -> Iterator[Outcome]:
    """Steps of a few thousand users: ten events each, over eight days, at instants of their own."""
    user = User(rules)
    ids = [entry.id for entry in rules.catalogue.types[:4]]
    start_ms = 20_500 * DAY_MS
    rows: dict[str, bytes | None] = {}
    due: dict[str, int | None] = {}
    for number in range(partition, users, rules.partitions):
        key = f"user-{number:012d}"
        user.load(key, None)
        for n in range(10):
            at_ms = start_ms + (n * 8 * DAY_MS) // 10 + (number * 7919 + n * 104_729) % 17_000_000
            user.fold(
                ids[(number + n) % 4], at_ms, (number * 10 + n) * 2_654_435_761 & 0xFFFFFFFFFFFFFFFF, 0, 0, partition, number * 10 + n
            )
        if user.due_ms < NEVER_MS:
            user.entry_ms = due[key] = user.due_ms
        rows[key] = user.dump()
        if len(rows) == 4000:
            yield Outcome(rows, due, [], [0] * 7, {}, {})
            rows, due = {}, {}
    yield Outcome(rows, due, [], [0] * 7, {}, {})


async def main(only: Sequence[str], events: int, users: int, seconds: int) -> None:
    print(f"# core: {'compiled' if COMPILED else 'interpreted'}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        kafka, redis = Kafka(folder / "kafka"), Redis(folder / "redis")
        try:
            redis.start()
            if {"engine", "metrics", "latency"} & set(only):
                kafka.start()

            def stage(title: str, emit: Mapping[str, Any], *, without: Mapping[str, Any] = {}, **worker: Any) -> Stage:
                overrides = {**configured(emit, **worker), **without}
                return Stage(title, folder, broker=kafka.bootstrap, redis_url=redis.url, overrides=overrides)

            if "engine" in only:
                async with stage("every", {"mode": "event"}) as each:
                    await engine(each, "_every_event", events)
                async with stage("shipped", {"mode": "meaningful"}) as shipped:
                    await engine(shipped, "", events)
            if "metrics" in only:
                costs_s: dict[str, list[float]] = {"with": [], "without": []}
                for turn in range(TURNS):
                    for name, without in (("without", BARE), ("with", {})):
                        async with stage(f"{name}-{turn}", {"mode": "event"}, without=without) as each:
                            costs_s[name].append(await engine(each, f"_{name}_metrics", events // 2))
                figure("metrics_cpu_s_per_million", statistics.median(costs_s["with"]) - statistics.median(costs_s["without"]), "s")
            if "latency" in only:
                async with stage("steady", {"mode": "event"}) as steady:
                    await latency(steady, "", seconds)
                async with stage("fast", {"mode": "event"}, profile="fast") as fast:
                    await latency(fast, "_fast", seconds)
            if "state" in only:
                gc.freeze()
                redis.flush()
                with contextlib.suppress(Exception):
                    kafka.stop()
                from streams.settings import load

                await state(load(None, {}).rules, redis.url, users)
        finally:
            kafka.kill()
            redis.kill()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=("engine", "metrics", "latency", "state"), action="append")
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--users", type=int, default=1_000_000)
    parser.add_argument("--seconds", type=int, default=20)
    given = parser.parse_args()
    uvloop.run(main(given.only or ("engine", "metrics", "latency", "state"), given.events, given.users, given.seconds))
