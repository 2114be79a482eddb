"""Dead letters on their way back: the record as it was, on a new way, to the home of its user."""

import pytest

from streams.core.deadletter import dead_letter
from streams.core.identity import home_partition
from streams.core.record import Coordinates, Output, Rejected
from streams.core.rules import Catalogue, Rules
from streams.errors import ConfigError
from streams.shell.letters import Letter, Selection, coordinates, origin_of_letter, resent
from tests.unit.records import CLICKS, REROUTED, FakeRecord

RULES = Rules(version="v", app_id="app", partitions=4, catalogue=Catalogue(types=()))
DEAD, QUARANTINE = "engagement.dead.v1", "engagement.quarantine.v1"


def lying(letter: Output, timestamp: int = 7000) -> FakeRecord:
    """The letter as a record on the dead-letter topic."""
    return FakeRecord(DEAD, letter.partition, 3, timestamp, letter.key, letter.value, letter.headers)


def refused(value: bytes, reason: str = "unknown_type", headers: tuple[tuple[str, bytes], ...] = (), topic: str = CLICKS) -> FakeRecord:
    return lying(dead_letter(FakeRecord(topic, 2, 9, 5000, b"k", value, headers), Rejected(reason), DEAD, 2, "decode"))


def test_key_value_and_foreign_headers_come_back_untouched() -> None:
    output, _ = resent(refused(b'{"userId":"u1"}', headers=(("trace", b"\xff"),)), RULES)
    assert (output.topic, output.key, output.value) == (REROUTED, b"k", b'{"userId":"u1"}')
    assert list(output.headers) == [
        ("trace", b"\xff"),
        ("reroute-appended-at", b"7000"),
        ("reroute-origin", b"engagement.clickstream.v1/2/9"),
        ("dead-origin", b"engagement.clickstream.v1/2/9"),
    ]


def test_the_users_home_is_the_target_whatever_else_is_wrong_with_the_record() -> None:
    """murmur2 puts `u1` on partition 1 of 4, as Kafka's own partitioner does."""
    for value in (b'{"userId":"u1","timestamp":[]}', b'{"userId":null,"anonymousId":"u1"}'):
        output, addressed = resent(refused(value), RULES)
        assert (output.partition, addressed) == (home_partition("u1", 4), True)


@pytest.mark.parametrize("value", [b"{", b"", b"[]", b'{"userId":{}}', b"\xff\xfe", b"[" * 50_000])
def test_a_record_without_a_readable_user_goes_where_it_came_from(value: bytes) -> None:
    output, addressed = resent(refused(value), RULES)
    assert (output.partition, addressed) == (2, False)


def test_the_guard_of_an_earlier_way_does_not_hold_up_a_replay() -> None:
    """A rerouted record was accepted by its last hop once; its letter must not be taken for a repeat of that."""
    headers = (
        ("reroute-from", b"engagement.clickstream.v1/3/17"),
        ("reroute-origin", b"engagement.clickstream.v1/3/17"),
        ("reroute-appended-at", b"4000"),
        ("reroute-hops", b"1"),
    )
    output, _ = resent(refused(b'{"userId":"u1"}', "rule_error", headers, REROUTED), RULES)
    assert dict(output.headers) == {
        "reroute-origin": b"engagement.clickstream.v1/3/17",
        "reroute-appended-at": b"4000",
        "dead-origin": b"engagement.clickstream.v1/3/17",
    }


def test_a_time_that_lay_in_the_future_is_judged_anew() -> None:
    output, _ = resent(refused(b'{"userId":"u1"}', "future", (("reroute-appended-at", b"4000"),)), RULES)
    assert "reroute-appended-at" not in dict(output.headers)


def test_what_was_held_back_goes_to_its_users_home_as_of_when_it_came() -> None:
    """What made it suspicious stays behind; its own coordinates tell one release from two."""
    headers = (("source", b"shop"), ("quarantine-reason", b"robot"), ("quarantine-topic", CLICKS.encode()))
    output, addressed = resent(FakeRecord(QUARANTINE, 0, 3, 7000, b"u1", b'{"userId":"u1"}', headers), RULES)
    assert (output.topic, output.partition, output.key, addressed) == (REROUTED, home_partition("u1", 4), b"u1", True)
    assert list(output.headers) == [
        ("source", b"shop"),
        ("reroute-appended-at", b"7000"),
        ("reroute-origin", b"engagement.quarantine.v1/0/3"),
        ("dead-origin", b"engagement.quarantine.v1/0/3"),
    ]


def test_a_letter_is_named_by_the_record_that_was_refused() -> None:
    assert origin_of_letter(refused(b"{")) == Coordinates(CLICKS, 2, 9)


def test_a_letter_of_somebody_else_is_named_by_itself() -> None:
    assert origin_of_letter(FakeRecord(DEAD, 1, 5, headers=[("__connect.errors.topic", b"t"), ("__connect.errors.partition", b"x")])) == (
        DEAD,
        1,
        5,
    )


def test_coordinates_are_read_as_they_are_printed() -> None:
    assert coordinates(str(Coordinates("a.b", 3, 17))) == ("a.b", 3, 17)


@pytest.mark.parametrize("text", ["", "a", "a/1", "a/1/", "/1/2", "a/-1/2", "a/1/2/3", "a/1/²"])
def test_other_texts_are_no_coordinates(text: str) -> None:
    with pytest.raises(ConfigError):
        coordinates(text)


@pytest.mark.parametrize(
    ("selection", "chosen"),
    [
        (Selection(), True),
        (Selection(reason="future"), True),
        (Selection(reason="limit"), False),
        (Selection(topic="t"), True),
        (Selection(topic="u"), False),
        (Selection(key=b"u1"), True),
        (Selection(key=b"u2"), False),
        (Selection(since_ms=100, until_ms=101), True),
        (Selection(since_ms=101), False),
        (Selection(until_ms=100), False),
        (Selection(origins=[Coordinates("t", 0, 1)]), True),
        (Selection(origins=[Coordinates("t", 0, 2)]), False),
    ],
)
def test_every_filter_must_hold(selection: Selection, chosen: bool) -> None:
    letter = Letter(Coordinates("t", 0, 1), b"u1", "future", "$.timestamp", "decode", 100, 5, 1, (0, 0))
    assert selection.meets(letter) is chosen
