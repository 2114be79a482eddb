"""The watch over the whole: which alarm becomes which alert, and when it ends."""

import msgspec

from streams.core.rules import Site
from streams.core.site import SiteTurn, Told, Watch, judge

SITE = Site()
USUAL = {"all": 1000, "topic:t": 1000, "event:view": 600, "event:search": 300, "event:order": 100, "country:DE": 500, "country:FR": 500}


def told(turns: list[SiteTurn]) -> list[tuple[str, str, str]]:
    return [(turn.rule, turn.series, turn.status) for turn in turns]


def after(*ticks: dict[str, int] | None, site: Site = SITE, muted: tuple[str, ...] = ()) -> tuple[Watch, list[list[tuple[str, str, str]]]]:
    """The watch after twenty usual ticks of one slot and `ticks`, and what was told in each of these."""
    watch, said = Watch(0), []
    for _ in range(20):
        watch, turns = judge(watch, USUAL, 0, site)
        assert turns == []
    for counts in ticks:
        watch, turns = judge(watch, counts, 0, site, muted)
        said.append(told(turns))
    return watch, said


def test_a_site_that_loses_99_in_100_is_told_with_the_first_tick_and_once() -> None:
    """Not the parts: an outage is one alert. It ends when the events are back."""
    low = {name: n // 100 for name, n in USUAL.items()}
    _, said = after(low, low, USUAL, USUAL)
    assert said == [[("site_drop", "all", "firing")], [], [], [("site_drop", "all", "resolved")]]


def test_an_alert_says_what_came_what_is_usual_and_which_parts_miss_most() -> None:
    watch, _ = after()
    watch, (turn,) = judge(watch, {name: n // 100 for name, n in USUAL.items()}, 0, SITE)
    assert (turn.tick, turn.since, turn.y, round(turn.expected), turn.theta) == (20, 20, 10.0, 1000, 2.0)
    assert [(name, y, round(usual)) for name, y, usual in turn.parts] == [("view", 6.0, 600), ("search", 3.0, 300), ("order", 1.0, 100)]
    watch, _ = judge(watch, USUAL, 0, SITE)
    watch, (turn,) = judge(watch, USUAL, 0, SITE)
    assert (turn.status, turn.tick, turn.since, turn.parts) == ("resolved", 22, 20, ())


def test_one_name_that_is_gone_while_others_go_on_is_a_broken_tag() -> None:
    gone = {**USUAL, "all": 900, "topic:t": 900, "event:order": 0}
    _, said = after(gone, gone, USUAL, USUAL)
    assert said[0] == [("tracking_broken", "event:order", "firing")]
    assert [turn for turns in said[1:] for turn in turns] == [("tracking_broken", "event:order", "resolved")]


def test_a_broken_tag_explains_the_drop_of_the_whole() -> None:
    """60 % of all events are of one name. Nobody left: no site_drop."""
    gone = {**USUAL, "all": 400, "topic:t": 400, "event:view": 0, "country:DE": 200, "country:FR": 200}
    _, said = after(gone, gone)
    assert [turn for turns in said for turn in turns if turn[1] in ("all", "event:view")] == [("tracking_broken", "event:view", "firing")]


def test_all_names_that_are_gone_together_are_no_broken_tag() -> None:
    _, (first,) = after({"topic:t": 0})
    assert first == [("site_drop", "all", "firing")]


def test_a_name_that_makes_up_nearly_everything_proves_nothing_about_tags() -> None:
    usual = {"all": 1000, "event:view": 950, "event:order": 50}
    watch = Watch(0)
    for _ in range(20):
        watch, _ = judge(watch, usual, 0, SITE)
    watch, turns = judge(watch, {"all": 50, "event:view": 0, "event:order": 50}, 0, SITE)
    assert told(turns) == [("site_drop", "all", "firing")]


def test_a_country_that_falls_is_told_by_itself() -> None:
    """The whole falls by a tenth only."""
    low = {**USUAL, "all": 900, "country:FR": 250}
    _, said = after(low, low)
    assert said == [[], [("drop", "country:FR", "firing")]]


def test_a_topic_is_no_part_that_drops() -> None:
    """It is watched to know what is usual on it; who falls silent is told by `source_silent`."""
    _, said = after({**USUAL, "topic:t": 0}, {**USUAL, "topic:t": 0})
    assert said == [[], []]


def test_a_part_that_stays_low_after_the_whole_is_back_is_told_then() -> None:
    low = {name: n // 100 for name, n in USUAL.items()}
    back = {**USUAL, "all": 950, "country:FR": 300}
    _, said = after(low, back, back)
    assert said[0] == [("site_drop", "all", "firing")]
    assert [turn for turns in said[1:] for turn in turns] == [("site_drop", "all", "resolved"), ("drop", "country:FR", "firing")]


def test_a_tick_that_says_nothing_begins_and_ends_nothing() -> None:
    low = {name: n // 100 for name, n in USUAL.items()}
    watch, said = after(low, None, None)
    assert said[1:] == [[], []]
    assert (watch.tick, watch.told) == (23, {"all": Told("site_drop", 20)})


def test_what_is_muted_is_silent_and_teaches_nothing() -> None:
    low = {name: n // 100 for name, n in USUAL.items()}
    before, _ = after()
    watch, said = after(low, low, muted=("",))
    assert said == [[], []]
    assert [each.slots for each in watch.series.values()] == [each.slots for each in before.series.values()]
    _, said = after({**USUAL, "country:FR": 0}, muted=("country:",))
    assert said == [[]]


def test_there_are_never_more_series_than_allowed_and_the_largest_come_first() -> None:
    site = msgspec.structs.replace(SITE, max_series=3)
    watch, _ = judge(Watch(0), {"country:A": 1, "country:B": 3, "country:C": 2, "all": 1, "overflow": 9}, 0, site)
    assert list(watch.series) == ["all", "country:B", "country:C"]
    watch, _ = judge(watch, {"country:D": 100}, 0, site)
    assert list(watch.series) == ["all", "country:B", "country:C"]


def test_a_series_without_an_event_for_five_weeks_makes_room() -> None:
    watch, _ = judge(Watch(0), {"all": 1, "country:A": 1}, 0, SITE)
    later = msgspec.structs.replace(watch, tick=35 * 24)
    assert "country:A" in judge(later, {"all": 1}, 0, SITE)[0].series
    later = msgspec.structs.replace(watch, tick=35 * 24 + 1)
    assert "country:A" not in judge(later, {"all": 1}, 0, SITE)[0].series
