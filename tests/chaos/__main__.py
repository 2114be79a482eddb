"""`python -m tests.chaos [SCENARIO=n]`: the long forms, each on its own stage; prints `scenario N pass|fail figure` for each."""

import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from tests.chaos import aliasing, crashes, firms, identity, inputs, life, outages, simulation
from tests.chaos.ground import Ground
from tests.stack import Kafka, Redis

Scenario = Callable[[Ground], Awaitable[str]]

#: Number -> its long forms.
SCENARIOS: dict[str, tuple[Scenario, ...]] = {
    "2": (simulation.histories,),
    "3": (lambda ground: crashes.kills(ground, records=1_000_000, per_s=5000, every_s=(5, 10), times=20),),
    "4": (lambda ground: crashes.crash_points(ground, times=10),),
    "5": (lambda ground: crashes.moves(ground, records=300_000, per_s=5000, times=10),),
    "7": (crashes.zombie,),
    "8": (
        lambda ground: outages.broker_bounce(ground, bounces=5, down_s=15, records=200_000, per_s=1000),
        outages.broker_silent,
        outages.leader_killed,
    ),
    "9": (lambda ground: outages.redis_kills(ground, times=10, records=150_000, per_s=1500),),
    "11": (lambda ground: outages.redis_lost(ground, records=1_000_000), outages.retention_passed),
    "12": (outages.redis_full, outages.redis_refused),
    "14": (lambda ground: crashes.graceful_stop(ground, times=20),),
    "15": (lambda ground: inputs.poison(ground, records=100_000),),
    "16": (inputs.letters_replayed, inputs.bad_deploy),
    "18": (lambda ground: inputs.duplicates(ground, records=100_000),),
    "19": (lambda ground: inputs.disorder(ground, records=50_000),),
    "20": (lambda ground: inputs.wrong_clocks(ground, records=50_000),),
    "21": (life.hot_key,),
    "22": (lambda ground: life.bounded_state(ground, users=1_000_000),),
    "23": (lambda ground: life.silence(ground, users=10_000, kills=5),),
    "24": (
        lambda ground: identity.identity(ground, persons=3000, lives=(0, 1, 2, 3)),
        lambda ground: aliasing.aliasing(ground, persons=2000),
        lambda ground: firms.members_told(ground, times=5, users=300, days=60),
    ),
    "36": (life.configurations,),
}


async def main(wanted: list[str]) -> int:
    """0 when all of `wanted` pass."""
    failed = 0
    with tempfile.TemporaryDirectory(prefix="chaos-") as place:
        folder = Path(place)
        kafka, redis = Kafka(folder / "kafka"), Redis(folder / "redis")
        try:
            await kafka.started()
            await redis.started()
            for number in wanted:
                for part, scenario in enumerate(SCENARIOS[number]):
                    failed += not await _one(number, scenario, Ground(kafka, redis, folder / f"scenario-{number}-{part}"))
        finally:
            kafka.kill()
            redis.kill()
    return 1 if failed else 0


async def _one(number: str, scenario: Scenario, ground: Ground) -> bool:
    start_s = time.monotonic()
    try:
        figure, passed = await scenario(ground), True
    except AssertionError as why:
        figure, passed = str(why), False
    print(f"scenario {number} {'pass' if passed else 'fail'} {time.monotonic() - start_s:.0f} s: {figure}", flush=True)
    return passed


def _wanted(arguments: list[str]) -> list[str]:
    """`SCENARIO=3` or `3` on the command line, or in the environment; none: all."""
    named = [argument.removeprefix("SCENARIO=") for argument in arguments] or os.environ.get("SCENARIO", "").replace(",", " ").split()
    unknown = [name for name in named if name not in SCENARIOS]
    if unknown:
        sys.exit(f"no such scenario: {', '.join(unknown)}; there are {', '.join(SCENARIOS)}")
    return named or list(SCENARIOS)


if __name__ == "__main__":
    sys.exit(asyncio.run(main(_wanted(sys.argv[1:]))))
