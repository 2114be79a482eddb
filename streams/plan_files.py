"""The tracking plan as files: `tracking_plan.yaml`, and JSON Schema documents that it names, become one `TrackingPlan`."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from streams.configfile import did_you_mean, require, to_struct
from streams.core.catalogue import fold
from streams.core.planned import Mode, PlannedEvent, Property, TrackingPlan
from streams.core.trackingplan import PlanChecker, type_of
from streams.errors import ConfigError

__all__ = ["FILE", "PlanExample", "PlanFile", "differences", "tracking_plan"]

FILE: Final = "tracking_plan.yaml"
#: The folder of JSON Schema documents, beside the file.
SCHEMAS: Final = "schemas"

#: Bounds of a plan, far above what people write: a plan is held in memory as types, and printed.
_EVENTS: Final = 2_000
_PROPERTIES: Final = 500
_NAME_CHARACTERS: Final = 256
_SCHEMA_BYTES: Final = 1 << 20
_DEPTH: Final = 8

#: Keywords of JSON Schema that say nothing about what fits.
_WORDS: Final = frozenset(
    {"$schema", "$id", "$comment", "title", "default", "examples", "deprecated", "readOnly", "writeOnly", "id", "labels"}
)
_KEYWORDS: Final = frozenset(
    {
        *("type", "enum", "const", "minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems", "pattern", "format"),
        *("items", "properties", "required", "additionalProperties", "description"),
    }
)


class _Event(PlannedEvent, frozen=True, kw_only=True):
    """A planned event as the file spells it. `properties` stand here, or in the JSON Schema document that `schema` names."""

    version: str | int = "1"  # type: ignore[assignment]
    schema: str | None = None


class PlanExample(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A worked example: does this event fit, and if not, where does it fail?"""

    name: str
    event: dict[str, Any]
    fits: bool
    at: str | None = None


class PlanFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """tracking_plan.yaml"""

    unplanned: Mode = "accept"
    events: tuple[_Event, ...] = ()
    examples: tuple[PlanExample, ...] = ()


def tracking_plan(file: PlanFile, folder: Path) -> TrackingPlan:
    """The plan that `file` and the documents in `folder`/schemas describe. Raises `ConfigError` that names file and path."""
    events: list[PlannedEvent] = []
    seen: dict[tuple[str, str], int] = {}
    require(len(file.events) <= _EVENTS, FILE, "events", f"must be at most {_EVENTS}")
    for number, spelled in enumerate(file.events):
        path = f"events[{number}]"
        key, version = fold(spelled.name), str(spelled.version)
        require(bool(key) and len(spelled.name) <= _NAME_CHARACTERS, FILE, f"{path}.name", "must be a name of at most 256 characters")
        require(0 < len(version) <= 32, FILE, f"{path}.version", "must be 1 to 32 characters")
        twin = seen.setdefault((key, version), number)
        require(twin == number, FILE, path, f"`{spelled.name}` version {version} already stands at events[{twin}]")
        properties, others, where = spelled.properties, spelled.others, (FILE, f"{path}.properties")
        if spelled.schema is not None:
            require(not properties and others, FILE, f"{path}.schema", "must stand alone: `properties` and `others` are in the document")
            properties, others = _document(folder, spelled.schema, f"{path}.schema")
            where = (f"{SCHEMAS}/{spelled.schema}", "properties")
        _check(properties, *where, depth=_DEPTH)
        events.append(
            PlannedEvent(
                name=spelled.name,
                version=version,
                mode=spelled.mode,
                description=spelled.description,
                properties=properties,
                others=others,
            )
        )
    return TrackingPlan(events=tuple(events), unplanned=file.unplanned)


def differences(plan: TrackingPlan, example: PlanExample) -> list[str]:
    """What turned out otherwise, in words; empty when the example holds. Examples judge events whatever their mode is."""
    strict = msgspec.structs.replace(plan, events=tuple(msgspec.structs.replace(event, mode="mark") for event in plan.events))
    misfit = PlanChecker(strict).judge(json.dumps(example.event).encode())
    if example.fits:
        return [f"does not fit, at {misfit.at}"] if misfit else []
    if misfit is None:
        return ["fits"]
    return [f"fails at {misfit.at}, not at {example.at}"] if example.at not in (None, misfit.at) else []


# What the types of the file cannot say.


def _check(properties: Mapping[str, Property], file: str, path: str, *, depth: int) -> None:
    require(len(properties) <= _PROPERTIES, file, path, f"must be at most {_PROPERTIES}")
    require(depth > 0, file, path, f"must not nest deeper than {_DEPTH}")
    for name, of in properties.items():
        require(0 < len(name) <= _NAME_CHARACTERS, file, path, "must have names of 1 to 256 characters")
        _check_one(of, file, f"{path}.{name}", depth)


