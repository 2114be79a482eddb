# cython: annotation_typing=False
"""Records of the log become events, or the reason why not: names, ids, clocks and amounts are settled here and nowhere else.

Spelling of the input (docs/wire.md): Segment's `track`, `page`, `screen`, `identify`, `alias` and `group`. A campaign event is
a `track` whose `event` is a name of the catalogue (`Email Opened`), or a verb (`open`) with the channel beside it or in
`context.channel`. The short form leaves out the type:

    {"event": "open", "channel": "email", "userId": "u1", "messageId": "m1", "timestamp": "2026-01-31T08:00:00Z", "campaignId": "c1"}

Times are RFC 3339 with an offset, or integers: milliseconds since 1970.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from enum import Enum
from typing import Final

import cython
import msgspec
from msgspec.structs import astuple
from xxhash import xxh3_64_intdigest

from streams.core.catalogue import CALLS, CHANNELS, Names
from streams.core.grouping import Groups
from streams.core.headers import DEAD_ORIGIN, REROUTE_APPENDED_AT, REROUTE_ORIGIN, STREAMS_CLOCK
from streams.core.identity import Identities
from streams.core.payload import count_properties, decode_carefully, decode_line, decode_lines, nests_deeper, refusal
from streams.core.reader import PropertyReader
from streams.core.record import Coordinates, Event, Record, Rejected
from streams.core.rules import CUSTOM, EventType, Rules

if cython.compiled:  # pragma: no cover
    from cython.cimports.cpython.datetime import timedelta_days, timedelta_microseconds, timedelta_seconds

__all__ = ["WALL_CLOCK", "Control", "Decoder"]


class Control(Enum):
    """Records that are no events. `WALL`: the partition goes back to the wall clock after a replay."""

    WALL = "wall"


WALL_CLOCK: Final = Control.WALL

#: Records parsed in one call. Larger is no faster, and one bad record sends its whole chunk the slow way.
_CHUNK: Final = 64
#: Spellings remembered at the most, and the longest one (checks.py lets no longer name into the catalogue). The catalogue's own come
#: first, so made-up names cannot push them out.
_SPELLINGS: Final = 4096
_SPELLING: Final = 256
#: No member of an object takes fewer bytes: `"":1,`.
_MEMBER_BYTES: Final = 5
#: Events of before 2000 or after 2099 are broken clocks, also where no append time says so.
_OLDEST_MS: Final = 946_684_800_000
_NEWEST_MS: Final = 4_102_444_800_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
#: A decimal longer than this is no time in milliseconds.
_DIGITS: Final = 16

_Moment = datetime | int | None

_EMPTY: Final = Rejected("empty")
_TOO_LARGE: Final = Rejected("too_large", "$")
_TOO_DEEP: Final = Rejected("limit", "$")
_TOO_MANY: Final = Rejected("limit", "$.properties")
_NO_PROPERTIES: Final = Rejected("wrong_type", "$.properties")


class _Kind:
    """What a spelling of an event name means."""

    def __init__(self, entry: EventType | None, machine: EventType | None, unknown_id: int, verb: bool, reader: PropertyReader) -> None:
        self.type_id = entry.id if entry is not None else unknown_id
        self.machine_id = machine.id if machine is not None else 0
        self.sign = entry.sign if entry is not None else 1
        self.verb = verb
        self.group = False
        self.links = False  # calls that give a user another name do
        self.reads = reader.reads(entry, machine is not None)


class Decoder:
    """Decodes batches by `rules`. Each record is judged alone: a bad one never changes what another becomes.

    linked   whether an event of the last batch gives its user another name: few do, and nobody needs to look for them in the others
    """

    def __init__(self, rules: Rules) -> None:
        limits, catalogue = rules.limits, rules.catalogue
        self._names = Names(catalogue)
        self._identities = Identities(limits)
        self._reader = PropertyReader(catalogue, limits)
        self._groups = Groups(rules)
        self.linked = 0
        self._unknown_id = CUSTOM if catalogue.unknown == "custom" else 0
        self._value_bytes = limits.value_bytes
        self._depth = limits.depth
        self._properties = limits.properties
        self._many_bytes = limits.properties * _MEMBER_BYTES
        self._future_ms = limits.future_ms
        self._correction_ms = limits.clock_correction_ms
        self._oldest_ms = _OLDEST_MS
        self._newest_ms = _NEWEST_MS
        spellings = [name for entry in catalogue.types for name in (entry.name, *entry.aliases)]
        self._kinds = {name: self._kind(self._names.find(name), name) for name in spellings}
        self._unknown = _Kind(None, None, self._unknown_id, False, self._reader)
        self._verbs: dict[tuple[str, str], _Kind] = {}
        self._calls = {call: self._kind(self._names.call(call), "") for call in CALLS}
        self._calls["group"].group = rules.accounts.enabled
        for call in ("identify", "alias"):
            self._calls[call].links = True

    def decode(self, records: Sequence[Record]) -> list[Event | Rejected | Control]:
        """What each record is, in the same order."""
        decoded: list[Event | Rejected | Control] = []
        self.linked = 0
        for start in range(0, len(records), _CHUNK):
            chunk = records[start : start + _CHUNK]
            values: list[bytes] = [record.value or b"" for record in chunk]
            payloads = self._together(values)
            if payloads is None:
                for record in chunk:
                    decoded.append(self.decode_one(record))
            else:
                for i in range(len(payloads)):
                    decoded.append(self._event(chunk[i], values[i], payloads[i]))
        return decoded

    def decode_one(self, record: Record) -> Event | Rejected | Control:
        """What one record is."""
        value = record.value or b""
        if not value:
            for name, text in record.headers:
                if name == STREAMS_CLOCK and text == b"wall":
                    return WALL_CLOCK
        refused = self._screen(value)
        if refused is not None:
            return refused
        try:
            value.decode()  # the parser does not look into the strings that it skips
        except UnicodeDecodeError as error:
            return refusal(error)
        try:
            payload = decode_line(value)
        except (msgspec.DecodeError, RecursionError):
            try:
                payload = decode_carefully(value)
            except (msgspec.DecodeError, RecursionError) as error:
                return refusal(error)
        return self._event(record, value, payload)

    def _together(self, values: list[bytes]) -> list[msgspec.Struct] | None:
        """The payloads of all values parsed in one go, or None when they must be parsed one by one.

        Lines pair with values only if there are as many of both and every value begins a line: a value may hold line breaks, and the
        parser drops blank lines.
        """
        for value in values:
            if self._screen(value) is not None or value[0] != 0x7B:
                return None
        joined = b"\n".join(values)
        try:
            if not joined.isascii():
                joined.decode()
            payloads = decode_lines(joined)
        except (UnicodeDecodeError, msgspec.DecodeError, RecursionError):
            return None
        return payloads if len(payloads) == len(values) else None

    def _screen(self, value: bytes) -> Rejected | None:
        """What can be said of a value before it is parsed."""
        if not value:
            return _EMPTY
        if len(value) > self._value_bytes:
            return _TOO_LARGE
        if _opens(value) > self._depth and nests_deeper(value, self._depth):
            return _TOO_DEEP
        return None

    def _event(self, record: Record, value: bytes, payload: msgspec.Struct) -> Event | Rejected:
        """The event of a parsed record. Checked in this order: name, id, clocks, properties; the first fault is the reason."""
        (
            call,
            event,
            user_id,
            anonymous_id,
            message_id,
            timestamp,
            sent_at,
            received_at,
            channel,
            campaign,
            properties,
            sent_from,
            previous_id,
        ) = astuple(payload)
        text = bytes(properties)
        if text == b"null":
            text = b""
        if text and text[0] != 0x7B:
            return _NO_PROPERTIES
        kind = self._named(call, event, channel)
        if kind is None:
            return _unnamed(call)
        who = self._identities.of(user_id, anonymous_id)
        if isinstance(who, Rejected):
            return who
        appended_ms, origin, event_clock = record.timestamp, b"", False
        if record.headers:
            appended_ms, origin, event_clock = _stamp(record)
        at_ms = self._when(timestamp, sent_at, received_at, appended_ms, event_clock)
        if isinstance(at_ms, Rejected):
            return at_ms

        if len(text) > self._many_bytes and _colons(text) > self._properties and count_properties(text) > self._properties:
            return _TOO_MANY
        if kind.verb:
            kind = self._on_channel(event, channel, sent_from, kind)
        said = self._reader.said(kind.reads, text)
        if said.refused is not None:
            return said.refused
        type_id = kind.machine_id if said.machine else kind.type_id
        if type_id == 0:
            return Rejected("unknown_type", "$.event" if event else "$.type")
        amount = said.amount if kind.sign > 0 else -said.amount
        properties = said.properties
        if campaign is not None and kind.reads.campaign and not said.machine:
            properties = self._reader.campaign(properties, campaign)
        context = None
        if sent_from is not None or kind.reads.source:
            context = self._reader.context(sent_from, kind.reads.source, said.source)

        group = self._groups.of(value) if kind.group else None
        if isinstance(group, Rejected):
            return group
        if message_id is not None and message_id != "":
            origin = str(message_id).encode()
        elif not origin:
            origin = str(Coordinates(record.topic, record.partition, record.offset)).encode()
        linked = ""
        if kind.links and user_id is not None:
            linked = self._identities.linked(who[1], previous_id if call == "alias" else anonymous_id, call != "alias")
            self.linked = 1 if linked else self.linked
        return Event(who[0], who[1], type_id, at_ms, xxh3_64_intdigest(origin), amount, event_clock, properties, context, linked, group)

    def _named(self, call: str | None, event: str | None, channel: str | None) -> _Kind | None:
        """What the event is called, or None when it has no name or an unknown type. A verb is resolved later, with its channel."""
        if call != "track":
            if call is not None:
                return self._calls.get(call)
            if channel not in CHANNELS:
                return None
        if not event:
            return None
        kind = self._kinds.get(event)
        if kind is None:
            if len(event) > _SPELLING:  # no name of the catalogue is so long, and folding it would take a while
                return self._unknown
            kind = self._kind(self._names.find(event), event)
            if len(self._kinds) < _SPELLINGS:
                self._kinds[event] = kind
        return kind

    def _kind(self, entry: EventType | None, event: str) -> _Kind:
        machine = self._names.machine(entry) if entry is not None else None
        return _Kind(entry, machine, self._unknown_id, self._names.is_verb(event), self._reader)

    def _when(self, timestamp: _Moment, sent_at: _Moment, received_at: _Moment, appended_ms: int, event_clock: bool) -> int | Rejected:
        """Event time: `timestamp`, less what the sender's clock is ahead of ours; else `receivedAt`, else append time (docs/wire.md)."""
        at_ms = appended_ms
        at = "$.timestamp"
        if timestamp is not None:
            at_ms = _millis(timestamp)
            if sent_at is not None and received_at is not None:
                ahead_ms = _millis(sent_at) - _millis(received_at)
                at_ms -= max(-self._correction_ms, min(self._correction_ms, ahead_ms))
        elif event_clock:
            return Rejected("missing_field", at)
        elif received_at is not None:
            at_ms = _millis(received_at)
            at = "$.receivedAt"
        if not event_clock and at_ms > appended_ms + self._future_ms:
            return Rejected("future", at)
        if at_ms < self._oldest_ms or at_ms >= self._newest_ms:
            return Rejected("limit", at)
        return at_ms

    def _on_channel(self, event: str | None, channel: str | None, sent_from: object, kind: _Kind) -> _Kind:
        """What a verb means on the channel that the event names; what it means alone when it names none."""
        if channel not in CHANNELS and isinstance(sent_from, msgspec.Struct):
            channel = sent_from.channel  # type: ignore[attr-defined]
        if not channel or not event or len(channel) > _SPELLING:
            return kind
        found = self._verbs.get((channel, event))
        if found is None:
            found = self._kind(self._names.find(event, channel), event)
            if len(self._verbs) < _SPELLINGS:
                self._verbs[channel, event] = found
        return found


