"""CloudEvents 1.0 over HTTP: structured, binary and batched.

`id` and `source` name the event together, as the specification has it. `type` is the event's name, or its last part where the catalogue
knows only that (`com.example.order_completed`). The user is `userId` or `anonymousId` of `data`, else the extension attribute `userid` or
`anonymousid`, else `subject`. `data` that is a Segment event itself (it has a `type` of those six) is taken as that.
"""

from collections.abc import Callable
from typing import Any, Final
from urllib.parse import unquote

import msgspec

from streams.collect.dialects.event import EMPTY, Incoming, Said, Spelled, Unreadable, decode, incoming, members, refused
from streams.core.catalogue import CALLS

__all__ = ["events"]

_Id = str | int | None
_PREFIX: Final = b"ce-"


class _Event(msgspec.Struct, gc=False):
    specversion: str
    id: str
    source: str
    type: str
    subject: str | None = None
    time: str | None = None
    userid: _Id = None
    anonymousid: _Id = None
    data: msgspec.Raw = EMPTY


class _Data(msgspec.Struct, gc=False, rename="camel"):
    type: str | None = None
    user_id: _Id = None
    anonymous_id: _Id = None
    message_id: _Id = None


_raw: Final = msgspec.json.Decoder(msgspec.Raw)
_list: Final = msgspec.json.Decoder(list[msgspec.Raw])
_event: Final = msgspec.json.Decoder(_Event)
_data: Final = msgspec.json.Decoder(_Data)
_encode: Final = msgspec.json.Encoder().encode


def events(said: Said, known: Callable[[str], bool]) -> tuple[str | None, list[Incoming]]:
    """The events of a request; `known` tells whether the catalogue has a name. Raises `Unreadable`."""
    if _PREFIX + b"specversion" in said.headers:
        return None, [_binary(said, known)]
    body = said.body.strip()
    if body[:1] == b"[":
        raws = decode(_list, body)
        said.check(len(raws))
        return None, [_structured(bytes(raw), said.received_at, known) for raw in raws]
    return None, [_structured(bytes(decode(_raw, body)), said.received_at, known)]


def _structured(raw: bytes, received_at: str, known: Callable[[str], bool]) -> Incoming:
    try:
        return _spelled(_event.decode(raw), raw, received_at, known)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return refused(raw, error)


def _binary(said: Said, known: Callable[[str], bool]) -> Incoming:
    """The attributes are headers, the body is the data."""
    attributes = {
        name.removeprefix(_PREFIX).decode("ascii", "replace"): unquote(value.decode("latin-1"))
        for name, value in said.headers.items()
        if name.startswith(_PREFIX)
    }
    body = said.body.strip()
    raw = said.body or b"{}"
    try:
        event = msgspec.convert(attributes, _Event)
    except msgspec.ValidationError as error:
        raise Unreadable(400, f"the ce- headers are no CloudEvent: {error}") from None
    try:
        event.data = _raw.decode(body) if body else EMPTY
        return _spelled(event, raw, said.received_at, known)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return refused(raw, error)


def _spelled(event: _Event, raw: bytes, received_at: str, known: Callable[[str], bool]) -> Incoming:
    ident = f"{event.source}#{event.id}"
    content = bytes(event.data)
    data: _Data = _data.decode(content) if content[:1] == b"{" else _Data()
    if data.type == "track" or data.type in CALLS:
        fields = members(content)
        fields["receivedAt"] = msgspec.Raw(_encode(received_at))
        if data.message_id is None:
            fields["messageId"] = msgspec.Raw(_encode(ident))
        if event.time is not None:
            fields.setdefault("timestamp", msgspec.Raw(_encode(event.time)))
        return Incoming(_encode(fields), raw, ident, "", None)
    last = event.type.rpartition(".")[2]
    who = data.user_id if data.user_id is not None else event.userid
    anonymous = data.anonymous_id if data.anonymous_id is not None else event.anonymousid
    given: Any = event.data if content[:1] == b"{" else None
    spelled = Spelled(
        type="track",
        event=last if last and known(last) and not known(event.type) else event.type,
        user_id=event.subject if who is None and anonymous is None else who,
        anonymous_id=anonymous,
        message_id=ident,
        timestamp=event.time,
        received_at=received_at,
        properties=given,
    )
    return incoming(spelled, raw)
