"""One user: the formulas against golden values, fates, sessions, windows, and what makes a score leave."""

import pytest

from streams.core.record import NEVER_MS, Fate
from streams.core.rules import CUSTOM, DAY_MS, REVENUE, SESSION, Churn, Emit, EventType, Scoring
from streams.core.user import User
from tests.histories import ADDED, EMAIL, ORDER, VIEW, at, fresh, history, make_rules

MINUTE_MS = 60_000
REFERENCE = (0, 2, 3, 7, 8, 12, 20)


@pytest.fixture
def reference() -> User:
    """The user of the golden values: events of weight 3 on days 0, 2, 3, 7, 8, 12, 20."""
    return history(fresh(), REFERENCE)


# -- formulas ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("day", "p0", "drop"), [(20, 0.117762, 0.082841), (30, 0.169161, 1.679746), (50, 0.278706, 4.873554)])
def test_churn_and_drop_have_their_golden_values(reference: User, day: int, p0: float, drop: float) -> None:
    assert round(reference.churn(at(day)), 6) == p0
    assert round(reference.drop(at(day)), 6) == drop


def test_rhythm_and_points_have_their_golden_values(reference: User) -> None:
    facts = reference.facts(at(20))
    assert (round(facts.m, 6), round(facts.cus, 6), round(facts.P, 6)) == (4.681520, 0.723718, 7.201256)
    assert (facts.x, facts.first_day, facts.last_day, facts.tenure_days, facts.r_days) == (7, 18_000, 18_020, 20.0, 0.0)


def test_p0_reaches_one_half_on_its_golden_day() -> None:
    rules = make_rules(churn=Churn(theta_on=0.5, theta_off=0.4, min_active_days=7))
    user = history(fresh(rules), REFERENCE)
    while user.turn(at(400)) != 1:
        pass
    assert round((user.turn_ms - at(0)) / DAY_MS, 3) == 94.792


def test_the_median_user_scores_fifty() -> None:
    """A user whose points are a_ref scores exactly 50."""
    user = fresh(make_rules(scoring=Scoring(a_ref=1.3862943611198906)))  # ln(1 + 3)
    history(user, [0])
    assert user.engagement(at(0)) == 50.0


def test_points_of_one_day_telescope(reference: User) -> None:
    """Three events of weight 3 on one day are worth ln(1 + 9), in whatever order."""
    user = history(fresh(), [0, 0.1, 0.2])
    assert round(user.facts(at(0.3)).P, 12) == 2.302585092994


def test_points_halve_in_a_half_life() -> None:
    user = history(fresh(), [0])
    assert user.facts(at(28)).A == user.facts(at(0)).A / 2


def test_the_hour_of_a_visit_does_not_matter() -> None:
    """Silence is none on the last active day, and counts from its midnight afterwards."""
    early, late = history(fresh(), [0.01]), history(fresh(), [0.99])
    assert early.engagement(at(0.01)) == late.engagement(at(0.99)) == late.engagement(at(1, -1))
    assert late.engagement(at(1)) == early.engagement(at(1)) < early.engagement(at(1, -1))
    assert late.facts(at(1.5)).r_days == 1.5


def test_an_event_of_weight_zero_is_counted_and_is_no_sign_of_life() -> None:
    user = history(fresh(), [0, 1, 2], EMAIL)
    assert user.lifetime() == {EMAIL: 3}  # being sent an e-mail is no visit
    facts = user.facts(at(2))
    assert (facts.x, facts.P, facts.p0, facts.drop, facts.ratio, facts.r_days) == (0, 0.0, 0.0, 0.0, 0.0, 0.0)
    assert (user.engagement(at(2)), user.band(at(2)), user.churn(at(9)), user.drop(at(9))) == (0.0, 0, 0.0, 0.0)


def test_a_late_event_on_an_earlier_day_adds_points_only() -> None:
    user = history(fresh(), [0, 5])
    before = user.facts(at(5))
    history(user, [3])
    after = user.facts(at(5))
    assert (after.x, after.last_day, after.m, after.S) == (before.x, before.last_day, before.m, before.S)
    assert after.P > before.P


