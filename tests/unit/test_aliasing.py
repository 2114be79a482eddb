"""Where `allow_alias` is on, two known users become one: whole, once, in any order, and never in a circle."""

from itertools import pairwise
from typing import Any

import msgspec
import pytest

from streams.core.errands import Alias, Claim, Merge, Share, sending
from streams.core.moved import Moved, leads_to
from streams.core.record import Event
from streams.core.rules import DAY_MS, REVENUE, SESSION, Limits
from streams.core.ways import RENAMES_MAX, asked_on, onward
from streams.flow import Flow
from tests.unit.records import CLICKS, REROUTED, FakeRecord
from tests.unit.test_merging import DAY0, RULES, Shop

ALLOWED = msgspec.structs.replace(RULES, limits=Limits(allow_alias=True))


class Town(Shop):
    def __init__(self, rules: Any = ALLOWED) -> None:
        super().__init__(rules)

    def is_also(self, day: float, user: str, previous: str, **more: Any) -> None:
        self.happens("alias", day, userId=user, previousId=previous, **more)

    def leads_to(self, key: str) -> str | None:
        return leads_to(self.row(key))

    def letters(self) -> int:
        return self.fates["rejected"]


class TestOne:
    def test_the_whole_of_a_known_user_moves_and_is_told_once(self) -> None:
        town = Town()
        for day in range(3):
            town.views(day, userId="bob")
        town.happens("track", 2.5, name="order_completed", userId="bob", properties={"revenue": 12.5})
        town.views(2, userId="ann")
        town.is_also(3, "ann", "bob")
        user = town.user("ann")
        assert (user.lifetime()[10], user.lifetime()[REVENUE], user.rhythm.x) == (4, 1250, 3)
        assert town.news() == [("linked", "ann", "bob", ""), ("merged", "ann", "bob", "")]
        assert town.said("identity")[1]["moved"]["events"] == 4
        assert town.said("scores", "ann")[-1]["cause"] == "merged"
        assert town.said("scores", "bob")[-1] is None, "the name that was given up has no score any more"
        assert town.leads_to("bob") == "ann"

    def test_later_events_of_the_given_up_name_are_the_other_ones(self) -> None:
        town = Town()
        town.views(0, userId="bob")
        town.is_also(1, "ann", "bob")
        town.views(2, userId="bob")
        town.views(2.1, userId="bob", at=(town.home("bob") + 1) % 4)
        assert town.user("ann").lifetime()[10] == 3
        assert town.leads_to("bob") == "ann"

    def test_alerts_of_the_given_up_name_end(self) -> None:
        town = Town()
        for day in range(30):
            town.views(day, userId="bob")
        town.sweep(DAY0 + 120 * DAY_MS)
        firing = {each["alert_id"] for each in town.said("alerts", "bob") if each["status"] == "firing"}
        town.is_also(121, "ann", "bob")
        ended = [each for each in town.said("alerts", "bob") if each["status"] == "resolved"]
        assert firing
        assert {each["alert_id"] for each in ended} == firing
        assert {each["cause"] for each in ended} == {"merged"}

    def test_who_is_still_to_come_is_the_other_one_from_the_start(self) -> None:
        """Whether a known user or an anonymous id was meant is open then."""
        town = Town()
        town.is_also(0, "ann", "bob")
        town.views(1, userId="bob")
        town.views(1.1, anonymousId="bob")
        assert town.user("ann").lifetime()[10] == 2
        assert sorted(town.news()) == [("linked", "ann", "anon:bob", ""), ("linked", "ann", "bob", "")]

    def test_distinct_users_are_counted_once(self) -> None:
        town = Town()
        for user in ("ann", "bob"):
            town.views(0, userId=user)
        town.is_also(0.5, "ann", "bob")
        active = {place: n for place, n in town.sums.items() if place[1].split("|")[0] == "active" and place[0].startswith("d")}
        assert sum(n for (_, name), n in active.items() if name.count("|") == 1) == 1

    def test_a_step_that_is_said_twice_changes_nothing(self) -> None:
        town = Town()
        town.views(0, anonymousId="d")
        town.logs_in(0.1, "bob", "d")
        town.is_also(1, "ann", "bob")
        town.views(2, anonymousId="d")
        before = [dict(rows) for rows in town.rows]
        for log in list(town.logs.values()):
            for record in list(log):
                if record.topic == REROUTED:
                    log.append(record._replace(offset=len(log)))
        town.run(DAY0 + 3 * DAY_MS)
        assert [dict(rows) for rows in town.rows] == before


