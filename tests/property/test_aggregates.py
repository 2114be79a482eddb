"""Aggregates against brute force: random histories with late and repeated events, users who become one, and how the section rests."""

import random
from array import array
from collections import Counter
from typing import NamedTuple

import msgspec
import pytest
import xxhash
from hypothesis import example, given, settings
from hypothesis import strategies as st

from streams.core.aggregates import HASHES_MAX, TEXTS_MAX, Aggregates, NumberSeen, TextSeen, words_of
from streams.core.properties import Aggregated, Properties
from streams.core.record import Fate
from streams.core.rules import DAY_MS, Aggregate, Rules
from streams.core.user import User
from streams.core.values import aggregated
from tests.examples import examples
from tests.histories import ORDER, VIEW, at, make_rules

DECLARED = (
    Aggregate(id=7, name="order_value", event="order_completed", of="revenue"),
    Aggregate(id=2, name="viewed_category", event="page_view", of="category", kind="text"),
)
#: More different texts than are kept, and than are counted exactly.
TEXTS = [f"category {number}" for number in range(60)]


class Value(NamedTuple):
    at_ms: int
    said: float | str


def rules() -> Rules:
    made = make_rules()
    return msgspec.structs.replace(made, catalogue=msgspec.structs.replace(made.catalogue, aggregates=DECLARED))


def said(value: float | str) -> Aggregated:
    found = aggregated(int(isinstance(value, str)), isinstance(value, str), value)
    assert found is not None
    return found


def seen(values: list[Value]) -> Aggregates:
    made = Aggregates(DECLARED)
    for value in values:
        made.add(value.at_ms, (said(value.said),))
    return made


def stored(section: Aggregates) -> list[int]:
    image = array("Q", bytes(8 * 200))
    end = section.write(image, 3)
    assert end - 3 == section.size()
    return list(image[3:end])


def values(seed: int, texts: int, n: int = 120) -> list[Value]:
    """Numbers and texts of a month, in no order, at times that come more than once."""
    chance = random.Random(seed)
    made = []
    for _ in range(chance.randrange(n)):
        at_ms = at(chance.randrange(30), 3_600_000 * chance.randrange(24))
        made.append(Value(at_ms, chance.choice(TEXTS[:texts]) if chance.random() < 0.6 else chance.randrange(-(10**9), 10**9) / 1000))
    return made


def numbers_of(values: list[Value]) -> NumberSeen | None:
    found = [(value.at_ms, round(1000 * value.said)) for value in values if isinstance(value.said, float)]
    if not found:
        return None
    all_ = [number for _, number in found]
    (first_ms, first), (last_ms, last) = min(found), max(found)
    return NumberSeen(len(all_), sum(all_), min(all_), max(all_), first, first_ms, last, last_ms)


def texts_of(values: list[Value]) -> TextSeen | None:
    found = [(value.at_ms, value.said) for value in values if isinstance(value.said, str)]
    if not found:
        return None
    counts = Counter(text for _, text in found)
    most, n = min(counts.items(), key=lambda item: (-item[1], item[0]))
    (first_ms, first), (last_ms, last) = min(found), max(found)
    return TextSeen(len(found), first, first_ms, last, last_ms, most, n, 0, len(counts), True)


# -- what is known ------------------------------------------------------------------------------------------------------------


@given(st.integers(0, 1 << 32), st.integers(1, TEXTS_MAX))
@settings(max_examples=examples(60), deadline=None)
@example(1, 8)
def test_everything_is_what_brute_force_finds(seed: int, texts: int) -> None:
    """Exactly, in whatever order it came, as long as there are no more different texts than entries."""
    history = values(seed, texts)
    section = seen(history)
    assert section.number(0) == numbers_of(history)
    assert section.text(1) == texts_of(history)


