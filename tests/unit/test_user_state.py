"""A user at rest: the bytes, their bound, and what other rules make of them."""

import pytest

from streams.core.record import Fate
from streams.core.rules import DAY_MS, REVENUE, SESSION, Churn, Drop, Scoring
from streams.core.user import STATE_VERSION, Turn, User
from streams.errors import ConfigError, StreamsError, UnknownStateVersion
from tests.histories import ADDED, EMAIL, ORDER, VIEW, at, fresh, history, make_rules

MINUTE_MS = 60_000


def reloaded(user: User, **other: object) -> User:
    """The user, read from its bytes by a process with other rules."""
    after = fresh(make_rules(**other))  # type: ignore[arg-type]
    after.load(user.key, user.dump())
    return after


# -- bytes ---------------------------------------------------------------------------------------------------------------


def test_a_state_begins_with_its_version() -> None:
    assert fresh().dump()[0] == STATE_VERSION == 2


def test_a_new_user_comes_back_as_a_new_user() -> None:
    user = fresh()
    assert reloaded(user).dump() == user.dump()
    assert len(user.dump()) == 232


def test_everything_comes_back() -> None:
    """An alert that is firing, what was emitted, the entry of the queue, ids, counters and panes."""
    user = history(fresh(), range(20))
    while user.turn(at(60)):
        pass
    history(user, [60])
    user.emitted(at(60))
    user.entry_ms = at(61)
    assert (user.alert(0).firing, user.alert(1).firing, user.turns) == (False, True, 0)
    after = reloaded(user)
    assert after.dump() == user.dump()
    assert (after.alert(0), after.alert(1)) == (user.alert(0), user.alert(1))
    assert (after.due_ms, after.entry_ms, after.newest_ms) == (user.due_ms, at(61), at(60))
    assert (after.last_topic, after.last_partition, after.last_offset) == (0, 3, 21)
    assert after.facts(at(70)) == user.facts(at(70))
    assert after.counts("30d", at(60)) == user.counts("30d", at(60))
    assert after.emission(at(60)) == 0
    assert after.fold(VIEW, at(60), 1_000_021, 0, 0, 3, 22) == Fate.DUPLICATE


def test_both_alerts_come_back() -> None:
    user = history(fresh(), range(20))
    while user.turn(at(200)):
        pass
    after = reloaded(user)
    assert (after.alert(0).firing, after.alert(1).firing) == (True, True)
    assert (after.alert(0), after.alert(1), after.dump()) == (user.alert(0), user.alert(1), user.dump())


def test_one_scratch_user_holds_nothing_of_the_user_before() -> None:
    user = history(fresh(), range(20))
    while user.turn(at(60)):
        pass
    user.emitted(at(60))
    user.load("bob", None)
    assert user.key == "bob"
    assert user.dump() == fresh().dump()


def test_ten_events_over_eight_days_are_small() -> None:
    user = history(fresh(), [0, 0.2, 1, 2, 3, 4, 5, 6, 7, 7.5])
    assert len(user.dump()) == 416


def test_a_version_of_a_later_release_stops_the_worker() -> None:
    with pytest.raises(UnknownStateVersion, match="a state has version 3, this release reads up to version 2"):
        fresh().load("ann", b"\x03" + fresh().dump()[1:])


@pytest.mark.parametrize(("size", "why"), [(415, "415 bytes"), (0, "0 bytes"), (408, "51 words")])
def test_bytes_that_are_no_state_are_refused(size: int, why: str) -> None:
    blob = history(fresh(), [0, 0.2, 1, 2, 3, 4, 5, 6, 7, 7.5]).dump()
    with pytest.raises(StreamsError, match=why):
        fresh().load("ann", blob[:size])


# -- other rules -----------------------------------------------------------------------------------------------------------


def test_crossings_are_computed_again_when_their_rules_have_changed() -> None:
    user = history(fresh(make_rules(drop=Drop(min_active_days=10**6))), range(20))
    other = reloaded(user, churn=Churn(theta_on=0.1, theta_off=0.05), drop=Drop(min_active_days=10**6))
    while other.turn(at(300)) != Turn.CHURN_ON:
        pass
    assert other.churn(other.turn_ms) >= 0.1 > other.churn(other.turn_ms - 1)


def test_fewer_remembered_ids_keep_the_youngest() -> None:
    user = history(fresh(), [0, 0.1, 0.2, 0.3])
    after = reloaded(user, scoring=Scoring(dedup_ids=2))
    assert after.fold(VIEW, at(0.3), 1_000_003, 0, 0, 3, 9) == Fate.DUPLICATE
    assert after.fold(VIEW, at(0.3), 1_000_002, 0, 0, 3, 9) == Fate.COUNTED


def test_fewer_bands_are_fewer_bands() -> None:
    user = history(fresh(), range(60))
    after = reloaded(user, scoring=Scoring(bands=(50.0,), band_names=("low", "high")))
    assert after.turn(at(300)) == Turn.BAND or after.alert(0).firing or after.alert(1).firing


def test_a_smaller_bound_holds_from_the_first_load_on() -> None:
    user = fresh()
    for day in range(30):
        for kind in range(10, 40):
            user.fold(kind, at(day), day * 100 + kind, 0, 0, 3, 1)
    assert len(user.dump()) > 7000
    after = reloaded(user, scoring=Scoring(state_bytes=8000))
    assert len(after.dump()) <= 8000
    assert after.lifetime() == user.lifetime()


