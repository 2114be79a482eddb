"""The brake on bad deploys."""

import pytest

from streams.core.record import Outcome
from streams.errors import DeadRateExceeded
from streams.shell.deadrate import DeadRate


def outcome(read: int, raised: int) -> Outcome:
    return Outcome({}, {}, [], [read, 0, 0, 0, 0, 0, 0], {}, {"rule_error": raised})


def test_few_errors_never_stop_the_worker() -> None:
    """One broken record in ten is a bad share, but nine records are no evidence."""
    DeadRate(0.05, 100).add(0, outcome(100, 99))


def test_a_small_share_never_stops_the_worker() -> None:
    DeadRate(0.05, 100).add(0, outcome(10_000, 500))


def test_a_large_share_of_a_minute_stops_it() -> None:
    rate = DeadRate(0.05, 100)
    rate.add(0, outcome(1_000, 60))
    with pytest.raises(DeadRateExceeded, match="raised for 120 of the last 2000 records"):
        rate.add(30_000, outcome(1_000, 60))


def test_what_is_older_than_a_minute_is_forgotten() -> None:
    rate = DeadRate(0.05, 100)
    rate.add(0, outcome(1_000, 60))
    rate.add(61_000, outcome(1_000, 60))


def test_poison_pills_are_not_rule_errors() -> None:
    rate = DeadRate(0.05, 100)
    rate.add(0, Outcome({}, {}, [], [1000, 0, 0, 0, 0, 0, 0], {}, {"not_json": 900}))
