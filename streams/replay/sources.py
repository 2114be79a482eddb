"""Events from files: each line of a tracker's log as it stands, or each row of a table as its mapping says."""

import math
from collections.abc import Callable, Iterator
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import msgspec
import orjson

from streams.core.catalogue import CHANNELS
from streams.core.envelope import rfc3339
from streams.errors import ConfigError
from streams.replay.mapping import SEGMENT, EventName, Mapping
from streams.replay.tables import format_of, lines, rows
from streams.replay.values import Bad, calendar_ms, iso_ms, shortest, time_ms
from streams.sim.emission import Emission, Stream

__all__ = ["read"]


#: More than any order is worth.
_LARGEST: Final = 10**15


class _Context(msgspec.Struct, frozen=True, gc=False):
    channel: str | None = None


class _Segment(msgspec.Struct, frozen=True, gc=False):
    """What must be known of an event before it can be sent; the rest is judged by whoever reads the topic."""

    userId: str | int | None = None  # noqa: N815 - the spelling of the Segment spec
    anonymousId: str | int | None = None  # noqa: N815
    messageId: str | int | None = None  # noqa: N815
    timestamp: str | int | None = None
    channel: str | None = None
    context: _Context | None = None


_decode_segment = msgspec.json.Decoder(_Segment).decode


def read(path: Path, mapping: Mapping | None = None, on_bad: Callable[[ConfigError], None] | None = None) -> Iterator[Emission]:
    """The events of a file, in the order of the file. Without a mapping its lines are events of the Segment spec.

    A bad row raises `ConfigError` that names file, line and column; with `on_bad` it is told there and left out.
    A row without a message id gets one of source and row: the same file read twice counts once.
    """
    mapping = mapping or SEGMENT
    if mapping.shape == "segment":
        return _segment(path, mapping, on_bad)
    return _flat(path, mapping, on_bad)


def _source(path: Path, mapping: Mapping) -> str:
    return mapping.source if mapping.source is not None else path.name.removesuffix(".gz").rpartition(".")[0] or path.name


def _segment(path: Path, mapping: Mapping, on_bad: Callable[[ConfigError], None] | None) -> Iterator[Emission]:
    if mapping.format is None and format_of(path) != "jsonl":
        raise ConfigError("is no file of JSON lines: which column means what must be said by a mapping", file=str(path))
    source = orjson.dumps(_source(path, mapping))[1:-1]
    for number, line in lines(path):
        try:
            yield _as_it_stands(line, mapping.topic, source, number)
        except Bad as bad:
            _tell(bad.at(path, f"line {number}"), on_bad)


