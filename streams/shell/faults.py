"""Deaths on demand: `STREAMS_CRASH_AT=after_publish:17` kills the process the 17th time it gets there, so that a crash is a test case.

Points: after_plan, after_step, in_sweep, mid_publish, between_topics, after_publish, mid_save, after_save, before_ack.
`hold=<point>:<n>` in place of a death
stops the process there (SIGSTOP), for zombies. `STREAMS_FAULT_TYPE=<catalogue name>` makes the fold of that event type raise: a bad
deploy.
Read once at start; without these variables nothing of this file runs.
"""

import os
import signal
from collections.abc import Callable, Mapping, Sequence

from streams.core.record import Head, Outcome, Outgoing, Plan
from streams.core.rules import Rules
from streams.errors import ConfigError
from streams.flow import Fold
from streams.shell.ports import Publisher, Store

__all__ = ["POINTS", "Reach", "faulty_fold", "faulty_publisher", "faulty_store", "reach_from"]

POINTS = (
    "after_plan",
    "after_step",
    "in_sweep",
    "mid_publish",
    "between_topics",
    "after_publish",
    "mid_save",
    "after_save",
    "before_ack",
)

Reach = Callable[[str], None]


def reach_from(env: Mapping[str, str]) -> Reach | None:
    """What to call at each point; None when nothing is asked for."""
    text = env.get("STREAMS_CRASH_AT") or env.get("STREAMS_HOLD_AT")
    if not text:
        return None
    point, _, number = text.partition(":")
    if point not in POINTS:
        raise ConfigError(f"no such point: {point}; there are {', '.join(POINTS)}", file="STREAMS_CRASH_AT")
    left = int(number or 1)
    sign = signal.SIGKILL if env.get("STREAMS_CRASH_AT") else signal.SIGSTOP

    def reach(name: str) -> None:
        nonlocal left
        if name == point:
            left -= 1
            if left == 0:
                os.kill(os.getpid(), sign)

    return reach


class _FaultyPublisher:
    """Publishes in two halves, with the points in between."""

    def __init__(self, publisher: Publisher, reach: Reach) -> None:
        self._publisher, self._reach = publisher, reach

    async def publish(self, outputs: Sequence[Outgoing]) -> None:
        for outputs_of_topic in _by_topic(outputs):
            half = (len(outputs_of_topic) + 1) // 2
            await self._publisher.publish(outputs_of_topic[:half])
            self._reach("mid_publish")
            await self._publisher.publish(outputs_of_topic[half:])
            self._reach("between_topics")


class _FaultyStore:
    """Everything as the store does it, but a save may be sent and its answer never read."""

    def __init__(self, store: Store, reach: Reach) -> None:
        self._store, self._reach = store, reach

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)

    async def save(self, head: Head, plan: Plan, outcome: Outcome) -> Head:
        after = await self._store.save(head, plan, outcome)
        self._reach("mid_save")  # done in the store, unknown to the lane
        return after


def faulty_publisher(publisher: Publisher, reach: Reach | None) -> Publisher:
    return publisher if reach is None else _FaultyPublisher(publisher, reach)


def faulty_store(store: Store, reach: Reach | None) -> Store:
    return store if reach is None else _FaultyStore(store, reach)  # type: ignore[return-value]


def faulty_fold(rules: Rules, env: Mapping[str, str]) -> Callable[[Fold], Fold] | None:
    """What makes the rule for one event type raise; None when nothing is asked for."""
    name = env.get("STREAMS_FAULT_TYPE")
    if not name:
        return None
    ids = [entry.id for entry in rules.catalogue.types if entry.name == name]
    if not ids:
        raise ConfigError(f"no event type is called {name}", file="STREAMS_FAULT_TYPE")

    def broken(fold: Fold) -> Fold:
        def raising(type_id: int, *event: int) -> int:
            if type_id == ids[0]:
                raise ArithmeticError("planted by STREAMS_FAULT_TYPE")
            return fold(type_id, *event)

        return raising

    return broken


def _by_topic(outputs: Sequence[Outgoing]) -> list[list[Outgoing]]:
    topics: dict[str, list[Outgoing]] = {}
    for output in outputs:
        topics.setdefault(output.topic, []).append(output)
    return list(topics.values())
