"""What is read from the properties and the context of an event, and what is left alone."""

from typing import Any

import msgspec
import pytest

from streams.core.event import Decoder
from streams.core.properties import Context, Properties
from streams.core.record import Event, Rejected
from streams.core.rules import Aggregate, Bounds, Catalogue, Condition, Counter, EventType, Role, Rules
from streams.core.values import aggregated
from tests.unit.records import FakeRecord

AT_MS = 1_700_000_000_000


def rules(*reads: Role, where: dict[str, Condition] | None = None) -> Rules:
    """One type, `seen`, that is read for `reads`; with `where`, a counter of it."""
    seen = EventType(id=10, name="seen", reads=reads)
    order = EventType(id=39, name="order_completed", amount="revenue", reads=("order",))
    counters = (Counter(id=240, name="special", event="seen", where=where),) if where else ()
    return Rules(version="test", app_id="test", partitions=1, catalogue=Catalogue(types=(seen, order), counters=counters))


def event(mine: Rules, properties: Any, event: str = "seen", **fields: Any) -> Event:
    value = {"type": "track", "event": event, "userId": "u1", "timestamp": AT_MS, "properties": properties, **fields}
    (decoded,) = Decoder(mine).decode([FakeRecord(timestamp=AT_MS, value=msgspec.json.encode(value))])
    assert isinstance(decoded, Event)
    return decoded


@pytest.mark.parametrize(
    ("role", "properties", "expected"),
    [
        ("page", {"title": "Home", "path": "/"}, Properties(page="Home")),
        ("category", {"item_category": " Shoes "}, Properties(category="Shoes")),
        ("item", {"product_id": 507}, Properties(item="507")),
        ("item", {"product_id": 507.0}, Properties(item="507")),
        ("item", {"product_id": "x" * 100}, Properties(item="x" * 64)),
        ("survey", {"survey": "nps"}, Properties(survey="nps")),
        ("score", {"rating": 9}, Properties(score=9.0)),
        ("score", {"score": "4.5"}, Properties(score=4.5)),
        ("score", {"score": "good", "rating": 3}, Properties(score=3.0)),
        ("score", {"score": 0}, Properties(score=0.0)),
        ("scale", {"scale": 5}, Properties(scale=5)),
        ("quantity", {"quantity": 3}, Properties(quantity=3.0)),
        ("engaged", {"engagement_time_msec": 1500}, Properties(engaged_ms=1500)),
        ("plan", {"mrr_change": 9.99}, Properties(plan_minor=999)),
        ("plan", {"mrr_change": "-20"}, Properties(plan_minor=-2000)),
    ],
)
def test_a_role_is_read_from_the_first_fit_property_of_its_list(role: Role, properties: dict[str, Any], expected: Properties) -> None:
    assert event(rules(role), properties).properties == expected


@pytest.mark.parametrize(
    "properties",
    [{"rating": {"deep": [1]}}, {"rating": [5]}, {"rating": True}, {"rating": None}, {"rating": "good"}, {"rating": ""}, {"other": 5}, {}],
)
def test_a_value_that_is_unfit_is_as_good_as_none_and_the_event_counts(properties: dict[str, Any]) -> None:
    assert event(rules("score"), properties).properties is None


def test_a_number_that_no_machine_holds_is_as_good_as_none() -> None:
    """JSON allows it; it must not cost the event, nor what else the event says."""
    value = b'{"type":"track","event":"seen","userId":"u1","timestamp":%d,"properties":{"rating":1e999,"category":"shoes"}}' % AT_MS
    (decoded,) = Decoder(rules("score", "category")).decode([FakeRecord(timestamp=AT_MS, value=value)])
    assert isinstance(decoded, Event)
    assert decoded.properties == Properties(category="shoes")


def test_what_a_type_is_not_read_for_is_not_read() -> None:
    assert event(rules(), {"category": "shoes"}).properties is None


def test_a_campaign_may_stand_beside_the_name() -> None:
    assert event(rules("campaign"), {}, campaignId="c1").properties == Properties(campaign="c1")
    assert event(rules("campaign"), {"campaign_id": "c2"}, campaignId="c1").properties == Properties(campaign="c2")


def test_an_amount_and_what_else_an_order_says_are_read_together() -> None:
    order = event(rules(), {"revenue": 39.95, "order_id": "o-1"}, "order_completed")
    assert (order.amount, order.properties) == (3995, Properties(order="o-1"))


@pytest.mark.parametrize(
    ("context", "expected"),
    [
        ({"timezone": "Europe/Berlin"}, Context(timezone="Europe/Berlin")),
        ({"location": {"country": "DE"}, "device": {"type": "mobile"}}, Context(country="DE", device="mobile")),
        ({"location": "DE", "device": 5, "timezone": ["UTC"]}, None),
        (7, None),
        ([{}], None),
        ({"location": {"country": {"code": "DE"}}, "device": {"type": "mobile"}}, Context(device="mobile")),
        ({}, None),
        ("web", None),
        (None, None),
    ],
)
def test_a_context_is_read_as_far_as_it_is_one(context: Any, expected: Context | None) -> None:
    assert event(rules(), {}, context=context).context == expected


