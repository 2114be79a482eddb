"""The watch over the sources: when a topic is silent, and how long timers are held for it."""

from streams.core.rules import Site
from streams.core.silence import Source, SourceTurn, hold_ms, watch_sources

MIN = 60_000
SITE = Site()
BUSY = {"t": 5.0}


def followed(*moments: tuple[int, int], usual: dict[str, float] = BUSY) -> tuple[dict[str, Source], list[SourceTurn], list[int | None]]:
    """The sources after these (position, minute), all that was told, and the hold after each."""
    sources: dict[str, Source] = {}
    told: list[SourceTurn] = []
    holds: list[int | None] = []
    for position, minute in moments:
        sources, turns = watch_sources(sources, {"t": position}, minute * MIN, usual, SITE)
        told += turns
        holds.append(hold_ms(sources))
    return sources, told, holds


def test_a_quarter_of_an_hour_without_a_record_is_silence() -> None:
    _, told, holds = followed((7, 0), (9, 1), (9, 15), (9, 16))
    assert told == [SourceTurn("t", "firing", 9, 1 * MIN, 16 * MIN, 5.0)]
    assert holds == [None, None, None, 16 * MIN]


def test_silence_is_told_once() -> None:
    _, told, _ = followed((9, 0), (9, 15), (9, 30), (9, 45))
    assert len(told) == 1


def test_a_record_ends_it_and_timers_wait_as_long_again() -> None:
    sources, told, holds = followed((9, 0), (9, 15), (10, 60), (11, 74), (12, 75), (13, 76))
    assert [(turn.status, turn.position, turn.since_ms, turn.at_ms) for turn in told] == [
        ("firing", 9, 0, 15 * MIN),
        ("resolved", 9, 0, 60 * MIN),
    ]
    assert holds == [None, 15 * MIN, 15 * MIN, 15 * MIN, None, None]
    assert sources["t"] == Source(13, 76 * MIN)


def test_the_wait_ends_also_when_nothing_more_comes() -> None:
    _, told, holds = followed((9, 0), (9, 15), (10, 16), (11, 20), (11, 31))
    assert [turn.status for turn in told] == ["firing", "resolved"]
    assert holds[-3:] == [15 * MIN, 15 * MIN, None]


def test_a_second_silence_within_the_wait_holds_timers_where_they_stand() -> None:
    """No timer fires between two halves of one outage."""
    _, told, holds = followed((9, 0), (9, 15), (10, 16), (10, 30), (10, 31), (10, 90))
    assert [(turn.status, turn.position) for turn in told] == [("firing", 9), ("resolved", 9), ("firing", 10)]
    assert holds[1:] == [15 * MIN] * 5


def test_where_little_is_usual_silence_says_nothing() -> None:
    """Below one record a minute, or where nothing is known of the hour."""
    assert followed((9, 0), (9, 600), usual={"t": 0.9})[1] == []
    assert followed((9, 0), (9, 600), usual={})[1] == []


def test_the_earliest_hold_counts() -> None:
    sources = {"a": Source(1, 0, True, 0, 20), "b": Source(1, 0, False, 50, 10), "c": Source(1, 0)}
    assert hold_ms(sources) == 10
    assert hold_ms({"c": Source(1, 0)}) is None
