"""PostHog's capture API: `/batch/`, `/capture/`, `/i/v0/e/` and `/e/`, of its libraries for servers and browsers.

A `distinct_id` is a known user unless the event says that it is its device's id: libraries for browsers do, until somebody signs in.
"""

import base64
import binascii
from typing import Final
from urllib.parse import parse_qs

import msgspec

from streams.collect.dialects.event import EMPTY, Incoming, Said, Spelled, Unreadable, decode, incoming, refused

__all__ = ["capture"]

_Id = str | int | None


class _Properties(msgspec.Struct, gc=False):
    """The properties that mean something to us; all of them are kept."""

    distinct_id: _Id = None
    alias: _Id = None
    device_id: _Id = msgspec.field(name="$device_id", default=None)
    anonymous_id: _Id = msgspec.field(name="$anon_distinct_id", default=None)
    group_key: _Id = msgspec.field(name="$group_key", default=None)
    group_set: msgspec.Raw = msgspec.field(name="$group_set", default=EMPTY)
    set_: msgspec.Raw = msgspec.field(name="$set", default=EMPTY)
    screen: str | None = msgspec.field(name="$screen_name", default=None)
    agent: str | None = msgspec.field(name="$raw_user_agent", default=None)
    token: str | None = None


class _Event(msgspec.Struct, gc=False):
    event: str
    distinct_id: _Id = None
    uuid: str | None = None
    message_id: _Id = msgspec.field(name="messageId", default=None)
    timestamp: msgspec.Raw = EMPTY
    sent_at: msgspec.Raw = EMPTY
    properties: msgspec.Raw = EMPTY
    set_: msgspec.Raw = msgspec.field(name="$set", default=EMPTY)


class _Body(msgspec.Struct, gc=False):
    """A batch, or one event (`event`), which is then decoded once more."""

    api_key: str | None = None
    token: str | None = None
    batch: list[msgspec.Raw] | None = None
    sent_at: msgspec.Raw = EMPTY
    sent_at_camel: msgspec.Raw = msgspec.field(name="sentAt", default=EMPTY)
    properties: msgspec.Raw = EMPTY


_body: Final = msgspec.json.Decoder(_Body)
_list: Final = msgspec.json.Decoder(list[msgspec.Raw])
_event: Final = msgspec.json.Decoder(_Event)
_properties: Final = msgspec.json.Decoder(_Properties)
_CALLS: Final = {"$identify": "identify", "$create_alias": "alias", "$groupidentify": "group", "$pageview": "page", "$screen": "screen"}


def capture(said: Said) -> tuple[str | None, list[Incoming]]:
    """Project key and events of a request. Raises `Unreadable`."""
    body = _plain(said)
    if body[:1] == b"[":
        events, sent = decode(_list, body), _Body()
    else:
        sent = decode(_body, body)
        events = [msgspec.Raw(body)] if sent.batch is None else sent.batch
    said.check(len(events))
    sent_at = sent.sent_at if bytes(sent.sent_at) else sent.sent_at_camel
    key = sent.api_key or sent.token
    if key is None and events:
        key = _token(bytes(events[0]))
    return key, [_spelled(bytes(raw), sent_at, said.received_at) for raw in events]


def _spelled(raw: bytes, sent_at: msgspec.Raw, received_at: str) -> Incoming:
    try:
        event: _Event = _event.decode(raw)
        more: _Properties = _properties.decode(event.properties) if bytes(event.properties) not in (b"", b"null") else _Properties()
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return refused(raw, error)
    who = event.distinct_id if event.distinct_id is not None else more.distinct_id
    anonymous = more.device_id
    if who is not None and who == anonymous:
        who = None
    call = _CALLS.get(event.event, "track")
    spelled = Spelled(
        type=call,
        event=event.event if call == "track" else None,
        name=more.screen if call == "screen" else None,
        user_id=who,
        anonymous_id=more.anonymous_id if call == "identify" and more.anonymous_id is not None else anonymous,
        previous_id=more.alias if call == "alias" else None,
        group_id=more.group_key if call == "group" else None,
        message_id=event.uuid or event.message_id,
        timestamp=_given(event.timestamp),
        sent_at=_given(event.sent_at) or _given(sent_at),
        received_at=received_at,
        properties=_given(event.properties),
        traits=_traits(call, event, more),
    )
    return incoming(spelled, raw, more.agent or "")


def _traits(call: str, event: _Event, more: _Properties) -> msgspec.Raw | None:
    if call == "group":
        return _given(more.group_set)
    return (_given(event.set_) or _given(more.set_)) if call == "identify" else None


def _given(raw: msgspec.Raw) -> msgspec.Raw | None:
    """`raw`, or None for what is absent or null."""
    return None if bytes(raw) in (b"", b"null") else raw


def _token(raw: bytes) -> str | None:
    """The key that the browser's library puts into the event, or into its properties."""
    try:
        sent: _Body = _body.decode(raw)
        if sent.api_key or sent.token or not bytes(sent.properties):
            return sent.api_key or sent.token
        return str(_properties.decode(sent.properties).token or "") or None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _plain(said: Said) -> bytes:
    """The JSON of a body that may be a form with the JSON in `data`, in base64 or not: what old browsers' beacons can send."""
    body = said.body.strip()
    if not body.startswith(b"data="):
        return body
    try:
        data = parse_qs(body.decode("ascii"), max_num_fields=8)["data"][0]
        return data.encode() if data[:1] in "{[" else base64.b64decode(data.replace(" ", "+"), validate=True)
    except (UnicodeDecodeError, ValueError, KeyError, binascii.Error):
        raise Unreadable(400, "the form's `data` is neither JSON nor base64 of it") from None
