"""What silence does to a user, and what ends it: crossings to the millisecond, hysteresis, rest after an alert, bands, expiry."""

import msgspec
import pytest

from streams.core.record import NEVER_MS, Fate
from streams.core.rules import DAY_MS, Alerts, Churn, Drop, Rules, Scoring
from streams.core.user import Alert, Turn, User
from tests.histories import ADDED, DAY_ZERO, EMAIL, VIEW, at, fresh, history, make_rules

#: Alerts of one kind only, so that a test sees what it is about.
NO_DROP, NO_CHURN, NO_BANDS = Drop(min_active_days=10**6), Churn(min_active_days=10**6), Scoring(bands=(99.0,), band_names=("all", "none"))
CHURN_ONLY = make_rules(drop=NO_DROP, scoring=NO_BANDS)
DROP_ONLY = make_rules(churn=NO_CHURN, scoring=NO_BANDS)

#: Engaged for twenty days.
DAILY = range(20)


def silent(user: User, until_day: float) -> list[tuple[int, int]]:
    """Turns of a silence up to a day, each with its instant."""
    turns = []
    while turn := user.turn(at(until_day)):
        if turn < Turn.LESSON:  # what came of the user is counted elsewhere
            turns.append((turn, user.turn_ms))
        if turn == Turn.EXPIRED:
            break
    return turns


# -- crossings -----------------------------------------------------------------------------------------------------------


def test_silence_raises_churn_risk_in_the_millisecond_in_which_p0_reaches_theta_on() -> None:
    user = history(fresh(CHURN_ONLY), DAILY)
    (turn, turn_ms), *others = silent(user, 300)
    assert (turn, others) == (Turn.CHURN_ON, [])
    assert user.churn(turn_ms) >= 0.30 > user.churn(turn_ms - 1)


def test_silence_raises_engagement_drop_in_the_millisecond_in_which_the_statistic_reaches_h_on() -> None:
    user = history(fresh(DROP_ONLY), DAILY)
    (turn, turn_ms), *others = silent(user, 300)
    assert (turn, others) == (Turn.DROP_ON, [])
    assert user.drop(turn_ms) >= 4.8 > user.drop(turn_ms - 1)


def test_nothing_happens_before_its_instant() -> None:
    due_ms = silent(history(fresh(CHURN_ONLY), DAILY), 300)[0][1]
    user = history(fresh(CHURN_ONLY), DAILY)
    before = (due_ms - 1 - at(0)) / DAY_MS
    assert silent(user, before) == []
    assert user.turn(due_ms) == Turn.CHURN_ON
    assert user.turn_ms == due_ms


@pytest.mark.parametrize(("days", "alerted"), [(range(7), False), (range(8), True), (range(0, 160, 8), False), (range(0, 160, 7), True)])
def test_only_engaged_users_are_alerted(days: range, alerted: bool) -> None:
    """At least eight active days, with a typical gap of at most 7.5 days."""
    user = history(fresh(CHURN_ONLY), days)
    assert [turn for turn, _ in silent(user, 390)] == ([Turn.CHURN_ON] if alerted else [])


def test_a_drop_is_looked_for_from_the_fifteenth_active_day_on() -> None:
    assert silent(history(fresh(DROP_ONLY), range(14)), 300) == []
    assert [turn for turn, _ in silent(history(fresh(DROP_ONLY), range(15)), 300)] == [Turn.DROP_ON]


def test_a_threshold_that_silence_never_reaches_is_never_due() -> None:
    expires = [(Turn.EXPIRED, at(19 + 400))]
    assert silent(history(fresh(make_rules(churn=Churn(theta_on=0.99), drop=NO_DROP, scoring=NO_BANDS)), DAILY), 500) == expires
    assert silent(history(fresh(make_rules(churn=NO_CHURN, drop=Drop(h_on=1e9), scoring=NO_BANDS)), DAILY), 500) == expires


def test_an_event_never_raises_an_alert() -> None:
    """Gaps that take the drop statistic over its threshold: the alert waits for the next day."""
    user = history(fresh(make_rules(churn=NO_CHURN, drop=Drop(h_on=0.5, h_off=0.1), scoring=NO_BANDS)), [*range(20), 40])
    assert user.turns == 0
    assert user.drop(at(40)) > 0.5
    assert silent(user, 41) == [(Turn.DROP_ON, at(41))]


