"""What a record becomes: one rule per test."""

from typing import Any

import msgspec
import orjson
import pytest

from streams.core.event import WALL_CLOCK, Decoder
from streams.core.record import Event, Rejected
from streams.core.rules import Catalogue, EventType, Limits, Rules
from tests.unit.records import CAMPAIGNS, REROUTED, FakeRecord

#: 2026-01-31T08:00:00Z
AT_MS = 1_769_846_400_000
AT = "2026-01-31T08:00:00Z"
DAY_MS = 86_400_000

CATALOGUE = Catalogue(
    types=(
        EventType(id=10, name="page_view"),
        EventType(id=11, name="screen_view"),
        EventType(id=12, name="identify", weight=0),
        EventType(id=33, name="product_viewed", aliases=("Product Viewed", "view_item")),
        EventType(id=39, name="order_completed", aliases=("Order Completed", "purchase"), amount=("revenue", "value")),
        EventType(id=40, name="order_refunded", aliases=("Order Refunded",), amount="revenue", sign=-1),
        EventType(id=69, name="button_clicked", aliases=("click",)),
        EventType(id=102, name="email_open", channel="email", aliases=("Email Opened", "users.messages.email.Open")),
        EventType(id=103, name="email_click", channel="email", aliases=("Email Link Clicked",)),
        EventType(id=108, name="email_abort", channel="email", aliases=("Email Reject",)),
        EventType(id=109, name="email_machine_open", channel="email", weight=0),
        EventType(id=123, name="sms_click", channel="sms"),
    )
)


def rules(**limits: Any) -> Rules:
    return Rules(version="v", app_id="app", partitions=4, catalogue=CATALOGUE, limits=Limits(**limits))


DECODER = Decoder(rules())


def record(value: bytes | None = None, *, drop: str = "", headers: Any = (), topic: str = "", **fields: Any) -> FakeRecord:
    """An acceptable event, with `fields` changed; appended at AT_MS."""
    if value is None:
        event = {"type": "track", "event": "Product Viewed", "userId": "u1", "messageId": "m1", "timestamp": AT, **fields}
        event.pop(drop, None)
        value = orjson.dumps(event)
    made = FakeRecord(partition=2, offset=7, timestamp=AT_MS, value=value, headers=headers)
    return made._replace(topic=topic) if topic else made


def decode(made: FakeRecord, decoder: Decoder = DECODER) -> Any:
    """The record decoded alone; the batch must say the same."""
    alone = decoder.decode_one(made)
    assert decoder.decode([made]) == [alone]
    return alone


def test_a_segment_track_event_is_decoded() -> None:
    assert decode(record()) == Event(
        user="u1", raw_id="u1", type_id=33, at_ms=AT_MS, id_hash=17648950212955296413, amount=0, event_clock=False
    )


# Names


@pytest.mark.parametrize(
    ("fields", "type_id"),
    [
        ({"event": "Product Viewed"}, 33),
        ({"event": "product_viewed"}, 33),
        ({"event": "productViewed"}, 33),
        ({"event": "PRODUCT-VIEWED"}, 33),
        ({"event": "view_item"}, 33),
        ({"event": "Something Else"}, 3),
        ({"event": "x" * 5000}, 3),
        ({"type": "page", "event": None}, 10),
        ({"type": "screen"}, 11),
        ({"type": "identify"}, 12),
        ({"type": "group"}, 3),
        ({"event": "Email Opened"}, 102),
        ({"event": "users.messages.email.Open"}, 102),
        ({"event": "open", "channel": "email"}, 102),
        ({"event": "Open", "context": {"channel": "email"}}, 102),
        ({"event": "open", "channel": "server", "context": {"channel": "email"}}, 102),
        ({"event": "open", "channel": "server"}, 3),
        ({"event": "open"}, 3),
        ({"event": "reject", "channel": "email"}, 108),
        ({"event": "click", "channel": "sms"}, 123),
        ({"event": "click", "channel": "email"}, 103),
        ({"event": "click", "channel": "server"}, 69),
        ({"event": "click"}, 69),
        ({"event": "open", "channel": "email", "properties": {"machine_open": True}}, 109),
        ({"event": "Email Opened", "properties": {"bot": "true"}}, 109),
        ({"event": "Email Opened", "properties": {"machine_open": False, "bot": None}}, 102),
        ({"event": "Email Link Clicked", "properties": {"suspected_bot_click": True}}, 103),
    ],
)
def test_many_spellings_mean_one_type(fields: dict[str, Any], type_id: int) -> None:
    assert decode(record(**fields)).type_id == type_id


