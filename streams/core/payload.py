"""The JSON of an event: bounds that are checked before it is parsed, the fields that are read, and the reason when it cannot be."""

import re
from collections.abc import Collection, Sequence
from datetime import datetime
from decimal import ROUND_HALF_EVEN, Decimal
from decimal import Context as Arithmetic
from typing import Annotated, Any, Final

import msgspec
from msgspec.structs import astuple

from streams.core.record import Rejected

__all__ = [
    "PropertyParser",
    "count_properties",
    "decode_carefully",
    "decode_line",
    "decode_lines",
    "decode_minor",
    "nests_deeper",
    "plain",
    "refusal",
]


#: RFC 3339 with an offset: a time of day without one is no instant.
_Zoned = Annotated[datetime, msgspec.Meta(tz=True)]
#: Milliseconds since 1970 as an integer, in the range that JSON numbers keep exactly.
_Millis = Annotated[int, msgspec.Meta(ge=-(1 << 53), le=1 << 53)]


class _Object(msgspec.Struct, frozen=True, gc=False):
    """Any JSON object: its type and grammar are checked, its content is skipped."""


#: A value that metrics are made of. Truth is none of them, so that 1 and true are never taken for each other.
_Leaf = str | int | float | None | list[msgspec.Raw] | _Object
#: What somebody may send in the place of an object, which then is none.
_Odd = str | int | float | bool | None | list[msgspec.Raw]
_NONE: Final = msgspec.Raw()
_Field = tuple[str, Any, Any]


def _payload(leaf: Any, absent: Any) -> type[msgspec.Struct]:
    """The fields that every event is read for; all others are skipped. A repeated key counts as it stands last.

    In order: type, event, userId, anonymousId, messageId, timestamp, sentAt, receivedAt, channel, campaignId, properties (as they
    stand), context, previousId. A context is None, or a struct of: channel, timezone, and structs of country, device type, campaign
    source, referrer and url; or whatever else somebody sent as one of these.
    """
    inner = {
        name: _struct(name.title(), [(field, leaf, absent) for field in fields])
        for name, fields in (("location", ("country",)), ("device", ("type",)), ("campaign", ("source",)), ("page", ("referrer", "url")))
    }
    context: list[_Field] = [("channel", str | None, None), ("timezone", leaf, absent)]
    context += [(name, kind | _Odd, None) for name, kind in inner.items()]
    ident = str | int | None
    moment = _Zoned | _Millis | None
    fields: list[_Field] = [
        ("type", str | None, None),
        ("event", str | None, None),
        ("user_id", ident, None),
        ("anonymous_id", ident, None),
        ("message_id", ident, None),
        ("timestamp", moment, None),
        ("sent_at", moment, None),
        ("received_at", moment, None),
        ("channel", str | None, None),
        ("campaign_id", leaf, absent),
        ("properties", msgspec.Raw, _NONE),
        ("context", _struct("Context", context) | _Odd, None),
        ("previous_id", ident, None),
    ]
    return _struct("Payload", fields, "camel")


def _struct(name: str, fields: Sequence[_Field], rename: Any = None) -> type[msgspec.Struct]:
    return msgspec.defstruct(name, fields, frozen=True, gc=False, rename=rename)


_usual: Final = msgspec.json.Decoder(_payload(_Leaf, None))
#: The usual kinds of values; fail with others.
decode_line: Final = _usual.decode
decode_lines: Final = _usual.decode_lines
#: Values of any kind where the usual one is optional, as `Raw`: they are no fault of the event.
decode_carefully: Final = msgspec.json.Decoder(_payload(msgspec.Raw, _NONE)).decode


class PropertyParser:
    """Parses the properties of an event: the values of `names`, in their order. None where there is none; a value of another kind than a
    text or a number may come as anything. Those in `exact` come as `Raw`, which is empty where there is none."""

    def __init__(self, names: Sequence[str], exact: Collection[str]) -> None:
        self._exact = [name in exact for name in names]
        self._usual = msgspec.json.Decoder(_properties(names, exact, _Leaf, None)).decode
        self._careful = msgspec.json.Decoder(_properties(names, names, msgspec.Raw, _NONE)).decode

    def parse(self, text: bytes) -> tuple[Any, ...]:
        """The values of properties that are a JSON object."""
        try:
            return astuple(self._usual(text))
        except (msgspec.DecodeError, RecursionError):
            values = zip(astuple(self._careful(text)), self._exact, strict=True)
            return tuple([value if exact else plain(value) for value, exact in values])


def _properties(names: Sequence[str], exact: Collection[str], leaf: Any, absent: Any) -> type[msgspec.Struct]:
    fields: list[_Field] = [
        (f"at_{number}", msgspec.Raw if name in exact else leaf, _NONE if name in exact else absent) for number, name in enumerate(names)
    ]
    return _struct("Properties", fields, {field: name for (field, _, _), name in zip(fields, names, strict=True)})


#: The decimal text itself, of a number or of a string, so that rounding is exact.
_decode_amount: Final = msgspec.json.Decoder(Decimal).decode
#: Amounts of up to 28 digits are rounded exactly as written, half to even; no signal is raised, the bounds are checked after.
_EXACT: Final = Arithmetic(prec=28, rounding=ROUND_HALF_EVEN, traps=[])
_decode_any: Final = msgspec.json.Decoder().decode
_PLAIN: Final = (str, int, float)
_decode_members: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def plain(value: object) -> str | float | None:
    """A text or a number as it is, None for everything else; `Raw` is decoded for it."""
    if value is None or isinstance(value, str):  # nearly all are; a union of types takes ten times as long to look at
        return value
    if isinstance(value, msgspec.Raw):
        if not bytes(value):  # nothing there: to be told so by an error takes a microsecond
            return None
        try:
            value = _decode_any(value)
        except msgspec.DecodeError:
            return None
    return value if isinstance(value, _PLAIN) and not isinstance(value, bool) else None


def decode_minor(raw: msgspec.Raw, at: str, minor_units: int, most: int) -> int | Rejected:
    """A number, or a string that holds one, as minor units: exact, half to even; of `most` at the most."""
    try:
        major = _decode_amount(raw)
    except msgspec.DecodeError as error:
        return Rejected(refusal(error).reason, at)
    if not major.is_finite():
        return Rejected("wrong_type", at)
    minor = _EXACT.to_integral_value(_EXACT.multiply(major, minor_units))
    return Rejected("limit", at) if abs(minor) > most else int(minor)


def count_properties(text: bytes) -> int:
    """How many different properties there are."""
    return len(_decode_members(text))


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
