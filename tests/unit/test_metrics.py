"""The business metrics at their boundaries: figures that can be checked by hand."""

import pytest

from streams.core.ledger import Ledger, month_window, rolling_window, window_of
from streams.core.metrics import Figure, figures
from streams.core.rules import Catalogue
from streams.core.sums import Sums, unpacked
from streams.errors import ConfigError
from streams.metric_file import business_rules
from streams.settings import load
from tests.business import DAY_ONE, Business, shop_rules

RULES = shop_rules()


def figure(sums: dict[str, int], name: str) -> Figure:
    """A metric of the day from the sums of that day."""
    ledger = Ledger()
    ledger.put(0, f"d{DAY_ONE}", sums)
    found = figures(ledger, rolling_window("day", DAY_ONE), RULES.business, segments=False)
    return next(each for each in found if each.metric.name == name)


def test_twenty_conversions_of_four_hundred_visits_are_five_percent() -> None:
    assert figure({"conversions": 20, "visits": 400}, "cvr_events").value == 5.0


def test_ninety_two_interactions_in_533_visits_are_17_26_percent() -> None:
    told = figure({"interactions": 92, "visits": 533}, "interaction_rate")
    assert told.value is not None
    assert (round(told.value, 2), told.numerator, told.denominator, told.n) == (17.26, 92, 533, 533)


def test_without_visits_there_is_no_rate() -> None:
    assert figure({}, "cvr_events").value is None


@pytest.mark.parametrize(
    ("score", "value"), [(0, -100), (6, -100), (7, 0), (8, 0), (9, 100), (10, 100), (11, None), (6.5, None), (-1, None)]
)
def test_an_answer_is_a_detractor_up_to_six_and_a_promoter_from_nine_on(score: float, value: float | None) -> None:
    """Anything but a whole number from 0 to 10 is no answer."""
    business = Business(RULES)
    rating = {"survey": "nps", "score": score, "scale": 10}
    business.take([{"type": "track", "event": "rating_given", "userId": "a", "timestamp": DAY_ONE * 86_400_000, "properties": rating}])
    found = figures(business.ledger(), rolling_window("day", DAY_ONE), RULES.business, segments=False)
    assert next(each.value for each in found if each.metric.name == "nps") == value


def test_a_month_is_a_calendar_month() -> None:
    assert month_window(DAY_ONE + 40)[1:4] == ("2026-02", DAY_ONE + 31, DAY_ONE + 58)


@pytest.mark.parametrize(("kind", "day", "why"), [("week", None, "a window is one of"), ("hour", DAY_ONE, "hours are kept")])
def test_a_window_that_does_not_exist_is_refused_in_words(kind: str, day: int | None, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        window_of(kind, day, DAY_ONE * 86_400_000)


def test_sums_can_be_taken_back_and_grow_beyond_their_room() -> None:
    sums = Sums()
    for value in range(3_000):
        sums.add(16, DAY_ONE, 32, 1, value, 2)
    sums.mark()
    for value in range(3_000):
        sums.add(16, DAY_ONE, 32, 1, value, -1)
    sums.undo()
    taken = sums.take()
    assert [unpacked(key) for key, _ in taken] == [(16, DAY_ONE, 32, 1, value) for value in range(3_000)]
    assert {n for _, n in taken} == {2}
    assert sums.take() == []


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ({"silence_days": 31}, "metrics.yaml: silence_days: must be between 1 and 30, got 31"),
        ({"orders": ["order_complete"]}, "`order_complete` is not an event of catalogue.yaml, did you mean `order_completed`?"),
        ({"channels": {"x.example": "socail"}}, "`socail` is not a channel, did you mean `social`?"),
        ({"interactions": {"product_shared": -1}}, "must be between 0 and 1000, got -1"),
        ({"features": [f"f{n}" for n in range(25)]}, "at most 24 can be told apart, got 25"),
        ({"page_categories": ["Shoes", "shoes"]}, "stands here already"),
        ({"page_categories": ["a|b"]}, "without `|`"),
        ({"surveys": {"csat_scales": [1]}}, "the highest answer of a scale is 2 to 100"),
        ({"ordres": []}, "did you mean `orders`?"),
    ],
)
def test_a_wrong_setting_is_named(content: dict[str, object], why: str) -> None:
    catalogue: Catalogue = RULES.catalogue
    with pytest.raises(ConfigError) as raised:
        business_rules(content, catalogue, own=True)
    assert why in str(raised.value)


def test_the_shipped_file_says_what_the_defaults_say() -> None:
    """Whoever leaves a line out gets what the file shows."""
    assert load(None, {}).rules.business == type(RULES.business)()


@pytest.mark.parametrize("kind", ["hour", "day", "24h", "7d", "30d", "month"])
def test_without_a_day_a_window_is_the_one_of_the_moment(kind: str) -> None:
    window = window_of(kind, None, DAY_ONE * 86_400_000 + 5 * 3_600_000)
    assert window.kind == kind
    assert window.last == (24 * DAY_ONE + 5 if window.hours else DAY_ONE if kind != "month" else DAY_ONE + 30)
