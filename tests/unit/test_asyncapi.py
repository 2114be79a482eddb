"""The document of all topics: every topic, every record as its struct has it, and no reference that leads nowhere."""

import json
from pathlib import Path
from typing import Any

import pytest

from streams.asyncapi import document
from streams.core.alert import AlertRecord
from streams.settings import load


@pytest.fixture(scope="module")
def told() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(json.dumps(document(load(Path("config"), {}))))
    return found


def test_every_topic_of_the_configuration_is_a_channel(told: dict[str, Any]) -> None:
    names = {spec.name for spec in load(Path("config"), {}).topics.values()}
    assert {channel["address"] for channel in told["channels"].values()} == names
    assert told["asyncapi"] == "3.0.0"
    assert [each["action"] for name, each in told["operations"].items() if name.endswith("-clickstream")] == ["receive"]


def test_a_record_is_described_field_by_field(told: dict[str, Any]) -> None:
    alert = told["components"]["schemas"]["AlertRecord"]
    assert set(alert["properties"]) == set(AlertRecord.__struct_fields__)
    assert {"messageId", "userId", "anonymousId", "timestamp"} <= set(told["components"]["schemas"]["EventRecord"]["properties"])


def test_every_reference_leads_somewhere(told: dict[str, Any]) -> None:
    def references(part: Any) -> list[str]:
        if isinstance(part, dict):
            own = [part["$ref"]] if isinstance(part.get("$ref"), str) else []
            return own + [each for value in part.values() for each in references(value)]
        return [each for value in part for each in references(value)] if isinstance(part, list) else []

    found = references(told)
    assert len(found) > 20
    for reference in found:
        there: Any = told
        for step in reference.removeprefix("#/").split("/"):
            there = there[step]


def test_a_channel_says_how_the_topic_is_kept(told: dict[str, Any]) -> None:
    kafka = told["channels"]["scores"]["bindings"]["kafka"]
    assert (kafka["partitions"], kafka["topicConfiguration"]["cleanup.policy"]) == (12, ["compact"])
    assert told["channels"]["alerts"]["bindings"]["kafka"]["topicConfiguration"]["retention.ms"] == 90 * 86_400_000
