"""What a `group` event says, and what of it refuses the event."""

import json

import msgspec
import pytest

from streams.core.account_rules import Accounts
from streams.core.event import Decoder
from streams.core.properties import Grouped
from streams.core.record import Event, Rejected
from streams.core.rules import EventType
from tests.histories import at, make_rules
from tests.unit.records import FakeRecord

RULES = msgspec.structs.replace(
    make_rules(types=[EventType(id=14, name="group", weight=0.0)]), accounts=Accounts(weights={"admin": 3, "default": 1})
)


def decoded(rules: object = RULES, **fields: object) -> object:
    event = {"type": "group", "userId": "ann", "messageId": "m1", "timestamp": at(0), **fields}
    return Decoder(rules).decode_one(FakeRecord(timestamp=at(0), value=json.dumps(event).encode()))  # type: ignore[arg-type]


def group(**fields: object) -> Grouped | None:
    event = decoded(**fields)
    assert isinstance(event, Event)
    assert (event.user, event.type_id) == ("ann", 14)
    return event.group


def test_a_group_event_names_an_account_its_name_and_the_weight_of_the_role() -> None:
    assert group(groupId="acme", traits={"name": "Acme Corp", "role": "Admin"}) == Grouped("acme", 3, "Acme Corp")


def test_a_role_without_a_weight_counts_as_the_default_and_no_role_says_nothing() -> None:
    assert group(groupId="acme", traits={"user_role": "guest"}) == Grouped("acme", 1)
    assert group(groupId=7) == Grouped("7")


@pytest.mark.parametrize("traits", [None, "x", [1], 7, {"role": ["admin"], "name": {}}])
def test_odd_traits_are_as_good_as_none(traits: object) -> None:
    assert group(groupId="acme", traits=traits) == Grouped("acme")


@pytest.mark.parametrize("fields", [{}, {"groupId": None}])
def test_a_group_event_without_an_account_is_counted(fields: dict[str, object]) -> None:
    assert group(**fields) is None


@pytest.mark.parametrize(
    ("ident", "reason"),
    [("null", "blocked_id"), ("a\nb", "bad_id"), ("x" * 65, "limit"), (True, "wrong_type"), (1.5, "wrong_type"), ({}, "wrong_type")],
)
def test_an_id_that_may_not_name_a_user_may_not_name_an_account(ident: object, reason: str) -> None:
    assert decoded(groupId=ident) == Rejected(reason, "$.groupId")


def test_a_track_called_group_and_a_group_call_without_accounts_name_none() -> None:
    assert group(type="track", event="group", groupId="acme") is None
    off = msgspec.structs.replace(RULES, accounts=Accounts(enabled=False))
    event = decoded(off, groupId="null")
    assert isinstance(event, Event)
    assert event.group is None
