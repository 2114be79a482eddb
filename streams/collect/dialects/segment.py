"""Segment's HTTP API: `track`, `page`, `screen`, `identify`, `alias`, `group`, and `batch` and `import` of them."""

from typing import Final

import msgspec

from streams.collect.dialects.event import EMPTY, Incoming, Said, decode, members, text_of

__all__ = ["LONG_NAMES", "batch", "single"]

#: The browser's library sends to the first letter alone. `/v1/m` is its own telemetry, no event.
LONG_NAMES: Final = {"t": "track", "p": "page", "s": "screen", "i": "identify", "a": "alias", "g": "group", "b": "batch"}


class _Context(msgspec.Struct, gc=False, rename="camel"):
    user_agent: str | None = None


class _Event(msgspec.Struct, gc=False, rename="camel"):
    """What must be known of an event before it is sent on; the rest of its bytes is not looked at here."""

    type: msgspec.Raw = EMPTY
    message_id: str | int | None = None
    sent_at: msgspec.Raw = EMPTY
    received_at: msgspec.Raw = EMPTY
    write_key: msgspec.Raw = EMPTY
    context: _Context | None = None


class _Batch(msgspec.Struct, gc=False, rename="camel"):
    batch: list[msgspec.Raw]
    write_key: str | None = None
    sent_at: msgspec.Raw = EMPTY
    context: msgspec.Raw = EMPTY


class _Single(msgspec.Struct, gc=False, rename="camel"):
    write_key: str | None = None


_event: Final = msgspec.json.Decoder(_Event)
_batch: Final = msgspec.json.Decoder(_Batch)
_single: Final = msgspec.json.Decoder(_Single)
_encode: Final = msgspec.json.Encoder().encode
_BLANKS: Final = b" \t\r\n"
_SPACE: Final = b"{" + _BLANKS


def batch(said: Said) -> tuple[str | None, list[Incoming]]:
    """Write key and events of a batch. Raises `Unreadable`."""
    sent: _Batch = decode(_batch, said.body)
    said.check(len(sent.batch))
    stamp = _Stamp(said.received_at, sent.sent_at, sent.context)
    return sent.write_key, [stamp.on(bytes(raw)) for raw in sent.batch]


def single(said: Said, call: str) -> tuple[str | None, list[Incoming]]:
    """Write key and event of a request that is one event; `call` is the last part of its path. Raises `Unreadable`."""
    sent: _Single = decode(_single, said.body)
    return sent.write_key, [_Stamp(said.received_at, EMPTY, EMPTY).on(said.body.strip(_BLANKS), call)]


class _Stamp:
    """Puts on an event what the request knows of it. Nearly every event only gets members appended to its bytes."""

    def __init__(self, received_at: str, sent_at: msgspec.Raw, context: msgspec.Raw) -> None:
        self._received_at = msgspec.Raw(f'"{received_at}"'.encode())
        self._sent_at, self._context = sent_at, context
        self._head = b'"receivedAt":' + bytes(self._received_at)
        self._sent = b',"sentAt":' + bytes(sent_at) if bytes(sent_at) else b""

    def on(self, raw: bytes, call: str | None = None) -> Incoming:
        """The event; bytes that are no event stay as they are, for the judge to say why."""
        try:
            event = _event.decode(raw)
            agent = event.context.user_agent or "" if event.context is not None else ""
            # A repeated member would count as it stands last, but not everybody who reads the topic knows: none is repeated.
            named = call is None or bytes(event.type) == b'"%b"' % call.encode()
            whole = not named or bytes(event.received_at) or bytes(event.write_key)
            if whole or (event.context is None and bytes(self._context)):
                value = self._rewritten(raw, call)
            else:
                bare = raw[-2] in _SPACE and not raw[1:-1].strip()
                value = b"%b%b%b%b}" % (raw[:-1], b"" if bare else b",", self._head, b"" if bytes(event.sent_at) else self._sent)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return Incoming(raw, raw, "", "", None)
        return Incoming(value, raw, text_of(event.message_id), agent, None)

    def _rewritten(self, raw: bytes, call: str | None) -> bytes:
        """The slow way: member by member, each one as it was written."""
        fields = members(raw)
        fields.pop("writeKey", None)
        if call is not None:
            fields["type"] = msgspec.Raw(f'"{call}"'.encode())
        if bytes(self._sent_at):
            fields.setdefault("sentAt", self._sent_at)
        if bytes(self._context) and bytes(fields.get("context", EMPTY)) in (b"", b"null"):
            fields["context"] = self._context
        fields["receivedAt"] = self._received_at
        return _encode(fields)
