"""Scenarios of bad, odd and hostile input, sent to a real worker."""

import asyncio
import json
import os
import random
import sys
from collections import Counter
from collections.abc import Iterable

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import CommitFailedError

from tests.chaos.crashes import now_ms
from tests.chaos.ground import Ground
from tests.chaos.harness import ROOT, Stage, until
from tests.chaos.pills import pills
from tests.check import Run
from tests.feed import Feed, Sent
from tests.logs import Line

__all__ = ["bad_deploy", "command", "disorder", "duplicates", "letters_replayed", "poison", "wrong_clocks"]

DAY_MS = 86_400_000
FRESHNESS = "streams_freshness_seconds"
#: Records a second where freshness is looked at: far below what a worker can do.
PACE = 2000


async def poison(ground: Ground, *, records: int = 10_000, seed: int = 15) -> str:
    """15. Two hundred kinds of poison among good records: each is set aside untouched, for its reason, and nothing else happens."""
    async with ground.stage("poison") as stage:
        feed, chance = Feed(seed, stage.rules, users=300), random.Random(seed)
        worker = await stage.worker().start()
        await until("the worker is ready", worker.ready)
        await stage.feed(feed.live(records, now_ms()), per_s=PACE)
        await stage.caught_up()
        clean = await worker.metrics()
        mixed = feed.live(records, now_ms())
        poisonous = pills(now_ms())
        for n, pill in enumerate(poisonous):
            topic = stage.rules.topics.inputs[n % 2]
            sent = Sent(topic, chance.randrange(stage.rules.partitions), b"pill-%d" % n, pill.value, pill.headers)
            mixed.insert(chance.randrange(len(mixed)), sent)
        await stage.feed(mixed, per_s=PACE)
        await stage.caught_up()
        assert worker.alive
        p99_s = [clean.quantile(FRESHNESS, 0.99), (await worker.metrics()).quantile(FRESHNESS, 0.99, since=clean)]
        left, report = await stage.exact()
        said = {line.key: line for line in _lines(left, stage.rules.topics.dead)}
        assert len(said) == len(poisonous)
        for n, pill in enumerate(poisonous):
            line = said[b"pill-%d" % n]
            assert (line.value, line.header("dead-reason")) == (pill.value, pill.reason), line
        fresh = f"p99 of freshness {p99_s[1] * 1000:.0f} ms, {p99_s[0] * 1000:.0f} ms without them"
        return f"{len(said)} of {len(poisonous)} pills set aside, each for its reason, {fresh}; {report}"


async def letters_replayed(ground: Ground, *, records: int = 4000, seed: int = 16) -> str:
    """16. A rule that failed for one event type is mended; its letters are replayed again and again: as if they had never been refused."""
    async with ground.stage("letters", overrides={"streams.yaml": {"worker": {"dead_rate_max": 0.5}}}) as stage:
        feed, worker = Feed(seed, stage.rules, users=200), stage.worker()
        broken = stage.rules.catalogue.types[1].name
        await worker.start(STREAMS_FAULT_TYPE=broken)
        await stage.feed(feed.live(records, now_ms()))
        await stage.caught_up()
        await stage.stop()
        refused = await _letters(stage)
        await worker.start()
        interrupted = await command(stage, "dead", "replay", "--reason", "rule_error", wait=False)
        await asyncio.sleep(0.8)
        if interrupted.returncode is None:
            interrupted.kill()
        await interrupted.wait()
        for _ in range(2):
            again = await command(stage, "dead", "replay", "--reason", "rule_error")
            assert again.returncode == 0
        left, report = await stage.exact()
        _counted_once(stage, left)
        return f"{refused} letters replayed three times; {report}"