@pytest.mark.parametrize(
    ("context", "properties", "source"),
    [
        ({"campaign": {"source": "Newsletter"}, "page": {"referrer": "https://example.org/"}}, {}, "newsletter"),
        ({"page": {"referrer": "https://www.Example.org/path?q=1"}}, {}, "example.org"),
        ({"page": {"referrer": "https://shop.test/a", "url": "https://www.shop.test/b"}}, {"utm_source": "ads"}, "ads"),
        (None, {"referrer": "https://example.org"}, "example.org"),
        ({"page": {"referrer": "https://[broken"}}, {}, ""),
    ],
)
def test_a_visit_came_from_a_campaign_else_from_another_site(context: Any, properties: dict[str, Any], source: str) -> None:
    found = event(rules("source"), properties, context=context).context
    assert (found.source if found else "") == source


@pytest.mark.parametrize(
    ("condition", "met", "missed"),
    [
        ("shoes", ["shoes", " SHOES"], ["boots", None, True, 5, ["shoes"]]),
        (("shoes", "boots"), ["boots"], ["hats"]),
        (5, [5, 5.0, "5"], ["five", True, 6]),
        (True, [True, "true"], [False, "false", 1]),
        (Bounds(at_least=100), [100, "250.5", 1e9], [99.99, "many", None]),
        (Bounds(at_least=1, at_most=3), [1, 3], [0, 4]),
    ],
)
def test_a_filtered_counter_counts_what_meets_its_condition(condition: Condition, met: list[Any], missed: list[Any]) -> None:
    mine = rules(where={"what": condition})
    assert [event(mine, {"what": value}).properties for value in met] == [Properties(counters=(240,))] * len(met)
    assert [event(mine, {"what": value}).properties for value in missed] == [None] * len(missed)


def test_all_conditions_must_be_met() -> None:
    mine = rules(where={"category": "shoes", "price": Bounds(at_least=50)})
    assert event(mine, {"category": "shoes", "price": 60}).properties == Properties(counters=(240,))
    assert event(mine, {"category": "shoes", "price": 40}).properties is None
    assert event(mine, {"price": 60}).properties is None


def test_too_many_properties_are_refused_also_when_few_are_read() -> None:
    value = msgspec.json.encode({"type": "track", "event": "seen", "userId": "u1", "properties": {f"p{n}": n for n in range(65)}})
    assert Decoder(rules()).decode([FakeRecord(timestamp=AT_MS, value=value)]) == [Rejected("limit", "$.properties")]


def test_what_is_remembered_is_what_would_be_read_anew() -> None:
    """Values that are equal in Python and not in JSON are told apart."""
    decoder = Decoder(rules("score", where={"flag": True}))
    values = [{"rating": 1}, {"rating": True}, {"rating": 1.0}, {"flag": True}, {"flag": 1}, {"flag": True}]
    events = [
        decoder.decode_one(
            FakeRecord(timestamp=AT_MS, value=msgspec.json.encode({"type": "track", "event": "seen", "userId": "u", "properties": p}))
        )
        for p in values
    ]
    one, counted = Properties(score=1.0), Properties(counters=(240,))
    assert [each.properties for each in events if isinstance(each, Event)] == [one, None, one, counted, None, counted]


# -- aggregates ---------------------------------------------------------------------------------------------------------------


def test_a_value_is_read_for_every_aggregate_of_its_type() -> None:
    """The first spelling that holds a value of its kind; an amount is still an amount; of another type nothing is read."""
    order = EventType(id=39, name="order_completed", amount="revenue")
    aggregates = (
        Aggregate(id=9, name="value", event="order_completed", of=("revenue", "total")),
        Aggregate(id=4, name="coupon", event="order_completed", of="coupon", kind="text"),
    )
    catalogue = Catalogue(types=(order, EventType(id=10, name="seen")), aggregates=aggregates)
    mine = Rules(version="test", app_id="test", partitions=1, catalogue=catalogue)
    bought = event(mine, {"revenue": "39.95", "total": 1, "coupon": " SPRING "}, "order_completed")
    value, coupon = aggregated(0, False, 39.95), aggregated(1, True, "SPRING")
    assert (bought.amount, bought.properties) == (3995, Properties(aggregated=(value, coupon)))  # type: ignore[arg-type]
    assert event(mine, {"total": 7, "coupon": ["SPRING"]}, "order_completed").properties == Properties(
        aggregated=(aggregated(0, False, 7),)  # type: ignore[arg-type]
    )
    assert event(mine, {"total": True, "coupon": ""}, "order_completed").properties is None
    assert event(mine, {"revenue": 5, "coupon": "SPRING"}).properties is None