def test_the_short_form_of_a_campaign_event_needs_no_type() -> None:
    value = b'{"event":"open","channel":"email","userId":"u1","messageId":"m1","timestamp":"2026-01-31T08:00:00Z","campaignId":"c1"}'
    assert decode(record(value, topic=CAMPAIGNS)).type_id == 102


def test_the_short_form_is_understood_after_a_reroute_too() -> None:
    value = b'{"event":"open","channel":"email","userId":"u1"}'
    assert decode(record(value, topic=REROUTED)).type_id == 102


@pytest.mark.parametrize(
    ("fields", "drop", "rejected"),
    [
        ({}, "type", Rejected("missing_field", "$.type")),
        ({"channel": "server"}, "type", Rejected("missing_field", "$.type")),
        ({"type": None}, "", Rejected("missing_field", "$.type")),
        ({}, "event", Rejected("missing_field", "$.event")),
        ({"event": ""}, "", Rejected("missing_field", "$.event")),
        ({"type": "delete"}, "", Rejected("unknown_type", "$.type")),
        ({"type": "Track"}, "", Rejected("unknown_type", "$.type")),
        ({"type": ""}, "", Rejected("unknown_type", "$.type")),
        ({"type": 3}, "", Rejected("wrong_type", "$.type")),
        ({"event": ["a"]}, "", Rejected("wrong_type", "$.event")),
        ({"channel": 1}, "", Rejected("wrong_type", "$.channel")),
        ({"event": "open", "context": {"channel": 5}}, "", Rejected("wrong_type", "$.context.channel")),
    ],
)
def test_an_event_without_a_usable_name_is_rejected(fields: dict[str, Any], drop: str, rejected: Rejected) -> None:
    assert decode(record(drop=drop, **fields)) == rejected


@pytest.mark.parametrize(
    ("fields", "at"),
    [
        ({"event": "Something Else"}, "$.event"),
        ({"event": "open"}, "$.event"),
        ({"event": "bounce", "channel": "sms"}, "$.event"),
        ({"type": "group", "event": None}, "$.type"),
    ],
)
def test_unknown_names_are_rejected_where_the_catalogue_says_so(fields: dict[str, Any], at: str) -> None:
    strict = msgspec.structs.replace(rules(), catalogue=msgspec.structs.replace(CATALOGUE, unknown="reject"))
    assert decode(record(**fields), Decoder(strict)) == Rejected("unknown_type", at)


def test_made_up_names_neither_fill_the_memory_nor_push_out_the_catalogue() -> None:
    decoder = Decoder(rules())
    flood = [record(event=f"made up {number}", channel="email") for number in range(5000)]
    flood += [record(event="open", channel=f"made up {number}") for number in range(5000)]
    assert {decoded.type_id for decoded in decoder.decode(flood)} == {3}  # type: ignore[union-attr]
    assert decode(record(), decoder).type_id == 33
    assert decode(record(event="open", channel="email"), decoder).type_id == 102


# Identity (the rule itself: test_identity.py)


