"""A pass of the watch over the whole: what is judged, what is said, what is saved."""

import json
from datetime import UTC
from typing import Any

import msgspec
import pytest

from streams.core.drift import Drifts, EventShape, PropertyShape
from streams.core.record import Head
from streams.core.rules import Catalogue, EventType, Mute, Rules, Site
from streams.core.silence import Source
from streams.core.site import Watch
from streams.core.sitestate import SiteState, View, decode_site, due_ticks, encode_site, look
from streams.errors import StreamsError, UnknownStateVersion

HOUR_MS = 3_600_000
MIN_MS = 60_000
DAY_MS = 86_400_000
CLICKS, CAMPAIGNS = "engagement.clickstream.v1", "engagement.campaigns.v1"
RULES = Rules(version="v", app_id="shop", partitions=2, catalogue=Catalogue(types=(EventType(id=10, name="view"),)))
#: Monday, 2024-01-01T00:00Z.
MONDAY = 1_704_067_200_000 // HOUR_MS
USUAL = {"all": 600, f"topic:{CLICKS}": 600, "event:view": 600}


def head(partition: int, time_ms: int, clicks: int = 0, clock: str = "wall") -> Head:
    return Head(partition, "o", 1, {CLICKS: clicks, CAMPAIGNS: 1}, None, time_ms, clock, {}, {})


def view(low_ms: int, clicks: int = 0, *, wall: bool = True) -> View:
    return View(low_ms, {CLICKS: clicks, CAMPAIGNS: 0}, wall)


def learned(rules: Rules = RULES, weeks: int = 6) -> SiteState:
    """The state after this hour of some weeks with 600 events each; the next tick is the same hour of the next week."""
    state = SiteState(watch=Watch(MONDAY))
    for week in range(weeks):
        tick = MONDAY + week * 168
        assert state.watch is not None
        state = msgspec.structs.replace(state, watch=msgspec.structs.replace(state.watch, tick=tick))
        state, _ = look(state, state, view(0, wall=False), {tick: USUAL}, rules, UTC, 0)
    assert state.watch is not None
    return msgspec.structs.replace(state, watch=msgspec.structs.replace(state.watch, tick=MONDAY + weeks * 168), unsaid=())


def said(state: SiteState) -> list[dict[str, Any]]:
    return [json.loads(output.value or b"") for output in state.unsaid]


def test_nothing_is_known_of_all_until_every_partition_has_a_time() -> None:
    assert View.of([head(0, 5)], RULES) is None
    assert View.of([head(0, 5), head(1, -1)], RULES) is None
    assert View.of([head(0, 5, 3), head(1, 9, 4, "event")], RULES) == View(5, {CLICKS: 7, CAMPAIGNS: 2}, False)


def test_the_first_tick_is_the_first_that_was_counted_or_else_the_next_whole_one() -> None:
    state, save = look(SiteState(), SiteState(), view(5 * HOUR_MS + 1), {}, RULES, UTC, 7)
    assert (state.watch, state.rev, save) == (Watch(6), 1, True)
    state, _ = look(SiteState(), SiteState(), view(5 * HOUR_MS), {}, RULES, UTC, 7, 2)
    assert due_ticks(state, view(5 * HOUR_MS), RULES.site) == range(2, 5)
    assert due_ticks(SiteState(), view(5 * HOUR_MS), RULES.site) == range(0)


def test_a_replay_of_months_is_judged_in_bites() -> None:
    assert due_ticks(SiteState(watch=Watch(0)), view(9999 * HOUR_MS), RULES.site) == range(200)


def test_an_alert_reads_well_and_is_dated() -> None:
    state = learned()
    tick = MONDAY + 6 * 168
    after, save = look(
        state, state, view((tick + 1) * HOUR_MS, wall=False), {tick: {"all": 6, "event:view": 6}}, RULES, UTC, tick * HOUR_MS
    )
    (alert,) = said(after)
    assert save
    assert (alert["rule"], alert["series"], alert["status"], alert["cause"], alert["severity"]) == (
        "site_drop",
        "all",
        "firing",
        "users_left",
        "critical",
    )
    assert (alert["starts_at"], alert["ends_at"], alert["stale"]) == ("2024-02-12T00:00:00.000Z", None, False)
    assert [reason["text"] for reason in alert["reasons"]] == [
        "all events: 6 in one hour from 00:00 UTC, 1 % of the usual 600",
        "view: 6 came, 600 are usual",
    ]
    assert alert["reasons"][0]["contribution"] == pytest.approx(-594)
    assert alert["clears_when"] == "about 600 events in one hour, as usual at this time"
    (output,) = after.unsaid
    assert (output.key, dict(output.headers)["ce_id"]) == (b"all", f"{alert['alert_id']}:firing".encode())


