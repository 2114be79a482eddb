"""An anonymous id turns out to be a known user: its state moves, its events follow, and nobody is fused who should not be."""

from typing import Any

import msgspec
import pytest

from streams.core.errands import Link, cause_of, sending
from streams.core.moved import KEEP_MS, Moved
from streams.core.rules import DAY_MS, REVENUE, SESSION, Aggregate, Catalogue, EventType, Learning, Rules
from streams.flow import Flow
from tests.partitions import Partitions, call
from tests.unit.records import CLICKS, REROUTED, FakeRecord

DAY0 = 20_500 * DAY_MS
HOUR = 3_600_000
RULES = Rules(
    version="v1",
    app_id="shop",
    partitions=4,
    catalogue=Catalogue(
        types=(
            EventType(id=10, name="page_viewed", page=True),
            EventType(id=11, name="order_completed", weight=5.0, amount="revenue", active=True),
            EventType(id=12, name="identify", weight=0.5),
            EventType(id=13, name="alias", weight=0.0),
        )
    ),
    learning=Learning(enabled=False),
)


class Shop(Partitions):
    """Events by hand, each read at once; `day` is when it happened."""

    def __init__(self, rules: Rules = RULES) -> None:
        super().__init__(Flow(rules))
        self.number = 0

    def happens(self, kind: str, day: float, *, read: bool = True, at: int | None = None, **said: Any) -> None:
        self.number += 1
        at_ms = DAY0 + int(day * DAY_MS)
        raw_id = said.get("userId") or said["anonymousId"]
        partition = self.home(raw_id) if at is None else at
        self.append(call(kind, at_ms, ident=said.pop("ident", f"m{self.number}"), **said), at_ms, partition)
        if read:
            self.run(at_ms)

    def views(self, day: float, **ids: Any) -> None:
        self.happens("track", day, name="page_viewed", **ids)

    def logs_in(self, day: float, user: str = "ann", anonymous: str = "a1", **more: Any) -> None:
        self.happens("identify", day, userId=user, anonymousId=anonymous, **more)

    def news(self) -> list[tuple[str, str, str, str]]:
        return [(each["action"], each["user_id"], each["other_id"], each["reason"]) for each in self.said("identity")]


def test_what_was_done_anonymously_counts_for_the_user_the_second_after_the_login() -> None:
    shop = Shop()
    for day in range(3):
        shop.views(day, anonymousId="a1")
    shop.happens("track", 2.5, name="order_completed", anonymousId="a1", properties={"revenue": 12.5})
    shop.logs_in(3)
    user = shop.user("ann")
    assert (user.lifetime()[10], user.lifetime()[REVENUE], user.rhythm.x) == (3, 1250, 4)
    assert shop.said("scores", "ann")[-1]["cause"] == "merged"
    assert shop.said("scores", "ann")[-1]["counts"]["30d"] == {"page_viewed": 3, "order_completed": 1, "identify": 1}
    assert shop.said("scores", "anon:a1")[-1] is None, "the anonymous id has no score any more"
    assert [action for action, *_ in shop.news()] == ["linked", "merged"]
    assert shop.said("identity")[1]["moved"] == {
        "events": 4,
        "active_days": 3,
        "revenue_minor": 1250,
        "first_day": "2026-02-16T00:00:00.000Z",
    }


def test_what_was_kept_over_properties_is_the_users() -> None:
    """First and last by time, sums of both."""
    kept = (Aggregate(id=1, name="order_value", event="order_completed", of="revenue"),)
    shop = Shop(msgspec.structs.replace(RULES, catalogue=msgspec.structs.replace(RULES.catalogue, aggregates=kept)))
    for day, revenue in ((1, 12.5), (2, 30.0)):
        shop.happens("track", day, name="order_completed", anonymousId="a1", properties={"revenue": revenue})
    shop.happens("track", 3, name="order_completed", userId="ann", properties={"revenue": 4})
    shop.logs_in(4)
    seen = shop.user("ann").aggregates.number(0)
    assert seen is not None
    assert (seen.n, seen.sum, seen.least, seen.first, seen.last) == (3, 46_500, 4_000, 12_500, 4_000)


