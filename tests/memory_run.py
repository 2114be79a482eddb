"""A whole run without services: the real flow on logs in memory and a store that is a dictionary. What it leaves, the checker can judge."""

import random
from collections.abc import Callable, Sequence

from streams.core.record import Head, Output, Plan
from streams.core.rules import Rules
from streams.flow import Flow
from streams.shell.buffer import Buffer
from streams.shell.ports import Batch, Caught
from tests.check import HeadView, Run
from tests.feed import Sent
from tests.logs import Line
from tests.memory_store import MemoryStore

__all__ = ["MemoryRun"]

Tamper = Callable[[list[Line]], list[Line]]


class MemoryRun:
    """Logs that grow, and one lane after another that folds them, step by step, by chance in small steps and large ones."""

    def __init__(self, rules: Rules, seed: int, now_ms: int) -> None:
        self.rules, self.random, self.now_ms = rules, random.Random(seed), now_ms
        topics = rules.topics
        named = (*topics.inputs, topics.scores, topics.accounts, topics.alerts, topics.dead, topics.journal)
        self.logs: dict[tuple[str, int], list[Line]] = {(topic, p): [] for topic in named for p in range(rules.partitions)}
        self.store = MemoryStore(rules.app_id)
        self.flow = Flow(rules)

    def append(self, record: Sent | Output) -> None:
        """The log holds the record, stamped with the time of the run."""
        log = self.logs[record.topic, record.partition]
        log.append(Line(record.topic, record.partition, len(log), self.now_ms, record.key, record.value, tuple(record.headers)))

    def feed(self, records: Sequence[Sent], *, step_ms: int = 1) -> None:
        for record in records:
            self.now_ms += self.random.randint(0, 2 * step_ms)
            self.append(record)

    async def drain(self, tamper: Tamper = lambda lines: lines) -> None:
        """Everything is folded, reroutes of reroutes too. `tamper` may change what a step reads: that is how a run goes wrong."""
        while await self._round(tamper):
            pass

    async def _round(self, tamper: Tamper) -> bool:
        busy = False
        for p in range(self.rules.partitions):
            while await self._step(p, tamper):
                busy = True
        return busy

    async def _step(self, p: int, tamper: Tamper) -> bool:
        head = await self.store.head(p)
        if head is None:
            positions = dict.fromkeys(self.rules.topics.inputs, 0)
            head = await self.store.create(Head(p, "memory", 0, positions, None, -1, "wall", {}, {}))
        self.now_ms += 1
        buffer = Buffer({topic: head.positions[topic] for topic in self.rules.topics.inputs}, 0)
        for topic in self.rules.topics.inputs:
            log, at = self.logs[topic, p], head.positions[topic]
            buffer.add(Batch(topic, at, len(log), 0, log[at:]))
        buffer.note({topic: Caught(len(self.logs[topic, p]), self.now_ms) for topic in self.rules.topics.inputs})
        taken = buffer.take(self.random.choice((1, 7, 50, 400)))
        reading = self.flow.read(tamper(list(taken.records)), p)  # type: ignore[arg-type]
        clock = reading.clock(head.clock)
        time_ms = reading.newest_ms() - 1 if clock == "event" else buffer.time_ms(taken, 0)
        time_ms = max(min(time_ms, self.now_ms), head.time_ms)
        if not taken.records and head.next_due_ms > time_ms:
            return False
        plan = Plan(head.rev, taken.spans, time_ms, self.now_ms, clock, self.rules.version, "prior", 500)
        loaded = await self.store.plan(head, plan, reading.keys)
        outcome = self.flow.step(plan, reading, head, loaded.users, loaded.due)
        for output in outcome.outputs:
            self.append(output)
        await self.store.save(head, plan, outcome)
        return True

    def result(self) -> Run:
        """What the run left behind."""
        heads: dict[int, HeadView] = {}
        for p in range(self.rules.partitions):
            head = self.store.peek(p)
            if head is not None:
                heads[p] = HeadView(head.rev, head.positions, head.fates, head.plan is not None)
        logs = {place: list(lines) for place, lines in self.logs.items()}
        return Run(logs, heads, {p: dict(self.store.rows(p)) for p in heads}, {p: dict(self.store.sums(p)) for p in heads})
