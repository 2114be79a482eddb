"""What the business metrics cost in the core, A/B in one run: `python -m tests.bench.bench_business [events]`.

Two histories as in bench_core; every event has a country and a device, orders have ids. Steps of 8,000 events (a backlog) and of 20 (live).
One line per figure: `bench NAME VALUE UNIT`. `added` is CPU-seconds per million events on top of the fold.
"""

import random
import sys
from time import process_time_ns

from streams.core.business import Business
from streams.core.properties import Context, Properties
from streams.core.rules import DAY_MS
from streams.core.user import COMPILED, User
from tests.bench.bench_core import Event, best, history
from tests.business import shop_rules

_STEPS = {"backlog": 8_000, "live": 20}


def main(events: int) -> None:
    rules = shop_rules(page_categories=("shoes", "hats", "bags"))
    user, business = User(rules), Business(rules)
    how = "compiled" if COMPILED else "interpreted"
    draw = random.Random(5)
    contexts = [
        Context(country, device, "", source)
        for country in ("DE", "FR", "US") for device in ("ios", "desktop") for source in ("", "google")
    ]  # fmt: skip
    about = {10: [Properties(category=name) for name in ("shoes", "hats", "news")], 39: [Properties(order=str(n)) for n in range(500)]}
    for name, span_ms, users in (("sparse", 8 * DAY_MS, events // 10), ("dense", 2 * 3_600_000, events // 40)):
        log = history(events, users, span_ms)
        said = [(draw.choice(contexts), draw.choice(about.get(kind, [None]))) for _, kind, *_ in log]  # type: ignore[list-item]
        for step_name, size in _STEPS.items():
            costs = {}
            for counting in (False, True):
                costs[counting] = best(lambda: _run(user, business, log, said, size, counting))  # noqa: B023
            print(f"bench business_{how}_{name}_{step_name}_added {(costs[True] - costs[False]) / 1000:.3f} cpu_s_per_million")
        print(f"bench business_{how}_{name}_fold {costs[False] / 1000:.3f} cpu_s_per_million")


def _run(
    user: User, business: Business, log: list[Event], said: list[tuple[Context, Properties | None]], size: int, counting: bool
) -> float:
    states: dict[str, bytes] = {}
    start = process_time_ns()
    for number, ((key, kind, at_ms, id_hash, amount), (context, properties)) in enumerate(zip(log, said, strict=True)):
        if counting:
            business.mark()
        user.load(key, states.get(key))
        user.fold(kind, at_ms, id_hash, amount, 0, 3, number)
        if counting:
            business.count(user.activity, kind, at_ms, amount, user.weights[kind] > 0, properties, context)
        states[key] = user.dump()
        if counting and number % size == 0:
            business.take()
    if counting:
        business.take()
    return (process_time_ns() - start) / len(log)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 40_000)