def _check_one(of: Property, file: str, path: str, depth: int) -> None:
    kinds = set(of.types)
    require(len(kinds) == len(of.types), file, f"{path}.type", "must not name a type twice")
    for names, needs in (
        (("minimum", "maximum"), {"number", "integer"}),
        (("pattern", "format"), {"string"}),
        (("min_length", "max_length"), {"string", "array"}),
        (("items",), {"array"}),
        (("properties",), {"object"}),
    ):
        for name in names:
            said = getattr(of, name)
            fits = said in (None, {}) or bool(kinds & needs)
            require(fits, file, f"{path}.{name}", f"has no effect without type {' or '.join(sorted(needs))}")
    require(of.others or "object" in kinds, file, f"{path}.others", "has no effect without type object")
    for low, high in (("minimum", "maximum"), ("min_length", "max_length")):
        least, most = getattr(of, low), getattr(of, high)
        require(least is None or most is None or least <= most, file, f"{path}.{low}", f"must not be above {high}")
        require(low == "minimum" or min(least or 0, most or 0) >= 0, file, f"{path}.{low}", "must not be negative")
    if of.pattern is not None:
        try:
            re.compile(of.pattern)
        except re.error as error:
            raise ConfigError(f"is no regular expression ({error.msg})", file=file, path=f"{path}.pattern") from None
    if of.items is not None:
        require(depth > 1, file, f"{path}.items", f"must not nest deeper than {_DEPTH}")
        _check_one(of.items, file, f"{path}.items", depth - 1)
    if of.properties:
        _check(of.properties, file, f"{path}.properties", depth=depth - 1)
    try:
        msgspec.json.Decoder(type_of(of))
    except (TypeError, ValueError) as error:
        raise ConfigError(f"cannot be checked: {_first(error)}", file=file, path=path) from None


def _first(error: Exception) -> str:
    text = str(error).split(" - type `")[0].split("\n")[0]
    return text[:1].lower() + text[1:]


# JSON Schema.


def _document(folder: Path, name: str, path: str) -> tuple[dict[str, Property], bool]:
    """Properties, and whether there may be others, of the JSON Schema document `name`: of an event's properties, or of a whole event with
    `properties` in it, as Segment exports them."""
    place, shown = folder / SCHEMAS / name, f"{SCHEMAS}/{name}"
    require(bool(re.fullmatch(r"[\w][\w.-]{0,120}\.json", name)), FILE, path, "must be the name of a .json file in schemas/")
    try:
        raw = place.read_bytes()
        require(len(raw) <= _SCHEMA_BYTES, shown, "", f"is larger than {_SCHEMA_BYTES} bytes")
        schema = msgspec.json.decode(raw)
    except OSError as error:
        raise ConfigError(f"cannot be read ({error.strerror})", file=shown) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise ConfigError("is not JSON", file=shown) from None
    require(isinstance(schema, dict), shown, "", "must hold an object")
    inner = schema.get("properties")
    inner = inner.get("properties") if isinstance(inner, dict) else None
    if isinstance(inner, dict) and inner.get("type") == "object":
        schema = inner
    whole = _property({"type": "object", **schema}, shown, "", depth=_DEPTH + 1)
    return whole.properties, whole.others


def _property(schema: Any, file: str, path: str, *, depth: int) -> Property:
    """One schema as a `Property`. A keyword that is not understood is an error: it would silently not be checked."""
    if schema is True:
        schema = {}
    require(isinstance(schema, dict), file, path, "must be a schema: an object, or true")
    require(depth > 0, file, path, f"must not nest deeper than {_DEPTH}")
    for word in schema:
        hint = did_you_mean(word, _KEYWORDS)
        require(word in _KEYWORDS or word in _WORDS, file, _join(path, word), f"is a keyword that is not checked here{hint}")
    kinds = [schema["type"]] if isinstance(schema.get("type"), str) else _list(schema, "type", file, path)
    spelled: dict[str, Any] = {"type": tuple(kind for kind in kinds if kind != "null"), "nullable": "null" in kinds}
    values = [schema["const"]] if "const" in schema and "enum" not in schema else _list(schema, "enum", file, path)
    if None in values:
        spelled["nullable"] = True
    spelled["one_of"] = tuple(value for value in values if value is not None)
    if schema.get("format") in ("date-time", "uuid"):  # all others are annotations
        spelled["format"] = schema["format"]
    shared = {"minimum": "minimum", "maximum": "maximum", "pattern": "pattern", "description": "description"}
    lengths = {"minLength": "min_length", "maxLength": "max_length", "minItems": "min_length", "maxItems": "max_length"}
    spelled |= {ours: schema[theirs] for theirs, ours in (shared | lengths).items() if theirs in schema}
    others = schema.get("additionalProperties", True)
    require(isinstance(others, bool), file, _join(path, "additionalProperties"), "must be true or false")
    of = to_struct(spelled, Property, file, path)
    below = schema.get("properties", {})
    require(isinstance(below, dict), file, _join(path, "properties"), "must be an object")
    properties = {name: _property(each, file, _join(path, f"properties.{name}"), depth=depth - 1) for name, each in below.items()}
    for name in _list(schema, "required", file, path):
        require(isinstance(name, str) and name in properties, file, _join(path, "required"), f"`{name}` is not one of the properties")
        properties[name] = msgspec.structs.replace(properties[name], required=True)
    items = _property(schema["items"], file, _join(path, "items"), depth=depth - 1) if "items" in schema else None
    return msgspec.structs.replace(of, properties=properties, others=others, items=items)


def _list(schema: Mapping[str, Any], word: str, file: str, path: str) -> list[Any]:
    """What `word` lists; nothing when it is not there."""
    said = schema.get(word, [])
    if not isinstance(said, list):
        raise ConfigError("must be a list", file=file, path=_join(path, word))
    return said


def _join(path: str, word: str) -> str:
    return f"{path}.{word}" if path else word
