"""Who tries again waits longer each time, never as long as others do, and never long."""

from streams.shell.pauses import Pauses


def _within(pauses: Pauses, *ranges_s: float) -> None:
    for range_s in ranges_s:
        assert range_s / 2 <= pauses.next_s() <= range_s


def test_pauses_double_up_to_the_longest() -> None:
    _within(Pauses(), 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0)


def test_no_pause_before_the_second_attempt_where_it_is_made_at_once() -> None:
    _within(Pauses(at_once=True), 0.0, 0.1, 0.2, 0.4)


def test_whoever_was_served_begins_again_with_a_short_pause() -> None:
    pauses = Pauses(1.0)
    _within(pauses, 1.0, 2.0, 4.0)
    pauses.begin_again()
    _within(pauses, 1.0, 2.0)


def test_two_who_wait_do_not_come_together() -> None:
    """Drawn from a whole range: that a hundred agree has a chance of nothing."""
    assert len({Pauses().next_s() for _ in range(100)}) > 90
