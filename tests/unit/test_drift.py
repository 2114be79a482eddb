"""What events look like: what is sampled, what is news, and when a property has vanished."""

import json
from typing import Any

from streams.core.drift import Drifts, DriftTurn, EventShape, PropertyShape, Sampler, judge_drift
from streams.core.record import Event
from streams.core.rules import CUSTOM, Catalogue, EventType, Rules
from streams.core.ticks import KEEP_S
from tests.unit.records import FakeRecord

HOUR_MS = 3_600_000
RULES = Rules(
    version="1", app_id="a", partitions=2, catalogue=Catalogue(types=(EventType(id=10, name="view"), EventType(id=12, name="identify")))
)


def sampled(body: dict[str, Any] | bytes, type_id: int = 10, *, rev: int = 0) -> dict[str, int]:
    value = body if isinstance(body, bytes) else json.dumps(body).encode()
    found = Sampler(RULES).of([FakeRecord(timestamp=5 * HOUR_MS, value=value)], [Event("u", "u", type_id, 0, 1)], [0], 0, rev)
    return found[0].fields if found else {}


def test_names_and_types_are_sampled_and_never_values() -> None:
    properties = {"p": "jane", "n": 1.5, "b": True, "c": False, "o": {}, "a": [], "nothing": None}
    assert sampled({"event": "Viewed", "properties": properties}) == {
        "view": 1,
        "view\tp\tstring": 1,
        "view\tn\tnumber": 1,
        "view\tb\tboolean": 1,
        "view\tc\tboolean": 1,
        "view\to\tobject": 1,
        "view\ta\tarray": 1,
    }


def test_an_event_of_no_catalogue_is_sampled_under_its_own_name_cut_and_printable() -> None:
    assert sampled({"event": "Half\tway" + "x" * 99}, CUSTOM) == {"Half?way" + "x" * 56: 1}


def test_traits_are_the_properties_of_an_identify() -> None:
    assert sampled({"type": "identify", "traits": {"plan": "free"}}, 12) == {"identify": 1, "identify\tplan\tstring": 1}


def test_what_has_no_such_shape_is_not_sampled() -> None:
    assert sampled({"event": "x", "traits": 7}) == {}


def test_a_step_in_four_looks_at_sixteen_events_at_most() -> None:
    sampler, event = Sampler(RULES), Event("u", "u", 10, 0, 1)
    records = [FakeRecord(timestamp=5 * HOUR_MS, value=b"{}")] * 100
    (sums,) = sampler.of(records, [event] * 100, [0] * 100, 0, 8)
    assert (sums.name, sums.fields, sums.keep_s) == ("d60:5", {"view": 15}, KEEP_S)
    assert sampler.of(records, [event] * 100, [0] * 100, 0, 9) == ()
    assert sampler.of(records, [event] * 100, [1] * 100, 0, 8) == ()
    assert sampler.of([], [], [], 0, 8) == ()


def test_in_a_replay_a_sample_lies_in_the_tick_in_which_it_happened() -> None:
    event = Event("u", "u", 10, 2 * HOUR_MS, 1, event_clock=True)
    (sums,) = Sampler(RULES).of([FakeRecord(value=b"{}")], [event], [0], 0, 0)
    assert sums.name == "d60:2"


# What is told.

KNOWN = Drifts(n=10_000, events={"view": EventShape(9_000, {"price": PropertyShape({"number": 8_000})})})
#: Nine in ten carry a price.
PRICED = Drifts(n=10_000, events={"view": EventShape(9_000, {"price": PropertyShape({"number": 8_000}, 0.9, 5)})})


def told(turns: list[DriftTurn]) -> list[tuple[str, str, bool]]:
    return [(turn.cause, turn.series, turn.firing) for turn in turns]


def after(drifts: Drifts, *samples: dict[str, int], tick: int = 0) -> tuple[Drifts, list[list[DriftTurn]]]:
    said = []
    for n, sample in enumerate(samples):
        drifts, turns = judge_drift(drifts, sample, tick + n, RULES)
        said.append(turns)
    return drifts, said


def test_a_name_is_news_when_five_sampled_events_had_it() -> None:
    _, said = after(KNOWN, {"Wish Made": 3, "view": 97}, {"Wish Made": 2, "view": 98}, {"Wish Made": 9, "view": 91})
    assert [told(turns) for turns in said] == [[], [("new_event", "event:Wish Made", True)], []]
    assert said[1][0].words == "an event named Wish Made comes for the first time: 5 of 100 sampled events"


def test_nothing_is_news_while_nothing_is_known() -> None:
    _, (turns,) = after(Drifts(n=4_999), {"Wish Made": 50})
    assert turns == []