def test_a_resolve_carries_the_id_of_its_firing() -> None:
    state, tick = learned(), MONDAY + 6 * 168
    state, _ = look(state, state, view((tick + 1) * HOUR_MS, wall=False), {tick: {"all": 6}}, RULES, UTC, 0)
    (fired,) = said(state)
    assert state.watch is not None
    # The same hour of later weeks, twice: the alarm ends when two ticks together are as usual.
    for week in (7, 8):
        moved = msgspec.structs.replace(state, watch=msgspec.structs.replace(state.watch, tick=MONDAY + week * 168), unsaid=())
        state, _ = look(moved, moved, view(0, wall=False), {MONDAY + week * 168: USUAL}, RULES, UTC, 99 * DAY_MS + MONDAY * HOUR_MS)
        assert state.watch is not None
    (resolved,) = said(state)
    assert (resolved["status"], resolved["cause"], resolved["clears_when"]) == ("resolved", "came_back", "")
    assert (resolved["alert_id"], resolved["starts_at"]) == (fired["alert_id"], fired["starts_at"])
    assert resolved["ends_at"] == "2024-02-26T01:00:00.000Z"
    assert resolved["stale"] is True


def test_a_part_and_a_broken_tag_are_quieter_than_the_whole() -> None:
    rules = msgspec.structs.replace(RULES, site=Site(tick_minutes=60))
    usual = {"all": 1000, "event:a": 500, "event:b": 500, "country:DE": 500}
    state = SiteState(watch=Watch(MONDAY))
    for _ in range(6):
        assert state.watch is not None
        state = msgspec.structs.replace(state, watch=msgspec.structs.replace(state.watch, tick=MONDAY))
        state, _ = look(state, state, view(0, wall=False), {MONDAY: usual}, rules, UTC, 0)
    assert state.watch is not None
    state = msgspec.structs.replace(state, watch=msgspec.structs.replace(state.watch, tick=MONDAY))
    after, _ = look(state, state, view(0, wall=False), {MONDAY: {**usual, "all": 500, "event:a": 0, "country:DE": 100}}, rules, UTC, 0)
    assert [(alert["rule"], alert["series"], alert["cause"], alert["severity"]) for alert in said(after)] == [
        ("tracking_broken", "event:a", "tracking_broken", "high"),
        ("drop", "country:DE", "users_left", "warning"),
    ]
    assert said(after)[0]["reasons"][0]["text"] == "event a: 0 in one hour from 00:00 UTC, 0 % of the usual 500"


def test_muted_hours_begin_nothing() -> None:
    rules = msgspec.structs.replace(RULES, site=Site(mutes=(Mute(begin="2024-02-12", end="2024-02-13"),)))
    state, tick = learned(rules), MONDAY + 6 * 168
    after, _ = look(state, state, view(0, wall=False), {tick: {"all": 6}}, rules, UTC, 0)
    assert after.unsaid == ()


def test_counts_that_nobody_looked_at_for_days_say_nothing() -> None:
    """They have been dropped: nothing there is not nothing counted."""
    state, tick = msgspec.structs.replace(learned(), saved_ms=DAY_MS), MONDAY + 6 * 168
    after, _ = look(state, state, view(0, wall=False), {tick: {}}, RULES, UTC, 3 * DAY_MS)
    assert after.unsaid == ()
    after, _ = look(state, state, view(0, wall=False), {tick: {}}, RULES, UTC, 2 * DAY_MS)
    assert [alert["rule"] for alert in said(after)] == ["site_drop"]


