"""The figures of the page: people by score, who moves, how soon; alerts once each; records per second."""

import json
from pathlib import Path
from typing import Any

import pytest

from streams.core.rules import Rules
from streams.serve.inbox import Filter, Inbox
from streams.serve.people import People
from streams.serve.pulse import SPAN_S, Pulse
from streams.settings import load
from tests.served import alert

NOW_MS = 1_800_000_000_000
RULES: Rules = load(Path("config"), {}).rules


def score(value: float, *, rev: int = 1, band: str = "cold", cause: str = "event") -> bytes:
    return json.dumps({"user_id": "u", "engagement_score": value, "band": band, "rev": rev, "cause": cause, "more": 1}).encode()


def told(ident: str, **other: Any) -> bytes:
    """An alert of a user of its own."""
    return alert(ident, f"user of {ident}", **other)


class TestPeople:
    def test_a_user_counts_once_with_the_newest_score(self) -> None:
        people = People(RULES)
        people.take(b"u", score(3, rev=1), NOW_MS, NOW_MS, live=True)
        people.take(b"u", score(100, rev=2, band="core"), NOW_MS, NOW_MS, live=True)
        assert (people.users, people.histogram[0], people.histogram[19]) == (1, 0, 1)
        assert {band.name: band.users for band in people.bands} == {"cold": 0, "cool": 0, "warm": 0, "hot": 0, "core": 1}

    def test_an_older_score_told_again_changes_nothing(self) -> None:
        people = People(RULES)
        people.take(b"u", score(50, rev=7, band="warm"), NOW_MS, NOW_MS, live=True)
        people.take(b"u", score(3, rev=6), NOW_MS, NOW_MS, live=True)
        assert (people.users, people.histogram[10], sum(people.histogram)) == (1, 1, 1)

    def test_a_tombstone_takes_the_user_out(self) -> None:
        people = People(RULES)
        people.take(b"u", score(50), NOW_MS, NOW_MS, live=True)
        people.take(b"u", None, NOW_MS, NOW_MS, live=True)
        assert (people.users, sum(people.histogram), people.active(NOW_MS)) == (0, 0, 0)

    def test_users_beyond_the_limit_are_those_scored_longest_ago(self) -> None:
        people = People(RULES, most_users=2)
        for n, key in enumerate((b"a", b"b", b"c")):
            people.take(key, score(10.0 * n), NOW_MS, NOW_MS, live=False)
        assert (people.users, people.histogram[0], people.histogram[2], people.histogram[4]) == (2, 0, 1, 1)

    def test_active_is_who_did_something_within_fifteen_minutes(self) -> None:
        """A score that time alone brought is no activity."""
        people = People(RULES)
        people.take(b"old", score(1), NOW_MS - 900_001, NOW_MS, live=False)
        people.take(b"new", score(1), NOW_MS - 900_000, NOW_MS, live=False)
        people.take(b"timer", score(1, cause="timer"), NOW_MS, NOW_MS, live=False)
        assert people.active(NOW_MS) == 1

    def test_movers_are_told_from_where_to_where_over_all_their_steps(self) -> None:
        people = People(RULES)
        for rev, value in ((1, 20.0), (2, 24.0), (3, 30.5)):
            people.take(b"up", score(value, rev=rev), NOW_MS, NOW_MS, live=True)
        for rev, value in ((1, 50.0), (2, 40.0)):
            people.take(b"down", score(value, rev=rev), NOW_MS, NOW_MS, live=True)
        movers = people.movers(NOW_MS)
        assert [(it.user_id, it.before, it.after, it.delta) for it in movers.up] == [("up", 20.0, 30.5, 10.5)]
        assert [(it.user_id, it.delta) for it in movers.down] == [("down", -10.0)]
        later = people.movers(NOW_MS + 600_001)
        assert (later.up, later.down) == ([], [])

    def test_the_past_moves_nobody_and_has_no_latency(self) -> None:
        people = People(RULES)
        for rev, value in ((1, 20.0), (2, 60.0)):
            people.take(b"u", score(value, rev=rev), NOW_MS, NOW_MS, live=False)
        assert people.movers(NOW_MS).up == []
        assert people.latency(NOW_MS).scores == 0

    def test_a_replay_moves_nobody(self) -> None:
        """Its records come now, and tell of long ago."""
        people = People(RULES)
        for rev, value in ((1, 20.0), (2, 60.0)):
            people.take(b"u", score(value, rev=rev), NOW_MS - 600_000, NOW_MS, live=True)
        assert people.movers(NOW_MS).up == []

    def test_latency_is_that_of_the_last_minute_and_of_events_that_were_not_late_when_sent(self) -> None:
        people = People(RULES)
        for n in range(99):
            people.take(b"%d" % n, score(1), NOW_MS - 20, NOW_MS, live=True)
        people.take(b"slow", score(1), NOW_MS - 700, NOW_MS, live=True)
        people.take(b"late", score(1), NOW_MS - 60_000, NOW_MS, live=True)
        latency = people.latency(NOW_MS)
        assert (latency.p50_ms, latency.p99_ms, latency.scores) == (20.0, 700.0, 100)
        assert people.latency(NOW_MS + 60_001).p50_ms is None


