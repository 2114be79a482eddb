"""Running quantiles: the worked example of their paper, and what holds for any numbers."""

import random

import pytest

from streams.core.quantile import Quantile, merged, observe, quantile

#: The observations of Table I in Jain and Chlamtac (1985).
PAPER = (
    *(0.02, 0.15, 0.74, 3.39, 0.83, 22.37, 10.15, 15.43, 38.62, 15.92),
    *(34.60, 10.28, 1.47, 0.40, 0.05, 11.39, 0.27, 0.42, 0.09, 11.37),
)


def seen(values: list[float] | tuple[float, ...], share: float = 0.5) -> Quantile:
    found = Quantile(share)
    for value in values:
        found = observe(found, value)
    return found


def test_the_worked_example_of_the_paper() -> None:
    """Its median after twenty observations is 4.44; the true one is 2.43."""
    found = seen(PAPER)
    assert round(found.heights[2], 2) == 4.44
    assert found.places == (1, 6, 10, 16, 20)


def test_up_to_five_values_it_is_exact() -> None:
    assert quantile(seen([])) is None
    assert [quantile(seen([3.0, 1.0, 2.0, 9.0, 5.0][:n])) for n in (1, 2, 3, 4, 5)] == [3.0, 3.0, 2.0, 3.0, 3.0]


def test_a_median_of_many_is_close() -> None:
    """Of 20,000 exponential draws with median ln 2, within 2 %."""
    draw = random.Random(5)
    found = quantile(seen([draw.expovariate(1.0) for _ in range(20_000)]))
    assert found == pytest.approx(0.6931, rel=0.02)


def test_another_share_is_another_quantile() -> None:
    draw = random.Random(6)
    assert quantile(seen([draw.random() for _ in range(20_000)], 0.8)) == pytest.approx(0.8, rel=0.02)


def test_equal_values_have_no_spread() -> None:
    assert quantile(seen([4.0] * 50)) == 4.0


def test_parts_weigh_as_many_values_as_they_have_seen() -> None:
    assert merged([seen([1.0]), seen([4.0, 4.0, 4.0]), seen([])]) == pytest.approx(3.25)
    assert merged([seen([])]) is None


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_no_number_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match="numbers"):
        observe(Quantile(), value)
