"""What the store costs: our CPU and the time on the wall, per call and per user, for steps of several sizes.

    python tests/bench/bench_store.py            a Redis of its own on a free port, about 20 s
    python tests/bench/bench_store.py --compare  also the same save through `execute_command` of redis-py

Prints medians of seven rounds; CPU is that of this process.
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import redis.asyncio
import uvloop

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from streams.core.record import Head, Outcome, Plan
from streams.shell.redislink import RedisLink, Request, Script
from streams.shell.store import PartitionStore
from tests.stack import Redis

STATE = bytes(range(256)) * 2 + b"x" * 88  # 600 bytes, a typical state
FIRST = Head(0, "me", 0, {"clicks": 0}, None, -1, "wall", {}, {})
ROUNDS = 7

T = TypeVar("T")


def step_of(head: Head, users: int) -> tuple[Plan, Outcome]:
    """A step that touches `users` users; for half of them the due time moves."""
    keys = [f"user-{n:012d}" for n in range(users)]
    due: dict[str, int | None] = {key: 1_800_000_000_000 + n for n, key in enumerate(keys[::2])}
    outcome = Outcome(users=dict.fromkeys(keys, STATE), due=due, outputs=[], fates=[users, 0, 0, 0, 0, 0, 0], guards={}, rejects={})
    at = head.positions["clicks"]
    plan = Plan(head.rev, {"clicks": (at, at + users)}, 1_700_000_000_000, 1_700_000_000_000, "wall", "r", "prior", 500)
    return plan, outcome


class Stopwatch:
    """Sums up what stretches of work took: seconds on the wall, and of our CPU."""

    def __init__(self) -> None:
        self.wall_s = self.cpu_s = 0.0

    async def of(self, work: Awaitable[T]) -> T:
        wall_s, cpu_s = time.perf_counter(), time.process_time()
        done = await work
        self.wall_s += time.perf_counter() - wall_s
        self.cpu_s += time.process_time() - cpu_s
        return done


async def rounds(name: str, users: int, once: Callable[[Stopwatch], Awaitable[None]]) -> None:
    """Prints the medians."""
    calls = max(3, min(300, 60_000 // users))
    watches = [Stopwatch() for _ in range(ROUNDS)]
    for watch in watches:
        for _ in range(calls):
            await once(watch)
    wall_us = statistics.median(watch.wall_s for watch in watches) / calls * 1e6
    cpu_us = statistics.median(watch.cpu_s for watch in watches) / calls * 1e6
    print(f"{name:24s} {users:5d} users   wall {wall_us:8.0f} us   cpu {cpu_us:8.0f} us, {cpu_us / users:6.2f} us per user")


async def bench(server: Redis, users: int) -> None:
    store = PartitionStore(f"bench-{users}", server.url)
    head = await store.create(FIRST)

    async def ask_for_all(watch: Stopwatch) -> None:
        nonlocal head
        plan, outcome = step_of(head, users)
        await watch.of(store.plan(head, plan, list(outcome.users)))
        head = await store.save(head, plan, outcome)

    async def ask_for_none(watch: Stopwatch) -> None:
        nonlocal head
        plan, outcome = step_of(head, users)
        await watch.of(store.plan(head, plan, []))
        head = await store.save(head, plan, outcome)

    async def save(watch: Stopwatch) -> None:
        nonlocal head
        plan, outcome = step_of(head, users)
        await store.plan(head, plan, [])
        head = await watch.of(store.save(head, plan, outcome))

    await rounds("plan, all to be loaded", users, ask_for_all)
    await rounds("plan, all cached", users, ask_for_none)
    await rounds("save", users, save)
    await store.close()


async def compare(server: Redis, users: int) -> None:
    """The arguments of a save, sent both ways to a script that does not look at them."""
    link, client = RedisLink(server.url), redis.asyncio.Redis.from_url(server.url, protocol=2)
    script, keys = Script("look"), (b"{compare}:head", b"{compare}:due")
    _, outcome = step_of(FIRST, users)
    await link.run(Request(script, keys))  # loads it

    async def ours() -> None:
        request = Request(script, keys)
        request.add_pairs((key.encode(), state) for key, state in outcome.users.items() if state is not None)
        request.add_pairs((b"%d" % at_ms, key.encode()) for key, at_ms in outcome.due.items() if at_ms is not None)
        await link.run(request)

    async def theirs() -> None:
        arguments: list[bytes | str | int | None] = []
        for key, state in outcome.users.items():
            arguments += (key, state)
        for key, at_ms in outcome.due.items():
            arguments += (at_ms, key)
        await client.execute_command("EVALSHA", script.sha, len(keys), *keys, *arguments)  # type: ignore[no-untyped-call]

    await rounds("  packed by us", users, lambda watch: watch.of(ours()))
    await rounds("  by execute_command", users, lambda watch: watch.of(theirs()))
    await link.close()
    await client.aclose()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--compare", action="store_true")
    with_comparison = parser.parse_args().compare
    with tempfile.TemporaryDirectory() as folder:
        server = Redis(Path(folder)).start()
        try:
            for users in (1, 50, 1000, 8000):
                uvloop.run(bench(server, users))
                if with_comparison:
                    uvloop.run(compare(server, users))
        finally:
            server.kill()


if __name__ == "__main__":
    main()
