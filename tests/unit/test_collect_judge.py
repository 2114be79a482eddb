"""What becomes of each event that is sent to the collector, before anything is on a topic."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from streams.collect.app import Collector
from streams.collect.delivery import Parcel, State
from streams.collect.dialects.event import Incoming
from streams.collect.judge import Judge
from streams.collect.keys import KeySpec, Source
from streams.core.planned import Mode, PlannedEvent, Property, TrackingPlan
from streams.core.record import Rejected
from streams.settings import Collect, load

SETTINGS = load(None, {})
RULES = SETTINGS.rules
SOURCE = Source(KeySpec(key="wk_test_0001", source="tests"))
NOW_MS = 1_790_000_000_000


def order(order_id: object) -> Incoming:
    """A finished order of u1."""
    value = json.dumps({"type": "track", "event": "Order Completed", "userId": "u1", "properties": {"order_id": order_id}}).encode()
    return Incoming(value, value, "", "", None)


@pytest.mark.parametrize(
    ("mode", "refused"),
    [("accept", None), ("mark", None), ("dead-letter", Rejected("off_plan", "$.properties.order_id"))],
)
def test_what_the_tracking_plan_sets_aside_becomes_a_dead_letter(mode: Mode, refused: Rejected | None) -> None:
    """With its bytes, and the reason that a worker would give; what the plan accepts or marks goes to its topic, and so does what fits."""
    plan = TrackingPlan(events=(PlannedEvent(name="Order Completed", mode=mode, properties={"order_id": Property(type="string")}),))
    judge = Judge(msgspec.structs.replace(RULES, tracking_plan=plan.enforced()), Collect())
    fits, fails = judge.parcels([order("o5"), order(5)], SOURCE, "", NOW_MS, history=False)
    assert (fits.topic, fits.refused) == (RULES.topics.clickstream, None)
    assert (fails.topic, fails.refused) == (RULES.topics.clickstream if refused is None else RULES.topics.dead, refused)
    assert fails.value == order(5).value
    if refused is not None:
        headers = dict(fails.headers)
        assert (headers["dead-reason"], headers["dead-at"]) == (b"off_plan", b"$.properties.order_id")


async def test_who_only_asks_what_would_become_of_an_event_changes_nothing(tmp_path: Path) -> None:
    """After a 503 Kafka may have the event. GA4's debug path is asked about it: the next try in earnest still does not send it twice."""
    collector = Collector(SETTINGS, tmp_path / "keys.yaml", loopback=True)
    there = Parcel(RULES.topics.clickstream, 0, b"u1", b"", [])
    there.state = State.THERE
    event = Incoming(b"", b"", "e1", "", None)
    collector._memory.remember("local", [event], [there])
    body = json.dumps({"user_id": "u1", "events": [{"name": "view_item", "params": {"event_id": "e1"}}]}).encode()
    answers: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": body}

    async def send(message: Any) -> None:
        answers.append(message)

    headers = [(b"host", b"localhost")]
    scope = {"type": "http", "method": "POST", "path": "/debug/mp/collect", "query_string": b"", "headers": headers}
    await collector(scope, receive, send)
    assert (answers[0]["status"], answers[1]["body"]) == (200, b'{"validationMessages":[]}')
    assert collector._memory.recall("local", [event]) == [there]
