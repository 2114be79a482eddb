"""What a step adds to the counts of the whole."""

import msgspec

from streams.core.properties import Context, Properties
from streams.core.record import Event, Increments, Rejected
from streams.core.rules import CUSTOM, Catalogue, EventType, Rules, Site
from streams.core.ticks import KEEP_S, Ticks
from streams.core.trackingplan import Misfit, marked
from tests.unit.records import CAMPAIGNS, CLICKS, REROUTED, FakeRecord

HOUR_MS = 3_600_000
RULES = Rules(version="1", app_id="a", partitions=2, catalogue=Catalogue(types=(EventType(id=10, name="view"),)))


def event(type_id: int = 10, at_ms: int = 0, *, event_clock: bool = False) -> Event:
    return Event("u", "u", type_id, at_ms, 1, event_clock=event_clock)


def test_an_event_counts_at_home_in_the_hour_in_which_it_came() -> None:
    """Whatever time it claims. Its topic counts it where it came in, also when it lives elsewhere."""
    records = [
        FakeRecord(CLICKS, timestamp=5 * HOUR_MS),
        FakeRecord(CLICKS, timestamp=5 * HOUR_MS + 1),
        FakeRecord(CAMPAIGNS, timestamp=6 * HOUR_MS),
        FakeRecord(REROUTED, timestamp=6 * HOUR_MS),
        FakeRecord(CLICKS, timestamp=6 * HOUR_MS),
    ]
    says = [event(), event(CUSTOM), event(), event(), Rejected("empty")]
    assert Ticks(RULES).of(records, says, [0, 0, 1, 0, -1], 0) == (
        Increments("t60:5", {f"topic:{CLICKS}": 2, "all": 2, "event:view": 1, "event:custom": 1}, KEEP_S, 400),
        Increments("t60:6", {f"topic:{CAMPAIGNS}": 1, "all": 1, "event:view": 1}, KEEP_S, 400),
    )


def test_what_an_event_says_of_its_place_is_counted_where_it_is_told_apart() -> None:
    said = Event("u", "u", 10, 0, 1, properties=Properties(category="shoes", campaign="spring"), context=Context("DE", "mobile"))
    (sums,) = Ticks(RULES).of([FakeRecord()] * 2, [said, said], [0, 0], 0)
    assert {name: n for name, n in sums.fields.items() if name.partition(":")[0] not in ("topic", "event", "all")} == {
        "country:DE": 2,
        "device:mobile": 2,
        "category:shoes": 2,
        "campaign:spring": 2,
    }
    rules = msgspec.structs.replace(RULES, site=Site(dimensions=()))
    (sums,) = Ticks(rules).of([FakeRecord()], [said], [0], 0)
    assert sums.fields == {f"topic:{CLICKS}": 1, "all": 1, "event:view": 1}


def test_in_a_replay_it_counts_in_the_hour_in_which_it_happened() -> None:
    (sums,) = Ticks(RULES).of([FakeRecord(REROUTED, timestamp=9 * HOUR_MS)], [event(at_ms=2 * HOUR_MS, event_clock=True)], [0], 0)
    assert (sums.name, sums.fields) == ("t60:2", {"all": 1, "event:view": 1})


def test_a_rerouted_event_of_another_home_counts_nowhere() -> None:
    assert Ticks(RULES).of([FakeRecord(REROUTED)], [event()], [1], 0) == ()


def test_marks_are_counted_once_by_day_name_and_path() -> None:
    """At home; places in lists are one place, so that a list of a thousand makes one sum."""
    records = [FakeRecord(timestamp=86_400_000 * 3)] * 3
    misfits = {0: Misfit("A", "$.properties.p[4].q", "mark"), 1: Misfit("A", "$.properties.p[5].q", "mark"), 2: Misfit("A", "$.x", "mark")}
    assert marked(misfits, records, [0, 0, 1], 0) == (Increments("plan:3", {"A\t$.properties.p[].q": 2}, 35 * 86_400, 2000),)
