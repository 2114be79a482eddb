"""False drop alerts among users who change nothing."""

from streams.core.falsealarm import false_rate, highest, threshold_for
from tests.histories import make_rules

RULES = make_rules()


def lives(lam: float, n: int = 400) -> list[float]:
    return [highest(RULES, lam, f"user-{i}") for i in range(n)]


def test_the_same_life_is_the_same_answer() -> None:
    assert highest(RULES, 0.4, "ann") == highest(RULES, 0.4, "ann")
    assert highest(RULES, 0.4, "ann") != highest(RULES, 0.4, "bob")


def test_who_comes_seldom_is_missed_in_error_more_often() -> None:
    """h = 4.8: one in five of those who come on one day in twenty, hardly any of those who come on two in five."""
    assert 0.14 < false_rate(lives(0.05), 4.8) < 0.26
    assert false_rate(lives(0.4), 4.8) < 0.03


def test_a_higher_threshold_alerts_fewer() -> None:
    tops = lives(0.1)
    rates = [false_rate(tops, h) for h in (3.4, 4.1, 4.8, 5.5, 6.2)]
    assert rates == sorted(rates, reverse=True)
    assert rates[0] > 2 * rates[2]


def test_the_threshold_for_a_share_keeps_it() -> None:
    tops = lives(0.1)
    h = threshold_for(tops, 0.10)
    assert false_rate(tops, h) <= 0.10 < false_rate(tops, round(h - 0.1, 1))


def test_who_is_there_every_day_is_never_missed() -> None:
    assert highest(RULES, 1.0, "ann") < 1.0
