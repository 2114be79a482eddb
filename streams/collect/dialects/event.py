"""What all dialects have in common: a request in, events as docs/wire.md spells them out."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from streams.core.payload import refusal
from streams.core.record import Rejected

__all__ = ["EMPTY", "Incoming", "Said", "Spelled", "Unreadable", "decode", "incoming", "members", "refused", "text_of"]

#: An absent member: `msgspec.Raw` has no other way to say so.
EMPTY: Final = msgspec.Raw()
#: The decoder's word for a field of ours that is not there.
_MISSING: Final = re.compile(r"missing required field `([^`]*)`")


class Said(msgspec.Struct, frozen=True, gc=False):
    """What a request says, as far as a dialect needs it.

    body         inflated
    query        the last value of each parameter
    headers      by lower-case name
    received_at  this moment, RFC 3339
    most_events  more of them in one request are refused together
    """

    body: bytes
    query: Mapping[str, str]
    headers: Mapping[bytes, bytes]
    received_at: str
    most_events: int

    def check(self, events: int) -> None:
        """Raises `Unreadable` when there are too many events."""
        if events > self.most_events:
            raise Unreadable(413, f"more than {self.most_events} events in one request")


class Incoming(NamedTuple):
    """One event of a request.

    value       as it will lie on the topic; what came, when it cannot be an event
    raw         what came: equal in every attempt to send it
    message_id  what the tracker calls it, "" when it has no name
    agent       the browser that the event itself names, ""
    refused     why it cannot be an event; None: that is still to be judged
    """

    value: bytes
    raw: bytes
    message_id: str
    agent: str
    refused: Rejected | None


class Unreadable(Exception):
    """The request cannot be taken apart into events: HTTP status and one line for whoever wrote the tracker."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status, self.why = status, why


class Spelled(msgspec.Struct, omit_defaults=True, rename="camel", gc=False):
    """An event as docs/wire.md spells it. Members that are None are left out; `msgspec.Raw` is copied as it stands."""

    type: str
    event: str | None = None
    name: str | None = None
    user_id: str | int | None = None
    anonymous_id: str | int | None = None
    previous_id: str | int | None = None
    group_id: str | int | None = None
    message_id: str | int | None = None
    timestamp: Any = None
    sent_at: Any = None
    received_at: str | None = None
    channel: str | None = None
    properties: Any = None
    traits: Any = None
    context: Any = None


_encode = msgspec.json.Encoder().encode
_members: msgspec.json.Decoder[dict[str, msgspec.Raw]] = msgspec.json.Decoder(dict[str, msgspec.Raw])


def incoming(event: Spelled, raw: bytes, agent: str = "") -> Incoming:
    """`event`, which was `raw` in the tracker's own words."""
    return Incoming(_encode(event), raw, text_of(event.message_id), agent, None)


def refused(raw: bytes, error: Exception) -> Incoming:
    """What could not be turned into an event."""
    return Incoming(raw, raw, "", "", refusal(error))


def decode(decoder: "msgspec.json.Decoder[Any]", body: bytes) -> Any:
    """`body` as `decoder` reads it. Raises `Unreadable` with the reason; it never quotes what was sent."""
    try:
        return decoder.decode(body)
    except RecursionError:
        raise Unreadable(400, "the body nests too deep") from None
    except msgspec.ValidationError as error:
        missing = _MISSING.search(str(error))
        what = f"`{missing[1]}` is missing" if missing else f"{refusal(error).at} has the wrong type"
        raise Unreadable(400, f"the body is not what this path takes: {what}") from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise Unreadable(400, "the body is not JSON") from None


def members(raw: bytes) -> dict[str, msgspec.Raw]:
    """The members of an object, unparsed. Raises `msgspec.DecodeError` and `RecursionError`."""
    return _members.decode(raw)


def text_of(ident: str | int | None) -> str:
    return "" if ident is None else str(ident)


Events = Sequence[Incoming]
