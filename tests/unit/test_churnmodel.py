"""The online correction of churn: its golden values (from a second, plain implementation of the formulas), and its rules."""

from math import inf, log, nan

import msgspec
import pytest

from streams.core.churnmodel import (
    FEATURES,
    ChurnModel,
    Label,
    corrected,
    learn,
    merge,
    start,
)
from streams.core.pending import sampled
from streams.core.rules import DAY_MS, Catalogue, EventType, Rules
from streams.core.user import User

HALVES = (0.5,) * 10


def population(n: int) -> list[Label]:
    """Users of whom silence decides; no draw, so that everybody gets the same."""
    made = []
    for i in range(n):
        u, v = (i * 37 % 101) / 101, (i * 53 % 97) / 97
        made.append(Label(0.1 + 0.6 * u, tuple(round(u * (j + 1) - v * (j % 3), 6) for j in range(10)), u + v * 0.5 > 0.7))
    return made


def taught(labels: list[Label]) -> ChurnModel:
    model = start(30.0)
    for each in labels:
        model = learn(model, each)
    return model


def features(silence: float) -> list[float]:
    """x of the user of the documented golden values (events of weight 3 on days 0, 2, 3, 7, 8, 12, 20) after so many days of silence."""
    catalogue = Catalogue(types=(EventType(id=10, name="added", weight=3.0),))
    user = User(Rules(version="v", app_id="a", partitions=1, catalogue=catalogue))
    for number, each in enumerate((0, 2, 3, 7, 8, 12, 20)):
        user.fold(10, each * DAY_MS, number + 1, 0, 0, 0, number)
    user.correction.look(user.rhythm, silence)
    return list(user.correction.x)


# -- features -----------------------------------------------------------------------------------------------------------------


def test_features_of_the_documented_user() -> None:
    """x after ten days of silence, in the order of its names."""
    assert dict(zip(FEATURES, [round(value, 6) for value in features(10.0)], strict=True)) == {
        "silence": 1.466337,
        "silence_in_gaps": 0.807752,
        "gap": -1.857574,
        "activity_quarter": -0.166892,
        "activity_horizon": 1.767946,
        "activity_long": 2.599328,
        "active_days": 2.079442,
        "tenure": 0.693147,
        "active_days_recent": 1.857574,
        "gap_excess": 0.858567,
    }


def test_silence_in_gaps_is_clipped() -> None:
    """A thousand gaps of silence say no more than 54."""
    assert features(19_980.0)[1] == 4.0


# -- correcting ---------------------------------------------------------------------------------------------------------------


def test_a_new_model_corrects_nothing() -> None:
    """Whatever the features: it starts as p0."""
    assert [round(corrected(start(30.0), p0, HALVES), 12) for p0 in (0.0001, 0.25, 0.9999)] == [0.0001, 0.25, 0.9999]


def test_p0_is_clipped_before_its_logit() -> None:
    """0 and 1 have none."""
    assert [round(corrected(start(30.0), p0, HALVES), 12) for p0 in (0.0, 1.0)] == [0.0001, 0.9999]


def test_certainty_does_not_overflow() -> None:
    """exp is never taken of a large positive number."""
    assert [corrected(ChurnModel(30.0, b=b), 0.5, HALVES) for b in (-1000.0, 1000.0)] == [0.0, 1.0]


def test_features_are_clipped_at_four_deviations() -> None:
    """A user unlike any other counts as unlike as four deviations."""
    model = taught(population(300))
    assert corrected(model, 0.4, (1e6,) * 10) == corrected(model, 0.4, (1e9,) * 10)


# -- learning -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("labels", "a", "b", "p"),
    [
        (1, 1.016324874, -0.024120908, 0.392645569),
        (200, 1.593566262, 0.520693401, 0.46868053),
        (201, 1.599582981, 0.516973114, 0.388582095),
        (300, 1.595285419, 0.622075921, 0.0899644),
    ],
)
def test_slope_offset_and_probability_after_labels(labels: int, a: float, b: float, p: float) -> None:
    """Golden values of AdaGrad on the made population, and what it says to a user with p0 = .4."""
    model = taught(population(labels))
    assert (round(model.a, 9), round(model.b, 9), round(corrected(model, 0.4, HALVES), 9)) == (a, b, p)