@pytest.mark.parametrize(
    ("fields", "drop", "who"),
    [
        ({"userId": "u1", "anonymousId": "a1"}, "", ("u1", "u1")),
        ({"anonymousId": "a1"}, "userId", ("anon:a1", "a1")),
        ({"userId": None, "anonymousId": "a1"}, "", ("anon:a1", "a1")),
        ({"userId": 42}, "", ("42", "42")),
        ({"anonymousId": 42}, "userId", ("anon:42", "42")),
        ({"userId": "Zoë Müller"}, "", ("Zoë Müller", "Zoë Müller")),
    ],
)
def test_a_user_is_known_by_user_id_else_by_anonymous_id(fields: dict[str, Any], drop: str, who: tuple[str, str]) -> None:
    event = decode(record(drop=drop, **fields))
    assert (event.user, event.raw_id) == who


@pytest.mark.parametrize(
    ("fields", "drop", "rejected"),
    [
        ({}, "userId", Rejected("missing_field", "$.userId")),
        ({"userId": "null", "anonymousId": "a1"}, "", Rejected("blocked_id", "$.userId")),
        ({"userId": 0}, "", Rejected("blocked_id", "$.userId")),
        ({"userId": "anon:a1"}, "", Rejected("bad_id", "$.userId")),
        ({"anonymousId": "a\u0000b"}, "userId", Rejected("bad_id", "$.anonymousId")),
        ({"userId": 1.5}, "", Rejected("wrong_type", "$.userId")),
        ({"userId": True}, "", Rejected("wrong_type", "$.userId")),
        ({"userId": {"id": 1}}, "", Rejected("wrong_type", "$.userId")),
    ],
)
def test_an_event_of_nobody_is_rejected(fields: dict[str, Any], drop: str, rejected: Rejected) -> None:
    assert decode(record(drop=drop, **fields)) == rejected


# Clocks


@pytest.mark.parametrize(
    ("timestamp", "at_ms"),
    [
        ("2026-01-31T08:00:00Z", AT_MS),
        ("2026-01-31T08:00:00.123Z", AT_MS + 123),
        ("2026-01-31T08:00:00.123999Z", AT_MS + 123),
        ("2026-01-31T09:00:00+01:00", AT_MS),
        ("2026-01-31T13:45:00+05:45", AT_MS),
        ("2026-01-31T00:00:00.5-08:00", AT_MS + 500),
        ("2026-01-31t08:00:00z", AT_MS),
        (AT_MS, AT_MS),
        ("2000-01-01T00:00:00Z", 946_684_800_000),
        (946_684_800_000, 946_684_800_000),
    ],
)
def test_times_are_rfc_3339_with_any_offset_or_integer_milliseconds(timestamp: str | int, at_ms: int) -> None:
    assert decode(record(timestamp=timestamp)).at_ms == at_ms


@pytest.mark.parametrize(
    ("timestamp", "rejected"),
    [
        ("2026-01-31T08:00:00", Rejected("wrong_type", "$.timestamp")),
        ("2026-01-31", Rejected("wrong_type", "$.timestamp")),
        ("yesterday", Rejected("wrong_type", "$.timestamp")),
        ("2026-02-30T08:00:00Z", Rejected("wrong_type", "$.timestamp")),
        ("", Rejected("wrong_type", "$.timestamp")),
        (1_769_846_400.5, Rejected("wrong_type", "$.timestamp")),
        (1_769_846_400, Rejected("limit", "$.timestamp")),
        (-1, Rejected("limit", "$.timestamp")),
        (946_684_799_999, Rejected("limit", "$.timestamp")),
        ("1999-12-31T23:59:59.999Z", Rejected("limit", "$.timestamp")),
        ("1970-01-01T00:00:00Z", Rejected("limit", "$.timestamp")),
        ("2099-12-31T23:59:59Z", Rejected("future", "$.timestamp")),
        (1 << 60, Rejected("limit", "$.timestamp")),
        (AT_MS + 300_001, Rejected("future", "$.timestamp")),
    ],
)
def test_a_time_that_cannot_be_is_rejected(timestamp: Any, rejected: Rejected) -> None:
    assert decode(record(timestamp=timestamp)) == rejected