def test_a_turn_comes_after_the_newest_event() -> None:
    """An email in the future of the crossing: the alert is judged when all that is known has been."""
    crossing_ms = silent(history(fresh(CHURN_ONLY), DAILY), 300)[0][1]
    user = history(fresh(CHURN_ONLY), DAILY)
    assert user.fold(EMAIL, crossing_ms + 60_000, 1, 0, 0, 3, 99) == Fate.COUNTED
    assert silent(user, (crossing_ms + 60_000 - at(0)) / DAY_MS) == []
    assert user.turn(crossing_ms + 60_001) == Turn.CHURN_ON


def test_at_one_instant_churn_comes_first_then_drop_then_band_then_expiry() -> None:
    """Everything becomes true in the midnight after the last visit: thresholds of nothing, a band of nothing, a life of one day."""
    rules = make_rules(
        churn=Churn(theta_on=1e-9, theta_off=1e-10, min_active_days=1),
        drop=Drop(h_on=1e-9, h_off=1e-10, min_active_days=1),
        scoring=Scoring(bands=(21.7,), band_names=("low", "high"), state_ttl_days=1, half_life_days=40.0),
    )
    user = history(fresh(msgspec.structs.replace(rules, alerts=Alerts(cooldown_hours=0.0, max_per_day=2))), [0])
    assert user.band(at(0)) == 1
    midnight = at(1)
    assert silent(user, 10) == [(Turn.CHURN_ON, midnight), (Turn.DROP_ON, midnight), (Turn.BAND, midnight), (Turn.EXPIRED, midnight)]


# -- alerts --------------------------------------------------------------------------------------------------------------


def test_an_alert_names_the_last_record_before_the_silence() -> None:
    user = fresh(CHURN_ONLY)
    assert user.alert(0) == Alert(firing=False, opened=(0, 0, 0), starts_at_ms=-1, ends_at_ms=-1)
    for day in DAILY:
        user.fold(ADDED, at(day), day, 0, 1, 7, 100 + day)
    [(_, turn_ms)] = silent(user, 300)
    assert user.alert(0) == Alert(firing=True, opened=(1, 7, 119), starts_at_ms=turn_ms, ends_at_ms=-1)
    assert user.alert(1).firing is False


def test_one_silence_one_alert() -> None:
    """A visit that leaves the probability between the thresholds neither ends the alert nor lets it begin again."""
    user = history(fresh(make_rules(churn=Churn(theta_off=1e-9), drop=NO_DROP, scoring=NO_BANDS)), DAILY)
    assert [turn for turn, _ in silent(user, 200)] == [Turn.CHURN_ON]
    history(user, [200])
    assert user.turns == 0
    assert silent(user, 550) == []
    assert user.alert(0).firing


@pytest.mark.parametrize(
    ("rules", "off", "rule"), [(CHURN_ONLY, Turn.CHURN_OFF, 0), (make_rules(churn=NO_CHURN, scoring=NO_BANDS), Turn.DROP_OFF, 1)]
)
def test_a_visit_resolves_the_alert_and_keeps_its_name(rules: Rules, off: int, rule: int) -> None:
    user = history(fresh(rules), DAILY)
    [(_, starts_ms)] = silent(user, 200)
    opened = user.alert(rule).opened
    history(user, [200.25])
    while not user.turns:  # after a long silence one visit is not enough
        history(user, [(user.newest_ms - at(0)) / DAY_MS + 1])
    assert user.turns == off
    assert user.alert(rule) == Alert(firing=False, opened=opened, starts_at_ms=starts_ms, ends_at_ms=user.newest_ms)


@pytest.mark.parametrize(
    ("rules", "on", "rule"),
    [
        (make_rules(churn=NO_CHURN, drop=Drop(rearm_days=60.0), scoring=NO_BANDS), Turn.DROP_ON, 1),
        (make_rules(churn=Churn(theta_on=0.1, theta_off=0.09, rearm_days=220.0), drop=NO_DROP, scoring=NO_BANDS), Turn.CHURN_ON, 0),
    ],
)
def test_rest_outlasts_the_crossing(rules: Rules, on: int, rule: int) -> None:
    """Silence crosses again while a resolved alert rests: the next one begins when the rest is over, also after a dump and a load."""
    user = history(fresh(rules), range(40))
    assert [turn for turn, _ in silent(user, 150)] == [on]
    history(user, range(150, 200))
    ends_ms = user.alert(rule).ends_at_ms
    assert ends_ms > 0
    user.load("ann", user.dump())
    [(turn, turn_ms)] = silent(user, 500)
    assert (turn, turn_ms) == (on, ends_ms + rules_rest_ms(rules, rule))


