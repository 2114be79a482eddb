"""A state that holds everything at once fits into the smallest bound that is allowed, whatever happens to its user."""

from collections.abc import Sequence
from functools import cache
from itertools import count
from typing import Final

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.core import activity, membership, profile, ties
from streams.core.activity import ORDERED
from streams.core.aggregates import AGGREGATES_MAX, words_of
from streams.core.business import Business
from streams.core.business_rules import BusinessRules, Survey, Within
from streams.core.membership import ACCOUNT_ID_MAX
from streams.core.metric_rules import Metrics, Streak
from streams.core.profile import FEATURES_MAX, STREAKS_MAX
from streams.core.properties import Context, Grouped, Properties
from streams.core.record import Event, Fate
from streams.core.room import HEADER_MAX, LOST_TYPES, WORDS_MAX, event_words, least_words
from streams.core.rules import DAY_MS, Aggregate, Alerts, Churn, Counter, Drop, EventType, Learning, Rules, Scoring
from streams.core.state import State
from streams.core.telling import acts_of, acts_of_merge
from streams.core.ties import IDS_MAX
from streams.core.user import Turn, User
from streams.core.values import aggregated
from streams.timezones import all_zones
from tests.examples import examples
from tests.histories import at, make_rules

MINUTE_MS = 60_000
#: An amount after which the next one needs a second entry in its pane.
MUCH: Final = (1 << 39) - 1
EVERYTHING, MESSAGE, LEAVE, GROUP = 10, 11, 12, 13
FIRST_PLAIN, FIRST_COUNTER = 20, 100
PLAIN = range(FIRST_PLAIN, FIRST_PLAIN + 30)
TYPES = (
    EventType(id=EVERYTHING, name="everything", amount="revenue", page=True, active=True, key=True, login=True),
    EventType(id=MESSAGE, name="email_send", weight=0.0, channel="email"),
    EventType(id=LEAVE, name="account_deleted", weight=0.0, leaves=True),
    EventType(id=GROUP, name="group", weight=0.0),
    *(EventType(id=number, name=f"plain_{number}") for number in PLAIN),
)
COUNTERS = tuple(Counter(id=FIRST_COUNTER + number, name=f"c{number}", event="everything", where={"n": number}) for number in range(12))
LOST = range(FIRST_COUNTER + len(COUNTERS), FIRST_COUNTER + len(COUNTERS) + LOST_TYPES)
ROLE = ("everything",)


def rules_of(words: int | None = None) -> Rules:
    """Rules under which everything happens often. words: of a state, the fewest allowed where it is not said."""
    made = make_rules(
        churn=Churn(theta_on=0.02, theta_off=0.01, min_active_days=1, engaged_gap_days=1e9, rearm_days=0.01),
        drop=Drop(h_on=0.5, h_off=0.1, min_active_days=1, rearm_days=0.01),
    )
    catalogue = msgspec.structs.replace(
        made.catalogue,
        types=TYPES,
        counters=COUNTERS,
        aggregates=tuple(Aggregate(id=n, name=f"a{n}", event="everything", of="t", kind="text") for n in range(AGGREGATES_MAX)),
    )
    words = words or least_words(catalogue, Scoring().dedup_ids)
    return msgspec.structs.replace(
        made,
        catalogue=catalogue,
        scoring=Scoring(state_bytes=8 * words),
        zones=all_zones(),
        learning=Learning(sample_one_in=1, min_active_days=1),
        alerts=Alerts(cooldown_hours=0.01, max_per_day=9),
        metrics=Metrics(streaks=tuple(Streak(id=n, name=f"s{n}", event="everything", days=3) for n in range(STREAKS_MAX))),
        business=BusinessRules(
            page_views=ROLE,
            interactions={"everything": 1.0},
            shares=ROLE,
            orders=ROLE,
            refunds=(),
            conversions=ROLE,
            carts=ROLE,
            key_events=ROLE,
            sign_ups=ROLE,
            opt_ins=ROLE,
            opt_outs=ROLE,
            activation=Within(events=ROLE),
            surveys=Survey(events=ROLE),
        ),
    )