def test_a_clock_five_minutes_fast_is_accepted() -> None:
    assert decode(record(timestamp=AT_MS + 300_000)).at_ms == AT_MS + 300_000


def test_without_a_timestamp_the_time_of_receipt_counts() -> None:
    assert decode(record(drop="timestamp", receivedAt="2026-01-31T07:59:00Z")).at_ms == AT_MS - 60_000


def test_a_time_of_receipt_in_the_future_is_named() -> None:
    assert decode(record(drop="timestamp", receivedAt=AT_MS + DAY_MS)) == Rejected("future", "$.receivedAt")


def test_without_any_time_the_append_time_counts() -> None:
    assert decode(record(drop="timestamp")).at_ms == AT_MS


@pytest.mark.parametrize(
    ("sent_at", "received_at", "at_ms"),
    [
        (AT_MS + 3_600_000, AT_MS, AT_MS - 3_600_000),  # the device is an hour ahead
        (AT_MS - 60_000, AT_MS, AT_MS + 60_000),  # a minute behind
        (AT_MS + 40 * DAY_MS, AT_MS, AT_MS - DAY_MS),  # capped at a day
        (AT_MS - 40 * DAY_MS, AT_MS - DAY_MS, AT_MS + DAY_MS),
        (None, AT_MS - 5_000, AT_MS),
        (AT_MS - 5_000, None, AT_MS),
    ],
)
def test_the_sender_s_clock_is_corrected_when_both_ends_of_the_way_are_known(
    sent_at: int | None, received_at: int | None, at_ms: int
) -> None:
    moved = record(sentAt=sent_at, receivedAt=received_at)._replace(timestamp=AT_MS + 2 * DAY_MS)
    assert decode(moved).at_ms == at_ms


def test_a_rerouted_record_is_judged_by_the_append_time_of_its_origin() -> None:
    late = record(timestamp=AT_MS, headers=[("reroute-appended-at", str(AT_MS - 300_001).encode())])
    assert decode(late) == Rejected("future", "$.timestamp")


@pytest.mark.parametrize("text", [b"", b"soon", b"-5", b"9" * 40])
def test_a_reroute_header_that_is_no_time_is_ignored(text: bytes) -> None:
    assert decode(record(drop="timestamp", headers=[("reroute-appended-at", text)])).at_ms == AT_MS


def test_a_record_that_follows_event_time_is_judged_without_append_time() -> None:
    event = decode(record(timestamp="2032-05-01T00:00:00Z", headers=[("streams-clock", b"event")]))
    assert (event.at_ms, event.event_clock) == (1_966_982_400_000, True)


def test_a_record_that_follows_event_time_must_have_one() -> None:
    made = record(drop="timestamp", receivedAt=AT, headers=[("streams-clock", b"event")])
    assert decode(made) == Rejected("missing_field", "$.timestamp")


def test_no_event_is_of_the_next_century() -> None:
    made = record(timestamp="2100-01-01T00:00:00Z", headers=[("streams-clock", b"event")])
    assert decode(made) == Rejected("limit", "$.timestamp")


def test_another_clock_header_changes_nothing() -> None:
    assert decode(record(headers=[("streams-clock", b"wall"), ("trace", b"1")])).event_clock is False


# Ids of events


def test_equal_message_ids_have_equal_hashes_and_others_do_not() -> None:
    hashes = [decode(record(messageId=message)).id_hash for message in ("m1", "m1", "m2", 17, "17")]
    assert hashes[0] == hashes[1] != hashes[2]
    assert hashes[3] == hashes[4]


@pytest.mark.parametrize("message", [None, ""])
def test_without_a_message_id_the_coordinates_name_the_event(message: str | None) -> None:
    first, second = record(messageId=message), record(messageId=message)._replace(offset=8)
    assert decode(first).id_hash == decode(record(messageId="engagement.clickstream.v1/2/7")).id_hash
    assert decode(first).id_hash != decode(second).id_hash


