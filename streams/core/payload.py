"""The JSON of an event: bounds that are checked before it is parsed, the fields that are read, and the reason when it cannot be."""

import re
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Final

import msgspec

from streams.core.record import Rejected

__all__ = ["Detail", "Payload", "decode_amount", "decode_detail", "decode_line", "decode_lines", "nests_deeper", "refusal"]


#: RFC 3339 with an offset: a time of day without one is no instant.
_Zoned = Annotated[datetime, msgspec.Meta(tz=True)]
#: Milliseconds since 1970 as an integer, in the range that JSON numbers keep exactly.
_Millis = Annotated[int, msgspec.Meta(ge=-(1 << 53), le=1 << 53)]


class _Object(msgspec.Struct, frozen=True, gc=False):
    """Any JSON object: its type and grammar are checked, its content is skipped."""


class Payload(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """The fields that every event is read for; all others are skipped. A repeated key counts as it stands last."""

    type: str | None = None
    event: str | None = None
    user_id: str | int | None = None
    anonymous_id: str | int | None = None
    message_id: str | int | None = None
    timestamp: _Zoned | _Millis | None = None
    sent_at: _Zoned | _Millis | None = None
    received_at: _Zoned | _Millis | None = None
    channel: str | None = None
    properties: _Object | None = None


class _Context(msgspec.Struct, frozen=True, gc=False):
    channel: str | None = None


class Detail(msgspec.Struct, frozen=True, gc=False):
    """What a second look reads, for the few events that need it."""

    properties: dict[str, msgspec.Raw] | None = None
    context: _Context | None = None


decode_line: Final = msgspec.json.Decoder(Payload).decode
decode_lines: Final = msgspec.json.Decoder(Payload).decode_lines
decode_detail: Final = msgspec.json.Decoder(Detail).decode
#: The decimal text itself, of a number or of a string, so that rounding is exact.
decode_amount: Final = msgspec.json.Decoder(Decimal).decode

#: Braces count as brackets here, and nothing else is looked at but quotes.
_AS_BRACKETS: Final = bytes.maketrans(b"{}", b"[]")
_NOT_STRUCTURE: Final = bytes(set(range(256)) - set(b'[]{}"'))
_BOUNDS: Final = ("out of range", "`int` <=", "`int` >=")
_PATH: Final = re.compile(r" - at `(\$[\w.\[\]]*)`$")


def nests_deeper(value: bytes, depth: int) -> bool:
    """Whether arrays and objects nest deeper than `depth`; found without parsing, in linear time, on any bytes.

    What cannot be decided (brackets that do not match) is left to the parser.
    """
    bare = value.replace(b"\\\\", b"").replace(b'\\"', b"").translate(_AS_BRACKETS, _NOT_STRUCTURE)
    rest = b"".join(bare.split(b'"')[::2])
    if b"[" * (depth + 1) in rest:
        return True
    for _ in range(depth):
        rest = rest.replace(b"[]", b"")  # takes the innermost level away
    return b"[]" in rest or rest.count(b"[") > depth


def refusal(error: Exception) -> Rejected:
    """The closed reason for an error of the parser. The path comes from the parser's own words, which never quote a value."""
    if not isinstance(error, msgspec.ValidationError):
        return Rejected("limit" if isinstance(error, RecursionError) else "not_json", "$")
    text = str(error)
    found = _PATH.search(text)
    return Rejected("limit" if any(word in text for word in _BOUNDS) else "wrong_type", found.group(1) if found else "$")
