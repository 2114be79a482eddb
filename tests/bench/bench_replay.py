"""Half a million real events through Kafka, and an independent recount of every user.

    python tests/bench/bench_replay.py

`streams replay` sends MathOverflow's answers and comments of six years into the topics, in their own time; a worker counts them. Then
every user's lifetime
counters and windows are compared with a recount that knows only the file: plain dicts, no code of ours.
"""

import asyncio
import os
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any, Final

import pyarrow.parquet as parquet
import redis.asyncio as aioredis
import uvloop
import yaml

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from streams.core.user import User
from streams.shell.heads import Keys
from tests.chaos.harness import ROOT, Stage
from tests.stack import Kafka, Redis

DATA: Final = Path(os.environ.get("STREAMS_EVALUATION_DATA", ROOT.parent / "shared" / "data")) / "mathoverflow_events.parquet"
#: Three types, so that the recount is by type; ids that the shipped catalogue does not use.
TYPES: Final = {
    "answer": (201, "answer_given"),
    "comment_on_answer": (202, "answer_commented"),
    "comment_on_question": (203, "question_commented"),
}
#: Window -> (panes, pane width in seconds), as documented.
WINDOWS: Final = {"5m": (5, 60), "1h": (60, 60), "24h": (24, 3600), "7d": (7, 86_400), "30d": (30, 86_400)}


def recount() -> dict[str, dict[str, Counter[int]]]:
    """User -> window (or "lifetime") -> type id -> count, as of the user's newest event."""
    table = parquet.read_table(DATA, columns=["ts", "user_id", "event_type"]).to_pylist()
    events: dict[str, list[tuple[int, int]]] = {}
    for row in table:
        events.setdefault(f"mo-{row['user_id']}", []).append((row["ts"], TYPES[row["event_type"]][0]))
    counts = {}
    for user, own in events.items():
        newest = max(ts for ts, _ in own)
        counts[user] = {"lifetime": Counter(kind for _, kind in own)}
        for name, (panes, width) in WINDOWS.items():
            first = newest // width - panes + 1
            counts[user][name] = Counter(kind for ts, kind in own if ts // width >= first)
    return counts


async def compare(stage: Stage, wanted: dict[str, dict[str, Counter[int]]]) -> tuple[int, int]:
    """Users in Redis, and how many differ from the recount in anything (or are missing)."""
    user, wrong, seen = User(stage.rules), 0, set()
    client: Any = aioredis.from_url(stage.direct_redis)
    for p in range(stage.rules.partitions):
        for key, blob in (await client.hgetall(Keys.of(stage.rules.app_id, p).users)).items():
            name = key.decode()
            seen.add(name)
            user.load(name, blob)
            got = {"lifetime": user.lifetime(), **{window: user.counts(window, user.newest_ms) for window in WINDOWS}}
            own = wanted.get(name, {})
            wrong += any({k: n for k, n in counts.items() if k >= 10} != dict(own.get(window, {})) for window, counts in got.items())
    await client.aclose()
    return len(seen), wrong + len(wanted.keys() - seen)


async def main() -> None:
    if not DATA.exists():
        print(f"NOT RUN: there is no {DATA}")
        return
    catalogue = yaml.safe_load((ROOT / "config" / "catalogue.yaml").read_text())
    types = [*catalogue["types"], *({"id": number, "name": name} for number, name in TYPES.values())]
    overrides = {
        "catalogue.yaml": {"types": types},
        "topics.yaml": {"partitions": 12},
        # People who came back after years are still the same people to the recount. (With the wall clock back they would all have expired.)
        "streams.yaml": {"state": {"ttl_days": 3650}, "worker": {"max_batch_records": 8000}},
    }
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        kafka, redis = Kafka(folder / "kafka"), Redis(folder / "redis")
        try:
            redis.start()
            kafka.start()
            async with Stage("mathoverflow", folder, broker=kafka.bootstrap, redis_url=redis.url, overrides=overrides) as stage:
                worker = await stage.worker().start()
                start_s = time.monotonic()
                command = ["replay", str(DATA), "--mapping", str(ROOT / "config" / "examples" / "mathoverflow.yaml"), "--keep-event-clock"]
                env = {"STREAMS_BROKER": kafka.bootstrap, "STREAMS_REDIS": redis.url, "STREAMS_CONFIG": str(stage.config)}
                replay = await asyncio.create_subprocess_exec(
                    sys.executable, "-m", "streams", *command, cwd=ROOT, env={**os.environ, **env}
                )
                assert await replay.wait() == 0
                sent_s = time.monotonic() - start_s
                await stage.caught_up(600)
                took_s = time.monotonic() - start_s
                events = sum(head.fates["counted"] for head in (await stage.heads()).values())
                assert worker.alive, worker.tail()
                await stage.stop()
                users, wrong = await compare(stage, recount())
        finally:
            kafka.kill()
            redis.kill()
    print(f"bench replay_events {events} 1")
    print(f"bench replay_sent_wall_s {sent_s:.1f} s")
    print(f"bench replay_wall_s {took_s:.1f} s")
    print(f"bench replay_events_per_s {events / took_s:.0f} 1/s")
    print(f"bench replay_users {users} 1")
    print(f"bench replay_users_that_differ_from_a_recount {wrong} 1")
    assert wrong == 0


if __name__ == "__main__":
    uvloop.run(main())
