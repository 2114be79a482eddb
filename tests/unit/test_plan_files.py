"""tracking_plan.yaml and the JSON Schema documents it names: what loads, what is refused, and in which words."""

import json
from pathlib import Path
from typing import Any

import pytest

from streams.configfile import to_struct
from streams.core.planned import PlannedEvent, Property, TrackingPlan
from streams.core.trackingplan import PlanChecker
from streams.errors import ConfigError
from streams.plan_files import FILE, PlanExample, PlanFile, differences, tracking_plan


def loaded(folder: Path, **content: Any) -> TrackingPlan:
    return tracking_plan(to_struct(content, PlanFile, FILE), folder)


def refused(folder: Path, **content: Any) -> str:
    with pytest.raises(ConfigError) as error:
        loaded(folder, **content)
    return str(error.value)


def event(**properties: Any) -> dict[str, Any]:
    return {"events": [{"name": "A", "properties": properties}]}


def test_an_empty_file_plans_nothing(tmp_path: Path) -> None:
    assert loaded(tmp_path) == TrackingPlan()


def test_an_event_as_people_write_it(tmp_path: Path) -> None:
    """A version may be written as a number."""
    plan = loaded(tmp_path, unplanned="mark", events=[{"name": "A", "version": 2, "properties": {"p": {"type": ["string", "number"]}}}])
    assert plan.unplanned == "mark"
    assert plan.events == (PlannedEvent(name="A", version="2", properties={"p": Property(type=("string", "number"))}),)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"event": []}, "tracking_plan.yaml: event: is not a setting, did you mean `events`?"),
        ({"unplanned": "drop"}, "tracking_plan.yaml: unplanned: invalid enum value 'drop'"),
        ({"events": [{"name": " "}]}, "tracking_plan.yaml: events[0].name: must be a name of at most 256 characters"),
        ({"events": [{"name": "A", "version": ""}]}, "tracking_plan.yaml: events[0].version: must be 1 to 32 characters"),
        ({"events": [{"name": "A B"}, {"name": "a_b"}]}, "tracking_plan.yaml: events[1]: `a_b` version 1 already stands at events[0]"),
        (event(p={"type": "text"}), "tracking_plan.yaml: events[0].properties[...].type: invalid enum value 'text'"),
        (event(p={"types": "string"}), "tracking_plan.yaml: events[0].properties[...].types: is not a setting, did you mean `type`?"),
        (event(p={"type": ["string", "string"]}), "tracking_plan.yaml: events[0].properties.p.type: must not name a type twice"),
        (
            event(p={"type": "string", "minimum": 1}),
            "tracking_plan.yaml: events[0].properties.p.minimum: has no effect without type integer or number",
        ),
        (
            event(p={"type": "number", "others": False}),
            "tracking_plan.yaml: events[0].properties.p.others: has no effect without type object",
        ),
        (
            event(p={"type": "number", "minimum": 2, "maximum": 1}),
            "tracking_plan.yaml: events[0].properties.p.minimum: must not be above maximum",
        ),
        (event(p={"type": "string", "min_length": -1}), "tracking_plan.yaml: events[0].properties.p.min_length: must not be negative"),
        (
            event(p={"type": "string", "pattern": "("}),
            "tracking_plan.yaml: events[0].properties.p.pattern: is no regular expression (missing ), unterminated subpattern)",
        ),
        (event(**{"": {"type": "string"}}), "tracking_plan.yaml: events[0].properties: must have names of 1 to 256 characters"),
        (
            event(p={"type": "object", "properties": {"q": {"type": "array", "items": {"minimum": 1}}}}),
            "tracking_plan.yaml: events[0].properties.p.properties.q.items.minimum: has no effect without type integer or number",
        ),
        (
            {"events": [{"name": "A", "schema": "../x.json"}]},
            "tracking_plan.yaml: events[0].schema: must be the name of a .json file in schemas/",
        ),
        ({"events": [{"name": "A", "schema": "x.json"}]}, "schemas/x.json: cannot be read (No such file or directory)"),
        (
            {"events": [{"name": "A", "schema": "x.json", "others": False}]},
            "tracking_plan.yaml: events[0].schema: must stand alone: `properties` and `others` are in the document",
        ),
    ],
)
def test_what_is_wrong_is_named_by_file_and_path(tmp_path: Path, content: dict[str, Any], words: str) -> None:
    assert refused(tmp_path, **content) == words


def test_a_plan_may_nest_eight_deep(tmp_path: Path) -> None:
    of: dict[str, Any] = {"type": "string"}
    for _ in range(8):
        of = {"type": "object", "properties": {"p": of}}
    assert refused(tmp_path, **event(p=of)).endswith("must not nest deeper than 8")
    assert loaded(tmp_path, **event(**of["properties"]))


