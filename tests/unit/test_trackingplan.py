"""The tracking plan: which events fit, and where those that do not fail."""

import json
from typing import Any

import pytest

from streams.core.planned import Mode, PlannedEvent, Property, TrackingPlan
from streams.core.record import Fate, Head, Plan
from streams.core.rules import Catalogue, EventType, Rules
from streams.core.trackingplan import UNPLANNED, Misfit, PlanChecker, compiled
from streams.flow import Flow
from tests.unit.records import FakeRecord


def checker(name: str = "Order Completed", *, others: bool = True, mode: Mode = "mark", **properties: Property) -> PlanChecker:
    return PlanChecker(TrackingPlan(events=(PlannedEvent(name=name, mode=mode, others=others, properties=properties),)))


def track(event: str = "Order Completed", **properties: Any) -> bytes:
    return json.dumps({"type": "track", "event": event, "userId": "u1", "properties": properties}).encode()


def at(misfit: Misfit | None) -> str | None:
    return misfit.at if misfit else None


TEXT, NUMBER = Property(type="string"), Property(type="number")

FITS: list[tuple[Property, Any]] = [
    (Property(type="string"), "a"),
    (Property(type="number"), 1),
    (Property(type="number"), 1.5),
    (Property(type="integer"), 1),
    (Property(type="boolean"), False),
    (Property(type=("string", "number")), 3.5),
    (Property(type="array"), []),
    (Property(type="array", items=Property(type="integer")), [1, 2]),
    (Property(type="object"), {"a": 1}),
    (Property(type="object", properties={"a": Property(type="integer", required=True)}, others=False), {"a": 1}),
    (Property(one_of=("EUR", "USD")), "EUR"),
    (Property(one_of=(1, 2)), 2),
    (Property(type="number", minimum=0, maximum=1), 0),
    (Property(type="string", min_length=1, max_length=3), "abc"),
    (Property(type="string", pattern="^[A-Z]{3}$"), "EUR"),
    (Property(type="string", format="date-time"), "2026-01-31T08:00:00+01:00"),
    (Property(type="string", format="uuid"), "0b1c2d3e-4f50-4a61-8b72-9c8d7e6f5a4b"),
    (Property(), {"anything": [1, None]}),
    (Property(required=True), 0),
    (Property(type="string", required=True, nullable=True), None),
    (Property(type="string"), None),  # optional: null is as good as not there
]
FAILS: list[tuple[Property, Any]] = [
    (Property(type="string"), 1),
    (Property(type="number"), "1"),
    (Property(type="integer"), 1.5),
    (Property(type="boolean"), "true"),
    (Property(type="array"), {}),
    (Property(type="object"), []),
    (Property(one_of=("EUR", "USD")), "GBP"),
    (Property(type="number", minimum=0), -0.01),
    (Property(type="integer", maximum=9), 10),
    (Property(type="string", max_length=3), "abcd"),
    (Property(type="array", min_length=1), []),
    (Property(type="string", pattern="^[A-Z]{3}$"), "eur"),
    (Property(type="string", format="date-time"), "2026-01-31T08:00:00"),
    (Property(type="string", format="uuid"), "17"),
    (Property(type="string", required=True), None),
    (Property(required=True), None),
]


@pytest.mark.parametrize(("of", "value"), FITS)
def test_what_fits(of: Property, value: Any) -> None:
    assert checker(p=of).judge(track(p=value)) is None


@pytest.mark.parametrize(("of", "value"), FAILS)
def test_what_does_not_fit_is_named_by_its_path(of: Property, value: Any) -> None:
    assert checker(p=of).judge(track(p=value)) == Misfit("Order Completed", "$.properties.p", "mark")


def test_paths_lead_into_lists_and_objects() -> None:
    item = Property(type="object", properties={"price": NUMBER, "sku": Property(type="string", required=True)})
    check = checker(products=Property(type="array", items=item))
    assert at(check.judge(track(products=[{"sku": "a"}, {"sku": "b", "price": "x"}]))) == "$.properties.products[1].price"
    assert at(check.judge(track(products=[{"price": 1}]))) == "$.properties.products[0].sku"