def test_a_name_of_the_catalogue_is_no_news() -> None:
    _, (turns,) = after(KNOWN, {"identify": 50})
    assert turns == []


def test_what_did_not_fit_into_the_sample_is_no_event() -> None:
    """The store counts it beside the names, as `overflow`."""
    drifts, (turns,) = after(KNOWN, {"view": 100, "overflow": 900})
    assert turns == []
    assert (drifts.n, list(drifts.events)) == (10_100, ["view"])


def test_a_new_property_of_a_known_name() -> None:
    _, (turns,) = after(KNOWN, {"view": 100, "view\tcolour\tstring": 7})
    assert told(turns) == [("new_property", "property:view.colour", True)]
    assert turns[0].words == "view carries colour for the first time: 7 of 100 sampled events"


def test_the_properties_of_a_new_name_are_no_news_of_their_own() -> None:
    _, (turns,) = after(KNOWN, {"Wish Made": 60, "Wish Made\tcolour\tstring": 60})
    assert told(turns) == [("new_event", "event:Wish Made", True)]


def test_a_property_whose_type_flips() -> None:
    _, said = after(KNOWN, {"view": 100, "view\tprice\tstring": 60, "view\tprice\tnumber": 30}, {"view": 100, "view\tprice\tstring": 90})
    assert [told(turns) for turns in said] == [[("type_flip", "property:view.price", True)], []]
    assert said[0][0].words == "price of view is string in 60 of 90 sampled events; it used to be number"


def test_news_are_over_after_a_day() -> None:
    drifts, _ = after(KNOWN, {"Wish Made": 5, "view": 95}, tick=100)
    _, (quiet,) = after(drifts, {"view": 100, "view\tprice\tnumber": 90}, tick=123)
    _, (over,) = after(drifts, {"view": 100, "view\tprice\tnumber": 90}, tick=124)
    assert quiet == []
    assert (told(over), over[0].since) == ([("new_event", "event:Wish Made", False)], 100)


def test_news_of_one_thing_are_told_once_a_day_and_each_is_over() -> None:
    """A second flip of a property is no other alert while the first is firing: one that is told anew would never be over."""
    flips = {"view": 100, "view\tprice\tstring": 20, "view\tprice\tarray": 20}
    drifts, (turns,) = after(KNOWN, flips)
    assert told(turns) == [("type_flip", "property:view.price", True)]
    drifts, (turns,) = after(drifts, {"view": 100, "view\tprice\tobject": 20}, tick=5)
    assert turns == []
    drifts, (over,) = after(drifts, {"view": 100, "view\tprice\tboolean": 20}, tick=24)
    assert [(turn.firing, turn.since) for turn in over] == [(False, 0), (True, 24)]
    _, (over,) = after(drifts, {"view": 100}, tick=48)
    assert [(turn.firing, turn.since) for turn in over] == [(False, 24)]


def test_a_property_that_vanishes_is_a_broken_tag_until_it_is_back() -> None:
    full, gone = {"view": 100, "view\tprice\tnumber": 90}, {"view": 100, "view\tprice\tnumber": 9}
    _, said = after(PRICED, full, gone, gone, {"view": 29}, {"view": 100, "view\tprice\tnumber": 45})
    assert [told(turns) for turns in said] == [
        [],
        [("property_gone", "property:view.price", True)],
        [],
        [],
        [("property_gone", "property:view.price", False)],
    ]
    assert said[1][0].words == "view carries price in 9 of 100 sampled events; usually in 90 %"
    assert (said[4][0].since, said[4][0].words) == (1, "price of view is back")


def test_a_share_is_usual_after_three_ticks_of_thirty() -> None:
    full, gone = {"view": 100, "view\tcolour\tstring": 90}, {"view": 100}
    _, said = after(Drifts(), full, full, gone)
    assert said[2] == []
    _, said = after(Drifts(), full, full, full, {"view": 29}, gone)
    assert told(said[4]) == [("property_gone", "property:view.colour", True)]


def test_much_news_at_once_is_told_as_one() -> None:
    _, (turns,) = after(KNOWN, {"view": 100} | {f"e{n:02}": 5 for n in range(11)})
    assert told(turns) == [("many", "tracking", True)]
    assert turns[0].words.startswith(
        "11 names, properties or types at once are new, among them: an event named e00 comes for the first time"
    )


def test_what_is_remembered_is_bounded() -> None:
    drifts, _ = after(Drifts(), {f"e{n}": 1 for n in range(400)}, {"view": 100} | {f"view\tp{n}\tstring": 1 for n in range(100)})
    assert len(drifts.events) == 300
    drifts, _ = after(Drifts(), {"view": 100} | {f"view\tp{n}\tstring": 1 for n in range(100)})
    assert len(drifts.events["view"].properties) == 64