def test_weights_after_300_labels() -> None:
    assert [round(w, 6) for w in taught(population(300)).w] == [
        *(0.412235, -0.130126, -0.219194, 0.412234, 0.129469),
        *(-0.00621, 0.412234, 0.224409, 0.104067, 0.412234),
    ]


def test_features_are_ignored_until_200_labels() -> None:
    """The 200th label moves no weight, the 201st moves all."""
    labels = population(201)
    assert taught(labels[:200]).w == (0.0,) * 10
    assert all(taught(labels).w)


def test_a_feature_that_does_not_vary_is_ignored() -> None:
    """It has no deviation to be standardised by."""
    model = taught([each._replace(x=(7.0, *each.x[1:])) for each in population(300)])
    assert model.w[0] == 0.0
    assert corrected(model, 0.4, HALVES) == corrected(model, 0.4, (1e6, *HALVES[1:]))


def test_labels_are_counted_by_kind() -> None:
    model = taught(population(300))
    assert (model.churned, model.stayed, model.labels) == (163, 137, 300)


def test_equal_labels_make_equal_bytes() -> None:
    assert msgspec.msgpack.encode(taught(population(250))) == msgspec.msgpack.encode(taught(population(250)))


@pytest.mark.parametrize("bad", [Label(nan, HALVES, True), Label(0.5, (inf, *HALVES[1:]), True), Label(0.5, HALVES[1:], True)])
def test_what_is_no_number_is_not_learned(bad: Label) -> None:
    """It would stay in the model for ever."""
    with pytest.raises(ValueError, match="not made of numbers"):
        learn(start(30.0), bad)


# -- who is looked at ----------------------------------------------------------------------------------------------------------


def test_a_sample_is_drawn_by_user_and_week() -> None:
    """One in four, others in another week; the same on every machine."""
    assert [week for week in range(20) if sampled(b"user-1", week, 4)] == [3, 13, 14]
    assert sum(sampled(b"user-%d" % i, 5, 4) for i in range(1000)) == 252
    assert sampled(b"anybody", 0, 1)


# -- merging ------------------------------------------------------------------------------------------------------------------


def logit(model: ChurnModel) -> float:
    p = corrected(model, 0.4, HALVES)
    return log(p / (1 - p))


def test_the_merged_logit_is_the_mean_weighted_by_labels() -> None:
    """Although the partitions have standardised by different users."""
    labels = population(700)
    one, two = taught(labels[:250]), taught(labels[250:])
    assert logit(merge([one, two])) == pytest.approx((250 * logit(one) + 450 * logit(two)) / 700)


def test_merged_mean_and_spread_are_those_of_all_users() -> None:
    labels = population(700)
    merged, whole = merge([taught(labels[:250]), taught(labels[250:])]), taught(labels)
    assert merged.mean == pytest.approx(whole.mean)
    assert merged.spread == pytest.approx(whole.spread)
    assert (merged.churned, merged.stayed) == (whole.churned, whole.stayed)


def test_models_that_have_seen_nothing_weigh_nothing() -> None:
    model = taught(population(250))
    merged = merge([start(30.0), model])
    assert corrected(merged, 0.4, HALVES) == pytest.approx(corrected(model, 0.4, HALVES))
    assert (merged.sq_a, merged.sq_b, *merged.sq_w) == pytest.approx((model.sq_a, model.sq_b, *model.sq_w))
    assert merge([start(30.0), start(30.0)]) == start(30.0)


@pytest.mark.parametrize("models", [[], [start(30.0), start(60.0)]])
def test_models_of_different_horizons_are_not_merged(models: list[ChurnModel]) -> None:
    """Their labels mean different things."""
    with pytest.raises(ValueError, match="one horizon"):
        merge(models)
