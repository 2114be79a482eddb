"""What became of each record: the last records of the input topics and the last lines of the journal, each found by the other.

Pure: records in, answers out, in whatever order the two come. Bounded by a number of records and lines.
"""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, Final

import msgspec

from streams.core.apart import Rest, unpacked
from streams.core.envelope import rfc3339
from streams.core.errands import Errand, errand_of
from streams.core.event import Decoder
from streams.core.headers import REROUTE_ORIGIN, header
from streams.core.identity import ANONYMOUS, home_partition
from streams.core.record import Apart, Coordinates, Event, Record, Rejected
from streams.core.rules import Rules

__all__ = ["Met", "Passed", "Seen", "Trail", "Watcher"]

#: Of a record that is longer, the rest is not shown.
_BODY_BYTES: Final = 4096
#: Records that a watcher is shown a second: more are not read by anybody, and each one costs a browser a row.
_PER_SECOND: Final = 10
#: Records whose fate a watcher waits for.
_PENDING: Final = 500


class Seen(msgspec.Struct, frozen=True):
    """A record of an input topic, and what its bytes say.

    coordinates  topic/partition/offset
    origin       where it was first appended, when it was sent on since; else the same as `coordinates`
    verdict      valid | rejected | control: what the worker will see in it, by the same rules
    reason, at   why it is rejected: a reason of docs/wire.md, and a JSON path
    type         its name in the catalogue, when it is valid
    cut          whether `body` is only its beginning
    """

    coordinates: str
    origin: str
    appended_at: str
    bytes: int
    body: str
    cut: bool
    verdict: str
    reason: str
    at: str
    user_id: str | None
    type: str | None
    event_at: str | None
    amount_minor: int
    home: int | None


class Met(msgspec.Struct, frozen=True):
    """What became of a record in step `rev` of its partition, which was planned at `planned_at`. Of very many that one step did not count,
    only the first are told with a reason."""

    coordinates: str
    fate: str
    reason: str
    at: str
    rev: int
    planned_at: str


class Passed(msgspec.Struct, frozen=True):
    """How many records went by and were not shown, because there were too many."""

    records: int


class _Step(msgspec.Struct, frozen=True):
    """The fields of a plan that are looked at."""

    spans: Mapping[str, tuple[int, int]]
    now_ms: int


class _Line(msgspec.Struct, frozen=True):
    """The fields of a journal line that are looked at."""

    rev: int
    plan: _Step
    fates: Mapping[str, int]
    apart: Sequence[Apart]
    rest: Rest = {}

    def met(self, partition: int, topic: str, offset: int) -> Met | None:
        """What this step did to a record; None when it is not one of its own."""
        first, end = self.plan.spans.get(topic, (0, 0))
        if not first <= offset < end:
            return None
        others = chain(self.apart, unpacked(self.rest, self.plan.spans))
        apart = next((each for each in others if each.offset == offset and each.topic == topic), Apart(topic, offset, "counted"))
        place = str(Coordinates(topic, partition, offset))
        return Met(place, apart.fate, apart.reason, apart.at, self.rev, rfc3339(self.plan.now_ms))


