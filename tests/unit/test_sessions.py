"""What an event is to the session it falls in. Times are in seconds; the gap is 30 minutes."""

from collections.abc import Sequence

import pytest

from streams.core.sessions import Sessions, marked

PAGE, ACTIVE, KEY = 1, 2, 4
MINUTE = 60

#: second, scored, kind, seconds in focus
Event = tuple[int, bool, int, int]


def play(events: Sequence[Event]) -> tuple[int, int, int, int, float]:
    """Sessions, active, engaged, bounced, seconds in sessions; through its two words after each event."""
    sessions = Sessions(1_800_000)
    opened = marks = dwell_ms = 0
    for second, scored, kind, focus in events:
        opened += sessions.see(1_000_000_000 + second * 1000, scored, kind, focus * 1000)
        marks += sessions.marks
        dwell_ms += sessions.dwell_ms
        words = sessions.first(), sessions.second()
        sessions = Sessions(1_800_000)
        sessions.restore(*words)
    return opened, *marked(marks), dwell_ms / 1000


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        pytest.param([(0, True, PAGE, 0)], (1, 0, 0, 1, 0), id="one page view bounces"),
        pytest.param([(0, True, PAGE, 0), (5, True, PAGE, 0)], (1, 0, 1, 0, 5), id="two page views do not, and are engaged"),
        pytest.param([(0, True, PAGE, 0), (5, True, PAGE, 0), (6, True, PAGE, 0)], (1, 0, 1, 0, 6), id="three page views are no bounce"),
        pytest.param([(0, True, PAGE, 0), (11, True, 0, 0)], (1, 0, 1, 1, 11), id="one page view for long is engaged and a bounce"),
        pytest.param([(0, True, PAGE, 0), (10, True, 0, 0)], (1, 0, 0, 1, 10), id="ten seconds are not long"),
        pytest.param([(0, True, PAGE | KEY, 0)], (1, 0, 1, 1, 0), id="a key event engages"),
        pytest.param([(0, True, ACTIVE, 0), (1, True, ACTIVE, 0)], (1, 1, 0, 0, 1), id="a session is active once"),
        pytest.param([(0, True, PAGE, 0), (1800, True, PAGE, 0)], (1, 0, 1, 0, 1800), id="exactly the gap is the same session"),
        pytest.param([(0, True, PAGE, 0), (1801, True, PAGE, 0)], (2, 0, 0, 2, 0), id="more than the gap is another"),
        pytest.param([(0, False, 0, 0)], (0, 0, 0, 0, 0), id="what is done to a user opens no session"),
        pytest.param([(0, True, PAGE, 0), (1000, False, 0, 0), (2500, True, PAGE, 0)], (2, 0, 0, 2, 0), id="nor does it lengthen one"),
        pytest.param([(0, True, PAGE, 0), (60, True, PAGE, 20)], (1, 0, 1, 0, 20), id="time in focus says it better than the gap"),
        pytest.param([(0, True, PAGE, 0), (40, False, 0, 12)], (1, 0, 1, 1, 12), id="time in focus told by an unscored event"),
        pytest.param([(0, True, PAGE, 0), (40, False, 0, 6), (50, False, 0, 6)], (1, 0, 1, 1, 12), id="time in focus adds up"),
        pytest.param([(0, True, PAGE, 0), (60, True, 0, 99 * MINUTE)], (1, 0, 1, 1, 1800), id="no more than the gap at a time"),
        pytest.param([(5000, True, PAGE, 0), (0, True, PAGE, 0)], (1, 0, 0, 1, 0), id="an earlier event marks nothing"),
        pytest.param([(0, True, 0, 0), (20, True, 0, 0), (10, True, PAGE, 0)], (1, 0, 1, 1, 20), id="a late one within it marks it"),
    ],
)
def test_sessions(events: Sequence[Event], expected: tuple[int, int, int, int, float]) -> None:
    assert play(events) == expected


def test_what_a_session_changes_counts_where_it_began() -> None:
    sessions = Sessions(1_800_000)
    sessions.see(59 * 60_000, True, PAGE, 0)
    sessions.see(61 * 60_000, True, PAGE, 0)
    assert sessions.minute == 59