def test_facts_are_as_of_the_instant(reference: User) -> None:
    """S decays with silence, E grows with tenure; the ratio compares the shortest and the longest half-life kept."""
    facts = reference.facts(at(50))
    assert (facts.r_days, facts.tenure_days) == (30.0, 50.0)
    assert round(facts.S[1], 6) == round(reference.facts(at(20)).S[1] / 2, 6)
    assert facts.ratio == (facts.S[0] / facts.E[0]) / (facts.S[3] / facts.E[3])
    assert facts.lifetime == {SESSION: 7, ADDED: 7}


# -- fates ---------------------------------------------------------------------------------------------------------------


def test_the_same_id_again_is_a_duplicate_and_changes_nothing() -> None:
    user = fresh()
    assert user.fold(VIEW, at(0), 7, 0, 0, 3, 1) == Fate.COUNTED
    before = user.dump()
    assert user.fold(VIEW, at(0), 7, 0, 0, 3, 2) == Fate.DUPLICATE
    assert user.dump() == before


def test_an_id_is_remembered_until_the_active_day_after_the_next() -> None:
    user = fresh()
    user.fold(VIEW, at(0), 7, 0, 0, 3, 1)
    history(user, [1])
    assert user.fold(VIEW, at(1), 7, 0, 0, 3, 9) == Fate.DUPLICATE
    history(user, [2])
    assert user.fold(VIEW, at(2), 7, 0, 0, 3, 9) == Fate.COUNTED


def test_the_last_256_ids_are_remembered() -> None:
    user = fresh()
    for number in range(257):
        user.fold(VIEW, at(0), number, 0, 0, 3, number)
    assert user.fold(VIEW, at(0), 1, 0, 0, 3, 300) == Fate.DUPLICATE
    assert user.fold(VIEW, at(0), 0, 0, 0, 3, 300) == Fate.COUNTED


def test_ids_are_remembered_however_long_the_scratch_user_goes_on() -> None:
    """The ring is an array that ids wander through: at its end they move to its beginning."""
    user = fresh()
    for number in range(9_000):
        user.fold(VIEW, at(0), number, 0, 0, 3, number)
    assert user.fold(VIEW, at(0), 8_744, 0, 0, 3, 9_000) == Fate.DUPLICATE
    assert user.fold(VIEW, at(0), 8_743, 0, 0, 3, 9_000) == Fate.COUNTED


def test_an_event_of_a_day_that_no_window_holds_is_late() -> None:
    """The 30-day window holds the newest day and 29 before it."""
    user = history(fresh(), [40.5])
    assert user.fold(VIEW, at(11), 1, 0, 0, 3, 2) == Fate.COUNTED
    before = user.dump()
    assert user.fold(VIEW, at(11, -1), 2, 0, 0, 3, 3) == Fate.LATE
    assert user.fold(VIEW, at(11, -1), 1, 0, 0, 3, 3) == Fate.LATE, "lateness is judged first"
    assert user.dump() == before


def test_the_last_counted_record_is_remembered() -> None:
    user = fresh()
    user.fold(VIEW, at(0), 1, 0, 2, 11, 1 << 40)
    user.fold(VIEW, at(0), 1, 0, 0, 11, 5)
    assert (user.last_topic, user.last_partition, user.last_offset) == (2, 11, 1 << 40)


@pytest.mark.parametrize(("type_id", "at_ms"), [(0, 0), (256, 0), (-1, 0), (10, -1)])
def test_what_no_decoded_event_has_is_refused(type_id: int, at_ms: int) -> None:
    with pytest.raises(ValueError, match="no such time or type"):
        fresh().fold(type_id, at_ms, 1, 0, 0, 3, 1)


# -- sessions ------------------------------------------------------------------------------------------------------------


def test_a_session_begins_after_more_than_the_gap() -> None:
    user = fresh()
    for number, minutes in enumerate([0, 30, 60]):
        user.fold(VIEW, at(0) + minutes * MINUTE_MS, number, 0, 0, 3, number)
    assert user.lifetime()[SESSION] == 1
    user.fold(VIEW, at(0) + 90 * MINUTE_MS + 1, 9, 0, 0, 3, 9)
    assert user.lifetime()[SESSION] == 2
    assert user.counts("30d", user.newest_ms)[SESSION] == 2


def test_a_late_event_begins_no_session() -> None:
    user = history(fresh(), [0.5, 0.2])
    assert user.lifetime()[SESSION] == 1