class Trail:
    """Keeps the last records and lines, and tells every watcher."""

    def __init__(self, rules: Rules, *, most_records: int = 500, most_lines: int = 500) -> None:
        self._rules, self._most_lines = rules, most_lines
        self._decoder = Decoder(rules)
        self._names = {entry.id: entry.name for entry in rules.catalogue.types}
        self._decode = msgspec.json.Decoder(_Line).decode
        self._records: deque[Record] = deque(maxlen=most_records)
        self._lines: dict[int, deque[_Line]] = {}
        self._watchers: list[Watcher] = []

    def watch(self, watcher: "Watcher") -> None:
        """`watcher` is told of the last records and of all that come."""
        for record in list(self._records):
            watcher.record(record, self)
        self._watchers.append(watcher)

    def leave(self, watcher: "Watcher") -> None:
        if watcher in self._watchers:
            self._watchers.remove(watcher)

    def record(self, record: Record) -> None:
        """One more record of an input topic."""
        self._records.append(record)
        for watcher in self._watchers:
            watcher.record(record, self)

    def line(self, partition: int, value: bytes) -> None:
        """One more journal line. Raises `msgspec.DecodeError` for bytes that are none."""
        line = self._decode(value)
        self._lines.setdefault(partition, deque(maxlen=self._most_lines)).append(line)
        for watcher in self._watchers:
            watcher.line(partition, line)

    def met(self, record: Record) -> Met | None:
        """What became of a record, as far as the lines that are kept say."""
        for line in reversed(self._lines.get(record.partition, ())):
            if met := line.met(record.partition, record.topic, record.offset):
                return met
        return None

    def outlived(self, record: Record) -> bool:
        """Whether a later record of its partition has met its fate already: then the line that tells of this one is no longer kept."""
        lines = self._lines.get(record.partition, ())
        return any(line.plan.spans.get(record.topic, (0, 0))[1] > record.offset for line in lines)

    def seen(self, record: Record) -> Seen:
        """The record in words."""
        sent = errand_of(record) if record.topic == self._rules.topics.rerouted else None
        says = self._decoder.decode([record])[0] if sent is None else sent
        value = record.value or b""
        origin = header(record, REROUTE_ORIGIN)
        place = str(Coordinates(record.topic, record.partition, record.offset))
        verdict = "valid" if isinstance(says, Event) else "rejected" if isinstance(says, Rejected) else "control"
        event = says if isinstance(says, Event) else None
        wrong = says if isinstance(says, Rejected) else Rejected("")
        return Seen(
            coordinates=place,
            origin=origin.decode("utf-8", "replace") if origin else place,
            appended_at=rfc3339(record.timestamp),
            bytes=len(value),
            body=value[:_BODY_BYTES].decode("utf-8", "replace"),
            cut=len(value) > _BODY_BYTES,
            verdict=verdict,
            reason=wrong.reason,
            at=wrong.at,
            user_id=event.user if event else says.user if isinstance(says, Errand) else None,
            type=self._names.get(event.type_id, "custom") if event else None,
            event_at=rfc3339(event.at_ms) if event else None,
            amount_minor=event.amount if event else 0,
            home=home_partition(event.raw_id, self._rules.partitions) if event else None,
        )


class Watcher:
    """Somebody who looks at the records of one user, or (None) at some of all. `take` empties what there is to tell."""

    def __init__(self, user_id: str | None) -> None:
        self._user_id = user_id
        self._raw = (user_id or "").removeprefix(ANONYMOUS)
        # In JSON such an id is spelled as it is: whatever does not hold it needs no decoding.
        self._plain = self._raw.encode() if self._raw.isascii() and self._raw.replace("-", "").replace("_", "").isalnum() else b""
        self._told: list[Seen | Met] = []
        self._pending: dict[tuple[str, int, int], None] = {}
        self._second = self._shown = self._passed = 0

    def record(self, record: Record, trail: Trail) -> None:
        """A record came."""
        if self._plain and self._plain not in (record.value or b"") and self._plain != record.key:
            return
        if self._user_id is None and self._crowded(record.timestamp):
            self._passed += 1
            return
        seen = trail.seen(record)
        if self._user_id is not None and not self._takes(seen, record):
            return
        met = trail.met(record)
        if met is None and trail.outlived(record):
            return
        self._told.append(seen)
        if met is not None:
            self._told.append(met)
            return
        self._pending[record.topic, record.partition, record.offset] = None
        if len(self._pending) > _PENDING:
            del self._pending[next(iter(self._pending))]

    def line(self, partition: int, line: _Line) -> None:
        """A step was journalled."""
        for topic, where, offset in list(self._pending):
            if where == partition and (met := line.met(partition, topic, offset)):
                del self._pending[topic, where, offset]
                self._told.append(met)

    def take(self) -> Iterator[tuple[str, Any]]:
        """Kind and content of everything that is to be told since the last call."""
        told, self._told = self._told, []
        passed, self._passed = self._passed, 0
        yield from (("record" if isinstance(each, Seen) else "fate", each) for each in told)
        if passed:
            yield "passed", Passed(passed)

    def _crowded(self, at_ms: int) -> bool:
        second = at_ms // 1000
        if second != self._second:
            self._second, self._shown = second, 0
        self._shown += 1
        return self._shown > _PER_SECOND

    def _takes(self, seen: Seen, record: Record) -> bool:
        """Whether it is of the one who is watched; what cannot be read is, when its key or its bytes name the id."""
        if seen.user_id is not None:
            return seen.user_id in (self._user_id, f"{ANONYMOUS}{self._raw}", self._raw)
        return seen.verdict == "rejected" and self._raw.encode() in ((record.value or b"") + b"\n" + (record.key or b""))