@given(st.integers(0, 1 << 32))
@settings(max_examples=examples(60), deadline=None)
def test_of_many_texts_the_frequent_one_is_known_within_its_error(seed: int) -> None:
    """Space-saving: a count is too high by its error at the most, and whatever came more often than n / 8 is an entry."""
    history = [Value(each.at_ms, each.said) for each in values(seed, 60, 400) if isinstance(each.said, str)]
    if not history:
        return
    history += [Value(at(40 + n % 5), "favourite") for n in range(len(history) // 4 + 1)]
    random.Random(seed).shuffle(history)
    counts, found = Counter(each.said for each in history), seen(history).text(1)
    assert found is not None
    assert found.most_frequent_n - found.error <= counts[found.most_frequent] <= found.most_frequent_n
    assert found.most_frequent_n >= counts["favourite"]


@pytest.mark.parametrize("different", [1, HASHES_MAX - 1, 200, 5_000])
def test_different_texts_are_counted_then_estimated(different: int) -> None:
    """Within two fifths: two standard errors of 32 hashes."""
    history = [Value(at(1), f"text {number % different}") for number in range(2 * different)]
    found = seen(history).text(1)
    assert found is not None
    assert found.exact is (different < HASHES_MAX)
    assert found.unique == (different if found.exact else pytest.approx(different, rel=0.4))


def test_late_and_repeated_events_of_a_user() -> None:
    """Through the fold: a duplicate and an event that is too late are seen by no aggregate, a late one in time is."""
    user, history = User(rules()), list[Value]()
    chance = random.Random(3)
    user.load("ann", None)
    fates = []
    for number in range(400):
        back = chance.choice((0, 0, 0, 3, 60))
        value = chance.choice(TEXTS[:5]) if chance.random() < 0.5 else chance.randrange(10**6) / 1000
        at_ms = at(number // 4) - back * DAY_MS
        ident = number + 1 if chance.random() < 0.9 else number - 2
        kind = VIEW if isinstance(value, str) else ORDER
        fates.append(user.fold(kind, at_ms, ident, 0, 0, 0, number, Properties(aggregated=(said(value),))))
        if fates[-1] == Fate.COUNTED:
            history.append(Value(at_ms, value))
    assert {Fate.COUNTED, Fate.DUPLICATE, Fate.LATE} == set(fates)
    again = User(rules())
    again.load("ann", user.dump())
    for each in (user, again):
        assert each.aggregates.number(0) == numbers_of(history)
        assert each.aggregates.text(1) == texts_of(history)
    assert again.dump() == user.dump()


# -- two users become one -------------------------------------------------------------------------------------------------------


@given(st.integers(0, 1 << 32), st.integers(1, TEXTS_MAX))
@settings(max_examples=examples(60), deadline=None)
def test_merging_is_as_if_there_had_been_one_user(seed: int, texts: int) -> None:
    """To the byte, in either direction."""
    one, other = values(seed, texts), values(seed + 1, texts)
    whole = stored(seen(one + other))
    for mine, its in ((one, other), (other, one)):
        merged = seen(mine)
        merged.merge(seen(its))
        assert stored(merged) == whole


@given(st.integers(0, 1 << 32))
@settings(max_examples=examples(60), deadline=None)
def test_merging_many_texts_keeps_the_bounds(seed: int) -> None:
    """And everything but the most frequent one stays exact."""
    one, other = values(seed, 60, 400), values(seed + 1, 60, 400)
    merged = seen(one)
    merged.merge(seen(other))
    found, whole = merged.text(1), seen(one + other).text(1)
    if found is None or whole is None:
        assert found == whole
        return
    n = Counter(each.said for each in one + other)[found.most_frequent]
    assert found.most_frequent_n - found.error <= n <= found.most_frequent_n
    assert (found[:5], found.unique, found.exact) == (whole[:5], whole.unique, whole.exact)


# -- at rest ------------------------------------------------------------------------------------------------------------------


@given(st.integers(0, 1 << 32), st.integers(1, 60))
@settings(max_examples=examples(60), deadline=None)
def test_the_section_rests_in_its_words(seed: int, texts: int) -> None:
    """As few as there is something in, never more than declared; and goes on from there as if nothing had been."""
    first, then = values(seed, texts, 300), values(seed + 1, texts)
    section = seen(first)
    image = array("Q", [9, 9, 9, *stored(section)])
    assert section.size() <= sum(words_of(each) for each in DECLARED)
    other = seen(then)  # what it held is gone
    assert other.read(image, 3, len(image), section.used) == len(image)
    assert stored(other) == stored(section)
    for value in then:
        section.add(value.at_ms, (said(value.said),))
        other.add(value.at_ms, (said(value.said),))
    assert stored(other) == stored(section)


def test_what_is_not_declared_any_more_is_forgotten() -> None:
    """Also when its id is declared as another kind; others stay, at whatever place they are declared now."""
    section = seen([Value(at(1), 5.0), Value(at(1), "shoes")])
    image = array("Q", stored(section))
    fewer = Aggregates((Aggregate(id=2, name="seen", event="page_view", of="category", kind="text"),))
    assert fewer.read(image, 0, len(image), 2) == len(image)
    assert fewer.text(0) == section.text(1)
    other = Aggregates((Aggregate(id=7, name="now_text", event="page_view", of="category", kind="text"),))
    assert other.read(image, 0, len(image), 2) == len(image)
    assert (other.used, other.size(), other.text(0)) == (0, 0, None)


@pytest.mark.parametrize("damage", ["cut", "kind", "entries", "hashes"])
def test_damaged_words_are_none(damage: str) -> None:
    image = array("Q", stored(seen([Value(at(1), "shoes")])))
    if damage == "cut":
        del image[-1]
    else:
        image[0] |= {"kind": 1 << 57, "entries": 255 << 32, "hashes": 255 << 40}[damage]
    assert Aggregates(DECLARED).read(image, 0, len(image), 1) == -1


# -- values -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "number"),
    [(39.95, 39_950), ("39.95", 39_950), (-0.0004, 0), (10**9, 10**12), (1e9 + 1, None), ("nan", None), ("much", None), (None, None)],
)
def test_a_number_is_seen_by_the_thousandth(value: float | str | None, number: int | None) -> None:
    found = aggregated(0, False, value)
    assert (None if found is None else found.number) == number


def test_a_text_is_cut_where_a_character_ends() -> None:
    """24 bytes are kept, the hash is of the whole."""
    text = "ä" * 11 + "x" + "ä" * 20
    found = aggregated(1, True, text)
    assert found is not None
    section = Aggregates(DECLARED)
    section.add(at(1), (found,))
    kept = section.text(1)
    assert kept is not None
    assert kept.first == "ä" * 11 + "x"
    assert found.hashed == xxhash.xxh32_intdigest(text.encode())


def test_an_empty_text_is_not_seen() -> None:
    assert aggregated(1, True, "  ") is None
    assert aggregated(1, True, 7.0) == aggregated(1, True, "7")