def test_a_rerouted_record_without_a_message_id_is_named_by_its_origin() -> None:
    home = record(drop="messageId", topic=REROUTED, headers=[("reroute-origin", b"engagement.clickstream.v1/2/7")])
    assert decode(home).id_hash == decode(record(drop="messageId")).id_hash


def test_a_replayed_dead_letter_without_a_message_id_is_named_by_its_first_append() -> None:
    headers = [("dead-origin", b"engagement.clickstream.v1/2/7"), ("reroute-origin", b"engagement.rerouted.v1/0/3")]
    assert decode(record(drop="messageId", headers=headers)).id_hash == decode(record(drop="messageId")).id_hash


# Amounts


@pytest.mark.parametrize(
    ("revenue", "amount"),
    [
        (39.95, 3995),
        ("39.95", 3995),
        (40, 4000),
        (0.1, 10),
        (1.005, 100),  # half to even, of the decimal as written: a float of 1.005 is below it
        (1.015, 102),
        (2.675, 268),
        (-5, -500),
        (0, 0),
        ("0.00", 0),
        (1e3, 100_000),
        (10_000_000, 1_000_000_000),
        (None, 0),
    ],
)
def test_money_is_exact_in_minor_units(revenue: Any, amount: int) -> None:
    event = decode(record(event="Order Completed", properties={"revenue": revenue}))
    assert (event.type_id, event.amount) == (39, amount)


def test_refunds_are_taken_off() -> None:
    assert decode(record(event="Order Refunded", properties={"revenue": 12.5})).amount == -1250


@pytest.mark.parametrize(
    ("properties", "amount"),
    [({"value": 7}, 700), ({"revenue": 5, "value": 7}, 500), ({"revenue": None, "value": 7}, 700), ({"other": 9}, 0), ({}, 0), (None, 0)],
)
def test_the_first_amount_that_is_there_counts(properties: Any, amount: int) -> None:
    assert decode(record(event="purchase", properties=properties)).amount == amount


def test_other_events_have_no_amount() -> None:
    assert decode(record(properties={"revenue": "rubbish"})).amount == 0


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        ('"rubbish"', "wrong_type"),
        ('""', "wrong_type"),
        ('"NaN"', "wrong_type"),
        ('"Infinity"', "wrong_type"),
        ("[39.95]", "wrong_type"),
        ("true", "wrong_type"),
        ("10000000.01", "limit"),
        ("-10000000.01", "limit"),
        ("1e400", "limit"),
        ("1" + "0" * 400, "limit"),
        ('"1e999999"', "limit"),
    ],
)
def test_an_amount_that_is_none_is_rejected(raw: str, reason: str) -> None:
    value = f'{{"type":"track","event":"Order Completed","userId":"u1","properties":{{"revenue":{raw}}}}}'.encode()
    assert decode(record(value)) == Rejected(reason, "$.properties.revenue")


# Limits


@pytest.mark.parametrize("value", [None, b""])
def test_an_empty_value_is_rejected(value: bytes | None) -> None:
    made = FakeRecord(timestamp=AT_MS, value=value)
    assert decode(made) == Rejected("empty")


def test_an_empty_value_with_the_wall_header_brings_the_wall_clock_back() -> None:
    made = FakeRecord(timestamp=AT_MS, headers=[("other", b"x"), ("streams-clock", b"wall")])
    assert decode(made) is WALL_CLOCK


def test_an_empty_value_with_another_clock_is_just_empty() -> None:
    assert decode(FakeRecord(timestamp=AT_MS, headers=[("streams-clock", b"event")])) == Rejected("empty")


def test_a_value_of_the_largest_size_passes_and_one_byte_more_does_not() -> None:
    fits = orjson.dumps({"type": "page", "userId": "u1", "pad": ""})
    fits = fits.replace(b'"pad":""', b'"pad":"' + b"x" * (65_536 - len(fits)) + b'"')
    assert len(fits) == 65_536
    assert decode(record(fits)).type_id == 10
    assert decode(record(fits.replace(b"xx", b"xxx", 1))) == Rejected("too_large", "$")


