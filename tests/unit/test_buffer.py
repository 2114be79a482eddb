"""The buffer of a lane: three topics read as one log, and the time up to which nothing unread can speak."""

import pytest

from streams.errors import Fenced
from streams.shell.buffer import Buffer
from streams.shell.ports import Batch, Caught
from tests.unit.records import CAMPAIGNS, CLICKS, REROUTED, FakeRecord

START = {CLICKS: 0, CAMPAIGNS: 0, REROUTED: 0}


def batch(topic: str, start: int, times: list[int], *, epoch: int = 1, end: int | None = None) -> Batch:
    records = [FakeRecord(topic, 0, start + i, ts) for i, ts in enumerate(times)]
    return Batch(topic, start, start + len(times) if end is None else end, epoch, records)


def filled(*batches: Batch, **ends: int) -> Buffer:
    """A buffer that has heard of the end of every topic: where its records end, unless `clicks`, `campaigns` or `rerouted` says
    otherwise."""
    buffer = Buffer(START, 1)
    for each in batches:
        buffer.add(each)
    reached = {each.topic: each.end for each in batches}
    named = {CLICKS: "clicks", CAMPAIGNS: "campaigns", REROUTED: "rerouted"}
    buffer.note({topic: Caught(ends.get(named[topic], reached.get(topic, 0)), 1000) for topic in START})
    return buffer


def order(buffer: Buffer, limit: int = 100) -> list[tuple[str, int]]:
    return [(record.topic, record.offset) for record in buffer.take(limit).records]


def test_topics_are_merged_by_append_time() -> None:
    buffer = filled(batch(CLICKS, 0, [10, 30]), batch(CAMPAIGNS, 0, [20, 40]))
    assert order(buffer) == [(CLICKS, 0), (CAMPAIGNS, 0), (CLICKS, 1), (CAMPAIGNS, 1)]


def test_equal_append_times_are_folded_in_topic_order() -> None:
    buffer = filled(batch(REROUTED, 0, [10]), batch(CAMPAIGNS, 0, [10]), batch(CLICKS, 0, [10]))
    assert order(buffer) == [(CLICKS, 0), (CAMPAIGNS, 0), (REROUTED, 0)]


def test_a_topic_keeps_its_offset_order_whatever_its_time_stamps_say() -> None:
    buffer = filled(batch(CLICKS, 0, [50, 10, 60]), batch(CAMPAIGNS, 0, [20]))
    assert order(buffer) == [(CAMPAIGNS, 0), (CLICKS, 0), (CLICKS, 1), (CLICKS, 2)]


def test_a_topic_that_is_behind_is_waited_for() -> None:
    buffer = filled(batch(CLICKS, 0, [10, 30]), batch(CAMPAIGNS, 0, [20]), campaigns=2)
    assert order(buffer) == [(CLICKS, 0), (CAMPAIGNS, 0)]


def test_nothing_is_taken_before_every_end_is_known() -> None:
    buffer = Buffer(START, 1)
    buffer.add(batch(CLICKS, 0, [10]))
    buffer.note({CLICKS: Caught(1, 1000)})
    assert not buffer.ready()
    assert order(buffer) == []


def test_a_step_takes_no_more_than_its_limit() -> None:
    buffer = filled(batch(CLICKS, 0, [1, 2, 3, 4]), batch(CAMPAIGNS, 0, [2]))
    assert order(buffer, limit=3) == [(CLICKS, 0), (CLICKS, 1), (CAMPAIGNS, 0)]


def test_spans_cover_what_was_taken() -> None:
    buffer = filled(batch(CLICKS, 0, [1, 2, 3]), batch(CAMPAIGNS, 0, [9]))
    assert buffer.take(2).spans == {CLICKS: (0, 2), CAMPAIGNS: (0, 0), REROUTED: (0, 0)}


def test_holes_at_the_end_of_a_fetch_count_as_read() -> None:
    """A transaction marker takes an offset and is no record."""
    buffer = filled(batch(CLICKS, 0, [1, 2], end=5))
    assert buffer.take(10).spans[CLICKS] == (0, 5)


def test_batches_of_before_the_last_seek_are_dropped() -> None:
    buffer = filled(batch(CLICKS, 0, [1], epoch=0), clicks=0)
    assert order(buffer) == []


def test_a_batch_that_does_not_continue_the_last_one_fences_the_lane() -> None:
    buffer = filled(batch(CLICKS, 0, [1]))
    with pytest.raises(Fenced, match="starts at 3, expected 1"):
        buffer.add(batch(CLICKS, 3, [4]))


def test_a_found_plan_gets_exactly_its_records() -> None:
    buffer = filled(batch(CLICKS, 0, [10, 30, 50]), batch(CAMPAIGNS, 0, [20, 60]))
    spans = {CLICKS: (0, 2), CAMPAIGNS: (0, 1), REROUTED: (0, 0)}
    assert buffer.holds(spans)
    assert [(r.topic, r.offset) for r in buffer.exactly(spans)] == [(CLICKS, 0), (CAMPAIGNS, 0), (CLICKS, 1)]
    assert not buffer.holds({**spans, CAMPAIGNS: (0, 3)})


def test_what_is_saved_leaves() -> None:
    buffer = filled(batch(CLICKS, 0, [10, 30, 50]))
    buffer.advance({CLICKS: (0, 2), CAMPAIGNS: (0, 0), REROUTED: (0, 0)})
    taken = buffer.take(10)
    assert [r.offset for r in taken.records] == [2]
    assert taken.spans[CLICKS] == (2, 3)


class TestPartitionTime:
    """Everything appended up to partition time, to any topic, has been folded."""

    def test_a_buffered_record_bounds_it(self) -> None:
        buffer = filled(batch(CLICKS, 0, [100, 200, 300]))
        assert buffer.time_ms(buffer.take(2), 50) == 299

    def test_caught_up_topics_follow_the_moment_their_last_fetch_was_sent_less_the_grace(self) -> None:
        buffer = filled(batch(CLICKS, 0, [100]))
        assert buffer.time_ms(buffer.take(10), 50) == 950

    def test_a_topic_that_is_behind_bounds_it_by_what_was_folded_of_it(self) -> None:
        buffer = filled(batch(CLICKS, 0, [100]), clicks=2)
        assert buffer.time_ms(buffer.take(10), 50) == 99

    def test_a_topic_of_which_nothing_is_known_holds_it_back(self) -> None:
        buffer = filled(batch(CLICKS, 0, [100]), campaigns=1)
        assert buffer.time_ms(buffer.take(10), 50) == -2

    def test_a_fetch_that_says_there_is_more_does_not_count_as_caught_up(self) -> None:
        """The answer's records may still be on their way to the lane."""
        buffer = filled(batch(CLICKS, 0, [100]))
        buffer.note({CLICKS: Caught(3, 5000)})
        buffer.advance(buffer.take(10).spans)
        assert buffer.time_ms(buffer.take(10), 50) == 99
