"""What a funnel counts, and how sure a share of a sample is."""

import pytest

from streams.core.user import User
from streams.serve.funnel import Group, groups_of, interval, reached
from streams.serve.parts import Parts
from streams.settings import load

VIEW, CART, ORDER = 33, 34, 39


@pytest.mark.parametrize(
    ("counts", "steps"),
    [
        ({VIEW: 2, CART: 1, ORDER: 1}, 3),
        ({VIEW: 2, ORDER: 1}, 1),
        ({CART: 5, ORDER: 5}, 0),
        ({VIEW: 1, CART: 0}, 1),
        ({}, 0),
    ],
)
def test_a_step_is_reached_by_who_did_it_and_all_before_it(counts: dict[int, int], steps: int) -> None:
    assert reached(counts, (VIEW, CART, ORDER)) == steps


def test_the_interval_is_wilsons() -> None:
    """10 of 100: 5.52 to 17.44 per cent, as textbooks have it."""
    assert [round(100 * edge, 2) for edge in interval(10, 100)] == [5.52, 17.44]


def test_the_interval_ends_at_nothing_and_at_all() -> None:
    assert interval(0, 50)[0] == 0.0
    assert interval(50, 50)[1] == 1.0


def test_of_many_parts_the_smallest_are_added_up() -> None:
    tally = {f"{n:02}": [n, n // 2] for n in range(25)}
    groups = groups_of(tally)
    assert [group.name for group in groups] == [*(f"{n:02}" for n in range(6, 25)), "rest"]
    assert groups[-1] == Group("rest", 1 + 2 + 3 + 4 + 5, [0 + 1 + 1 + 2 + 2])


def test_parts_without_users_are_not_told() -> None:
    assert groups_of({"a": [0, 0], "b": [2, 1]}) == [Group("b", 2, [1])]


RULES = load(None, {}).rules
PARTS = Parts(User(RULES), RULES)


@pytest.mark.parametrize(
    "text", ["device:mobile", "country:DE", "country:unknown", "country:other", "stage:power", "buyer:no_order", "identity:known"]
)
def test_a_part_is_read_as_it_is_written(text: str) -> None:
    assert str(PARTS.read(text)) == text


@pytest.mark.parametrize("text", ["", "device", "shoe:42", "device:shoe", "country:de", "country:Germany", "country:", "stage:power "])
def test_what_is_no_part_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no"):
        PARTS.read(text)


def test_every_user_belongs_to_one_part_of_each_dimension() -> None:
    user = User(RULES)
    parts = Parts(user, RULES)
    user.load("anon:a", None)
    user.fold(ORDER, 1_000_000_000_000, 1, 4200, 0, 0, 0)
    told = {name: parts.of(name)(1_000_000_000_000) for name in parts.values}
    assert told | {"band": "", "buyer": ""} == {
        "band": "",
        "stage": "new",
        "buyer": "",
        "device": "unknown",
        "country": "unknown",
        "channel": "unknown",
        "recency": "today",
        "identity": "anonymous",
    }
    assert told["band"] in parts.values["band"]
    assert told["buyer"] in parts.values["buyer"]
    assert told["buyer"] != "no_order"
