"""The events that were counted, in the order in which they were: read from the input topics and the journal, up to a revision."""

from collections import deque
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from streams.core.apart import unpacked
from streams.core.errands import Alias, Errand, Forwarded, Link, Merge, cause_of
from streams.core.headers import REROUTE_FROM, header
from streams.core.record import Coordinates, Event, Record
from streams.core.rules import Rules
from streams.errors import MissingHistory
from streams.flow import Flow
from streams.shell.scan import log_bounds, require_topics

__all__ = ["Arrived", "CountedLog", "Departed", "Item", "Journalled", "in_order", "moved"]

_QUIET_MS: Final = 1000


class Journalled(NamedTuple):
    """A step as the journal has it: offsets [from, to) by topic, and the (topic, offset) of what was not counted."""

    spans: Mapping[str, tuple[int, int]]
    apart: frozenset[tuple[str, int]]


class Departed(NamedTuple):
    """The state of `source` has left its partition because of the record at `place`."""

    source: str
    place: str


class Arrived(NamedTuple):
    """The state of `source` has come to its user `target`, by the record at `at`, sent because of the one at `place`."""

    source: str
    target: str
    place: str
    at: str


#: What is told of one partition, in its order.
Item = Event | Departed | Arrived


class CountedLog:
    """Reads one partition after another. Of one of them all records are in memory at a time, of all of them the events that were counted:
    a state that comes to one partition waits for the other one that it has left.

    begins_ms   when the first record was appended that the inputs still hold, if they have lost any; else None
    """

    def __init__(self, consumer: AIOKafkaConsumer, rules: Rules) -> None:
        self._consumer, self._rules, self._flow = consumer, rules, Flow(rules)
        self.begins_ms: int | None = None

    async def open(self) -> None:
        """`begins_ms` is known. Raises `ConfigError` when a topic does not exist."""
        topics = self._rules.topics
        self._topics = (*topics.inputs, topics.journal)
        await require_topics(self._consumer, self._topics)
        self._bounds = await log_bounds(self._consumer, self._topics, self._rules.partitions)
        for (topic, partition), (start, end) in self._bounds.items():
            if topic in topics.inputs and 0 < start < end:
                async for record in self._records(topic, partition, start + 1):
                    self.begins_ms = max(self.begins_ms or 0, record.timestamp)

    async def events(self, revs: Mapping[int, int]) -> AsyncIterator[Item]:
        """Every counted event of the steps below `revs` (partition -> revision), and every state that moved, in the order of each user: a
        state has left before it comes. Raises `MissingHistory` where the journal has a hole."""
        parts: list[list[Item]] = []
        for partition, rev in sorted(revs.items()):
            steps = await self._steps(partition, rev)
            logs: dict[str, list[ConsumerRecord]] = {}
            for topic in self._rules.topics.inputs:
                end = max((step.spans[topic][1] for step in steps if topic in step.spans), default=0)
                logs[topic] = [record async for record in self._records(topic, partition, end)]
            parts.append(self._partition(partition, steps, logs))
        for item in in_order(parts):
            yield item

    async def _steps(self, partition: int, rev: int) -> list[Journalled]:
        """The steps below `rev`, oldest first. A store that was rolled back takes steps again: the later lines hold."""
        topic = self._rules.topics.journal
        lines: dict[int, dict[str, Any]] = {}
        async for record in self._records(topic, partition, self._bounds[topic, partition][1]):
            line = msgspec.json.decode(record.value or b"{}")
            lines[line["rev"]] = line
        revs = [number for number in sorted(lines) if number < rev]
        if not revs and rev > 0 and self.begins_ms is None:
            raise MissingHistory(f"partition {partition}: the journal is empty, and {rev} steps were taken")
        if revs and revs != list(range(revs[0], rev)):
            raise MissingHistory(f"partition {partition}: the journal has a hole between revisions {revs[0]} and {rev}")
        return [_journalled(lines[number]) for number in revs]

    def _partition(self, partition: int, steps: list[Journalled], logs: Mapping[str, list[ConsumerRecord]]) -> list[Item]:
        counted: list[Item] = []
        errands: set[bytes | None] = set()
        inputs = self._rules.topics.inputs
        at = dict.fromkeys(inputs, 0)
        for step in steps:
            queues: list[list[ConsumerRecord]] = []
            for topic in inputs:
                start, to = step.spans.get(topic, (0, 0))
                log, taken = logs[topic], []
                while at[topic] < len(log) and log[at[topic]].offset < to:
                    if log[at[topic]].offset >= start:
                        taken.append(log[at[topic]])
                    at[topic] += 1
                queues.append(taken)
            # Of the topics' next records the one appended first; ties in the order of the topics.
            records = []
            while any(queues):
                queue = min((each for each in queues if each), key=lambda each: (each[0].timestamp, queues.index(each)))
                records.append(queue.pop(0))
            reading = self._flow.read(records, partition)
            for record, said, home in zip(records, reading.says, reading.homes, strict=True):
                if isinstance(said, Errand) and (sender := header(record, REROUTE_FROM)) not in errands:
                    errands.add(sender)
                    counted += moved(record, said)
                what = said.event if isinstance(said, Forwarded) else said if home == partition else None
                if not isinstance(what, Event) or (record.topic, record.offset) in step.apart:
                    continue
                counted.append(what)
        return counted

    async def _records(self, topic: str, partition: int, end: int) -> AsyncIterator[ConsumerRecord]:
        """The records of one log below `end`."""
        at = TopicPartition(topic, partition)
        start, last = self._bounds[topic, partition]
        end = min(end, last)
        if start >= end:
            return
        self._consumer.assign([at])
        self._consumer.seek(at, start)
        while await self._consumer.position(at) < end:
            for records in (await self._consumer.getmany(at, timeout_ms=_QUIET_MS)).values():
                for record in records:
                    if record.offset < end:
                        yield record


def moved(record: Record, errand: Errand) -> list[Item]:
    """What an errand may do to a state."""
    at = str(Coordinates(record.topic, record.partition, record.offset))
    if isinstance(errand, Merge):
        return [Arrived(errand.source, errand.user, cause_of(record), at)]
    return [Departed(errand.user, at)] if isinstance(errand, Link | Alias) else []


def in_order(parts: Sequence[Sequence[Item]]) -> Iterator[Item]:
    """The items of all partitions: those of each in their order, and a state comes after it has left. Of states only those are told that
    did move, and where they came to in the end."""
    queues = [deque(part) for part in parts]
    sent = {item.place for part in parts for item in part if isinstance(item, Arrived)}
    gone: set[str] = set()
    while any(queues):
        waiting = len(gone), sum(map(len, queues))
        for queue in queues:
            while queue and not (isinstance(queue[0], Arrived) and queue[0].place not in gone):
                item = queue.popleft()
                if isinstance(item, Departed):
                    gone.add(item.place)
                    if item.place not in sent:  # there was no state, or it stays
                        continue
                elif isinstance(item, Arrived) and item.at in sent:  # its user has gone elsewhere, and it was sent on
                    gone.add(item.at)
                    continue
                yield item
        if waiting == (len(gone), sum(map(len, queues))):  # the log does not hold what it was sent because of any more
            gone |= {queue[0].place for queue in queues if queue and isinstance(queue[0], Arrived)}


def _journalled(line: dict[str, Any]) -> Journalled:
    spans = {topic: (start, to) for topic, (start, to) in line["plan"]["spans"].items()}
    apart = {(each["topic"], each["offset"]) for each in line["apart"]}
    apart |= {(each.topic, each.offset) for each in unpacked(line.get("rest", {}), spans)}
    return Journalled(spans, frozenset(apart))
