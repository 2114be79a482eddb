"""What each dialect's events become, field by field."""

import base64
import json
from typing import Any

import pytest

from streams.collect.dialects.event import Incoming, Said, Unreadable
from streams.collect.routes import routes

ROUTES = routes(lambda name: name in ("order_completed", "view_item"))
AT = "2026-01-31T08:00:00.000Z"


def read(
    path: str, content: Any = None, *, query: dict[str, str] | None = None, headers: dict[bytes, bytes] | None = None
) -> list[Incoming]:
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    return ROUTES[path].read(Said(body, query or {}, headers or {}, AT, 100))[1]


def one(path: str, content: Any = None, **options: Any) -> Any:
    """The event of a request that has one, without the time at which it was received, which all have."""
    (event,) = read(path, content, **options)
    assert event.refused is None
    told = json.loads(event.value)
    assert told.pop("receivedAt") == AT
    return told


def test_a_batch_keeps_the_bytes_of_its_events() -> None:
    """Numbers, spaces and the order of members stay as they were written; what the request knows follows at the end."""
    body = b'{"batch": [ {"type":"track", "properties":{"price":1.10}} ], "sentAt": "2026-01-31T07:59:59Z"}'
    (event,) = read("/v1/batch", body)
    assert event.value == (
        b'{"type":"track", "properties":{"price":1.10},"receivedAt":"2026-01-31T08:00:00.000Z","sentAt":"2026-01-31T07:59:59Z"}'
    )


def test_no_member_is_repeated() -> None:
    """A tracker that says itself when it was received, or carries its key in each event, gets the event rewritten."""
    (event,) = read("/v1/batch", b'{"batch":[{"type":"track","receivedAt":"x","sentAt":1,"writeKey":"k"}],"sentAt":2}')
    assert event.value == b'{"type":"track","receivedAt":"2026-01-31T08:00:00.000Z","sentAt":1}'


def test_an_event_that_comes_alone_keeps_its_bytes_when_it_says_itself_what_it_is() -> None:
    """Else it is rewritten with the type that its path names, which counts; blanks around it do no harm."""
    (event,) = read("/v1/track", b' {"type":"track", "userId": "u1"}\n')
    assert event.value == b'{"type":"track", "userId": "u1","receivedAt":"2026-01-31T08:00:00.000Z"}'
    for told in (b'{"type":"page","userId":"u1"}', b'{"userId":"u1"}', b'{"type":null,"userId":"u1"}\r\n'):
        assert one("/v1/track", told) == {"type": "track", "userId": "u1"}


@pytest.mark.parametrize("body", [b"{}", b"{ }", b"{\n}"])
def test_an_empty_event_stays_json(body: bytes) -> None:
    (event,) = read("/v1/batch", b'{"batch":[' + body + b"]}")
    assert json.loads(event.value) == {"receivedAt": AT}


def test_the_context_of_a_batch_is_that_of_its_events() -> None:
    """Where they have none of their own."""
    batch = {"batch": [{"type": "track"}, {"type": "track", "context": {"a": 1}}], "context": {"userAgent": "x"}}
    assert [json.loads(event.value)["context"] for event in read("/v1/batch", batch)] == [{"userAgent": "x"}, {"a": 1}]


@pytest.mark.parametrize(
    ("event", "becomes"),
    [
        (
            {"event": "Signed Up", "distinct_id": "u1", "uuid": "m1", "timestamp": AT, "properties": {"plan": "pro"}},
            {"type": "track", "event": "Signed Up", "userId": "u1", "messageId": "m1", "timestamp": AT, "properties": {"plan": "pro"}},
        ),
        (
            {"event": "$pageview", "properties": {"distinct_id": "d1", "$device_id": "d1"}},
            {"type": "page", "anonymousId": "d1", "properties": {"distinct_id": "d1", "$device_id": "d1"}},
        ),
        (
            {"event": "$identify", "distinct_id": "u1", "$set": {"name": "A"}, "properties": {"$anon_distinct_id": "d1"}},
            {"type": "identify", "userId": "u1", "anonymousId": "d1", "traits": {"name": "A"}, "properties": {"$anon_distinct_id": "d1"}},
        ),
        (
            {"event": "$create_alias", "distinct_id": "u1", "properties": {"alias": "old"}},
            {"type": "alias", "userId": "u1", "previousId": "old", "properties": {"alias": "old"}},
        ),
        (
            {"event": "$groupidentify", "distinct_id": "u1", "properties": {"$group_key": "acme", "$group_set": {"seats": 5}}},
            {
                "type": "group",
                "userId": "u1",
                "groupId": "acme",
                "traits": {"seats": 5},
                "properties": {"$group_key": "acme", "$group_set": {"seats": 5}},
            },
        ),
    ],
)
def test_posthog(event: dict[str, Any], becomes: dict[str, Any]) -> None:
    """A distinct id is a user, but the device's own id is anonymous."""
    assert one("/capture", event) == becomes
    assert one("/batch", {"api_key": "k", "batch": [event]}) == becomes


def test_posthog_by_beacon() -> None:
    """A form with base64 in it, and the key in the properties."""
    event = {"event": "x", "properties": {"distinct_id": "u1", "token": "phc_key"}}
    body = b"data=" + base64.b64encode(json.dumps(event).encode()).replace(b"+", b"%2B")
    key, events = ROUTES["/e"].read(Said(body, {}, {}, AT, 100))
    assert (key, json.loads(events[0].value)["userId"]) == ("phc_key", "u1")


