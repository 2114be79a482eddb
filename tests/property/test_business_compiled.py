"""The compiled business sums and their own source, interpreted, are one program: equal sums of one history, users equal to the byte."""

import json
import random
from array import array
from typing import Any

import pytest

import streams.core.activity
import streams.core.business
import streams.core.user
from streams.core.event import Decoder
from streams.core.record import Event
from streams.core.rules import DAY_MS
from tests.business import history, shop_rules
from tests.interpreted import interpreted
from tests.unit.records import FakeRecord

#: In the order in which they import each other.
MODULES = ("sums", "activity", "audience", "business")
#: The longest window: older events of a user are late.
WINDOW_DAYS = 30
RULES = shop_rules(page_categories=("shoes", "hats"), features=("Export", "Untouched"))


def events() -> list[Event]:
    """Everything that is counted, of six users, with late ones; the same for both."""
    sent = enumerate(history(7, events=1500, days=60))
    records = [FakeRecord(offset=n, value=json.dumps(event).encode(), headers=(("streams-clock", b"event"),)) for n, event in sent]
    return [what for what in Decoder(RULES).decode(records) if isinstance(what, Event)]


def play(modules: dict[str, Any], log: list[Event]) -> list[object]:
    """What every step adds, and how each user rests after each event; now and then an event is taken back."""
    business, activity = modules["business"].Business(RULES), modules["activity"].Activity()
    weights = {entry.id: entry.weight for entry in RULES.catalogue.types}
    chance, image = random.Random(3), array("Q", bytes(8 * 200))
    users: dict[str, array[int]] = {}
    newest: dict[str, int] = {}
    made: list[object] = []
    for event in log:
        newest[event.user] = max(newest.get(event.user, 0), event.at_ms // DAY_MS)
        if event.at_ms // DAY_MS < newest[event.user] - WINDOW_DAYS:
            continue  # late: it is not counted
        activity.clear()
        if event.user in users:
            image[: len(users[event.user])] = users[event.user]
            assert activity.decode(image, 0, len(users[event.user])) == len(users[event.user])
        business.mark()
        business.count(
            activity, event.type_id, event.at_ms, event.amount, weights.get(event.type_id, 0.0) > 0, event.properties, event.context
        )
        if chance.random() < 0.1:
            business.undo()
        else:
            users[event.user] = image[: activity.encode(image, 0)]
            made.append(users[event.user].tobytes())
        if chance.random() < 0.05:
            made.append(business.take())
    made.append(business.take())
    return made


@pytest.mark.skipif(not streams.core.user.COMPILED, reason="NOT RUN: the core is not compiled here (python setup.py build_ext --inplace)")
def test_compiled_and_interpreted_count_alike() -> None:
    log = events()
    slow = play(interpreted(MODULES), log)
    fast = play({"business": streams.core.business, "activity": streams.core.activity}, log)
    assert len(slow) == len(fast) > 1000
    for number, (one, other) in enumerate(zip(slow, fast, strict=True)):
        assert one == other, number