def _unnamed(call: str | None) -> Rejected:
    """Why an event has no kind."""
    if call is None:
        return Rejected("missing_field", "$.type")
    return Rejected("missing_field", "$.event") if call == "track" else Rejected("unknown_type", "$.type")


def _stamp(record: Record) -> tuple[int, bytes, bool]:
    """Append time at the origin, the text that names the origin (empty for the record itself), whether the record follows event time."""
    appended_ms = record.timestamp
    rerouted = dead = b""
    event_clock = False
    for name, text in record.headers:
        if not text:
            continue
        if name == REROUTE_APPENDED_AT and text.isdigit() and len(text) < _DIGITS:
            appended_ms = int(text)
        elif name == REROUTE_ORIGIN:
            rerouted = text
        elif name == DEAD_ORIGIN:
            dead = text
        elif name == STREAMS_CLOCK:
            event_clock = text == b"event"
    return appended_ms, dead or rerouted, event_clock


def _millis(moment: datetime | int) -> int:
    """Milliseconds since 1970, rounded down."""
    if isinstance(moment, int):
        return moment
    since = moment - _EPOCH
    if cython.compiled:  # pragma: no cover
        days: int = timedelta_days(since)
        seconds: int = timedelta_seconds(since)
        micros: int = timedelta_microseconds(since)
        return days * 86_400_000 + seconds * 1000 + micros // 1000
    return since.days * 86_400_000 + since.seconds * 1000 + since.microseconds // 1000


def _opens(value: bytes) -> int:
    """How many bytes of `value` open an array or an object, strings included."""
    if cython.compiled:  # pragma: no cover
        total = 0
        for byte in value:
            total += (byte | 0x20) == 0x7B
        return total
    return value.count(b"{") + value.count(b"[")


def _colons(value: bytes) -> int:
    """How many colons stand in `value`: no fewer than its objects have members."""
    if cython.compiled:  # pragma: no cover
        total = 0
        for byte in value:
            total += byte == 0x3A
        return total
    return value.count(b":")