def test_ga4() -> None:
    """The client is anonymous; a request that names its time gets ids that are the same when it is sent again."""
    body = {
        "client_id": "1.2",
        "user_id": "u1",
        "timestamp_micros": 1_769_846_400_123_456,
        "events": [{"name": "view_item", "params": {"value": 5}}, {"name": "page_view"}],
    }
    first, again = (read("/mp/collect", body, query={"api_secret": "k"}) for _ in range(2))
    assert [event.message_id for event in first] == [event.message_id for event in again]
    assert len({event.message_id for event in first}) == 2
    told = json.loads(first[0].value)
    assert told.pop("messageId").startswith("ga4-")
    assert told == {
        "type": "track",
        "event": "view_item",
        "userId": "u1",
        "anonymousId": "1.2",
        "timestamp": 1_769_846_400_123,
        "receivedAt": AT,
        "properties": {"value": 5},
    }
    assert json.loads(first[1].value)["type"] == "page"


def test_ga4_without_a_time_makes_up_no_ids() -> None:
    """Two equal requests are two events then."""
    (event,) = read("/mp/collect", {"client_id": "1.2", "events": [{"name": "click"}]})
    assert event.message_id == ""


STRUCTURED = {
    "specversion": "1.0",
    "id": "7",
    "source": "https://shop.example",
    "type": "com.shop.order_completed",
    "subject": "u1",
    "time": AT,
    "data": {"total": 5},
}
ORDER = {
    "type": "track",
    "event": "order_completed",
    "userId": "u1",
    "messageId": "https://shop.example#7",
    "timestamp": AT,
    "properties": {"total": 5},
}


def test_cloudevents_in_their_three_modes() -> None:
    """Structured, batched and binary are the same event; header values are percent-encoded."""
    assert one("/cloudevents", STRUCTURED) == ORDER
    assert one("/cloudevents", [STRUCTURED]) == ORDER
    headers = {f"ce-{name}".encode(): str(value).encode() for name, value in STRUCTURED.items() if name != "data"}
    headers[b"ce-subject"] = b"u%31"
    assert one("/cloudevents", STRUCTURED["data"], headers=headers) == ORDER


def test_a_cloudevent_may_carry_a_segment_event() -> None:
    event = STRUCTURED | {"data": {"type": "page", "anonymousId": "a1"}}
    assert one("/cloudevents", event) == {"type": "page", "anonymousId": "a1", "messageId": "https://shop.example#7", "timestamp": AT}


def test_a_type_that_the_catalogue_knows_in_no_part_stays_whole() -> None:
    assert one("/cloudevents", STRUCTURED | {"type": "com.shop.thing"})["event"] == "com.shop.thing"


INNER = {
    "schema": "iglu:com.snowplowanalytics.snowplow/unstruct_event/jsonschema/1-0-0",
    "data": {"schema": "iglu:com.shop/view_item/jsonschema/1-0-0", "data": {"sku": "s1"}},
}


@pytest.mark.parametrize(
    ("fields", "becomes"),
    [
        (
            {
                "e": "pv",
                "url": "https://shop.example/",
                "page": "Home",
                "duid": "d1",
                "eid": "m1",
                "dtm": "1769846400000",
                "stm": "1769846401000",
            },
            {
                "type": "page",
                "anonymousId": "d1",
                "messageId": "m1",
                "timestamp": 1_769_846_400_000,
                "sentAt": 1_769_846_401_000,
                "properties": {"url": "https://shop.example/", "title": "Home"},
            },
        ),
        (
            {"e": "se", "se_ac": "view_item", "se_ca": "shop", "se_va": "5", "uid": "u1"},
            {"type": "track", "event": "view_item", "userId": "u1", "properties": {"category": "shop", "value": "5"}},
        ),
        (
            {"e": "ue", "ue_pr": json.dumps(INNER), "uid": "u1", "tz": "Europe/Berlin"},
            {"type": "track", "event": "view_item", "userId": "u1", "properties": {"sku": "s1"}, "context": {"timezone": "Europe/Berlin"}},
        ),
        (
            {"e": "ue", "ue_px": base64.urlsafe_b64encode(json.dumps(INNER).encode()).decode().rstrip("="), "uid": "u1"},
            {"type": "track", "event": "view_item", "userId": "u1", "properties": {"sku": "s1"}},
        ),
    ],
)
def test_snowplow(fields: dict[str, str], becomes: dict[str, Any]) -> None:
    """By POST and by the pixel."""
    assert one("/com.snowplowanalytics.snowplow/tp2", {"schema": "x", "data": [fields]}) == becomes
    assert one("/i", b"", query=fields) == becomes


def test_what_cannot_be_read_names_the_place() -> None:
    """A dead letter says where, never what; a request that cannot be taken apart says so as a whole."""
    (event,) = read("/batch", {"batch": [{"event": 7, "distinct_id": "secret"}]})
    assert (event.refused and (event.refused.reason, event.refused.at)) == ("wrong_type", "$.event")
    with pytest.raises(Unreadable, match="`data` is missing"):
        read("/com.snowplowanalytics.snowplow/tp2", {})