class TestTies:
    def test_ids_that_were_taken_in_go_along(self) -> None:
        town = Town()
        town.views(0, anonymousId="d")
        town.logs_in(0.1, "bob", "d")
        town.is_also(1, "ann", "bob")
        town.logs_in(2, "ann", "d")
        town.views(3, anonymousId="d")
        assert town.user("ann").lifetime()[10] == 2
        assert town.user("ann").ties.count == 2
        assert "shared" not in {action for action, *_ in town.news()}

    @pytest.mark.parametrize("limit", [1, 1000])
    def test_a_device_is_nobody_elses_while_its_owner_is_on_the_way(self, limit: int) -> None:
        """A tracker says `alias` and `identify` in one breath."""
        town = Town()
        town.views(0, anonymousId="d")
        town.logs_in(0.1, "bob", "d")
        town.is_also(1, "ann", "bob", read=False)
        town.logs_in(1, "ann", "d", read=False)
        town.run(DAY0 + DAY_MS, limit)
        town.views(2, anonymousId="d")
        assert town.user("ann").lifetime()[10] == 2
        assert "shared" not in {action for action, *_ in town.news()}

    def test_a_device_of_the_name_that_holds_stays_when_the_given_up_one_logs_in(self) -> None:
        town = Town()
        town.logs_in(0, "ann", "d")
        town.views(0.1, userId="bob")
        town.is_also(1, "ann", "bob")
        town.logs_in(2, "bob", "d")
        town.views(3, anonymousId="d")
        assert town.user("ann").lifetime()[10] == 2
        assert "shared" not in {action for action, *_ in town.news()}

    def test_two_people_still_share_a_computer(self) -> None:
        town = Town()
        town.views(0, anonymousId="lib")
        for day, user in enumerate(("ann", "bob", "cid"), 1):
            town.logs_in(day, user, "lib")
            town.views(day + 0.5, anonymousId="lib")
        assert (town.user("ann").lifetime()[10], town.user("anon:lib").lifetime()[10]) == (2, 2)
        assert town.news()[-2:] == [("shared", "bob", "anon:lib", ""), ("refused", "cid", "anon:lib", "shared")]

    def test_nobody_has_more_than_fifty_ids(self) -> None:
        """The rows of those beyond lead to the user all the same."""
        town = Town()
        for number in range(30):
            town.views(0, anonymousId=f"a{number}")
            town.logs_in(0.1, "ann", f"a{number}")
            town.views(0.1, anonymousId=f"b{number}")
            town.logs_in(0.2, "bob", f"b{number}")
        town.is_also(1, "ann", "bob")
        for number in range(30):
            town.views(2, anonymousId=f"b{number}")
        assert town.user("ann").ties.count == 50
        assert town.user("ann").lifetime()[10] == 90
        assert len(town.row("ann") or b"") <= ALLOWED.scoring.state_bytes

    def test_who_has_no_room_for_another_id_claims_nobody(self) -> None:
        town = Town()
        town.views(0, userId="bob")
        for number in range(50):
            town.logs_in(0.1, "ann", f"a{number}")
        town.is_also(1, "ann", "bob")
        assert town.news()[-1] == ("refused", "ann", "bob", "limit")
        assert town.user("bob").lifetime()[10] == 1