@pytest.mark.parametrize("scoring", [Scoring(state_bytes=1024), Scoring(state_bytes=1 << 20), Scoring(dedup_ids=0)])
def test_bounds_that_cannot_hold_a_user_stop_the_start(scoring: Scoring) -> None:
    with pytest.raises(ConfigError, match=r"streams\.yaml: state\."):
        User(make_rules(scoring=scoring))


# -- room ----------------------------------------------------------------------------------------------------------------


def test_a_full_state_gives_up_minutes_first_and_keeps_every_day() -> None:
    """Ten types in every minute of an hour, for one day: the 24-hour and longer windows stay exact, and so do the last five minutes."""
    user = fresh()
    number = 0
    for minute in range(60):
        for kind in range(10, 20):
            number += 1
            user.fold(kind, at(1) + minute * MINUTE_MS, number, 0, 0, 3, number)
    now = at(1) + 59 * MINUTE_MS
    assert len(user.dump()) <= 8192
    assert user.panes.truncated_day == -1
    for window in ("24h", "7d", "30d"):
        assert {kind: n for kind, n in user.counts(window, now).items() if kind != SESSION} == dict.fromkeys(range(10, 20), 60)
    assert {kind: n for kind, n in user.counts("5m", now).items() if kind != SESSION} == dict.fromkeys(range(10, 20), 5)


def test_a_full_state_gives_up_hours_before_days() -> None:
    """Forty types in every hour of a day: whole days stay exact."""
    user = fresh()
    number = 0
    for hour in range(48):
        for kind in range(10, 50):
            number += 1
            user.fold(kind, at(1) + hour * 60 * MINUTE_MS, number, 0, 0, 3, number)
    assert len(user.dump()) <= 8192
    assert user.panes.truncated_day == -1
    assert user.counts("7d", user.newest_ms)[10] == 48


def test_a_full_state_gives_up_the_oldest_days_last_and_says_so() -> None:
    """A hundred types on each of thirty days do not fit: the newest days are exact, the oldest are gone, lifetime counters are exact."""
    user = fresh()
    number = 0
    for day in range(30):
        for kind in range(10, 110):
            number += 1
            user.fold(kind, at(day), number, 0, 0, 3, number)
    assert len(user.dump()) <= 8192
    first_exact = user.panes.truncated_day - 18_000
    assert first_exact == 24
    assert user.counts("30d", user.newest_ms)[10] == 30 - first_exact
    assert user.lifetime()[10] == 30
    after = reloaded(user)
    assert after.panes.truncated_day == user.panes.truncated_day
    assert after.dump() == user.dump()


def test_room_that_is_there_costs_nothing() -> None:
    user = history(fresh(), [0, 0.001])
    before = list(user.panes.entries[: user.panes.size])
    user.panes.shrink(user.panes.size)
    assert list(user.panes.entries[: user.panes.size]) == before


def test_a_single_minute_of_every_type_fits() -> None:
    user = fresh()
    number = 0
    for _ in range(5):
        for minute in range(5):
            for kind in range(3, 256):
                number += 1
                user.fold(kind, at(0) + minute * MINUTE_MS, number, 0, 0, 3, number)
    assert len(user.dump()) <= 8192
    assert user.lifetime()[200] == 25
    assert user.counts("24h", at(0) + 5 * MINUTE_MS)[200] == 25


# -- large sums ------------------------------------------------------------------------------------------------------------


def test_a_sum_that_outgrows_a_pane_goes_on_in_a_second_entry() -> None:
    user = fresh()
    most = (1 << 39) - 1
    for number in range(3):
        user.fold(ORDER, at(0), number, most, 0, 3, number)
    user.fold(ORDER, at(0), 3, -5, 0, 3, 3)
    assert user.counts("5m", at(0))[REVENUE] == user.lifetime()[REVENUE] == 3 * most - 5
    history(user, [2.5])
    assert user.counts("30d", at(2.5))[REVENUE] == 3 * most - 5
    assert reloaded(user).counts("7d", at(2.5))[REVENUE] == 3 * most - 5


def test_an_amount_that_fits_no_pane_is_refused() -> None:
    with pytest.raises(OverflowError, match="does not fit in a pane"):
        fresh().fold(ORDER, at(0), 1, 1 << 39, 0, 3, 1)


def test_a_full_lifetime_counter_is_an_error_and_not_another_number() -> None:
    user = fresh()
    user.fold(ORDER, at(0), 1, 1, 0, 3, 1)
    words = memoryview(bytearray(user.dump())).cast("Q")
    counter = next(i for i, word in enumerate(words) if i >= 22 and word == REVENUE << 56 | (1 << 55) + 1)
    words[counter] = REVENUE << 56 | (1 << 56) - 1
    user.load("ann", words.tobytes())
    assert user.lifetime()[REVENUE] == (1 << 55) - 1
    with pytest.raises(OverflowError, match="lifetime counter"):
        user.fold(ORDER, at(0), 2, 1, 0, 3, 2)


def test_a_user_from_any_year_works() -> None:
    """Replays of old data: panes are counted from the user's own oldest day."""
    for start_ms in (0, 400 * DAY_MS, 14_000 * DAY_MS, 40_000 * DAY_MS):
        user = fresh()
        for number, day in enumerate([0, 1, 29]):
            assert user.fold(ADDED, start_ms + day * DAY_MS, number, 0, 0, 3, number) == Fate.COUNTED
        user.fold(EMAIL, start_ms + 29 * DAY_MS, 9, 0, 0, 3, 9)
        assert user.counts("30d", user.newest_ms) == {SESSION: 3, ADDED: 3, EMAIL: 1}