class Person:
    """A user, with whom is done what a step does, and whose state is looked at after everything."""

    def __init__(self, rules: Rules, key: str, row: bytes | None = None) -> None:
        self.rules, self.user, self.business = rules, User(rules), Business(rules)
        self.numbers = count((2 if row else 1) * 1_000_000 * sum(key.encode()))  # ids, never the same
        self.user.load(key, row)

    def happens(self, kind: int, at_ms: int, *, amount: int = 0, account: str = "", new: str = "") -> None:
        """An event; what fell due before it has turned. new: what makes its values new ones."""
        user, number = self.user, next(self.numbers)
        self.waits(at_ms - 1)
        said, context, group = None, None, Grouped(account) if account else None
        if kind in (EVERYTHING, MESSAGE):
            values = [aggregated(slot, True, f"{slot} {new}") for slot in range(AGGREGATES_MAX)]
            said = Properties(
                feature=f"feature {new}",
                order=f"order {new}",
                campaign="c",
                message=f"message {new}",
                survey="nps",
                score=9.0,
                engaged_ms=9_000,
                counters=tuple(each.id for each in COUNTERS) if kind == EVERYTHING else (),
                aggregated=tuple(value for value in values if value is not None),
            )
            context = Context("DE", "mobile", "Europe/Berlin")
        event = Event(user.key, user.key, kind, at_ms, number, amount, properties=said, context=context, group=group)
        if user.fold(kind, at_ms, number, amount, 2, 1 << 20, number, said, context) == Fate.COUNTED:
            self.business.count(user.activity, kind, at_ms, amount, user.weights[kind] > 0.0, said, context)
            if group is not None or user.has_news(user.leaves[kind]):
                acts_of(user, event, self.rules)
            user.emitted(user.newest_ms)
        self.fits()

    def waits(self, until_ms: int) -> None:
        """Silence; a user who is forgotten is not: this is about states."""
        while (turn := self.user.turn(until_ms)) and turn != Turn.EXPIRED:
            self.fits()

    def is_called(self, ident: int) -> None:
        self.user.take_in(ident, self.user.newest_ms)
        self.fits()

    def is_also(self, other: State) -> None:
        """What a step does with a state that another partition has shipped."""
        user, activity = self.user, self.user.activity
        days, orders = user.days_with(other), set(activity.days(ORDERED)) & set(other.activity.days(ORDERED))
        self.business.unite(activity, other.activity)
        user.absorb(other, days, sorted(orders), 2, 3, next(self.numbers))
        acts_of_merge(user, other, max(user.newest_ms, other.newest_ms))
        user.emitted(user.newest_ms)
        self.fits()

    def fits(self) -> None:
        """The state is within its bound, and comes back as it was."""
        blob = self.user.dump()
        assert len(blob) <= self.rules.scoring.state_bytes
        self.user.load(self.user.key, blob)
        assert self.user.dump() == blob


RULES = rules_of()
LONG_ID = "x" * ACCOUNT_ID_MAX


@cache
def full(key: str, account: str = LONG_ID) -> bytes:
    """Somebody with everything: what was last emitted, both alerts, a lesson with its look, features, streaks, orders, the time zone, other
    names, an account, aggregates, ids, a counter of every type and of many lost ones, and panes of large sums."""
    person = Person(RULES, key)
    for number in range(FEATURES_MAX):
        person.happens(EVERYTHING, at(number / 2), amount=MUCH, new=f"{key} {number}")
    person.waits(at(98))
    for number in range(8):
        person.happens(MESSAGE, at(98), new=f"{key} {number}")
    for _ in range(IDS_MAX):
        person.is_called(next(person.numbers))
    person.happens(GROUP, at(98), account=account)
    for day in (99, 110, 110.001, 110.002):
        person.happens(EVERYTHING, at(day), amount=MUCH, new=f"{key} late")
    kinds = [*PLAIN, *LOST]
    for number in range(RULES.scoring.dedup_ids):
        person.happens(kinds[number % len(kinds)], at(110.01) + number * MINUTE_MS)
    return person.user.dump()