def test_later_anonymous_events_are_the_users() -> None:
    shop = Shop()
    shop.logs_in(0)
    shop.views(1, anonymousId="a1")
    shop.views(1.1, anonymousId="a1", at=(shop.home("a1") + 1) % 4)
    assert shop.user("ann").lifetime()[10] == 2
    row = shop.row("anon:a1")
    assert row is not None
    assert Moved.decode(row).user == "ann"
    assert shop.fates["counted"] == 3
    assert shop.fates["control"] == 1, "an id without a state has nothing to send"


def test_a_link_is_sent_once() -> None:
    shop = Shop()
    shop.views(0, anonymousId="a1")
    for day in (1, 2, 3):
        shop.logs_in(day)
    assert shop.fates["control"] == 2
    assert shop.user("ann").ties.count == 1


def test_in_one_step_what_comes_before_the_link_moves_and_what_comes_after_follows() -> None:
    """Whatever else lies in the step."""
    shop = Shop()
    shop.logs_in(0, read=False)
    shop.step(shop.home("ann"), DAY0)
    here = shop.home("a1")
    (link,) = shop.logs[REROUTED, here]
    shop.logs[REROUTED, here][0] = link._replace(timestamp=DAY0 + HOUR)
    shop.views(0.01, anonymousId="a1", read=False)
    shop.views(0.5, anonymousId="a1", read=False)
    shop.run(DAY0 + DAY_MS)
    assert shop.user("ann").lifetime()[10] == 2
    kinds = [dict(each.headers).get("reroute-errand", b"event") for each in shop.logs[REROUTED, shop.home("ann")]]
    assert kinds == [b"merge", b"event"]
    assert shop.said("identity", "ann")[-1]["moved"]["events"] == 1


@pytest.mark.parametrize("limit", [1, 2, 1000])
def test_many_links_of_one_step_leave_in_the_order_of_their_records(limit: int) -> None:
    """The guard is the highest offset of a sender: what left in another order would be taken for a repeat."""
    shop = Shop(msgspec.structs.replace(RULES, partitions=1))
    for number in range(6):
        shop.views(0, anonymousId=f"a{number}", read=False)
    for user, number in (("ann", 0), ("bob", 1), ("ann", 2), ("cid", 3), ("bob", 4), ("ann", 5)):
        shop.logs_in(0.1, user, f"a{number}", read=False)
    while shop.step(0, DAY0 + DAY_MS, limit):
        pass
    assert [shop.user(name).lifetime()[10] for name in ("ann", "bob", "cid")] == [3, 2, 1]
    assert shop.fates["duplicate"] == 0


def test_a_step_that_is_said_twice_changes_nothing() -> None:
    """A crash after publishing sends links, states and forwarded events again."""
    shop = Shop()
    shop.views(0, anonymousId="a1")
    shop.logs_in(1)
    shop.views(2, anonymousId="a1")
    before = [dict(rows) for rows in shop.rows]
    for log in list(shop.logs.values()):
        for record in list(log):
            if record.topic == REROUTED:
                log.append(record._replace(offset=len(log)))
    shop.run(DAY0 + 3 * DAY_MS)
    assert shop.fates["duplicate"] == 3
    assert [dict(rows) for rows in shop.rows] == before


def test_two_devices_of_one_user_are_one() -> None:
    shop = Shop()
    shop.views(0, anonymousId="phone")
    shop.views(0, anonymousId="laptop")
    shop.logs_in(1, anonymous="phone")
    shop.logs_in(1.5, anonymous="laptop")
    user = shop.user("ann")
    assert (user.lifetime()[10], user.rhythm.x, user.ties.count) == (2, 2, 2)


@pytest.mark.parametrize("day", [1, 29, 31, 90])
def test_a_session_that_both_ids_were_in_is_one_however_old_it_is(day: float) -> None:
    shop = Shop()
    shop.views(0, anonymousId="a1")
    shop.views(0.01, userId="ann")
    shop.happens("alias", day, userId="ann", previousId="a1")
    user = shop.user("ann")
    assert user.lifetime()[SESSION] == 1
    assert user.counts("30d", user.newest_ms).get(SESSION, 0) == (day < 30)