def test_what_must_be_there_and_is_not() -> None:
    check = checker(order_id=Property(type="string", required=True))
    assert at(check.judge(track())) == "$.properties.order_id"
    assert at(check.judge(b'{"event": "Order Completed", "userId": "u1"}')) == "$.properties.order_id"
    assert at(check.judge(b'{"event": "Order Completed", "properties": null}')) == "$.properties.order_id"


def test_a_property_that_the_plan_does_not_know_is_never_repeated() -> None:
    """Its name came in from outside: the path of the object stands for it."""
    check = checker(others=False, order_id=TEXT)
    assert at(check.judge(track(order_id="1", **{"jane@example.com": 1}))) == "$.properties"
    assert check.judge(track(order_id="1")) is None


def test_names_are_compared_without_case_and_separators() -> None:
    check = checker(p=NUMBER)
    for spelling in ("Order Completed", "order_completed", "ORDER-COMPLETED", "orderCompleted"):
        assert at(check.judge(track(spelling, p="x"))) == "$.properties.p"
    assert check.judge(track("purchase", p="x")) is None
    assert check.judge(track("o" * 300, p="x")) is None


def test_a_verb_is_planned_under_the_name_of_its_channel() -> None:
    check = checker("Email Open", p=NUMBER)
    assert at(check.judge(b'{"event": "open", "channel": "email", "properties": {"p": "x"}}')) == "$.properties.p"
    assert at(check.judge(b'{"event": "open", "context": {"channel": "email"}, "properties": {"p": "x"}}')) == "$.properties.p"
    assert check.judge(b'{"event": "open", "channel": "sms", "properties": {"p": "x"}}') is None
    assert check.judge(b'{"event": "open", "context": 7, "properties": {"p": "x"}}') is None
    assert check.judge(b'{"event": "open", "context": null, "properties": {"p": "x"}}') is None


@pytest.mark.parametrize(("call", "where"), [("page", "properties"), ("screen", "properties"), ("identify", "traits"), ("group", "traits")])
def test_other_calls_are_planned_under_their_own_name(call: str, where: str) -> None:
    """`identify` and `group` carry traits, and those are judged."""
    body = {"type": call, "userId": "u1", where: {"p": "x"}}
    assert at(checker(call, p=NUMBER).judge(json.dumps(body).encode())) == f"$.{where}.p"


def test_an_event_says_which_version_it_follows() -> None:
    plan = TrackingPlan(
        events=(
            PlannedEvent(name="A", version="1", properties={"p": TEXT}),
            PlannedEvent(name="a", version="2", mode="dead-letter", properties={"p": NUMBER}),
            PlannedEvent(name="a", version="3", mode="accept", properties={"p": NUMBER}),
        )
    )
    check = PlanChecker(plan)

    def said(version: Any, p: Any) -> Misfit | None:
        context = {"protocols": {"event_version": version}}
        return check.judge(json.dumps({"event": "a", "properties": {"p": p}, "context": context}).encode())

    assert (said("1", "x"), said("1", 5)) == (None, Misfit("A", "$.properties.p", "mark"))
    assert (said(2, 5), said("2", "x")) == (None, Misfit("a", "$.properties.p", "dead-letter"))
    assert said("3", "x") is None
    assert said("4", "x") == Misfit("A", "$.context.protocols.event_version", "mark")
    assert said(None, 5) == Misfit("A", "$.properties.p", "mark")
    assert check.judge(track("a", p=5)) == Misfit("A", "$.properties.p", "mark")


def test_an_unknown_version_of_an_event_that_is_only_documented_is_accepted() -> None:
    plan = TrackingPlan(events=(PlannedEvent(name="a", mode="accept"), PlannedEvent(name="a", version="2")))
    assert PlanChecker(plan).judge(b'{"event": "a", "context": {"protocols": {"event_version": "9"}}}') is None


