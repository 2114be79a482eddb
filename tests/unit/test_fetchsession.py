"""A request says what is new since the last one, and no more."""

from types import SimpleNamespace

from faust.types import TP

from streams.shell.fetchsession import FetchSession

A, B, C = TP("a", 0), TP("a", 1), TP("b", 0)
LIMIT = 1000


def answer(session_id: int = 7, error_code: int = 0, version: int = 11) -> SimpleNamespace:
    return SimpleNamespace(API_VERSION=version, error_code=error_code, session_id=session_id)


def begun() -> FetchSession:
    """A session that the broker has taken: it was asked for all three, and told their ends."""
    session = FetchSession()
    session.news({A: 0, B: 0, C: 0}, LIMIT)
    assert session.goes_on(answer())
    session.ends |= {A: 10, B: 20, C: 30}
    return session


def test_the_first_request_says_all_and_asks_for_a_session() -> None:
    session = FetchSession()
    assert session.number == (0, 0)
    assert session.news({A: 1, B: 2, C: 3}, LIMIT) == ([("a", [(0, 1, LIMIT), (1, 2, LIMIT)]), ("b", [(0, 3, LIMIT)])], [])


def test_the_next_one_says_what_has_moved() -> None:
    session = begun()
    assert session.number == (7, 1)
    assert session.news({A: 0, B: 5, C: 0}, LIMIT) == ([("a", [(1, 5, LIMIT)])], [])
    assert session.goes_on(answer())
    assert session.number == (7, 2)
    assert session.news({A: 0, B: 5, C: 0}, LIMIT) == ([], [])


def test_what_is_not_asked_for_any_more_is_taken_back_and_may_come_again() -> None:
    session = begun()
    assert session.news({A: 0}, LIMIT) == ([], [("a", [1]), ("b", [0])])
    session.goes_on(answer())
    assert session.news({A: 0, B: 0}, LIMIT) == ([("a", [(1, 0, LIMIT)])], [])


def test_one_that_comes_while_another_one_goes() -> None:
    session = begun()
    session.news({A: 0, B: 0}, LIMIT)
    session.goes_on(answer())
    assert session.news({A: 0, C: 4}, LIMIT) == ([("b", [(0, 4, LIMIT)])], [("a", [1])])


def test_who_is_not_mentioned_has_stayed_where_it_was() -> None:
    session = begun()
    assert session.unmentioned([A, B, C], {B}) == [(A, 10), (C, 30)]


def test_of_one_that_was_taken_back_nothing_is_known() -> None:
    """The log may grow while nobody asks for it."""
    session = begun()
    session.news({A: 0, B: 0}, LIMIT)
    session.goes_on(answer())
    session.news({A: 0, B: 0, C: 0}, LIMIT)
    assert session.unmentioned([A, B, C], set()) == [(A, 10), (B, 20)]


def test_a_session_that_the_broker_has_forgotten_is_over() -> None:
    assert not begun().goes_on(answer(error_code=70))


def test_a_broker_that_keeps_no_session_is_told_all_each_time() -> None:
    session = FetchSession()
    for _ in range(2):
        assert session.news({A: 0}, LIMIT) == ([("a", [(0, 0, LIMIT)])], [])
        assert session.goes_on(answer(session_id=0))
        assert session.number == (0, 0)


def test_a_broker_too_old_for_sessions() -> None:
    session = FetchSession()
    session.news({A: 0}, LIMIT)
    assert session.goes_on(SimpleNamespace(API_VERSION=4))
    assert session.number == (0, 0)


def test_request_numbers_begin_again_behind_the_first() -> None:
    session = begun()
    session._epoch = (1 << 31) - 1
    session.goes_on(answer())
    assert session.number == (7, 1)
