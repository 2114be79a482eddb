"""What one event costs in the core: `python -m tests.bench.bench_core [events]`; compiled where a compiled core is, interpreted always.

Two histories: `sparse` (8 days, about four in ten events begin an active day) and `dense` (two hours). One line per figure:
`bench NAME VALUE UNIT`.
"""

import os
import random
import subprocess
import sys
from collections.abc import Callable
from itertools import count
from time import process_time_ns

from streams.core.record import Fate
from streams.core.rules import DAY_MS, Catalogue, EventType, Rules

#: user, type id, at_ms, id hash, amount
Event = tuple[str, int, int, int, int]

_START_MS = 20_000 * DAY_MS
_REPEATS = 3
_RECORDS = 20


def rules() -> Rules:
    """A shop's catalogue in small."""
    names = {
        10: ("page_view", 1.0),
        32: ("product_clicked", 1.0),
        33: ("product_viewed", 1.5),
        34: ("product_added", 3.0),
        100: ("email_send", 0.0),
    }
    types = [EventType(id=number, name=name, weight=weight) for number, (name, weight) in names.items()]
    types.append(EventType(id=39, name="order_completed", weight=10.0, amount="revenue"))
    return Rules(version="bench", app_id="bench", partitions=12, catalogue=Catalogue(types=tuple(types)))


def history(events: int, users: int, span_ms: int) -> list[Event]:
    """`events` events of `users` users over `span_ms`, in the order of time."""
    draw = random.Random(7)
    kinds = (10, 10, 10, 32, 33, 33, 34, 100, 39)
    moments = sorted(_START_MS + draw.randrange(span_ms) for _ in range(events))
    made: list[Event] = []
    for at_ms in moments:
        kind = draw.choice(kinds)
        made.append((f"user-{draw.randrange(users)}", kind, at_ms, draw.getrandbits(64), draw.randrange(1000, 20_000) if kind == 39 else 0))
    return made


def best(measure: Callable[[], float]) -> float:
    """The least of a few CPU times: what the machine does when nobody else wants it."""
    return min(measure() for _ in range(_REPEATS))


def main(events: int) -> None:
    from streams.core.score import score_record
    from streams.core.user import COMPILED, User

    how = "compiled" if COMPILED else "interpreted"
    mine = rules()
    user = User(mine)
    for name, span_ms, users in (("sparse", 8 * DAY_MS, events // 10), ("dense", 2 * 3_600_000, events // 40)):
        log = history(events, users, span_ms)
        states: dict[str, bytes] = {}

        def step(log: list[Event] = log, states: dict[str, bytes] = states) -> float:
            states.clear()
            offsets = count()
            start = process_time_ns()
            for key, kind, at_ms, id_hash, amount in log:
                user.load(key, states.get(key))
                if user.fold(kind, at_ms, id_hash, amount, 0, 3, next(offsets)) == Fate.COUNTED:
                    states[key] = user.dump()
            return (process_time_ns() - start) / len(log)

        def rest(states: dict[str, bytes] = states) -> float:
            start = process_time_ns()
            for key, blob in states.items():
                user.load(key, blob)
                user.dump()
            return (process_time_ns() - start) / len(states)

        def speak(states: dict[str, bytes] = states) -> float:
            spent = 0
            for key, blob in states.items():
                user.load(key, blob)
                start = process_time_ns()  # a system call, hence several records to one
                for rev in range(_RECORDS):
                    score_record(user, mine, cause="event", as_of_ms=user.newest_ms, due_ms=None, rev=rev)
                spent += process_time_ns() - start
            return spent / len(states) / _RECORDS

        print(f"bench core_{how}_{name}_load_fold_dump {best(step):.0f} ns/event")
        print(f"bench core_{how}_{name}_load_dump {best(rest):.0f} ns/user")
        print(f"bench core_{how}_{name}_score_record {best(speak):.0f} ns/record")
        print(f"bench core_{how}_{name}_state {sum(map(len, states.values())) / len(states):.0f} bytes/user")
    if COMPILED:
        # The switch of tests/conftest.py acts before the first import only, so the other half runs in a process of its own.
        again = [sys.executable, "-c", f"import tests.conftest, tests.bench.bench_core as bench; bench.main({events // 10})"]
        subprocess.run(again, env=os.environ | {"STREAMS_INTERPRETED": "1"}, check=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 40_000)
