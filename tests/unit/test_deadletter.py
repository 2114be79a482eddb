"""Dead letters: the bytes as they were, where they came from, why they were refused."""

from streams.core.deadletter import dead_letter
from streams.core.record import Rejected
from tests.unit.records import CLICKS, REROUTED, FakeRecord

DEAD = "engagement.dead.v1"


def test_bytes_and_headers_are_kept_and_the_reason_is_added() -> None:
    record = FakeRecord(CLICKS, 2, 9, 5000, b"k", b"\xff{", [("trace", b"x")])
    letter = dead_letter(record, Rejected("not_json", "$"), DEAD, 2, "decode")
    assert (letter.topic, letter.partition, letter.key, letter.value) == (DEAD, 2, b"k", b"\xff{")
    assert list(letter.headers) == [
        ("trace", b"x"),
        ("__connect.errors.topic", b"engagement.clickstream.v1"),
        ("__connect.errors.partition", b"2"),
        ("__connect.errors.offset", b"9"),
        ("__connect.errors.stage", b"decode"),
        ("__connect.errors.exception.class.name", b"streams.core.record.Rejected"),
        ("dead-reason", b"not_json"),
        ("dead-at", b"$"),
        ("dead-version", b"1"),
    ]


def test_a_rerouted_record_is_named_by_its_first_append() -> None:
    record = FakeRecord(REROUTED, 1, 4, 0, headers=[("reroute-origin", b"engagement.clickstream.v1/3/17")])
    headers = dict(dead_letter(record, Rejected("rule_error"), DEAD, 1, "fold").headers)
    assert (headers["__connect.errors.topic"], headers["__connect.errors.partition"], headers["__connect.errors.offset"]) == (
        b"engagement.clickstream.v1",
        b"3",
        b"17",
    )


def test_a_replayed_letter_that_is_refused_again_keeps_its_coordinates_and_has_one_reason() -> None:
    headers = [("__connect.errors.stage", b"decode"), ("dead-reason", b"future"), ("dead-origin", b"engagement.campaigns.v1/0/3")]
    letter = dead_letter(FakeRecord(REROUTED, 0, 8, 0, headers=headers), Rejected("limit"), DEAD, 0, "fold")
    names = [name for name, _ in letter.headers]
    assert names.count("dead-reason") == 1
    assert names.count("__connect.errors.stage") == 1
    assert dict(letter.headers)["__connect.errors.topic"] == b"engagement.campaigns.v1"
    assert dict(letter.headers)["dead-reason"] == b"limit"
