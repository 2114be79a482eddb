"""Alerts in words."""

import pytest

from streams.core.alert import _days


@pytest.mark.parametrize(
    ("days", "said"),
    [
        (0.0, "1 hour"),
        (0.05, "1 hour"),
        (0.125, "3 hours"),
        (0.74, "18 hours"),
        (0.75, "1 day"),
        (1.4, "1 day"),
        (1.5, "1.5 days"),
        (2.0, "2 days"),
        (9.94, "9.9 days"),
        (54.2, "54 days"),
    ],
)
def test_spans_are_said_as_people_say_them(days: float, said: str) -> None:
    assert _days(days) == said