def rules_rest_ms(rules: Rules, rule: int) -> int:
    return round((rules.churn, rules.drop)[rule].rearm_days * DAY_MS)


def test_an_email_to_a_silent_user_resolves_nothing() -> None:
    user = history(fresh(CHURN_ONLY), DAILY)
    silent(user, 200)
    history(user, [200], EMAIL)
    assert user.turns == 0
    assert user.alert(0).firing


def test_a_late_event_from_before_the_silence_resolves_nothing() -> None:
    """The phone was off: what happened on the last active day arrives after the alert."""
    user = history(fresh(DROP_ONLY), DAILY)
    assert silent(user, 45) != []
    assert user.fold(VIEW, at(19.9), 77, 0, 0, 3, 99) == Fate.COUNTED
    assert user.turns == 0
    assert user.alert(1).firing


def test_a_late_event_is_judged_at_the_beginning_of_the_alert() -> None:
    """Who was there a day before the alert was not silent when it began."""
    user = history(fresh(make_rules(churn=Churn(theta_off=0.29), drop=NO_DROP, scoring=NO_BANDS)), DAILY)
    [(_, starts_ms)] = silent(user, 300)
    assert user.fold(ADDED, starts_ms - DAY_MS, 77, 0, 0, 3, 99) == Fate.COUNTED
    assert user.turns == Turn.CHURN_OFF
    assert user.alert(0).ends_at_ms == starts_ms


# -- bands ---------------------------------------------------------------------------------------------------------------


def test_decay_takes_a_user_down_band_by_band_to_the_millisecond() -> None:
    user = history(fresh(make_rules(churn=NO_CHURN, drop=NO_DROP)), range(30))
    turns = silent(user, 350)
    assert [turn for turn, _ in turns] == [Turn.BAND] * 4
    for left, (_, turn_ms) in zip((3, 2, 1, 0), turns, strict=True):
        assert (user.band(turn_ms - 1), user.band(turn_ms)) == (left + 1, left)


def test_a_visit_raises_the_band_and_a_rise_is_no_turn() -> None:
    user = history(fresh(make_rules(churn=NO_CHURN, drop=NO_DROP)), [0])
    first_ms = user.due_ms
    history(user, [1, 2, 3])
    assert user.turns == 0
    assert user.due_ms > first_ms


def test_due_may_be_early_and_moves_on() -> None:
    """The closed form of the band's crossing is a little early: the look finds nothing, and the next look is exact."""
    user = history(fresh(make_rules(churn=NO_CHURN, drop=NO_DROP)), range(30))
    early_ms = user.due_ms
    assert user.turn(early_ms) == 0
    assert early_ms < user.due_ms <= early_ms + 4
    assert user.turn(user.due_ms) == Turn.BAND


@pytest.mark.parametrize("edge", [0.0, 1e-300])
def test_a_band_that_begins_at_nothing_is_never_left(edge: float) -> None:
    """Decay alone reaches no zero, and the rest not within a hundred years."""
    scoring = Scoring(bands=(edge,), band_names=("none", "all"), half_life_days=400.0)
    user = history(fresh(make_rules(churn=NO_CHURN, drop=NO_DROP, scoring=scoring)), [0])
    assert user.band(at(0)) == 1
    assert user.due_ms == at(400)


# -- expiry --------------------------------------------------------------------------------------------------------------


def test_a_state_expires_after_its_time_to_live() -> None:
    user = history(fresh(), [0, 1.5], EMAIL)
    assert user.due_ms == at(401.5)
    assert silent(user, 400) == []
    assert silent(user, 500) == [(Turn.EXPIRED, at(401.5))]


def test_never_is_beyond_every_turn() -> None:
    user = history(fresh(), DAILY)
    assert silent(user, (NEVER_MS // DAY_MS) - DAY_ZERO)[-1] == (Turn.EXPIRED, at(419))
