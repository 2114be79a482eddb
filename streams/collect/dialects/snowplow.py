"""Snowplow's tracker protocol: `POST /com.snowplowanalytics.snowplow/tp2` and `GET /i`.

The application id (`aid`) is the write key: the protocol has no other place for one.
"""

import base64
import binascii
from typing import Any, Final

import msgspec

from streams.collect.dialects.event import EMPTY, Incoming, Said, Spelled, decode, incoming, refused

__all__ = ["pixel", "tp2"]

#: All that a tracker sends is text.
_Fields = dict[str, str | int | float | bool | None]


class _Body(msgspec.Struct, gc=False):
    data: list[msgspec.Raw]


class _Inner(msgspec.Struct, gc=False):
    """A self-describing JSON: `schema` names what `data` is, `iglu:vendor/name/jsonschema/1-0-0`."""

    schema: str
    data: msgspec.Raw = EMPTY


_body: Final = msgspec.json.Decoder(_Body)
_fields: Final = msgspec.json.Decoder(_Fields)
_inner: Final = msgspec.json.Decoder(_Inner)
_encode: Final = msgspec.json.Encoder().encode

#: Parameter of a page, structured or transaction event -> the property that it becomes.
_PROPERTIES: Final = {
    "url": "url",
    "page": "title",
    "refr": "referrer",
    "se_ca": "category",
    "se_la": "label",
    "se_pr": "property",
    "se_va": "value",
    "tr_id": "order_id",
    "tr_tt": "total",
    "tr_cu": "currency",
    "ti_id": "order_id",
    "ti_sk": "sku",
    "ti_nm": "name",
    "ti_ca": "category",
    "ti_pr": "price",
    "ti_qu": "quantity",
}
_CONTEXT: Final = {"ua": "userAgent", "lang": "locale", "tz": "timezone", "ip": "ip"}
_EVENTS: Final = {"pp": "page_ping", "tr": "order_completed", "ti": "transaction_item"}


def tp2(said: Said) -> tuple[str | None, list[Incoming]]:
    """Application id and events of a POST. Raises `Unreadable`."""
    sent: _Body = decode(_body, said.body)
    said.check(len(sent.data))
    key, events = None, []
    for raw in sent.data:
        try:
            fields = _fields.decode(raw)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            events.append(refused(bytes(raw), error))
            continue
        key = key or _text(fields.get("aid"))
        events.append(_spelled(fields, bytes(raw), said.received_at))
    return key, events


def pixel(said: Said) -> tuple[str | None, list[Incoming]]:
    """Application id and event of a GET."""
    fields: _Fields = dict(said.query)
    return said.query.get("aid"), [_spelled(fields, _encode(fields), said.received_at)]


def _spelled(fields: _Fields, raw: bytes, received_at: str) -> Incoming:
    try:
        call, event, properties = _what(fields)
        at, sent_at = fields.get("ttm") or fields.get("dtm"), fields.get("stm")
        spelled = Spelled(
            type=call,
            event=event,
            user_id=_text(fields.get("uid")),
            anonymous_id=_text(fields.get("duid")) or _text(fields.get("nuid")),
            message_id=_text(fields.get("eid")),
            timestamp=_millis(at),
            sent_at=_millis(sent_at),
            received_at=received_at,
            properties=properties,
            context={name: fields[short] for short, name in _CONTEXT.items() if fields.get(short)} or None,
        )
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError) as error:
        fault = error if isinstance(error, msgspec.DecodeError | RecursionError) else msgspec.ValidationError("not what it should be")
        return refused(raw, fault)
    return incoming(spelled, raw, _text(fields.get("ua")) or "")


def _what(fields: _Fields) -> tuple[str, str | None, Any]:
    """Call, event name and properties."""
    kind = _text(fields.get("e"))
    if kind == "ue":
        return _unstructured(fields)
    properties = {name: fields[short] for short, name in _PROPERTIES.items() if fields.get(short) is not None} or None
    if kind == "pv":
        return "page", None, properties
    return "track", _text(fields.get("se_ac")) if kind == "se" else _EVENTS.get(kind or "", kind), properties


def _unstructured(fields: _Fields) -> tuple[str, str | None, Any]:
    """The event within: its schema's name, and its data."""
    packed = _text(fields.get("ue_px"))
    if packed is not None:
        try:
            text = base64.urlsafe_b64decode(packed + "=" * (-len(packed) % 4))
        except (binascii.Error, ValueError):
            raise msgspec.ValidationError("Expected `str` - at `$.ue_px`") from None
    else:
        text = (_text(fields.get("ue_pr")) or "").encode("utf-8", "replace")
    event: _Inner = _inner.decode(_inner.decode(text).data)
    parts = event.schema.split("/")
    name = parts[1] if len(parts) > 1 else event.schema
    content: Any = event.data if bytes(event.data)[:1] == b"{" else None
    return ("screen", None, content) if name == "screen_view" else ("track", name, content)


def _text(value: Any) -> str | None:
    return None if value is None or value == "" else str(value)


def _millis(value: Any) -> int | str | None:
    """Trackers send milliseconds as text; what is none is left for the judge."""
    text = _text(value)
    return int(text) if text is not None and text.isascii() and text.isdecimal() and len(text) < 16 else text