class TestWays:
    def test_an_event_follows_every_name(self) -> None:
        """One hop for each, beyond the limit of those that partitions need."""
        town = Town()
        names = [f"u{number}" for number in range(10)]
        town.logs_in(0, names[0], "d")
        for number, (old, new) in enumerate(pairwise(names)):
            town.views(number + 1, userId=new)
            town.is_also(number + 1.5, new, old)
        town.views(12, anonymousId="d", at=(town.home("d") + 1) % 4)
        assert town.user("u9").lifetime()[10] == 10
        assert town.letters() == 0
        hops = max(int(dict(each.headers)["reroute-hops"]) for each in town.outputs if "reroute-hops" in dict(each.headers))
        assert hops == 11, "home, to the first of ten names, and nine times on"

    def test_a_state_follows_its_user(self) -> None:
        """The anonymous id moved to bob, who is ann by the time that it comes."""
        town = Town()
        for ids in ({"userId": "bob"}, {"anonymousId": "d"}):
            town.views(0, **ids)
        town.logs_in(0.5, "bob", "d", read=False)
        town.step(town.home("bob"), DAY0 + DAY_MS)
        alias = sending(Alias("bob", DAY0, "here", "ann"), FakeRecord(CLICKS, 3, 7), REROUTED, 4)
        town.append(alias.value or b"", DAY0 + DAY_MS, alias.partition, REROUTED, alias.headers)
        town.run(DAY0 + DAY_MS)
        assert town.user("ann").lifetime()[10] == 2
        passed = [msgspec.json.decode(each.value or b"")["passed"] for each in town.outputs if b'"passed":["anon' in (each.value or b"")]
        assert passed == [["anon:d", "bob"]]

    def test_a_name_that_leads_here_is_no_other_one(self) -> None:
        town = Town()
        town.views(0, userId="bob")
        town.is_also(1, "ann", "bob")
        town.is_also(2, "bob", "ann")
        town.is_also(3, "ann", "ann")
        assert town.user("ann").lifetime()[13] == 3
        assert len(town.news()) == 2

    def test_the_names_of_one_person_may_be_given_again(self) -> None:
        """cid is bob, and bob is ann: that cid is ann says nothing new."""
        town = Town()
        for user in ("ann", "bob", "cid"):
            town.views(0, userId=user)
        town.is_also(1, "bob", "cid")
        town.is_also(2, "ann", "bob", read=False)
        town.is_also(2, "ann", "cid")
        assert town.user("ann").lifetime() == {10: 3, 13: 3, SESSION: 1}
        assert "refused" not in {action for action, *_ in town.news()}

    def test_who_is_somebody_elses_already_is_refused(self) -> None:
        town = Town()
        for user in ("ann", "bob", "cid"):
            town.views(0, userId=user)
        town.is_also(1, "ann", "bob")
        town.is_also(2, "cid", "bob")
        assert town.news()[-1] == ("refused", "cid", "bob", "two_known_users")
        assert (town.user("ann").lifetime()[10], town.user("cid").lifetime()[10]) == (2, 1)

    @pytest.mark.parametrize("users", [("ann", "bob"), ("bob", "ann"), ("cid", "ann", "bob"), ("ann", "bob", "cid", "dan")])
    @pytest.mark.parametrize("order", [1, -1])
    def test_who_claim_each_other_in_a_circle_are_the_one_that_sorts_first(self, users: tuple[str, ...], order: int) -> None:
        """Events that come while nobody has the state go round with it, and none is lost."""
        town = Town()
        for user in users:
            town.views(0, userId=user)
        for user, other in zip(users, (*users[1:], users[0]), strict=True):
            town.is_also(1, user, other, read=False)
        for partition in range(4)[::order]:
            town.step(partition, DAY0 + DAY_MS)
        for user in users:
            town.views(1.1, userId=user, read=False)
        town.run(DAY0 + 2 * DAY_MS, 1)
        first = min(users)
        assert town.user(first).lifetime()[10] == 2 * len(users)
        assert town.user(first).lifetime()[13] == len(users)
        assert all(town.leads_to(user) for user in users if user != first)
        assert town.letters() == 0

    def test_who_claims_first_stays_whatever_its_name(self) -> None:
        """The other claim comes from the same user by then."""
        town = Town()
        for user in ("ann", "bob"):
            town.views(0, userId=user)
        town.is_also(1, "bob", "ann")
        town.is_also(2, "ann", "bob")
        assert (town.leads_to("ann"), town.user("bob").lifetime()[10]) == ("bob", 2)

    def test_a_blocked_name_claims_nobody(self) -> None:
        town = Town()
        town.views(0, userId="bob")
        town.is_also(1, "bob", "null")
        assert town.news() == []


class TestOff:
    def test_what_was_refused_is_done_when_it_is_said_again_and_allowed(self) -> None:
        town = Town(RULES)
        town.views(0, userId="bob")
        town.is_also(1, "ann", "bob")
        town.flow = Flow(ALLOWED)
        town.is_also(2, "ann", "bob")
        town.is_also(3, "ann", "bob")
        assert town.user("ann").lifetime()[10] == 1
        assert [action for action, *_ in town.news()] == ["refused", "linked", "merged"]

    def test_who_was_made_one_stays_so_when_it_is_not_allowed_any_more(self) -> None:
        town = Town()
        town.views(0, anonymousId="d")
        town.logs_in(0.1, "bob", "d")
        town.is_also(1, "ann", "bob")
        town.flow = Flow(RULES)
        town.views(2, anonymousId="d")
        town.is_also(3, "cid", "bob")
        assert town.user("ann").lifetime()[10] == 2
        assert town.news()[-1] == ("refused", "cid", "bob", "two_known_users")

    def test_a_state_on_its_way_is_spelled_as_ever(self) -> None:
        """Nothing is said of who has passed it on before somebody has."""
        sent = sending(Merge("ann", DAY0, "here", "anon:d", b""), FakeRecord(CLICKS, 3, 7), REROUTED, 4)
        assert sent.value == b'{"errand":"merge","user":"ann","at_ms":%d,"because":"here","source":"anon:d","state":""}' % DAY0


