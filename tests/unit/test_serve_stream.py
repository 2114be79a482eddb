"""The live stream: where a reader stands, what it has missed, and that nothing is lost between two connections."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing

import pytest

from streams.serve.hub import Hub, event
from streams.serve.position import from_word, to_word
from streams.serve.recall import Recall

ALL = frozenset({"scores", "alerts", "now"})
SCORES, ALERTS, TRIAGE, METRICS = range(4)


def test_a_position_survives_its_word() -> None:
    position = ((0, 127, 128), (300, 2**40, 5), (1, 2, 3), (4, 5, 6))
    assert from_word(to_word(position), 3) == position


def test_a_position_is_the_same_word_everywhere() -> None:
    """Replicas and releases must agree: the bytes are version, partitions, offsets as varints."""
    assert to_word(((5, 200), (0, 1), (7, 8), (9, 0))) == "AwIFyAEAAQcICQA"


@pytest.mark.parametrize("word", ["", "*", "Aw", "AwI", "AwIF", "A4A", "A" * 40_000, "AwL_________________ww"])
def test_what_is_no_position_is_refused(word: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        from_word(word, 2)


@pytest.mark.parametrize(("word", "partitions"), [(to_word(((1, 2), (3, 4), (5, 6), (7, 8))), 3), ("AgIFyAEAAQcI", 2)])
def test_a_position_of_other_partitions_or_of_another_version_is_not_known(word: str, partitions: int) -> None:
    assert from_word(word, partitions) is None


def told(*records: tuple[int, int, int, bytes], most_bytes: int = 1000) -> Recall:
    """Two partitions, read from offset 10; `records` are (topic, partition, offset, value)."""
    recall = Recall(2, most_bytes)
    for topic in (SCORES, ALERTS, TRIAGE, METRICS):
        for partition in (0, 1):
            recall.begin(topic, partition, 10)
    for record in records:
        recall.keep(*record)
    return recall


def test_what_was_missed_is_what_came_from_the_position_on() -> None:
    recall = told((ALERTS, 0, 10, b"a"), (ALERTS, 1, 10, b"b"), (ALERTS, 0, 11, b"c"), (SCORES, 0, 10, b"s"))
    missed = recall.since(((10, 10), (11, 10), (10, 10), (10, 10)), [ALERTS])
    assert missed is not None
    assert missed.records == ([], [b"b", b"c"], [], [])


def test_a_position_from_before_the_first_record_read_is_too_old() -> None:
    assert told().since(((10, 10), (9, 10), (10, 10), (10, 10)), [ALERTS]) is None


def test_only_the_topics_that_are_asked_for_can_be_too_old() -> None:
    assert told((ALERTS, 0, 10, b"a")).since(((0, 0), (10, 10), (10, 10), (10, 10)), [ALERTS]) is not None


def test_when_the_bytes_are_used_up_the_oldest_record_goes_and_is_known_to_be_gone() -> None:
    recall = told((ALERTS, 0, 10, b"aaaa"), (ALERTS, 0, 11, b"bbbb"), (ALERTS, 0, 12, b"cccc"), most_bytes=8)
    assert recall.since(((10, 10), (10, 10), (10, 10), (10, 10)), [ALERTS]) is None
    missed = recall.since(((10, 10), (11, 10), (10, 10), (10, 10)), [ALERTS])
    assert missed is not None
    assert missed.records[ALERTS] == [b"bbbb", b"cccc"]


def test_a_reader_of_a_replica_that_is_ahead_has_missed_nothing() -> None:
    missed = told((ALERTS, 0, 10, b"a")).since(((10, 10), (15, 10), (10, 10), (10, 10)), [ALERTS])
    assert missed is not None
    assert missed.records[ALERTS] == []


def test_a_line_break_of_a_foreign_writer_cannot_end_an_event() -> None:
    assert event("alerts", b'[{"a":\r\n1}]', "w") == b'id: w\nevent: alerts\ndata: [{"a":  1}]\n\n'


class Told:
    """A hub over a recall of two partitions, and its offsets so far."""

    def __init__(self, **options: int) -> None:
        self.recall = told(most_bytes=options.pop("most_bytes", 1000))
        self.hub = Hub(self.recall, **options)
        self.hub.open()
        self._next = [10, 10]

    def tell(self, topic: int, value: bytes) -> None:
        self.keep(topic, value)
        self.hub.publish(("scores", "alerts")[topic], b"[" + value + b"]")

    def keep(self, topic: int, value: bytes) -> None:
        self.recall.keep(topic, 0, self._next[topic], value)
        self._next[topic] += 1

    def stream(self, kinds: frozenset[str] = ALL, after: str | None = None) -> AsyncIterator[bytes]:
        return self.hub.stream(kinds, from_word(after, 2) if after else None)


def events(body: bytes) -> list[tuple[str, str, str]]:
    """(id, event, data) of each event in `body`."""
    found = []
    for block in body.decode().strip().split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.split("\n"))
        if "event" in fields:
            found.append((fields.get("id", ""), fields["event"], fields["data"]))
    return found


async def took(stream: AsyncIterator[bytes], n: int) -> list[tuple[str, str, str]]:
    """The next `n` events at least."""
    found: list[tuple[str, str, str]] = []
    async with asyncio.timeout(10):
        while len(found) < n:
            found += events(await anext(stream))
    return found


def data(found: Sequence[tuple[str, str, str]]) -> list[str]:
    return [it[2] for it in found]


async def test_a_frame_reaches_every_reader_as_the_same_bytes() -> None:
    it = Told()
    first, second = it.stream(), it.stream()
    assert await anext(first) == await anext(second) == b"retry: 1000\n\n"
    waiting = [asyncio.create_task(anext(stream)) for stream in (first, second)]
    await asyncio.sleep(0)
    it.tell(ALERTS, b"a")
    one, two = [await task for task in waiting]
    assert one == two
    assert events(one) == [(to_word(((10, 10), (11, 10), (10, 10), (10, 10))), "alerts", "[a]")]


async def test_a_reader_gets_only_the_kinds_it_asked_for() -> None:
    it = Told()
    stream = it.stream(frozenset({"alerts"}))
    await anext(stream)
    task = asyncio.create_task(took(stream, 1))
    await asyncio.sleep(0)
    it.tell(SCORES, b"s")
    it.tell(ALERTS, b"a")
    assert data(await task) == ["[a]"]


async def test_a_reader_that_comes_back_gets_what_came_meanwhile() -> None:
    """Cut off anywhere, with the last id it saw: each alert arrives, in order."""
    it = Told()
    stream = it.stream()
    await anext(stream)
    task = asyncio.create_task(took(stream, 1))
    await asyncio.sleep(0)
    it.tell(ALERTS, b"a")
    (seen,) = await task
    it.tell(ALERTS, b"b")
    it.tell(ALERTS, b"c")
    again = it.stream(after=seen[0])
    await anext(again)
    assert data(await took(again, 1)) == ["[b,c]"]


async def test_an_id_never_runs_ahead_of_a_topic_that_was_not_told_yet() -> None:
    """Two topics have news, and the connection breaks between the two frames: the second one's news must still come."""
    it = Told()
    it.keep(ALERTS, b"a")
    it.tell(SCORES, b"s")
    stream = it.stream(after=to_word(((10, 10), (10, 10), (10, 10), (10, 10))))
    await anext(stream)
    (scores,) = (await took(stream, 1))[:1]
    assert scores[2] == "[s]"
    again = it.stream(after=scores[0])
    await anext(again)
    assert data(await took(again, 1)) == ["[a]"]