def test_events_that_are_in_no_plan_share_one_name() -> None:
    plan = TrackingPlan(events=(PlannedEvent(name="a", mode="accept"),), unplanned="mark")
    check = PlanChecker(plan)
    assert check.judge(track("Whatever jane@example.com did")) == Misfit(UNPLANNED, "$.event", "mark")
    assert check.judge(track("a")) is None


@pytest.mark.parametrize("value", [b"", b"{", b"[]", b'{"event": 7}', b'{"type": "track"}', b'{"event": "\xff"}', b"[" * 5000])
def test_what_is_no_event_is_refused_elsewhere(value: bytes) -> None:
    assert PlanChecker(TrackingPlan(unplanned="mark")).judge(value) is None


def test_a_plan_that_asks_for_nothing_is_not_compiled() -> None:
    """No plan, no second look at any event."""
    documented = TrackingPlan(events=(PlannedEvent(name="a", mode="accept", properties={"p": NUMBER}),))
    assert compiled(None) is None
    assert compiled(documented) is None
    assert documented.enforced() is None
    assert compiled(TrackingPlan(unplanned="mark")) is not None


def test_words_about_a_plan_are_not_part_of_the_rules() -> None:
    """Mending a description changes no version; names that are only documented stay known where unknown ones are judged."""
    loud = PlannedEvent(name="a", description="d", properties={"p": Property(type="string", description="d")})
    quiet = PlannedEvent(name="a", properties={"p": TEXT})
    told = PlannedEvent(name="b", mode="accept")
    assert TrackingPlan(events=(loud, told)).enforced() == TrackingPlan(events=(quiet,))
    assert TrackingPlan(events=(loud, told), unplanned="mark").enforced() == TrackingPlan(events=(quiet, told), unplanned="mark")


# In the main flow.


def flow(mode: Mode) -> Flow:
    plan = TrackingPlan(events=(PlannedEvent(name="order_completed", mode=mode, properties={"revenue": NUMBER}),))
    catalogue = Catalogue(types=(EventType(id=10, name="order_completed"),))
    return Flow(Rules(version="1", app_id="a", partitions=1, catalogue=catalogue, tracking_plan=plan))


def record(offset: int, **properties: Any) -> FakeRecord:
    return FakeRecord(offset=offset, timestamp=1_700_000_000_000, value=track("order_completed", **properties))


HEAD = Head(partition=0, owner="o", rev=0, positions={}, plan=None, time_ms=-1, clock="wall", guards={}, fates={})
PLAN = Plan(
    rev=0,
    spans={},
    time_ms=1_700_000_000_000,
    now_ms=1_700_000_000_000,
    clock="wall",
    rules_version="1",
    parameters_version="prior",
    due_limit=9,
)


def test_dead_letter_sets_aside_what_does_not_fit_and_keeps_its_bytes() -> None:
    under = flow("dead-letter")
    records = [record(0, revenue="x"), record(1, revenue=5)]
    reading = under.read(records, 0)
    outcome = under.step(PLAN, reading, HEAD, {}, [])
    assert (outcome.fates[Fate.REJECTED], outcome.fates[Fate.COUNTED]) == (1, 1)
    assert outcome.rejects == {"off_plan": 1}
    letter = next(output for output in outcome.outputs if output.topic == "engagement.dead.v1")
    headers = dict(letter.headers)
    assert (letter.value, headers["dead-reason"], headers["dead-at"]) == (records[0].value, b"off_plan", b"$.properties.revenue")


def test_mark_counts_what_does_not_fit() -> None:
    under = flow("mark")
    reading = under.read([record(0, revenue=5), record(1, revenue="x")], 0)
    assert reading.marks == {1: Misfit("order_completed", "$.properties.revenue", "mark")}
    outcome = under.step(PLAN, reading, HEAD, {}, [])
    assert (outcome.fates[Fate.REJECTED], outcome.fates[Fate.COUNTED]) == (0, 2)
