"""All partitions of a small deployment, taken step by step without lanes, store or Kafka: what one sends, another reads."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

from streams.core.envelope import rfc3339
from streams.core.identity import home_partition
from streams.core.record import FATES, Head, Outcome, Output, Plan
from streams.core.user import User
from streams.flow import Flow
from tests.unit.records import CAMPAIGNS, CLICKS, REROUTED, FakeRecord

__all__ = ["Partitions", "call"]


def call(kind: str, at_ms: int, *, ident: str, name: str | None = None, properties: dict[str, Any] | None = None, **ids: str) -> bytes:
    """An event as a tracker sends it; `ids`: userId, anonymousId, previousId."""
    said = {"type": kind, "event": name, "messageId": ident, "timestamp": rfc3339(at_ms), "properties": properties or {}, **ids}
    return json.dumps({key: value for key, value in said.items() if value is not None}).encode()


class Partitions:
    """Rows, queues and heads of every partition, and the logs of the input topics."""

    def __init__(self, flow: Flow) -> None:
        self.flow, self.rules = flow, flow.rules
        topics = (CLICKS, CAMPAIGNS, REROUTED)
        self.logs: dict[tuple[str, int], list[FakeRecord]] = {(t, p): [] for t in topics for p in range(self.rules.partitions)}
        self.rows: list[dict[str, bytes]] = [{} for _ in range(self.rules.partitions)]
        self.queues: list[dict[str, int]] = [{} for _ in range(self.rules.partitions)]
        self.heads = [Head(p, "me", 0, dict.fromkeys(topics, 0), None, -1, "wall", {}, {}) for p in range(self.rules.partitions)]
        self.outputs: list[Output] = []
        self.fates = dict.fromkeys(FATES, 0)
        self.sums: dict[tuple[str, str], int] = {}

    def home(self, raw_id: str) -> int:
        return home_partition(raw_id, self.rules.partitions)

    def append(self, value: bytes, at_ms: int, partition: int, topic: str = CLICKS, headers: Sequence[tuple[str, bytes]] = ()) -> None:
        log = self.logs[topic, partition]
        log.append(FakeRecord(topic, partition, len(log), at_ms, b"key", value, headers))

    def step(self, partition: int, now_ms: int, limit: int = 1000) -> Outcome | None:
        """The next records of a partition, at most `limit` of each topic, in lane order; None when there are none."""
        head = self.heads[partition]
        spans, records = {}, []
        for topic in self.rules.topics.inputs:
            start = head.positions[topic]
            taken = self.logs[topic, partition][start : start + limit]
            spans[topic] = (start, start + len(taken))
            records += taken
        if not records:
            return None
        order = {topic: rank for rank, topic in enumerate(self.rules.topics.inputs)}
        records.sort(key=lambda each: (each.timestamp, order[each.topic], each.offset))
        return self._take(partition, records, spans, max(head.time_ms, records[-1].timestamp - 1), now_ms)

    def sweep(self, now_ms: int) -> None:
        """Every timer up to `now_ms` has fired, everywhere."""
        for partition in range(self.rules.partitions):
            while any(at <= now_ms for at in self.queues[partition].values()):
                self._take(partition, [], {}, now_ms, now_ms)

    def run(self, now_ms: int, limit: int = 1000) -> None:
        """Everything is read, everywhere."""
        while any(self.step(partition, now_ms, limit) for partition in range(self.rules.partitions)):
            pass

    def _take(self, partition: int, records: Sequence[FakeRecord], spans: dict[str, tuple[int, int]], time_ms: int, now_ms: int) -> Outcome:
        head, rows, queue = self.heads[partition], self.rows[partition], self.queues[partition]
        reading = self.flow.read(records, partition)
        plan = Plan(head.rev, spans, time_ms, now_ms, reading.clock(head.clock), self.rules.version, "prior", 100)
        due = [key for at, key in sorted((at, key) for key, at in queue.items()) if at <= plan.timers_ms][:100]
        outcome = self.flow.step(plan, reading, head, {key: rows.get(key) for key in [*reading.keys, *due]}, due)
        assert sum(outcome.fates) == len(records)
        for key, blob in outcome.users.items():
            rows.pop(key, None)
            if blob is not None:
                rows[key] = blob
        for key, at_ms in outcome.due.items():
            queue.pop(key, None)
            if at_ms is not None:
                queue[key] = at_ms
        positions = head.positions | {topic: to for topic, (_, to) in spans.items()}
        self.heads[partition] = Head(partition, "me", head.rev + 1, positions, None, time_ms, plan.clock, outcome.guards, {})
        for name, n in zip(FATES, outcome.fates, strict=True):
            self.fates[name] += n
        for hash_ in outcome.sums:
            for field, n in hash_.fields.items():
                self.sums[hash_.name, field] = self.sums.get((hash_.name, field), 0) + n
        self.publish(outcome.outputs, now_ms)
        return outcome

    def publish(self, outputs: Iterable[Output], now_ms: int) -> None:
        for output in outputs:
            self.outputs.append(output)
            if output.topic == REROUTED:
                self.append(output.value or b"", now_ms, output.partition, REROUTED, output.headers)

    # -- what came of it --------------------------------------------------------------------------------------------

    def row(self, key: str) -> bytes | None:
        return self.rows[self.home(key.removeprefix("anon:"))].get(key)

    def user(self, key: str) -> User:
        user = User(self.rules)
        row = self.row(key)
        assert row is not None, f"no row {key}"
        user.load(key, row)
        return user

    def said(self, topic: str, key: str | None = None) -> list[Any]:
        """The records of an output topic, as JSON; None for a tombstone."""
        outputs = [each for each in self.outputs if each.topic == f"engagement.{topic}.v1"]
        wanted = None if key is None else key.encode()
        return [json.loads(each.value) if each.value else None for each in outputs if wanted in (None, each.key)]