async def test_who_missed_too_much_is_told_to_begin_anew() -> None:
    it = Told(most_bytes=2)
    for value in (b"aa", b"bb", b"cc"):
        it.tell(ALERTS, value)
    stream = it.stream(after=to_word(((10, 10), (10, 10), (10, 10), (10, 10))))
    await anext(stream)
    assert await took(stream, 1) == [(to_word(((10, 10), (13, 10), (10, 10), (10, 10))), "reset", "{}")]


async def test_a_reader_that_the_ring_has_left_behind_gets_what_it_missed() -> None:
    """Slow for longer than the ring is: the records are still remembered."""
    it = Told(most_frames=1)
    stream = it.stream()
    await anext(stream)
    task = asyncio.create_task(took(stream, 1))
    await asyncio.sleep(0)
    it.tell(ALERTS, b"a")
    assert data(await task) == ["[a]"]
    for value in (b"b", b"c", b"d"):
        it.tell(ALERTS, value)
    assert data(await took(stream, 1)) == ["[b,c,d]"]


async def test_nothing_is_told_before_the_past_has_been_read() -> None:
    """A reader that comes back early waits, and then misses nothing."""
    recall = told()
    hub = Hub(recall)
    stream = hub.stream(ALL, ((10, 10), (10, 10)))
    await anext(stream)
    task = asyncio.create_task(took(stream, 1))
    await asyncio.sleep(0)
    recall.keep(ALERTS, 0, 10, b"past")
    hub.open()
    assert data(await task) == ["[past]"]


async def test_a_silent_stream_says_that_it_is_there() -> None:
    it = Told(comment_s=0.0)
    stream = it.stream()
    await anext(stream)
    for _ in range(2):
        assert await anext(stream) == b": still here\n\n"


async def test_one_that_hears_nothing_of_all_that_is_told_hears_that_it_is_there() -> None:
    """What others are told keeps no proxy from closing a connection."""
    it = Told(comment_s=0.05)
    stream = it.hub.stream(frozenset({"alerts"}), None)
    await anext(stream)
    part = asyncio.ensure_future(anext(stream))
    async with asyncio.timeout(60):
        while not part.done():
            it.hub.publish("now", b"{}")
            await asyncio.sleep(0)
    assert await part == b": still here\n\n"


async def test_a_closed_hub_ends_its_streams() -> None:
    it = Told()
    stream = it.stream()
    await anext(stream)
    it.hub.close()
    assert [part async for part in stream] == []


async def test_readers_have_a_limit() -> None:
    hub = Hub(told(), most_readers=1)
    async with aclosing(hub.stream(ALL, None)) as first, aclosing(hub.stream(ALL, None)) as second:
        assert (await anext(first), await anext(second, None), hub.readers) == (b"retry: 1000\n\n", None, 1)
    assert hub.readers == 0