def test_late_events_of_both_ids_on_the_same_days_take_nothing_away() -> None:
    """A phone that was offline tells of its days in any order; what comes late is no active day, and no order day, of either id."""
    shop = Shop()
    for day in (10, 9, 8, 7, 6):
        for ids in ({"anonymousId": "a1"}, {"userId": "ann"}):
            shop.happens("track", day, name="order_completed", properties={"revenue": 1}, **ids)
    before = shop.user("ann")
    shop.happens("alias", 10.5, userId="ann", previousId="a1")
    user = shop.user("ann")
    assert (user.rhythm.x, user.profile.order_days, user.profile.order_sum) == (1, 1, 1.0)
    assert user.engagement(user.newest_ms) >= before.engagement(user.newest_ms)
    assert user.purchase(user.newest_ms) >= before.purchase(user.newest_ms)
    assert user.churn(DAY0 + 12 * DAY_MS) == before.churn(DAY0 + 12 * DAY_MS)


class TestShared:
    """A computer in a library: more than one person logs in under one anonymous id."""

    def test_who_comes_second_gets_nothing_and_the_id_stays_itself(self) -> None:
        shop = Shop()
        shop.views(0, anonymousId="lib")
        shop.logs_in(1, "ann", "lib")
        shop.logs_in(2, "bob", "lib")
        shop.views(3, anonymousId="lib")
        assert shop.user("ann").lifetime()[10] == 1
        assert 10 not in shop.user("bob").lifetime()
        assert shop.user("anon:lib").lifetime()[10] == 1
        assert shop.news()[-1] == ("shared", "bob", "anon:lib", "")

    def test_a_third_person_changes_nothing(self) -> None:
        shop = Shop()
        for day, user in enumerate(("ann", "bob", "cid")):
            shop.logs_in(day, user, "lib")
            shop.views(day + 0.5, anonymousId="lib")
        assert shop.user("anon:lib").lifetime()[10] == 2
        assert shop.news()[-1] == ("refused", "cid", "anon:lib", "shared")

    def test_it_is_forgotten_with_the_state(self) -> None:
        shop = Shop()
        shop.logs_in(0, "ann", "lib")
        shop.logs_in(1, "bob", "lib")
        shop.sweep(DAY0 + 402 * DAY_MS)
        assert shop.row("anon:lib") is None


class TestRefused:
    def test_a_blocked_id_links_nothing(self) -> None:
        """One tracker that sends "null" must not fuse everybody."""
        shop = Shop()
        for user in ("ann", "bob"):
            shop.logs_in(0, user, "null")
            shop.happens("alias", 1, userId=user, previousId="undefined")
        assert (shop.news(), shop.fates["control"], shop.fates["counted"]) == ([], 0, 4)

    def test_an_alias_of_two_known_users_is_refused(self) -> None:
        shop = Shop()
        shop.views(0, userId="bob")
        shop.happens("alias", 1, userId="ann", previousId="bob")
        assert shop.news() == [("refused", "ann", "bob", "two_known_users")]
        assert (shop.user("bob").lifetime(), shop.user("ann").lifetime()) == ({10: 1, SESSION: 1}, {13: 1})

    def test_an_alias_of_an_anonymous_id_is_a_link(self) -> None:
        shop = Shop()
        shop.views(0, anonymousId="a1")
        shop.happens("alias", 1, userId="ann", previousId="a1")
        assert shop.user("ann").lifetime()[10] == 1

    def test_aliases_in_a_circle_fuse_nobody(self) -> None:
        shop = Shop()
        shop.happens("alias", 0, userId="ann", previousId="bob", read=False)
        shop.happens("alias", 0, userId="bob", previousId="ann", read=False)
        shop.run(DAY0 + 1)
        assert sorted(shop.news()) == [("refused", "ann", "bob", "two_known_users"), ("refused", "bob", "ann", "two_known_users")]

    def test_a_user_has_fifty_ids_at_the_most(self) -> None:
        shop = Shop()
        for number in range(51):
            shop.logs_in(number / 100, anonymous=f"a{number}")
        assert shop.user("ann").ties.count == 50
        assert shop.news()[-1] == ("refused", "ann", "anon:a50", "limit")

    def test_a_duplicate_links_nothing(self) -> None:
        shop = Shop()
        shop.logs_in(0, ident="once")
        shop.logs_in(0.1, anonymous="a2", ident="once")
        assert shop.user("ann").ties.count == 1

    def test_no_client_can_send_an_errand(self) -> None:
        """On a source topic the header means nothing, and no record takes it along to the rerouted topic."""
        shop = Shop()
        shop.views(0, anonymousId="a1")
        errand = b'{"errand":"link","user":"anon:a1","at_ms":1,"because":"x","target":"thief"}'
        headers = [("reroute-errand", b"link"), ("reroute-user", b"thief")]
        shop.append(errand, DAY0, shop.home("a1"), CLICKS, headers)
        stray = (shop.home("a1") + 1) % 4
        shop.append(call("track", DAY0, ident="x", name="page_viewed", anonymousId="a1"), DAY0, stray, CLICKS, headers)
        shop.run(DAY0 + 1)
        assert shop.user("anon:a1").lifetime()[10] == 2
        assert (shop.fates["rejected"], shop.fates["control"]) == (1, 0)