def test_a_silent_source_is_told_and_no_drop_beside_it() -> None:
    """And timers are held at the time at which it was told."""
    state, tick = learned(), MONDAY + 6 * 168
    start_ms = tick * HOUR_MS
    state, save = look(state, state, view(start_ms, 5), {}, RULES, UTC, start_ms)
    assert save  # the first sight of a topic
    saved = state
    state, save = look(state, saved, view(start_ms + 14 * MIN_MS, 5), {}, RULES, UTC, start_ms)
    assert (save, state.hold_ms) == (False, None)
    state, save = look(state, saved, view(start_ms + 15 * MIN_MS, 5), {}, RULES, UTC, start_ms + 15 * MIN_MS)
    (alert,) = said(state)
    assert (alert["rule"], alert["series"], alert["severity"], alert["starts_at"]) == (
        "source_silent",
        f"topic:{CLICKS}",
        "critical",
        "2024-02-12T00:00:00.000Z",
    )
    assert alert["reasons"][0]["text"] == f"nothing at all for 15 minutes on {CLICKS}; about 10 records a minute are usual"
    assert (save, state.hold_ms) == (True, start_ms + 15 * MIN_MS)
    state = saved = msgspec.structs.replace(state, unsaid=())
    state, _ = look(state, saved, view(start_ms + HOUR_MS, 5), {tick: {}}, RULES, UTC, start_ms)
    assert state.unsaid == ()
    state, save = look(state, state, view(start_ms + HOUR_MS + 1, 6), {}, RULES, UTC, start_ms)
    (over,) = said(state)
    assert (over["status"], over["alert_id"], over["cause"], save) == ("resolved", alert["alert_id"], "came_back", True)
    assert state.hold_ms == start_ms + 15 * MIN_MS
    state = msgspec.structs.replace(state, unsaid=())
    state, save = look(state, state, view(start_ms + HOUR_MS + 15 * MIN_MS + 1, 6), {}, RULES, UTC, start_ms)
    assert (state.hold_ms, save) == (None, True)


def test_a_silence_that_begins_is_noted_after_a_minute_so_that_the_next_watcher_knows() -> None:
    saved = SiteState(rev=3, watch=Watch(99), sources={CLICKS: Source(5, 0), CAMPAIGNS: Source(0, 0)})
    state, save = look(saved, saved, view(MIN_MS, 6), {}, RULES, UTC, 0)
    assert (save, state.rev) == (False, 3)
    state, save = look(state, saved, view(2 * MIN_MS - 1, 6), {}, RULES, UTC, 0)
    assert save is False
    state, save = look(state, saved, view(2 * MIN_MS, 6), {}, RULES, UTC, 0)
    assert (save, state.rev, state.sources[CLICKS]) == (True, 4, Source(6, MIN_MS))


def test_in_a_replay_nothing_is_told_from_silence() -> None:
    state = msgspec.structs.replace(learned(), sources={CLICKS: Source(5, 0)})
    after, save = look(state, state, view(10 * DAY_MS, 5, wall=False), {}, RULES, UTC, 0)
    assert (after.unsaid, save) == ((), False)


@pytest.mark.parametrize(("minutes", "span"), [(1, "one minute"), (15, "15 minutes"), (60, "one hour")])
def test_spans_in_words(minutes: int, span: str) -> None:
    rules = msgspec.structs.replace(RULES, site=Site(tick_minutes=minutes))
    tick = MONDAY * 60 // minutes
    state = SiteState(watch=Watch(tick))
    for _ in range(6):
        assert state.watch is not None
        state = msgspec.structs.replace(state, watch=msgspec.structs.replace(state.watch, tick=tick))
        state, _ = look(state, state, view(0, wall=False), {tick: {"all": 40}}, rules, UTC, 0)
    assert state.watch is not None
    state = msgspec.structs.replace(state, watch=msgspec.structs.replace(state.watch, tick=tick))
    after, _ = look(state, state, view(0, wall=False), {tick: {}}, rules, UTC, 0)
    assert said(after)[0]["reasons"][0]["text"] == f"all events: 0 in {span} from 00:00 UTC, 0 % of the usual 40"


def test_a_state_comes_back_as_it_was() -> None:
    state, tick = learned(), MONDAY + 6 * 168
    state, _ = look(state, state, view((tick + 1) * HOUR_MS, wall=False), {tick: {"all": 6}}, RULES, UTC, 0)
    assert decode_site(encode_site(state)) == state


def test_a_state_of_a_later_release_or_a_damaged_one_is_refused() -> None:
    with pytest.raises(UnknownStateVersion, match="version 2"):
        decode_site(b"\x02")
    with pytest.raises(StreamsError, match="damaged"):
        decode_site(b"\x01\xc1")


def test_news_about_events_are_quiet_and_a_vanished_property_is_a_broken_tag() -> None:
    shape = EventShape(9_000, {"price": PropertyShape({"number": 8_000}, 0.9, 5)})
    state = SiteState(watch=Watch(MONDAY), drifts=Drifts(n=10_000, events={"view": shape}))
    sample = {"view": 95, "Wish Made": 5}
    state, _ = look(state, state, view(0, wall=False), {MONDAY: USUAL}, RULES, UTC, 0, None, {MONDAY: sample})
    assert [(alert["rule"], alert["series"], alert["cause"], alert["severity"]) for alert in said(state)] == [
        ("tracking_broken", "property:view.price", "property_gone", "high"),
        ("tracking_drift", "event:Wish Made", "new_event", "info"),
    ]
    assert decode_site(encode_site(state)) == state