class TestInbox:
    def test_an_alert_stands_once_and_a_resolve_ends_it_for_good(self) -> None:
        inbox = Inbox()
        assert inbox.take(told("a")) is not None
        assert inbox.take(told("a")) is None
        assert inbox.take(told("a", status="resolved")) is not None
        assert inbox.take(told("a")) is None
        assert (inbox.firing().firing, inbox.page(Filter(), limit=10, cursor=None, after="w").found) == (0, 1)

    def test_pages_go_from_new_to_old_and_miss_nothing_when_new_ones_come(self) -> None:
        inbox = Inbox()
        for n in range(5):
            inbox.take(told(f"a{n}", at=f"2026-01-0{n + 1}T00:00:00.000Z"))
        first = inbox.page(Filter(), limit=2, cursor=None, after="w")
        inbox.take(told("newer", at="2026-02-01T00:00:00.000Z"))
        second = inbox.page(Filter(), limit=2, cursor=first.next, after="w")
        third = inbox.page(Filter(), limit=2, cursor=second.next, after="w")
        assert [[it.alert_id for it in page.alerts] for page in (first, second, third)] == [["a4", "a3"], ["a2", "a1"], ["a0"]]
        assert third.next is None

    @pytest.mark.parametrize(
        ("which", "found"),
        [
            (Filter(status="resolved"), ["b"]),
            (Filter(rule="engagement_drop"), ["c"]),
            (Filter(severity="info"), ["c"]),
            (Filter(user_id="user of a"), ["a"]),
            (Filter(status="firing", severity="high"), ["a"]),
        ],
    )
    def test_filters_choose(self, which: Filter, found: list[str]) -> None:
        inbox = Inbox()
        inbox.take(told("a"))
        inbox.take(told("b", status="resolved"))
        inbox.take(told("c", rule="engagement_drop", severity="info"))
        page = inbox.page(which, limit=10, cursor=None, after="w")
        assert ([it.alert_id for it in page.alerts], page.found) == (found, len(found))

    @pytest.mark.parametrize("cursor", ["*", "AAAA", "_w"])
    def test_a_cursor_that_no_page_gave_is_refused(self, cursor: str) -> None:
        with pytest.raises(ValueError, match="cursor"):
            Inbox().page(Filter(), limit=1, cursor=cursor, after="w")

    def test_ended_alerts_go_before_those_that_fire_and_it_says_so(self) -> None:
        inbox = Inbox(most=2)
        inbox.take(told("oldest", at="2026-01-01T00:00:00.000Z"))
        inbox.take(told("ended", at="2026-01-02T00:00:00.000Z", status="resolved"))
        assert inbox.whole
        inbox.take(told("newest", at="2026-01-03T00:00:00.000Z"))
        page = inbox.page(Filter(), limit=10, cursor=None, after="w")
        assert ([it.alert_id for it in page.alerts], page.whole) == (["newest", "oldest"], False)

    def test_what_fires_is_counted_by_rule_and_severity(self) -> None:
        inbox = Inbox()
        inbox.take(told("a"))
        inbox.take(told("b", severity="info"))
        inbox.take(told("c", status="resolved"))
        firing = inbox.firing()
        assert (firing.firing, firing.by_rule, firing.by_severity) == (2, {"churn_risk": 2}, {"high": 1, "info": 1})


class TestPulse:
    def test_a_second_is_the_sum_of_its_steps_and_the_one_under_way_is_not_told(self) -> None:
        pulse = Pulse()
        pulse.begin(NOW_MS - 3000)
        for at_ms, n in ((NOW_MS - 2000, 5), (NOW_MS - 1001, 7), (NOW_MS, 100)):
            pulse.take(json.dumps({"fates": {"counted": n - 1, "late": 1}}).encode(), at_ms)
        assert pulse.series(NOW_MS)[-3:] == [0, 12, 0]

    def test_what_was_not_heard_is_unknown_not_zero(self) -> None:
        pulse = Pulse()
        pulse.begin(NOW_MS - 2000)
        series = pulse.series(NOW_MS)
        assert (len(series), series[-3:]) == (SPAN_S, [None, 0, 0])

    def test_the_rate_is_the_mean_of_the_last_five_seconds_that_were_heard(self) -> None:
        pulse = Pulse()
        pulse.begin(NOW_MS - 2000)
        pulse.take(b'{"fates":{"counted":30}}', NOW_MS - 1500)
        assert pulse.rate(NOW_MS) == 15.0
        assert Pulse().rate(NOW_MS) == 0.0