class TestOnward:
    def test_a_state_goes_on_to_where_it_has_not_been(self) -> None:
        assert onward("bob", "ann", ("anon:d",)) == ("ann", ("anon:d", "bob"))

    def test_in_a_circle_it_goes_to_the_first_and_stays_there(self) -> None:
        assert onward("cid", "bob", ("d", "cid", "bob", "ann")) == ("ann", ("ann", "cid", "bob"))
        assert onward("ann", "cid", ("ann", "cid", "bob")) is None
        assert onward("ann", "ann", ("ann",)) is None

    def test_a_circle_that_is_none_any_more_is_no_end(self) -> None:
        assert onward("ann", "dan", ("d", "ann", "bob")) == ("dan", ("d", "ann"))


class TestAsked:
    CLAIM = Claim("bob", 0, "here", "ann", "anon:d")

    def test_the_owner_is_asked_first(self) -> None:
        assert asked_on(self.CLAIM, "ann") is True
        assert asked_on(self.CLAIM, "cid") == Claim("cid", 0, "here", "ann", "anon:d", ("bob",))
        assert asked_on(self.CLAIM, None) == Claim("ann", 0, "here", "ann", "anon:d", (), ("bob",))

    def test_then_the_claimant(self) -> None:
        claim = Claim("ann", 0, "here", "ann", "anon:d", (), ("bob", "cid"))
        assert asked_on(claim, "cid") is True
        assert asked_on(claim, "dan") == Claim("dan", 0, "here", "ann", "anon:d", ("ann",), ("bob", "cid"))
        assert asked_on(claim, None) is False

    def test_a_circle_ends_a_way(self) -> None:
        assert asked_on(Claim("cid", 0, "", "ann", "d", ("bob",)), "bob") == Claim("ann", 0, "", "ann", "d", (), ("bob", "cid"))
        assert asked_on(Claim("eve", 0, "", "ann", "d", ("ann", "eve"), ("bob",)), "ann") is False


def test_an_id_that_is_free_again_may_still_be_shared() -> None:
    """Its row was forgotten while it was asked whose it is. A third one, who was asked for at the same time, is told that it is shared."""
    town = Town()
    town.views(0, anonymousId="lib")
    for offset, user in enumerate(("bob", "cid")):
        sent = sending(Share("anon:lib", DAY0, "here", user), FakeRecord(CLICKS, 3, offset), REROUTED, 4)
        town.append(sent.value or b"", DAY0, sent.partition, REROUTED, sent.headers)
    town.run(DAY0 + 1)
    assert town.user("anon:lib").ties.shared
    assert town.user("anon:lib").lifetime()[10] == 1
    assert town.news() == [("shared", "bob", "anon:lib", ""), ("refused", "cid", "anon:lib", "shared")]


def test_a_name_may_be_given_up_so_often_and_not_for_ever() -> None:
    """Rows that lead in a circle without a state in it: the event is set aside, and can be sent again."""
    town = Town()
    for user, other in (("ann", "bob"), ("bob", "ann")):
        town.rows[town.home(user)][user] = Moved(other, DAY0, DAY0).encode()
    town.views(0, userId="ann")
    assert town.fates["rejected"] == 1
    assert town.fates["rerouted"] == ALLOWED.limits.reroute_hops + RENAMES_MAX


def test_an_event_of_a_given_up_name_names_the_other_one() -> None:
    town = Town()
    town.is_also(0, "ann", "bob")
    town.logs_in(1, "bob", "d")
    reading = town.flow.read(town.logs[REROUTED, town.home("ann")], town.home("ann"))
    assert reading.naming == {"ann"}
    assert not any(isinstance(what, Event) for what in reading.says)
    assert town.leads_to("anon:d") == "ann"