STEPS_MS = st.sampled_from([0, 1, MINUTE_MS, 10 * MINUTE_MS, DAY_MS // 24, DAY_MS, 10 * DAY_MS, 35 * DAY_MS, 100 * DAY_MS, -DAY_MS])
KINDS = st.sampled_from([EVERYTHING, MESSAGE, LEAVE, GROUP, FIRST_PLAIN])
RUNS = st.tuples(KINDS, STEPS_MS, st.integers(1, 12), st.sampled_from([0, 1, MUCH, -MUCH]), st.sampled_from(["", "x", "y", LONG_ID]))


@pytest.mark.parametrize("key", ["ann", "bob"])
def test_somebody_with_everything_has_everything(key: str) -> None:
    user, row = User(RULES), full(key)
    user.load(key, row)
    assert user.profile.size() == profile.SIZE_MAX
    assert user.activity.size() == activity.SIZE_MAX
    assert user.ties.size() == ties.SIZE_MAX
    assert user.membership.size() == membership.SIZE_MAX
    assert user.aggregates.size() == sum(words_of(each) for each in RULES.catalogue.aggregates)
    parts = sum(each.size() for each in (user.profile, user.activity, user.ties, user.membership, user.aggregates))
    assert len(row) // 8 == HEADER_MAX + parts + RULES.scoring.dedup_ids + len(user.lifetime()) + user.panes.size


@settings(max_examples=examples(40), deadline=None)
@given(st.lists(st.one_of(RUNS, st.sampled_from(["bob", "called", "waits"])), min_size=1, max_size=8))
def test_whatever_happens_to_somebody_with_everything_fits_into_the_smallest_bound(
    doings: Sequence[tuple[int, int, int, int, str] | str],
) -> None:
    person, bob = Person(RULES, "ann", full("ann")), State(RULES)
    for doing in doings:
        now_ms = person.user.newest_ms
        if doing == "bob":
            bob.take("bob", full("bob"))
            person.is_also(bob)
        elif doing == "called":
            person.is_called(next(person.numbers))
        elif doing == "waits":
            person.waits(now_ms + 300 * DAY_MS)
        else:
            kind, step_ms, times, amount, account = doing  # type: ignore[misc]
            for number in range(1, times + 1):  # type: ignore[arg-type]
                person.happens(kind, now_ms + number * step_ms, amount=amount, account=account, new=f"{now_ms} {number}")  # type: ignore


def filled(rules: Rules, key: str, events: int, kinds: Sequence[int]) -> Person:
    """Somebody whose alerts and lesson are there, with as many panes as events, and nothing else."""
    person = Person(rules, key)
    for day in (*range(10), *range(70, 80)):
        person.happens(FIRST_PLAIN, at(day))
    for number in range(events):
        person.user.fold(kinds[number % len(kinds)], at(80) + number // len(kinds) * MINUTE_MS, next(person.numbers), 0, 0, 3, number)
    return person


def test_an_event_of_everything_fits_however_full_the_state_is() -> None:
    """At each count of panes, from room made to room made again: what one event can add is there."""
    person, other = filled(RULES, "ann", 800, PLAIN), Person(RULES, "bob")
    sizes = set()
    for number in range(800, 1100):
        person.happens(PLAIN[number % len(PLAIN)], at(80) + number // len(PLAIN) * MINUTE_MS)
        sizes.add(person.user.panes.size)
        other.user.load("bob", person.user.dump())
        other.happens(EVERYTHING, person.user.newest_ms, amount=MUCH, account=LONG_ID, new="all")
    assert max(sizes) - min(sizes) > event_words(RULES.catalogue), "room was made"


def test_a_merge_fits_however_full_both_states_are() -> None:
    """The other id's account is there after it, too."""
    row, shipped = full("ann", account=""), State(RULES)
    person, other = Person(RULES, "ann"), Person(RULES, "bob")
    other.happens(GROUP, at(110.2), account=LONG_ID)
    for minute in range(100):
        for kind in LOST[:3]:
            other.happens(kind, at(110.2) + minute * MINUTE_MS)
        person.user.load("ann", row)
        shipped.take("bob", other.user.dump())
        person.is_also(shipped)
        assert person.user.membership.account == LONG_ID


def test_two_of_the_largest_states_become_one() -> None:
    """While they do, panes of both are there."""
    rules = rules_of(WORDS_MAX)
    ann, bob, shipped = filled(rules, "ann", 4_200, range(20, 90)), filled(rules, "bob", 4_200, range(180, 250)), State(rules)
    assert ann.user.panes.size + bob.user.panes.size > WORDS_MAX
    shipped.take("bob", bob.user.dump())
    ann.is_also(shipped)
    for number in range(5):
        ann.happens(EVERYTHING, at(81) + number * MINUTE_MS, amount=MUCH, account=LONG_ID, new=str(number))
