"""What the population teaches: who is looked at and when, what comes of it, and when it is used."""

from math import exp

import msgspec
import pytest

from streams.core.calibration import Calibration, figures
from streams.core.churnmodel import FEATURES, Label, start
from streams.core.learning import Learned, beginning, decode_learned, encode_learned, learned_from, publication
from streams.core.parameters import Parameters, decode_parameters, encode_parameters, forecast, prior
from streams.core.pending import Lesson
from streams.core.record import PRIOR
from streams.core.rfm import Spending, cell_of, edges_of, spending_of
from streams.core.rules import DAY_MS, EventType, Learning, Rules
from streams.core.user import Turn, User
from streams.errors import StreamsError, UnknownStateVersion
from tests.histories import ADDED, DAY_ZERO, EMAIL, ORDER, at, fresh, history, make_rules

GONE = 200


def rules(**learning: object) -> Rules:
    """Everybody is looked at once a week."""
    made = make_rules(types=[EventType(id=GONE, name="account_deleted", weight=0.0, leaves=True)])
    return msgspec.structs.replace(made, learning=Learning(**{"sample_one_in": 1, **learning}))  # type: ignore[arg-type]


def lessons(user: User, until_day: float) -> list[tuple[float, bool]]:
    """Day on which each lesson is learned, and whether the user was lost."""
    found = []
    while turn := user.turn(at(until_day)):
        if turn == Turn.LESSON:
            assert user.lesson is not None
            found.append(((user.turn_ms - at(0)) // DAY_MS, user.lesson.label.churned))
    return found


def lesson(churned: bool, p0: float = 0.3, *, points: float = 4.0, gap: float = 3.0, alertable: bool = True) -> Lesson:
    return Lesson(Label(p0, tuple(p0 * (i + 1) for i in range(len(FEATURES))), churned), points, gap, alertable)


def told(learned: Learned, its: Lesson, made: Rules) -> Learned:
    """The lesson is learned; what had been said was p0."""
    return learned_from(learned, its, made, its.label.p0)


def taught(n: int, made: Rules, churned: float = 0.5) -> Learned:
    learned = beginning(made)
    for i in range(n):
        learned = told(learned, lesson(i % 10 < 10 * churned, 0.2 + 0.05 * (i % 10)), made)
    return learned


# -- who is looked at, and what comes of it ------------------------------------------------------------------------------------


def test_who_stays_away_is_lost_the_day_after_the_horizon() -> None:
    """Days 0, 1, 2; looked at within the week from day 2 on, and judged 31 days after that."""
    user = history(fresh(rules()), (0, 1, 2))
    ((day, lost),) = lessons(user, 390)
    assert 33 <= day <= 39
    assert lost


def test_who_comes_back_within_the_horizon_has_stayed() -> None:
    user = history(fresh(rules()), (0, 1, 2, 20))
    assert lessons(user, 40)[0][1] is False


def test_who_comes_back_after_it_was_lost() -> None:
    user = history(fresh(rules()), (0, 1, 2, 60))
    assert lessons(user, 61)[0][1] is True


def test_the_look_is_of_the_end_of_the_day_whatever_comes_later() -> None:
    """A user who returned and one who did not looked the same when they were looked at."""
    stayed, lost = history(fresh(rules()), (0, 1, 2, 20)), history(fresh(rules()), (0, 1, 2))
    looks = []
    for user in (stayed, lost):
        while user.turn(at(45)) != Turn.LESSON:
            pass
        looks.append(user.lesson)
    assert looks[0] is not None
    assert looks[1] is not None
    assert looks[0].label.x == looks[1].label.x
    assert looks[0][1:] == looks[1][1:]


def test_a_new_user_is_not_looked_at() -> None:
    assert lessons(history(fresh(rules()), (0, 1)), 390) == []


def test_nobody_is_looked_at_where_nothing_is_to_be_learned() -> None:
    assert lessons(history(fresh(rules(enabled=False)), (0, 1, 2)), 390) == []


def test_a_pending_lesson_rests_in_the_state() -> None:
    user = history(fresh(rules()), (0, 1, 2, 20))
    other = fresh(rules())
    other.load("ann", user.dump())
    assert other.dump() == user.dump()
    assert lessons(other, 60) == lessons(user, 60)


def test_who_leaves_in_so_many_words_is_lost_and_not_alerted() -> None:
    """Also when an e-mail reaches the account later."""
    user = history(fresh(rules()), range(30))
    history(user, (34,), GONE)
    history(user, (35,), EMAIL)
    turns = []
    while (turn := user.turn(at(300))) != 0:
        turns.append(turn)
        if turn == Turn.LESSON and user.lesson is not None and user.turn_ms > at(62):
            assert user.lesson.label.churned
    assert Turn.CHURN_ON not in turns
    assert Turn.DROP_ON not in turns


def test_leaving_resolves_what_fires() -> None:
    user = history(fresh(rules()), range(30))
    while user.turn(at(300)):
        pass
    history(user, (301,), GONE)
    assert user.turns == Turn.CHURN_OFF | Turn.DROP_OFF
    assert not user.alert(0).firing
    assert not user.alert(1).firing


# -- what a partition learns -----------------------------------------------------------------------------------------------------


def test_medians_and_labels_are_counted() -> None:
    learned = taught(30, rules())
    assert (learned.churn.churned, learned.churn.stayed, learned.points.n, learned.engaged) == (15, 15, 30, 30)


def test_the_budget_raises_a_threshold_that_too_many_are_above() -> None:
    """Everybody at 0.6: theta_on climbs to them; everybody at 0.05: it falls, until one in ten is above."""
    made = rules()
    high, low = beginning(made), beginning(made)
    for _ in range(100):
        high = told(high, lesson(True, 0.6), made)
        low = told(low, lesson(False, 0.05), made)
    assert high.theta_on == pytest.approx(0.6, abs=0.01)
    assert low.theta_on == pytest.approx(0.2, abs=1e-9)
    assert high.theta_off <= high.theta_on


def test_without_a_budget_thresholds_stay() -> None:
    learned = taught(50, rules(budget=None))
    assert (learned.theta_on, learned.theta_off) == (0.30, 0.20)


def test_what_was_learned_is_bounded_and_comes_back() -> None:
    """However many lessons: below 2 KB."""
    made = rules()
    few, many = taught(40, made), taught(1000, made)
    assert decode_learned(encode_learned(many), made) == many
    assert len(encode_learned(few)) < 2048
    assert len(encode_learned(many)) < 2048


def test_labels_of_another_horizon_are_forgotten() -> None:
    made = rules()
    longer = msgspec.structs.replace(made, churn=msgspec.structs.replace(made.churn, horizon_days=60.0))
    assert decode_learned(encode_learned(taught(40, made)), longer) == beginning(longer)
    assert decode_learned(b"", made) == beginning(made)


@pytest.mark.parametrize(("blob", "error"), [(b"\x02abc", UnknownStateVersion), (b"\x01abc", StreamsError)])
def test_bytes_that_are_nothing_learned_stop_the_worker(blob: bytes, error: type[Exception]) -> None:
    with pytest.raises(error):
        decode_learned(blob, rules())
    with pytest.raises(error):
        decode_parameters(blob)


# -- what is published -----------------------------------------------------------------------------------------------------------


def test_nothing_is_published_before_there_are_enough_of_either_kind() -> None:
    """100 who left and 100 who stayed, over all partitions."""
    made = rules()
    assert publication(made, [taught(100, made), beginning(made)], at(0)) is None
    assert publication(made, [taught(400, made, churned=0.1)], at(0)) is None
    assert publication(made, [taught(100, made), taught(100, made)], at(0)) is not None


def test_a_publication_is_named_by_its_day_and_content() -> None:
    made = rules()
    one = publication(made, [taught(300, made)], at(0))
    again = publication(made, [taught(300, made)], at(0, 999))
    other = publication(made, [taught(310, made)], at(0))
    assert one is not None
    assert again is not None
    assert other is not None
    assert one.version == again.version
    assert one.version.startswith("2019-04-14-")
    assert other.version != one.version
    assert (round(one.a_ref, 6), round(one.m0_days, 6)) == (4.0, 3.0)
    assert decode_parameters(encode_parameters(one)) == one


def test_the_forecast_is_p0_until_something_is_published() -> None:
    made = rules()
    published = publication(made, [taught(300, made)], at(0))
    assert published is not None
    x = lesson(True, 0.4).label.x
    assert forecast(prior(made), 0.4, x) == 0.4
    assert forecast(published, 0.4, x) != 0.4


# -- users under parameters ------------------------------------------------------------------------------------------------------


def certain(version: str, b: float, since_ms: int = 0, theta_on: float = 0.3) -> Parameters:
    """A model that moves the logit by `b`, whoever it is."""
    return Parameters(version, since_ms, 5.0, 7.0, theta_on, theta_on - 0.1, msgspec.structs.replace(start(30.0), b=b))


def test_a_user_is_read_by_the_parameters_in_force() -> None:
    user = fresh(rules())
    user.use(certain("one", 1.0))
    history(user, range(20))
    p0 = user.rhythm.churn(10.0)
    assert user.churn(at(29)) == pytest.approx(1 / (1 + (1 - p0) / p0 * exp(-1)))
    user.use(prior(rules()))
    history(user, range(20))
    assert user.churn(at(29)) == pytest.approx(p0)


def test_the_crossing_is_where_the_corrected_probability_reaches_the_threshold() -> None:
    """To the minute; sooner under a model that says so."""
    crossings = []
    for b in (0.0, 1.0, 2.0):
        user = fresh(rules())
        user.use(certain("one", b))
        history(user, range(20))
        while user.turn(at(400)) != Turn.CHURN_ON:
            pass
        assert user.churn(user.turn_ms) >= 0.3 > user.churn(user.turn_ms - 60_000)
        crossings.append(user.turn_ms)
    assert crossings[0] > crossings[1] > crossings[2]


def test_who_never_reaches_the_threshold_never_crosses() -> None:
    user = fresh(rules())
    user.use(msgspec.structs.replace(certain("one", 0.0), churn=msgspec.structs.replace(start(30.0), a=0.0, b=-5.0)))
    history(user, range(20))
    turns = set()
    while (turn := user.turn(at(390))) != 0:
        turns.add(turn)
    assert Turn.CHURN_ON not in turns


def test_a_crossing_that_moved_into_the_past_happens_when_the_parameters_came() -> None:
    """A state folded under the constants, read by parameters of day 60 under which the user has long been at risk."""
    made = rules()
    user = history(fresh(made), range(20))
    blob = user.dump()
    user.use(certain("late", 3.0, since_ms=at(60)))
    user.load("ann", blob)
    while user.turn(at(70)) != Turn.CHURN_ON:
        pass
    assert user.turn_ms == at(60)


def test_a_model_that_has_learned_nothing_corrects_nothing() -> None:
    user = fresh(rules())
    user.use(certain("none", 0.0))
    history(user, range(20))
    assert user.churn(at(40)) == pytest.approx(user.rhythm.churn(21.0))
    assert user.facts(at(40)).p == user.churn(at(40))


# -- how good it is --------------------------------------------------------------------------------------------------------------


def test_figures_of_nothing_are_counts() -> None:
    assert figures([(start(30.0), Calibration())]) == {"labels_lost": 0.0, "labels_stayed": 0.0}


def test_a_forecast_that_says_what_happens_is_calibrated() -> None:
    """Three in ten of those at 0.3 are lost."""
    made = rules()
    learned = beginning(made)
    for i in range(200):
        learned = told(learned, lesson(i % 10 < 3, 0.3), made)
    found = figures([(learned.churn, learned.calibration)])
    assert found["ece"] == pytest.approx(0.0, abs=0.01)
    assert found["brier"] == pytest.approx(0.21, abs=0.01)
    assert (found["labels_lost"], found["labels_stayed"]) == (60.0, 140.0)
    assert found["drift"] == 0.0


def test_a_population_that_changes_drifts() -> None:
    made = rules()
    learned = beginning(made)
    for i in range(600):
        learned = told(learned, lesson(i % 2 == 0, 0.2 + 0.001 * (i % 10) + (0.5 if i > 500 else 0.0)), made)
    assert figures([(learned.churn, learned.calibration)])["drift"] > 0.5


def test_the_constants_are_those_of_the_rules() -> None:
    assert prior(rules()) == Parameters(PRIOR, 0, 5.0, 7.0, 0.30, 0.20, None)
    assert DAY_ZERO == 18_000
    assert ADDED == 34


# -- fifths of buyers -----------------------------------------------------------------------------------------------------------


def buyers(n: int, made: Rules) -> Learned:
    """`n` users with an order: of i days ago, of i // 20 + 1 orders, of 100 i cents, i from 0 to 99 in a mixed order."""
    learned = beginning(made)
    for i in range(n):
        rank = i * 37 % 100
        spent = Spending(rank, rank // 20 + 1, 100 * rank)
        learned = learned_from(learned, lesson(i % 2 == 0), made, 0.3, spent)
    return learned


def test_the_edges_of_rfm_are_those_of_the_rules_until_enough_buyers_have_been_seen() -> None:
    made = rules(min_labels=50)
    few, enough = buyers(49, made), buyers(50, made)
    assert edges_of([few.fifths], 50) is None
    assert edges_of([few.fifths, buyers(1, made).fifths], 50) is not None
    assert edges_of([enough.fifths], 50) is not None


def test_published_edges_are_fifths_of_the_buyers_and_read_by_their_version() -> None:
    """A user between the edges has another score with them; prior parameters go back to the rules."""
    made = rules(min_labels=50)
    published = publication(made, [buyers(400, made), buyers(300, made)], 0)
    assert published is not None
    assert published.rfm is not None
    recency, frequency, monetary = published.rfm
    assert recency == pytest.approx((80, 60, 40, 20), abs=3)
    assert frequency == pytest.approx((1.5, 2.5, 3.5, 4.5), abs=0.6)
    assert monetary == pytest.approx((2000, 4000, 6000, 8000), abs=300)
    again = decode_parameters(encode_parameters(published))
    assert again == published
    user = User(made)
    user.use(again)
    cell = cell_of(user.rfm, 50, 3, 5000)
    assert (cell.recency, cell.frequency, cell.monetary) == (3, 3, 3)
    user.use(prior(made))
    assert user.rfm == made.metrics.rfm


def test_equal_lessons_in_equal_order_give_equal_edges_to_the_byte() -> None:
    made = rules(min_labels=50)
    assert encode_learned(buyers(120, made)) == encode_learned(buyers(120, made))


def test_who_has_no_order_is_in_no_fifth() -> None:
    """Through the flow of a lesson: only the user's own spending by then is seen."""
    made = rules()
    user = history(fresh(made), (0, 1, 2))
    assert spending_of(user, made, at(3)) is None
    history(user, (3,), ORDER)
    assert spending_of(user, made, at(10)) == Spending(7, 1, 0)
