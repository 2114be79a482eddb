"""Judges events by the tracking plan: compiled once, two looks per event, both by the JSON parser itself.

The first look cuts out name, version and properties unread; the second parses the properties into a type that was made from the plan,
whose decoder checks types, bounds and presence as it goes. Together about 2 us; a schema library on parsed JSON takes 16.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Final, Literal, NamedTuple
from uuid import UUID

import msgspec

from streams.core.catalogue import CHANNELS, fold
from streams.core.planned import Mode, PlannedEvent, Property, TrackingPlan
from streams.core.record import Increments, Record
from streams.core.rules import DAY_MS

__all__ = ["MARKS", "UNPLANNED", "Misfit", "PlanChecker", "compiled", "marked", "type_of"]

#: The name that stands for all names which are not in the plan: made-up names must not become labels.
UNPLANNED: Final = "(unplanned)"
#: Where these calls carry what is known of a user or an account.
_TRAITS: Final = ("identify", "group")
#: The hash of sums that counts marked events of a UTC day: `plan:20483`; its sums are `name<TAB>path`.
MARKS: Final = "plan:"
_MARKS_KEEP_S: Final = 35 * 86_400
_MARKS_MOST: Final = 2_000
#: Names and versions longer than this are in no plan.
_SPELLING: Final = 256
_PLACE: Final = re.compile(r" - at `\$\.?(.*)`$")
_PLACES: Final = re.compile(r"\[\d+\]")
_MISSING: Final = re.compile(r"^Object missing required field `(.+?)`")
_NOTHING: Final = msgspec.Raw(b"{}")


class Misfit(NamedTuple):
    """Why an event does not fit: `name` as the plan spells it, `at` a JSON path that the plan knows; never anything that came in."""

    name: str
    at: str
    mode: Mode


class _Protocols(msgspec.Struct, frozen=True, gc=False):
    event_version: str | int | None = None


class _Context(msgspec.Struct, frozen=True, gc=False):
    protocols: _Protocols | None = None
    channel: str | None = None


class _Look(msgspec.Struct, frozen=True, gc=False):
    """The first look: what is judged is cut out unread."""

    type: str | None = None
    event: str | None = None
    channel: str | None = None
    properties: msgspec.Raw = _NOTHING
    traits: msgspec.Raw = _NOTHING
    context: msgspec.Raw = _NOTHING


_look: Final = msgspec.json.Decoder(_Look).decode
_context: Final = msgspec.json.Decoder(_Context | None).decode


class _Version:
    """One version of an event, ready to judge."""

    def __init__(self, event: PlannedEvent) -> None:
        self.name, self.mode = event.name, event.mode
        # What is only documented is not looked at.
        self.decode = None if event.mode == "accept" else msgspec.json.Decoder(_struct(event.properties, event.others) | None).decode


class _Planned:
    """All versions of one name."""

    def __init__(self, versions: Sequence[PlannedEvent]) -> None:
        self.first = _Version(versions[0])
        self.by_version = {event.version: _Version(event) for event in versions} if len(versions) > 1 else {}
        self.judged = any(event.mode != "accept" for event in versions)


class PlanChecker:
    """What the collector and the worker ask about each event. Pure; `judge` never raises."""

    def __init__(self, plan: TrackingPlan) -> None:
        """Raises `TypeError` or `ValueError` for a plan that cannot be compiled; `streams.plan_files` has checked before."""
        names: dict[str, list[PlannedEvent]] = {}
        for event in plan.events:
            names.setdefault(fold(event.name), []).append(event)
        self._by_key = {key: _Planned(versions) for key, versions in names.items()}
        self._by_spelling: dict[str, _Planned | None] = {}
        self._unplanned: Misfit | None = Misfit(UNPLANNED, "$.event", plan.unplanned) if plan.unplanned != "accept" else None

    def judge(self, value: bytes) -> Misfit | None:
        """Why the event whose JSON is `value` does not fit the plan; None when it fits, and for bytes that are no event at all: those
        are refused elsewhere, for a better reason."""
        try:
            look = _look(value)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None
        call = look.type or "track"
        name = look.event if call == "track" else call  # a plan calls them `page`, `screen`, `identify`, `group`
        if not name:
            return None
        planned = self._find(name, look)
        if planned is None:
            return self._unplanned
        return self._fits(planned, look, "traits" if call in _TRAITS else "properties") if planned.judged else None

    def _find(self, name: str, look: _Look) -> _Planned | None:
        if len(name) > _SPELLING:
            return None
        spelled = self._by_spelling
        if name in spelled:
            found = spelled[name]
        else:
            found = self._by_key.get(fold(name))
            if len(spelled) < 4096:  # spellings remembered, as many as the decoder of events does
                spelled[name] = found
        if found is None and look.type in (None, "track"):  # a verb: its channel makes the name
            channel = look.channel if look.channel in CHANNELS else _context_of(look).channel
            if channel in CHANNELS:
                return self._by_key.get(fold(channel) + fold(name))
        return found

    def _fits(self, planned: _Planned, look: _Look, where: str) -> Misfit | None:
        version = planned.first
        if planned.by_version:
            protocols = _context_of(look).protocols
            said = protocols.event_version if protocols is not None else None
            if said is not None:
                known = planned.by_version.get(str(said))
                if known is None:
                    return Misfit(version.name, "$.context.protocols.event_version", version.mode) if version.decode else None
                version = known
        if version.decode is None:
            return None
        raw = look.traits if where == "traits" else look.properties
        try:
            if version.decode(raw) is None:  # null: nothing is there
                version.decode(_NOTHING)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            return Misfit(version.name, _at(f"$.{where}", str(error)), version.mode)
        return None


def compiled(plan: TrackingPlan | None) -> PlanChecker | None:
    """A checker, or None when the plan asks for nothing: then events are not looked at a second time."""
    if plan is None or (plan.unplanned == "accept" and all(event.mode == "accept" for event in plan.events)):
        return None
    return PlanChecker(plan)


def marked(marks: Mapping[int, Misfit], records: Sequence[Record], homes: Sequence[int], partition: int) -> tuple[Increments, ...]:
    """What a step adds to the counts of marked events, by the day on which they came in; each counts once, at home."""
    days: dict[int, dict[str, int]] = {}
    for place, misfit in marks.items():
        if homes[place] == partition:
            sums, name = days.setdefault(records[place].timestamp // DAY_MS, {}), f"{misfit.name}\t{_PLACES.sub('[]', misfit.at)}"
            sums[name] = sums.get(name, 0) + 1
    return tuple(Increments(f"{MARKS}{day}", sums, _MARKS_KEEP_S, _MARKS_MOST) for day, sums in sorted(days.items()))


def _context_of(look: _Look) -> _Context:
    try:
        return _context(look.context) or _Context()
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _Context()


def _at(root: str, said: str) -> str:
    """The path of what is wrong, from the parser's own words. The name of a property that the plan does not know came in from outside:
    the path of its object stands for it."""
    found = _PLACE.search(said)
    below = f"{root}.{found[1]}".replace(".[", "[") if found and found[1] else root
    missing = _MISSING.match(said)
    return f"{below}.{missing[1]}" if missing else below


def _struct(properties: Mapping[str, Property], others: bool) -> type[msgspec.Struct]:
    """A type whose decoder accepts exactly the objects that `properties` describe."""
    names = list(properties)
    fields: list[tuple[str, Any] | tuple[str, Any, Any]] = []
    for number, name in enumerate(names):
        of = properties[name]
        kind = type_of(of)
        fields.append((f"p{number}", kind) if of.required else (f"p{number}", kind | None, None))
    return msgspec.defstruct(
        "Properties",
        sorted(fields, key=len),  # those that must be there come first
        rename={f"p{number}": name for number, name in enumerate(names)},
        forbid_unknown_fields=not others,
        frozen=True,
        gc=False,
    )


def type_of(of: Property) -> Any:
    """The Python type that msgspec checks a value of this property by. Raises `TypeError` for what it cannot tell apart."""
    parts = [Literal[of.one_of]] if of.one_of else [_part(kind, of) for kind in of.types]
    if of.nullable and parts:
        parts.append(None)
    if not parts:  # anything; what must be there is not there as `null`
        return str | float | bool | list[Any] | dict[str, Any] if of.required and not of.nullable else Any
    union = parts[0]
    for part in parts[1:]:
        union = union | part
    return union


def _part(kind: str, of: Property) -> Any:
    lengths = msgspec.Meta(min_length=of.min_length, max_length=of.max_length)
    match kind:
        case "string" if of.format == "date-time":
            return Annotated[datetime, msgspec.Meta(tz=True)]
        case "string" if of.format == "uuid":
            return UUID
        case "string":
            return Annotated[str, msgspec.Meta(min_length=of.min_length, max_length=of.max_length, pattern=of.pattern)]
        case "number":
            return Annotated[float, msgspec.Meta(ge=of.minimum, le=of.maximum)]
        case "integer":
            low, high = (None if edge is None else int(edge) for edge in (of.minimum, of.maximum))
            return Annotated[int, msgspec.Meta(ge=low, le=high)]
        case "boolean":
            return bool
        case "array":
            return Annotated[list[type_of(of.items) if of.items else Any], lengths]  # type: ignore[misc]
        case _:
            return _struct(of.properties, of.others) if of.properties or not of.others else dict[str, Any]
