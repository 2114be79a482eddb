"""Poison: whatever a producer sends, it is refused alone, with the right reason, at once."""

import pytest

from streams.core.event import Decoder
from streams.core.record import Event, Rejected
from streams.settings import load
from tests.pills import APPENDED_MS, GOOD, PILLS
from tests.unit.records import FakeRecord

DECODER = Decoder(load(None, {}).rules)


def record(value: bytes | None) -> FakeRecord:
    return FakeRecord(timestamp=APPENDED_MS, value=value)


def test_there_are_two_hundred_kinds() -> None:
    assert len(PILLS) >= 200


@pytest.mark.parametrize("name", PILLS)
def test_a_pill_is_refused_with_its_reason_and_place(name: str) -> None:
    pill = PILLS[name]
    assert DECODER.decode_one(record(pill.value)) == Rejected(pill.reason, pill.at)


def test_all_pills_in_one_batch_harm_none_of_the_good_records_between_them() -> None:
    pills = list(PILLS.values())
    batch = [record(value) for pill in pills for value in (GOOD, pill.value)]

    decoded = DECODER.decode(batch)

    assert {type(event) for event in decoded[::2]} == {Event}
    assert decoded[1::2] == [Rejected(pill.reason, pill.at) for pill in pills]


def test_no_reason_shows_what_was_sent() -> None:
    marked = [value.replace(b"u1", b"canary") for value, _, _ in PILLS.values() if value]
    said = " ".join(str(DECODER.decode_one(record(value))) for value in marked)
    assert "canary" not in said.replace("user='canary'", "").replace("raw_id='canary'", "")