def _as_it_stands(line: bytes, topic: Stream, source: bytes, number: int) -> Emission:
    try:
        event = _decode_segment(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Bad(f"is no event ({error})") from None
    raw_id = event.userId if event.userId not in (None, "") else event.anonymousId
    if raw_id in (None, ""):
        raise Bad("has neither userId nor anonymousId")
    if event.timestamp is None:
        raise Bad("is missing", "timestamp")
    stamp = event.timestamp
    at_ms = calendar_ms(stamp, "timestamp") if isinstance(stamp, int) else iso_ms(stamp, None, "timestamp")
    if event.channel in CHANNELS or (event.context is not None and event.context.channel in CHANNELS):
        topic = "campaigns"
    if event.messageId in (None, ""):
        line = b'{"messageId":"%b:%d",%b' % (source, number, line[1:])
    return Emission(at_ms, topic, str(raw_id).encode(), line)


def _flat(path: Path, mapping: Mapping, on_bad: Callable[[ConfigError], None] | None) -> Iterator[Emission]:
    format = mapping.format or format_of(path)
    of_row = _Row(mapping, _source(path, mapping))
    place = "row" if format == "parquet" else "line"
    for ordinal, (number, values) in enumerate(rows(path, format, mapping.columns, mapping.delimiter), 1):
        try:
            emission = of_row.emission(ordinal, values)
        except Bad as bad:
            _tell(bad.at(path, f"{place} {number}"), on_bad)
            continue
        if emission is not None:
            yield emission


def _tell(error: ConfigError, on_bad: Callable[[ConfigError], None] | None) -> None:
    if on_bad is None:
        raise error from None
    on_bad(error)


class _Row:
    """A mapping, made ready: where each column lies in the values of a row."""

    def __init__(self, mapping: Mapping, source: str) -> None:
        self._mapping, self._source = mapping, source
        self._user, self._time, self._amount = mapping.user_column, mapping.time_column, mapping.amount_columns
        self._zone = ZoneInfo(self._time.zone) if self._time.zone else None
        self._at = {column: i for i, column in enumerate(mapping.columns)}
        self._names = {name: _named(meant) for name, meant in mapping.events.items()}
        self._one_name = _named(mapping.event_name) if mapping.event_name is not None else None
        self._properties = [(name, self._at[column]) for name, column in mapping.properties.items()]

    def emission(self, ordinal: int, values: Any) -> Emission | None:
        """The event of a row; None for names that are to be skipped."""
        called = self._name(values)
        if called is None:
            return None
        at_ms = time_ms(values[self._at[self._time.column]], self._time.unit, self._zone, self._time.column)
        raw_id = self._raw_id(values)
        event: dict[str, Any] = {"type": called.type, "event": called.name} if called.channel is None else {"event": called.name}
        if called.channel is not None:
            event["channel"] = called.channel
        event["anonymousId" if self._user.anonymous else "userId"] = raw_id
        event["messageId"] = f"{self._source}:{ordinal}"
        event["timestamp"] = rfc3339(at_ms)
        properties: dict[str, Any] = dict(self._mapping.constants)
        for name, i in self._properties:
            if values[i] is not None:
                properties[name] = _plain(values[i])
        if self._amount is not None:
            product = self._product(values)
            if product is not None:
                properties[self._amount.property] = product
        if properties:
            event["properties"] = properties
        topic: Stream = "campaigns" if called.channel is not None else self._mapping.topic
        return Emission(at_ms, topic, raw_id.encode(), orjson.dumps(event))

    def _name(self, values: Any) -> EventName | None:
        column = self._mapping.event
        if column is None:
            return self._one_name
        name = values[self._at[column]]
        if name is None or name == "":
            raise Bad("names no event", column)
        if isinstance(name, list | dict):
            raise Bad("is no name of an event", column)
        called = self._names.get(name)
        if called is None:
            if self._mapping.others == "stop":
                raise Bad(f"names {name!r}, which `events` of the mapping does not hold", column)
            if self._mapping.others == "skip":
                return None
            called = self._names[name] = EventName(name=str(name))
        return called

    def _raw_id(self, values: Any) -> str:
        value = values[self._at[self._user.column]]
        if isinstance(value, float) and value.is_integer():
            value = int(value)  # a column of numbers with gaps is one of floats
        if value is None or value == "" or isinstance(value, float | bool):
            raise Bad("is no user id" if value not in (None, "") else "is empty", self._user.column)
        return f"{self._user.prefix}{value}"

    def _product(self, values: Any) -> float | None:
        """The amount in major units; None where a factor is absent."""
        assert self._amount is not None
        product = Decimal(1)
        for column in self._amount.columns:
            value = values[self._at[column]]
            if value is None or value == "" or (isinstance(value, float) and math.isnan(value)):
                return None
            try:
                factor = Decimal(shortest(value) if isinstance(value, float) else str(value))
            except InvalidOperation:
                raise Bad(f"is no number: {value!r}", column) from None
            if not factor.is_finite() or abs(factor) >= _LARGEST:
                raise Bad(f"is no amount: {value!r}", column)
            product *= factor
        return float(abs(product) if self._amount.absolute else product)


def _named(meant: str | EventName) -> EventName:
    return meant if isinstance(meant, EventName) else EventName(name=meant)


def _plain(value: Any) -> Any:
    return value if isinstance(value, str | int | float | bool) else str(value)