# -- windows -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("window", "in_ms", "out_ms"),
    [
        ("5m", 4 * MINUTE_MS, 5 * MINUTE_MS),
        ("1h", 59 * MINUTE_MS, 60 * MINUTE_MS),
        ("24h", 23 * 60 * MINUTE_MS, 23 * 60 * MINUTE_MS + 1),
        ("7d", 6 * DAY_MS + 10 * 3_600_000, 6 * DAY_MS + 10 * 3_600_000 + 1),
        ("30d", 29 * DAY_MS + 10 * 3_600_000, None),
    ],
)
def test_a_window_is_its_panes_up_to_now(window: str, in_ms: int, out_ms: int | None) -> None:
    """At 10:00, on the edge of a minute and an hour: n panes of width w are floor(t/w)-n+1 .. floor(t/w)."""
    now = at(60) + 10 * 3_600_000
    user = fresh()
    if out_ms is not None:
        user.fold(VIEW, now - out_ms, 1, 0, 0, 3, 1)
    user.fold(ADDED, now - in_ms, 2, 0, 0, 3, 2)
    user.fold(ORDER, now, 3, 1250, 0, 3, 3)
    counts = user.counts(window, now)
    assert (counts.get(VIEW, 0), counts.get(ADDED, 0), counts[ORDER], counts[REVENUE]) == (0, 1, 1, 1250)
    assert user.ces(window, now) == 13.0


def test_what_comes_after_the_instant_is_not_in_the_window() -> None:
    user = fresh()
    user.fold(VIEW, at(0), 1, 0, 0, 3, 1)
    user.fold(ADDED, at(0) + MINUTE_MS, 2, 0, 0, 3, 2)
    assert user.counts("5m", at(0)) == {SESSION: 1, VIEW: 1}


def test_a_sum_of_nothing_is_left_out() -> None:
    """An order and its refund leave no revenue."""
    user = fresh()
    user.fold(ORDER, at(0), 1, 5000, 0, 3, 1)
    user.fold(VIEW, at(0), 2, -5000, 0, 3, 2)
    assert user.counts("1h", at(0)) == {SESSION: 1, VIEW: 1, ORDER: 1}
    assert user.lifetime() == {SESSION: 1, REVENUE: 0, VIEW: 1, ORDER: 1}


def test_unknown_names_are_worth_the_custom_weight_and_lost_ones_nothing() -> None:
    with_wish = make_rules(types=[EventType(id=44, name="wish", weight=7.0)])
    user = history(history(fresh(with_wish), [0], CUSTOM), [0.1], 44)
    assert user.ces("24h", user.newest_ms) == 7.5
    blob = user.dump()
    after = fresh()
    after.load("ann", blob)
    assert after.ces("24h", after.newest_ms) == 0.5
    assert after.counts("24h", after.newest_ms)[44] == 1


# -- emission ------------------------------------------------------------------------------------------------------------


def test_a_score_that_never_left_leaves() -> None:
    user = history(fresh(), [0])
    assert user.emission(at(0)) == 1


def test_a_score_leaves_when_it_has_moved_by_min_delta() -> None:
    user = history(fresh(make_rules(emit=Emit(min_delta=5.0, max_interval_s=10**9))), [0])
    user.emitted(at(0))
    assert user.emission(at(0)) == 0
    history(user, [0.01])
    assert user.emission(at(0.01)) == 1, "up"
    user.emitted(at(0.01))
    assert user.emission(at(30)) == 1, "down"


def test_a_score_leaves_when_the_band_changes() -> None:
    rules = make_rules(emit=Emit(min_delta=100.0, max_interval_s=10**9))
    user = history(fresh(rules), [0])
    user.emitted(at(0))
    assert (user.band(at(0)), user.band(at(9))) == (1, 0) == (1, user.band(at(9)))
    assert (user.emission(at(0)), user.emission(at(9))) == (0, 2)


def test_a_score_leaves_when_none_has_left_for_long() -> None:
    user = history(fresh(make_rules(emit=Emit(min_delta=100.0, max_interval_s=900))), [0])
    user.emitted(at(0))
    assert (user.emission(at(0, 899_999)), user.emission(at(0, 900_000))) == (0, 3)


def test_a_new_user_is_due_for_nothing() -> None:
    user = fresh()
    assert (user.due_ms, user.entry_ms, user.newest_ms) == (NEVER_MS, NEVER_MS, -1)
    assert user.turn(NEVER_MS) == 0