# JSON Schema.


def document(folder: Path, schema: Any) -> dict[str, Any]:
    (folder / "schemas").mkdir(exist_ok=True)
    (folder / "schemas" / "a.v1.json").write_text(schema if isinstance(schema, str) else json.dumps(schema))
    return {"events": [{"name": "A", "schema": "a.v1.json"}]}


PROPERTIES = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "required": ["id"],
    "additionalProperties": False,
    "properties": {
        "id": {"type": "string", "minLength": 1, "description": "the id"},
        "at": {"type": ["string", "null"], "format": "date-time"},
        "mail": {"type": "string", "format": "email"},
        "kind": {"enum": ["a", "b", None]},
        "tags": {"type": "array", "items": {"type": "string"}, "maxItems": 3},
        "unit": {"const": "cent"},
        "any": True,
    },
}


@pytest.mark.parametrize(
    "schema",
    [PROPERTIES, {"type": "object", "properties": {"properties": PROPERTIES, "context": {"type": "object"}}}],
    ids=["of the properties", "of the whole event"],
)
def test_a_schema_is_read_as_the_plan_it_is(tmp_path: Path, schema: dict[str, Any]) -> None:
    (planned,) = loaded(tmp_path, **document(tmp_path, schema)).events
    assert planned.others is False
    assert planned.properties == {
        "id": Property(type=("string",), required=True, min_length=1, description="the id"),
        "at": Property(type=("string",), nullable=True, format="date-time"),
        "mail": Property(type=("string",)),
        "kind": Property(one_of=("a", "b"), nullable=True),
        "tags": Property(type=("array",), items=Property(type=("string",)), max_length=3),
        "unit": Property(one_of=("cent",)),
        "any": Property(),
    }


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ("{", "schemas/a.v1.json: is not JSON"),
        ([], "schemas/a.v1.json: must hold an object"),
        (
            {"properties": {"p": {"type": "number", "exclusiveMinimum": 0}}},
            "schemas/a.v1.json: properties.p.exclusiveMinimum: is a keyword that is not checked here",
        ),
        ({"propertys": {}}, "schemas/a.v1.json: propertys: is a keyword that is not checked here, did you mean `properties`?"),
        ({"properties": {"p": {"type": "text"}}}, "schemas/a.v1.json: properties.p.type[0]: invalid enum value 'text'"),
        ({"properties": {"p": 1}}, "schemas/a.v1.json: properties.p: must be a schema: an object, or true"),
        ({"required": ["p"]}, "schemas/a.v1.json: required: `p` is not one of the properties"),
        ({"required": 1}, "schemas/a.v1.json: required: must be a list"),
        ({"required": [[]]}, "schemas/a.v1.json: required: `[]` is not one of the properties"),
        ({"properties": {"p": {"enum": "abc"}}}, "schemas/a.v1.json: properties.p.enum: must be a list"),
        ({"properties": {"p": {"type": 1}}}, "schemas/a.v1.json: properties.p.type: must be a list"),
        ({"additionalProperties": {"type": "string"}}, "schemas/a.v1.json: additionalProperties: must be true or false"),
    ],
)
def test_a_schema_that_cannot_be_checked_whole_is_refused(tmp_path: Path, schema: Any, words: str) -> None:
    """A keyword that is skipped would silently not be checked."""
    assert refused(tmp_path, **document(tmp_path, schema)) == words


def test_a_schema_judges_events(tmp_path: Path) -> None:
    check = PlanChecker(loaded(tmp_path, **document(tmp_path, PROPERTIES)))
    misfit = check.judge(b'{"event": "A", "properties": {"id": "1", "tags": ["a", 2]}}')
    assert misfit is not None
    assert misfit.at == "$.properties.tags[1]"


# Worked examples.

PLAN = TrackingPlan(events=(PlannedEvent(name="A", mode="accept", properties={"p": Property(type="number")}),))


@pytest.mark.parametrize(
    ("p", "fits", "at", "found"),
    [
        (1, True, None, []),
        ("x", True, None, ["does not fit, at $.properties.p"]),
        ("x", False, None, []),
        ("x", False, "$.properties.p", []),
        ("x", False, "$.properties.q", ["fails at $.properties.p, not at $.properties.q"]),
        (1, False, None, ["fits"]),
    ],
)
def test_an_example_says_what_turned_out_otherwise(p: Any, fits: bool, at: str | None, found: list[str]) -> None:
    """Also of an event that is only documented."""
    example = PlanExample(name="e", event={"event": "A", "properties": {"p": p}}, fits=fits, at=at)
    assert differences(PLAN, example) == found
