"""Records that lie on the wrong partition: sent home with their origin, counted there once."""

from streams.core.reroute import already_sent, hops_of, rerouted
from tests.unit.records import CLICKS, REROUTED, FakeRecord


def test_the_value_the_key_and_foreign_headers_travel_untouched() -> None:
    record = FakeRecord(CLICKS, 3, 17, 5000, b"ann", b"{}", [("trace", b"x")])
    assert rerouted(record, REROUTED, 1) == (
        REROUTED,
        1,
        b"ann",
        b"{}",
        [
            ("trace", b"x"),
            ("reroute-from", b"engagement.clickstream.v1/3/17"),
            ("reroute-origin", b"engagement.clickstream.v1/3/17"),
            ("reroute-appended-at", b"5000"),
            ("reroute-hops", b"1"),
        ],
        None,
    )


def test_a_second_hop_keeps_the_origin_and_names_the_last_hop() -> None:
    first = rerouted(FakeRecord(CLICKS, 3, 17, 5000, b"ann", b"{}"), REROUTED, 1)
    second = rerouted(FakeRecord(REROUTED, 1, 4, 6000, first.key, first.value, first.headers), REROUTED, 0)
    assert dict(second.headers) == {
        "reroute-from": b"engagement.rerouted.v1/1/4",
        "reroute-origin": b"engagement.clickstream.v1/3/17",
        "reroute-appended-at": b"5000",
        "reroute-hops": b"2",
    }


def test_hops_that_are_no_number_count_as_none() -> None:
    assert hops_of(FakeRecord(headers=[("reroute-hops", b"many")])) == 0


def sending(offset: int, sender: str = "engagement.clickstream.v1/3") -> FakeRecord:
    return FakeRecord(REROUTED, 1, 99, 0, headers=[("reroute-from", f"{sender}/{offset}".encode())])


def test_a_repeated_sending_is_recognised_by_the_highest_offset_of_its_sender() -> None:
    guards: dict[str, int] = {}
    assert [already_sent(sending(n), guards) for n in (5, 7, 5, 7, 8)] == [False, False, True, True, False]
    assert guards == {"engagement.clickstream.v1/3": 8}


def test_each_sender_has_a_guard_of_its_own() -> None:
    guards = {"engagement.clickstream.v1/3": 8}
    assert not already_sent(sending(2, "engagement.campaigns.v1/3"), guards)


def test_a_record_that_nobody_sent_on_has_no_guard() -> None:
    guards: dict[str, int] = {}
    assert not already_sent(FakeRecord(REROUTED), guards)
    assert not already_sent(FakeRecord(REROUTED, headers=[("reroute-from", b"nonsense")]), guards)
    assert guards == {}
