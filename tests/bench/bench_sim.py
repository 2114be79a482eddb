"""How fast events are made and read: `python -m tests.bench.bench_sim`. Prints `bench NAME VALUE UNIT` on one core, the best of three."""

import csv
import tempfile
from collections import deque
from collections.abc import Callable, Iterable
from itertools import islice
from pathlib import Path
from time import process_time
from typing import Final

from streams.replay.mapping import AmountColumns, Mapping, TimeColumn
from streams.replay.sources import read
from streams.sim.uniform import uniform_events
from streams.sim.world import World

UNTIL_MS: Final = 1_764_000_000_000
EVENTS: Final = 200_000
RUNS: Final = 3


def _say(name: str, events: Callable[[], Iterable[object]], n: int) -> None:
    """The best rate of several runs, by CPU time: what others do on the machine does not count."""
    best = 0.0
    for _ in range(RUNS):
        begun = process_time()
        deque(events(), maxlen=0)
        best = max(best, n / (process_time() - begun))
    print(f"bench {name} {best:.0f} events/cpu-s")


def main() -> None:
    """The demo's history and live traffic, a load test's, plain events, and a CSV file by a mapping."""
    history = sum(1 for _ in World(7, 2000).history(90, UNTIL_MS))
    _say("sim_history_2000_users_90_days", lambda: World(7, 2000).history(90, UNTIL_MS), history)
    small, large = World(7, 2000), World(7, 100_000)
    _say("sim_live_2000_users", lambda: islice(small.live(UNTIL_MS, 1000), EVENTS), EVENTS)
    _say("sim_live_100000_users", lambda: islice(large.live(UNTIL_MS, 20_000), EVENTS), EVENTS)
    _say("sim_uniform", lambda: uniform_events(EVENTS, 20_000, 1, 30), EVENTS)
    mapping = Mapping(
        user="user",
        time=TimeColumn(column="at", unit="s"),
        event="event",
        amount=AmountColumns(columns=("pieces", "price")),
        properties={"sku": "sku"},
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "table.csv"
        with path.open("w", newline="") as file:
            table = csv.writer(file)
            table.writerow(["user", "at", "event", "pieces", "price", "sku"])
            table.writerows([i % 997, 1_700_000_000 + i, "Order Completed", i % 5, 3.95, f"p-{i % 101}"] for i in range(EVENTS))
        _say("replay_read_csv", lambda: read(path, mapping), EVENTS)


if __name__ == "__main__":
    main()