async def bad_deploy(ground: Ground, *, records: int = 5000, seed: int = 161) -> str:
    """16, bad deploy: a rule fails for a fifth of the records: the worker stops itself; mended, it loses nothing."""
    async with ground.stage("bad-deploy") as stage:
        feed, worker = Feed(seed, stage.rules, users=200), stage.worker()
        broken = stage.rules.catalogue.types[1].name
        at_ms = now_ms()
        mixed = [feed.event(feed.user(), at_ms, name=broken if n % 5 == 0 else "page_view") for n in range(records)]
        await worker.start(STREAMS_FAULT_TYPE=broken)
        await stage.feed(mixed, per_s=2000)
        code = await worker.ended(60)
        assert code == 1, f"exit {code}:\n{worker.tail()}"
        said = [line for line in worker.text().splitlines() if "a rule raised for" in line]
        assert said, worker.tail()
        refused = await _letters(stage)
        assert refused <= max(stage.settings.worker.dead_rate_min, records // 20), refused
        await worker.start()
        _, report = await stage.exact()
        return f"stopped after {refused} letters: {said[0]}; {report}"


async def duplicates(ground: Ground, *, records: int = 8000, seed: int = 18) -> str:
    """18. A tenth resent in any order within 256 newer ids; then the group's offsets are set back to 0 and the worker starts again."""
    async with ground.stage("duplicates") as stage:
        feed, worker, chance = Feed(seed, stage.rules, users=300), stage.worker(), random.Random(seed)
        once = feed.live(records, now_ms(), resent=0.0, late=0.0, stray=0.0, anonymous=0.0)
        mixed = list(once)
        for n in sorted(chance.sample(range(records), records // 10), reverse=True):
            mixed.insert(min(len(mixed), n + chance.randint(1, 200)), once[n])
        await worker.start()
        await stage.feed(mixed)
        await stage.caught_up()
        await stage.stop()
        before = {p: head.rev for p, head in (await stage.heads()).items()}
        await _rewind_group(stage)
        await worker.start()
        await stage.feed(feed.live(100, now_ms()))
        _, report = await stage.exact()
        assert report.figures["duplicate"] >= records // 10
        after = {p: head.rev for p, head in (await stage.heads()).items()}
        assert all(after[p] < before[p] + 60 for p in before), "the topic was counted again"
        return f"{records // 10} resent, offsets set back to 0; {report}"


async def disorder(ground: Ground, *, records: int = 5000, seed: int = 19) -> str:
    """19. Records shuffled within five minutes: the same counters as in order."""
    async with ground.stage("disorder") as stage:
        feed, chance = Feed(seed, stage.rules, users=200), random.Random(seed)
        start_ms = now_ms() - 3_600_000
        ordered = [(start_ms + n * 600, n) for n in range(records)]
        mixed = [feed.event(feed.user(), at_ms) for at_ms, _ in sorted(ordered, key=lambda each: each[0] + chance.uniform(0, 300_000))]
        await stage.worker().start()
        await stage.feed(mixed)
        left, report = await stage.exact()
        _counted_once(stage, left)
        return str(report)


async def wrong_clocks(ground: Ground, *, records: int = 5000, seed: int = 20) -> str:
    """20. Devices a day fast or slow, in 2099, in 1970: refused or late as they are, and nobody else's time moves."""
    async with ground.stage("clocks") as stage:
        feed = Feed(seed, stage.rules, users=200)
        good = feed.live(records, now_ms(), late=0.0, resent=0.0)
        bad = [feed.event(f"wrong{n % 8}", now_ms() + off) for n, off in enumerate([DAY_MS, -DAY_MS] * 25)]
        bad += [feed.event("wrong-2099", 4_090_000_000_000) for _ in range(25)]
        bad += [feed.event("wrong-1970", 86_400_000) for _ in range(25)]
        mixed = [*good, *bad]
        random.Random(seed).shuffle(mixed)
        await stage.worker().start()
        await stage.feed(mixed)
        left, report = await stage.exact()
        reasons = Counter(line.header("dead-reason") for line in _lines(left, stage.rules.topics.dead))
        assert reasons == {"future": 50, "limit": 25}, reasons
        return f"{dict(reasons)}; {report}"


def _lines(left: Run, *topics: str) -> Iterable[Line]:
    return (line for (name, _), lines in left.logs.items() if name in topics for line in lines)


def _counted_once(stage: Stage, left: Run) -> None:
    """Every id that clients sent was counted once, or was late: by counting ids in the source logs, and nothing else."""
    wanted = {json.loads(line.value)["messageId"] for line in _lines(left, *stage.rules.topics.inputs[:2]) if line.value}
    counted = sum(head.fates.get("counted", 0) + head.fates.get("late", 0) for head in left.heads.values())
    late_twice = sum(head.fates.get("late", 0) for head in left.heads.values())
    assert len(wanted) <= counted <= len(wanted) + late_twice, (counted, len(wanted))


async def _letters(stage: Stage) -> int:
    left = await stage.result()
    names = [f"__connect.errors.{name}" for name in ("topic", "partition", "offset")]
    return len({tuple(map(line.header, names)) for line in _lines(left, stage.rules.topics.dead)})


async def command(stage: Stage, *arguments: str, wait: bool = True) -> asyncio.subprocess.Process:
    """`streams ...` on this stage."""
    env = {**os.environ, "STREAMS_BROKER": stage.broker, "STREAMS_REDIS": stage.redis_url, "STREAMS_CONFIG": str(stage.config)}
    with (stage.folder / "commands.log").open("ab") as out:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "streams", *arguments, cwd=ROOT, env=env, stdout=out, stderr=out
        )
    if wait:
        await process.wait()
    return process


async def _rewind_group(stage: Stage) -> None:
    """What an operator does who wants to consume everything again: the group's offsets are 0."""
    consumer = AIOKafkaConsumer(bootstrap_servers=stage.direct, group_id=stage.rules.app_id, enable_auto_commit=False)
    await consumer.start()
    try:
        places = [TopicPartition(topic, p) for topic in stage.rules.topics.inputs for p in range(stage.rules.partitions)]
        consumer.assign(places)

        async def committed() -> bool:
            try:
                await consumer.commit(dict.fromkeys(places, 0))
            except CommitFailedError:  # a static member counts as there until its session has run out
                return False
            return True

        await until("the group is empty and its offsets are 0", committed, every_s=0.5)
    finally:
        await consumer.stop()
