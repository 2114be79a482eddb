"""Google Analytics 4, Measurement Protocol: `POST /mp/collect?measurement_id=...&api_secret=...`.

It has no ids of events. A request that names its time gets ids that follow from its content, so that the same request sent twice counts
once; without one, two equal requests are two events.
"""

from typing import Any, Final

import msgspec
from xxhash import xxh3_128_hexdigest

from streams.collect.dialects.event import EMPTY, Incoming, Said, Spelled, decode, incoming, refused

__all__ = ["collect", "key_of"]

_Micros = int | str | None


class _Event(msgspec.Struct, gc=False):
    name: str
    params: msgspec.Raw = EMPTY
    timestamp_micros: _Micros = None


class _Params(msgspec.Struct, gc=False):
    event_id: str | int | None = None


class _Body(msgspec.Struct, gc=False):
    client_id: str | int | None = None
    app_instance_id: str | int | None = None
    user_id: str | int | None = None
    timestamp_micros: _Micros = None
    user_agent: str | None = None
    events: list[msgspec.Raw] = []


_body: Final = msgspec.json.Decoder(_Body)
_event: Final = msgspec.json.Decoder(_Event)
_params: Final = msgspec.json.Decoder(_Params)


def key_of(said: Said) -> str | None:
    """The write key is the `api_secret`."""
    return said.query.get("api_secret")


def collect(said: Said) -> tuple[str | None, list[Incoming]]:
    """Key and events of a request. Raises `Unreadable`."""
    sent: _Body = decode(_body, said.body)
    said.check(len(sent.events))
    return key_of(said), [_spelled(sent, number, bytes(raw), said.received_at) for number, raw in enumerate(sent.events)]


def _spelled(sent: _Body, number: int, raw: bytes, received_at: str) -> Incoming:
    try:
        event: _Event = _event.decode(raw)
        given: Any = event.params if bytes(event.params) not in (b"", b"null") else None
        ident = _params.decode(event.params).event_id if given is not None else None
        micros = event.timestamp_micros if event.timestamp_micros is not None else sent.timestamp_micros
        at_ms = None if micros is None else int(micros) // 1000
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError) as error:
        return refused(raw, error if isinstance(error, msgspec.DecodeError | RecursionError) else msgspec.ValidationError("micros"))
    client = sent.client_id if sent.client_id is not None else sent.app_instance_id
    if ident is None and micros is not None:
        ident = "ga4-" + xxh3_128_hexdigest(b"%b|%b|%d|%d|%b" % (_bytes(client), _bytes(sent.user_id), int(micros), number, raw))
    page = event.name in ("page_view", "screen_view")
    spelled = Spelled(
        type={"page_view": "page", "screen_view": "screen"}[event.name] if page else "track",
        event=None if page else event.name,
        user_id=sent.user_id,
        anonymous_id=client,
        message_id=ident,
        timestamp=at_ms,
        received_at=received_at,
        properties=given,
    )
    return incoming(spelled, raw, sent.user_agent or "")


def _bytes(ident: str | int | None) -> bytes:
    return str(ident).encode("utf-8", "replace")
