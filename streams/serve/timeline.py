"""What happened to a user, entry by entry: what they did, how their score went, which alerts rose and fell.

Pure: records of the topics become entries, entries become what `GET /v1/users/{id}/timeline` says.
"""

from collections.abc import Iterable, Sequence
from typing import Final, Literal

import msgspec

from streams.core.envelope import rfc3339
from streams.core.event import Decoder
from streams.core.record import Event, Record
from streams.core.rules import Rules

__all__ = ["KINDS", "Curve", "Entry", "Line", "Reader", "Timeline", "told"]

Kind = Literal["event", "score", "alert"]
KINDS: Final = ("event", "score", "alert")


class Line(msgspec.Struct, frozen=True, array_like=True, omit_defaults=True):
    """An entry as it is kept, in some 40 bytes of MessagePack. `ident` makes it the same when it is told again."""

    kind: int
    at_ms: int
    ident: str
    name: str = ""
    number: float = 0.0
    more: str = ""
    chance: float = 0.0


class Entry(msgspec.Struct, frozen=True):
    """Something that happened.

    event  name: its type; amount_minor
    score  name: the band; score, churn_probability
    alert  name: the rule; status, severity, and the alert_id
    """

    at: str
    kind: Kind
    name: str
    amount_minor: int | None = None
    score: float | None = None
    churn_probability: float | None = None
    status: str | None = None
    severity: str | None = None
    alert_id: str | None = None


class Curve(msgspec.Struct, frozen=True):
    """The score at a time."""

    at: str
    score: float


class Timeline(msgspec.Struct, frozen=True):
    """What happened to a user, the newest first, and the curve of the score, the oldest first.

    most, days  how many entries are kept, and for how long
    next        the cursor that the next page begins with; None on the last one
    """

    user_id: str
    entries: Sequence[Entry]
    curve: Sequence[Curve]
    most: int
    days: float
    next: str | None


class _Score(msgspec.Struct, frozen=True):
    user_id: str
    as_of: str
    engagement_score: float
    band: str
    churn_probability: float = 0.0


class _Alert(msgspec.Struct, frozen=True):
    alert_id: str
    user_id: str
    rule: str
    status: str
    severity: str
    starts_at: str
    ends_at: str | None = None


class Reader:
    """Makes lines of records. A record that says nothing about a user makes none."""

    def __init__(self, rules: Rules) -> None:
        self._rules, self._events = rules, Decoder(rules)
        self._names = {entry.id: entry.name for entry in rules.catalogue.types}
        self._scores, self._alerts = msgspec.json.Decoder(_Score).decode, msgspec.json.Decoder(_Alert).decode

    def lines(self, topic: str, records: Sequence[Record]) -> list[tuple[str, Line | None]]:
        """(user key, line) of each of `records`, all of `topic`, in their order; None: the user is forgotten."""
        topics = self._rules.topics
        if topic == topics.scores:
            return [each for record in records if (each := self._score(record))]
        if topic == topics.alerts:
            return [each for record in records if (each := self._alert(record))]
        says = self._events.decode(records)
        return [(event.user, self._event(event)) for event in says if isinstance(event, Event)]

    def _event(self, event: Event) -> Line:
        return Line(0, event.at_ms, f"{event.id_hash:x}", self._names.get(event.type_id, "custom"), event.amount)

    def _score(self, record: Record) -> tuple[str, Line | None] | None:
        key = (record.key or b"").decode(errors="replace")
        if record.value is None:
            return key, None
        try:
            it = self._scores(record.value)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return None
        return key, Line(1, record.timestamp, it.as_of, it.band, it.engagement_score, "", it.churn_probability)

    def _alert(self, record: Record) -> tuple[str, Line | None] | None:
        try:
            it = self._alerts(record.value or b"")
        except (msgspec.DecodeError, UnicodeDecodeError):
            return None
        if not it.user_id:  # about the whole: a timeline of nobody would take them all
            return None
        return it.user_id, Line(2, record.timestamp, f"{it.alert_id}:{it.status}", it.rule, 0.0, it.severity)


def told(lines: Iterable[Line], kinds: frozenset[str], since_ms: int) -> tuple[list[Entry], list[Curve]]:
    """Entries of `kinds` from `since_ms` on, newest first, each once; and the curve of the score, oldest first."""
    seen: dict[tuple[int, str], Line] = {}
    for line in lines:
        if line.at_ms >= since_ms:
            seen.setdefault((line.kind, line.ident), line)
    ordered = sorted(seen.values(), key=lambda line: (line.at_ms, line.kind), reverse=True)
    entries = [_entry(line) for line in ordered if KINDS[line.kind] in kinds]
    return entries, [Curve(rfc3339(line.at_ms), line.number) for line in reversed(ordered) if line.kind == 1]


def _entry(line: Line) -> Entry:
    at = rfc3339(line.at_ms)
    if line.kind == 0:
        return Entry(at, "event", line.name, amount_minor=int(line.number) or None)
    if line.kind == 1:
        return Entry(at, "score", line.name, score=line.number, churn_probability=line.chance)
    alert_id, _, status = line.ident.rpartition(":")
    return Entry(at, "alert", line.name, status=status, severity=line.more, alert_id=alert_id)
