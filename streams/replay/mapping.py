"""Which column of a file means what: a mapping file decodes into these, strictly."""

from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from streams.configfile import read_file, to_struct
from streams.errors import ConfigError
from streams.sim.emission import Stream

__all__ = ["SEGMENT", "AmountColumns", "EventName", "Format", "Mapping", "TimeColumn", "UserColumn", "load_mapping"]

Format = Literal["jsonl", "csv", "parquet"]
Scalar = str | int | float | bool


class _Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """An unknown, missing or wrong field is an error that names its path."""


class UserColumn(_Strict, frozen=True, kw_only=True):
    """The column with the id. `prefix` keeps numbers that are fillers elsewhere (0, -1) from being refused, and two sources apart."""

    column: str
    prefix: str = ""
    anonymous: bool = False


class TimeColumn(_Strict, frozen=True, kw_only=True):
    """The column with the time of the event.

    unit  `s` or `ms` since 1970, or `iso`: RFC 3339, or a date
    zone  of times without offset
    """

    column: str
    unit: Literal["s", "ms", "iso"] = "iso"
    zone: str | None = None


class AmountColumns(_Strict, frozen=True, kw_only=True):
    """Columns that are multiplied, in major units, and the property that holds the result. `absolute`: without its sign (returns)."""

    columns: Annotated[tuple[str, ...], msgspec.Meta(min_length=1)]
    property: str = "revenue"
    absolute: bool = False


class EventName(_Strict, frozen=True, kw_only=True):
    """What an event is called here, and what it is: `channel` makes it a campaign event of that channel, on the campaigns topic."""

    name: str
    type: Literal["track", "page", "screen", "identify", "alias", "group"] = "track"
    channel: Literal["email", "sms", "push", "webpush", "inapp"] | None = None


class Mapping(_Strict, frozen=True, kw_only=True):
    """How the rows of a file become events.

    shape       segment: the lines are events already, nothing else may be said. flat: the columns are named here
    format      of the file; without it, its name decides
    source      begin of every message id (the row ends it), so that the same file read twice is a duplicate; default: the file's name
    user, time  columns
    event       column with the event's name; or `event_name`: one name for all rows
    events      name in the file -> name here; others: what happens to a name that is not in it
    properties  property -> column; constants: property -> value
    delimiter   of CSV
    """

    shape: Literal["segment", "flat"] = "flat"
    format: Format | None = None
    source: str | None = None
    user: str | UserColumn | None = None
    time: str | TimeColumn | None = None
    event: str | None = None
    event_name: str | EventName | None = None
    events: dict[str, str | EventName] = {}
    others: Literal["keep", "skip", "stop"] = "keep"
    amount: str | AmountColumns | None = None
    properties: dict[str, str] = {}
    constants: dict[str, Scalar] = {}
    topic: Stream = "clickstream"
    delimiter: Annotated[str, msgspec.Meta(min_length=1, max_length=1)] = ","

    @property
    def user_column(self) -> UserColumn:
        return self.user if isinstance(self.user, UserColumn) else UserColumn(column=self.user or "")

    @property
    def time_column(self) -> TimeColumn:
        return self.time if isinstance(self.time, TimeColumn) else TimeColumn(column=self.time or "")

    @property
    def amount_columns(self) -> AmountColumns | None:
        return AmountColumns(columns=(self.amount,)) if isinstance(self.amount, str) else self.amount

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that are read, each once."""
        amount = self.amount_columns
        named = [self.user_column.column, self.time_column.column, *([self.event] if self.event else [])]
        return tuple(dict.fromkeys([*named, *(amount.columns if amount else ()), *self.properties.values()]))


#: Files that hold events as trackers send them need no mapping.
SEGMENT = Mapping(shape="segment")


def load_mapping(path: Path) -> Mapping:
    """The mapping in the YAML file `path`. Raises `ConfigError` with file and path."""
    mapping = to_struct(read_file(path), Mapping, path.name)
    if mapping.shape == "segment":
        default = Mapping()
        for field in mapping.__struct_fields__:
            if field not in ("shape", "format", "topic", "source") and getattr(mapping, field) != getattr(default, field):
                raise ConfigError("says what a column means, but `shape: segment` has no columns", file=path.name, path=field)
        if mapping.format not in (None, "jsonl"):
            raise ConfigError("events of `shape: segment` are JSON lines", file=path.name, path="format")
        return mapping
    for field in ("user", "time"):
        if not getattr(mapping, field):
            raise ConfigError("is missing: the column must be named", file=path.name, path=field)
    if (mapping.event is None) == (mapping.event_name is None):
        raise ConfigError("name either `event` (a column) or `event_name` (one name for all rows)", file=path.name, path="event")
    if mapping.others != "keep" and not mapping.events:
        raise ConfigError("needs `events`: without it every name is another one", file=path.name, path="others")
    zone = mapping.time_column.zone
    if zone is not None:
        try:
            ZoneInfo(zone)
        except (ZoneInfoNotFoundError, ValueError):
            raise ConfigError(f"{zone!r} is no time zone", file=path.name, path="time.zone") from None
    return mapping