class TestForwarding:
    def test_the_row_is_forgotten_when_no_cookie_can_bring_the_id_any_more(self) -> None:
        shop = Shop()
        shop.logs_in(0)
        shop.sweep(DAY0 + KEEP_MS - HOUR)
        assert shop.row("anon:a1") is not None
        shop.sweep(DAY0 + KEEP_MS + HOUR)
        assert shop.row("anon:a1") is None

    def test_an_id_that_is_used_is_kept_longer(self) -> None:
        shop = Shop()
        shop.logs_in(0)
        shop.views(100, anonymousId="a1")
        shop.sweep(DAY0 + KEEP_MS + HOUR)
        assert shop.row("anon:a1") is not None

    def test_a_rule_that_raises_rejects_the_forwarded_event_alone(self) -> None:
        shop = Shop()
        shop.logs_in(0)
        fold = shop.flow._fold_event

        def faulty(*said: Any) -> int:
            if said[0] == 11:
                raise ZeroDivisionError
            return fold(*said)

        shop.flow._fold_event = faulty
        shop.happens("track", 1, name="order_completed", anonymousId="a1")
        shop.views(1, anonymousId="a1")
        assert shop.user("ann").lifetime()[10] == 1
        assert (shop.fates["rejected"], shop.fates["counted"]) == (1, 2)


class TestAlerts:
    def test_an_alert_of_the_anonymous_id_ends_with_it(self) -> None:
        shop = Shop()
        for day in range(30):
            shop.views(day, anonymousId="a1")
        shop.sweep(DAY0 + 120 * DAY_MS)
        firing = [each for each in shop.said("alerts", "anon:a1") if each["status"] == "firing"]
        shop.logs_in(121)
        ended = [each for each in shop.said("alerts", "anon:a1") if each["status"] == "resolved"]
        assert firing
        assert [each["cause"] for each in ended] == ["merged"] * len(firing)
        assert {each["alert_id"] for each in ended} == {each["alert_id"] for each in firing}

    def test_an_alert_of_the_user_ends_when_the_other_id_was_there_all_along(self) -> None:
        shop = Shop()
        for day in range(30):
            shop.views(day, userId="ann")
        for day in range(30, 60):
            shop.views(day, anonymousId="a1")
        shop.sweep(DAY0 + 60 * DAY_MS)
        assert [each["status"] for each in shop.said("alerts", "ann")] == ["firing"] * len(shop.said("alerts", "ann")) != []
        shop.happens("alias", 60.5, userId="ann", previousId="a1")
        assert {each["cause"] for each in shop.said("alerts", "ann") if each["status"] == "resolved"} == {"merged"}
        assert not shop.user("ann").slots.firing


def test_an_errand_names_the_record_that_it_was_sent_because_of() -> None:
    sent = sending(Link("anon:d", DAY0, "here", "u"), FakeRecord(CLICKS, 3, 7), REROUTED, RULES.partitions)
    assert cause_of(FakeRecord(sent.topic, sent.partition, headers=sent.headers)) == f"{CLICKS}/3/7"
