"""A user as a member of an account: what the state keeps, and what the account is told because of an event."""

from collections.abc import Iterable
from itertools import pairwise

import msgspec
import pytest

from streams.core.account import Act, Standing
from streams.core.account_rules import Accounts
from streams.core.membership import ACCOUNT_ID_MAX
from streams.core.properties import Grouped
from streams.core.record import Event
from streams.core.rules import EventType, Rules
from streams.core.telling import acts_of
from streams.core.user import User
from tests.histories import ADDED, DAY_ZERO, EMAIL, VIEW, at, fresh, history, make_rules

GROUP, CANCELLED = 14, 60
RULES = msgspec.structs.replace(
    make_rules(types=[EventType(id=GROUP, name="group", weight=0.0), EventType(id=CANCELLED, name="cancelled", weight=0.0, leaves=True)]),
    accounts=Accounts(weights={"admin": 3, "default": 1}),
)
ACME, BETA = Grouped("acme", 0, "Acme"), Grouped("beta", 3)


def does(user: User, day: float, kind: int = ADDED, group: Grouped | None = None, rules: Rules = RULES) -> list[Act]:
    """What the user tells because of one event."""
    history(user, [day], GROUP if group else kind)
    return acts_of(user, Event("ann", "ann", GROUP if group else kind, at(day), 0, group=group), rules)


def told(acts: Iterable[Act]) -> list[tuple[str, str, int]]:
    return [(act.account, act.cause, act.visit_day - DAY_ZERO if act.visit_day >= 0 else -1) for act in acts]


def test_who_belongs_to_no_account_tells_nothing() -> None:
    assert does(fresh(RULES), 0) == []


def test_a_group_event_makes_a_member_with_the_points_that_there_are() -> None:
    user = fresh(RULES)
    does(user, 0)
    (act,) = does(user, 0.1, group=ACME)
    assert act == Act(
        "acme", "ann", at(0.1), "joined", Standing(1, user.rhythm.points, DAY_ZERO, user.risk_day()), visit_day=DAY_ZERO, name="Acme"
    )


def test_a_visit_before_the_day_of_joining_is_no_visit_of_the_account() -> None:
    user = fresh(RULES)
    does(user, 0)
    assert told(does(user, 3, group=ACME)) == [("acme", "joined", -1)]


def test_each_active_day_is_told_once_and_points_when_they_have_grown() -> None:
    """ln(1 + 3) = 1.39 at first; ln(1 + 3 + 1) is .22 more, ln(1 + 3 + 1 + 3) .69: more than half a point."""
    user = fresh(RULES)
    does(user, 0, group=ACME)
    assert told(does(user, 0.1)) == [("acme", "visit", 0)]
    assert told(does(user, 0.2, VIEW)) == []
    assert told(does(user, 0.3)) == [("acme", "points", -1)]
    assert told(does(user, 1, EMAIL)) == []
    assert told(does(user, 2)) == [("acme", "visit", 2)]


def test_what_was_told_before_is_said_again_with_each_act() -> None:
    user = fresh(RULES)
    acts = [act for day in (0, 0.1, 1, 5) for act in does(user, day, group=ACME if day == 0 else None)]
    for before, act in pairwise(acts):
        assert before.now is not None
        assert act.before is not None
        assert (act.before.weight, act.before.points, act.before.last_day) == (before.now.weight, before.now.points, before.now.last_day)


def test_another_account_is_left_first() -> None:
    user = fresh(RULES)
    does(user, 0)
    does(user, 0.1, group=ACME)
    left, joined = does(user, 2, group=BETA)
    assert (left.account, left.cause, left.now, left.before) == ("acme", "left", None, Standing(1, user.rhythm.points, DAY_ZERO))
    assert joined.now is not None
    assert (joined.account, joined.cause, joined.now.weight, joined.before) == ("beta", "joined", 3, None)


def test_the_newest_group_event_wins_whatever_comes_late() -> None:
    user = fresh(RULES)
    does(user, 2, group=ACME)
    assert does(user, 1, group=BETA) == []
    assert user.membership.account == "acme"


def test_a_group_event_without_a_role_leaves_the_weight_as_it_is() -> None:
    user = fresh(RULES)
    does(user, 0, group=BETA)
    (act,) = does(user, 1, group=Grouped("beta"))
    assert act.now is not None
    assert act.now.weight == 3


def test_who_leaves_in_so_many_words_is_at_risk_at_once() -> None:
    user = fresh(RULES)
    does(user, 0, group=ACME)
    does(user, 0.1)
    (act,) = does(user, 0.5, CANCELLED)
    assert act.now is not None
    assert (act.cause, act.now.risk_day) == ("cancelled", DAY_ZERO)


@pytest.mark.parametrize("ident", ["a", "12345678", "ü" * 32, "x" * ACCOUNT_ID_MAX])
def test_the_state_keeps_the_membership(ident: str) -> None:
    user, again = fresh(RULES), User(RULES)
    does(user, 0)
    does(user, 0.2, group=Grouped(ident, 100))
    again.load("ann", user.dump())
    there, mine = again.membership, user.membership
    assert (there.account, there.since_ms, there.weight) == (ident, at(0.2), 100)
    assert (there.told_points, there.told_day) == (mine.told_points, mine.told_day) == (user.rhythm.points, DAY_ZERO)
    assert again.dump() == user.dump()
    assert again.last_topic == user.last_topic


def test_a_user_without_an_account_has_the_bytes_it_always_had() -> None:
    user = fresh(RULES)
    does(user, 0)
    before = user.dump()
    does(user, 0, group=Grouped("a"))
    assert len(before) % 8 == 0
    user.load("bob", before)
    assert (user.membership.account, user.membership.size(), user.dump()) == ("", 0, before)


def test_an_id_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="no id"):
        fresh(RULES).membership.join("x" * (ACCOUNT_ID_MAX + 1), 0, 1)