@pytest.mark.parametrize(
    ("inner", "accepted"),
    [
        (b"[[[[[[[]]]]]]]", True),  # the event itself is the first of eight levels
        (b"[[[[[[[[]]]]]]]]", False),
        (b'{"a":{"a":{"a":{"a":{"a":{"a":{"a":{}}}}}}}}', False),
        (b'{"a":{"a":{"a":{"a":{"a":{"a":{}}}}}}}', True),
        (b"[" + b"[],{}," * 500 + b"[]]", True),
        (b'"[[[[[[[[[[[[{{{{{{{{{{{{"', True),  # brackets in text are no levels
        (b'"\\"[[[[[[[[[[[[\\\\"', True),
        (b'[[[[[[[["]"]]]]]]]]', False),
    ],
)
def test_objects_nest_eight_deep_at_the_most(inner: bytes, accepted: bool) -> None:
    decoded = decode(record(b'{"type":"page","userId":"u1","context2":' + inner + b"}"))
    assert isinstance(decoded, Event) if accepted else decoded == Rejected("limit", "$")


@pytest.mark.parametrize(("members", "accepted"), [(64, True), (65, False), (3000, False)])
def test_properties_have_64_members_at_the_most(members: int, accepted: bool) -> None:
    decoded = decode(record(properties={f"p{number}": 1 for number in range(members)}))
    assert isinstance(decoded, Event) if accepted else decoded == Rejected("limit", "$.properties")


@pytest.mark.parametrize("properties", ["text", 5, [1], True])
def test_properties_must_be_an_object(properties: Any) -> None:
    assert decode(record(properties=properties)) == Rejected("wrong_type", "$.properties")


# Batches


def test_a_bad_record_harms_no_other_and_order_is_kept() -> None:
    good = [record(userId=f"u{number}") for number in range(300)]
    mixed = [*good[:150], record(b"{"), *good[150:], record(b"\xff"), record(b"[]")]

    decoded = DECODER.decode(mixed)

    assert [event.user for event in decoded[:150]] == [f"u{number}" for number in range(150)]  # type: ignore[union-attr]
    assert decoded[150] == Rejected("not_json", "$")
    assert [event.user for event in decoded[151:301]] == [f"u{number}" for number in range(150, 300)]  # type: ignore[union-attr]
    assert decoded[301:] == [Rejected("not_json", "$"), Rejected("wrong_type", "$")]


@pytest.mark.parametrize(
    "odd",
    [
        b'{"type":"page",\n"userId":"u2"}',  # a line break inside a value
        b' {"type":"page","userId":"u2"}\n\n',
        '{"type":"page","userId":"ü2"}'.encode(),
    ],
)
def test_values_pair_with_their_records_whatever_their_line_breaks(odd: bytes) -> None:
    decoded = DECODER.decode([record(userId="u1"), record(odd), record(userId="u3")])
    assert [event.user[-1] for event in decoded] == ["1", "2", "3"]  # type: ignore[union-attr]


def test_two_documents_in_one_value_and_a_blank_one_beside_it_do_not_pair_up() -> None:
    """Two lines for two records, and yet the wrong ones: the trap of decoding by lines."""
    two = b'{"type":"page","userId":"u1"}\n{"type":"page","userId":"u2"}'
    assert DECODER.decode([record(two), record(b" ")]) == [Rejected("not_json", "$"), Rejected("not_json", "$")]


def test_no_records_are_no_events() -> None:
    assert DECODER.decode([]) == []


def test_a_repeated_key_counts_as_it_stands_last() -> None:
    assert decode(record(b'{"type":"page","userId":"u1","userId":"u2"}')).user == "u2"


def test_unknown_fields_are_ignored() -> None:
    assert decode(record(newField={"a": [1, 2, {"b": None}]})).type_id == 33
