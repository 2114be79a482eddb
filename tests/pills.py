"""Two hundred kinds of poison: values that no event can be made of, each with the reason and the place it must be refused with.

Used by the unit tests, and mixed into real traffic by the chaos tests. A record of these lies in the clickstream topic; it was appended at
`APPENDED_MS`.
"""

import zlib
from typing import Final, NamedTuple

__all__ = ["APPENDED_MS", "PILLS", "Pill"]

#: 2026-01-31T08:00:00Z
APPENDED_MS: Final = 1_769_846_400_000


class Pill(NamedTuple):
    """A value, and why it is refused. `at` is a JSON path."""

    value: bytes | None
    reason: str
    at: str


#: What good events look like; pills are made by spoiling it.
_HEAD: Final = b'{"type":"track","event":"Product Viewed","userId":"u1","messageId":"m1","timestamp":"2026-01-31T08:00:00Z"'
GOOD: Final = _HEAD + b',"properties":{"price":39.95}}'

PILLS: Final[dict[str, Pill]] = {}


def _add(name: str, value: bytes | None, reason: str, at: str) -> None:
    assert name not in PILLS, name
    PILLS[name] = Pill(value, reason, at)


def _with(field: str, json: str) -> bytes:
    """The good event with one field set anew: the last of two equal keys counts."""
    return GOOD[:-1] + f',"{field}":{json}}}'.encode()


def _without(field: bytes) -> bytes:
    """The good event with one field under another name."""
    return GOOD.replace(b'"' + field + b'":', b'"' + field + b'_":')


# Nothing
_add("tombstone", None, "empty", "")
_add("no bytes", b"", "empty", "")

# Not JSON
for _name, _value in {
    "space": b" ",
    "line breaks": b"\n\r\n",
    "NUL": b"\x00",
    "byte order mark": b"\xef\xbb\xbf" + GOOD,
    "UTF-16": GOOD.decode().encode("utf-16"),
    "UTF-32": GOOD.decode().encode("utf-32"),
    "Latin 1": GOOD.replace(b"u1", b"Zo\xeb"),
    "Latin 1 in a field nobody reads": _with("note", '"@"').replace(b"@", b"\xeb"),
    "overlong UTF-8": GOOD.replace(b"u1", b"\xc0\xaf"),
    "half a character": GOOD.replace(b"u1", b"\xf0\x9f\x98"),
    "surrogate in UTF-8": GOOD.replace(b"u1", b"\xed\xa0\x80"),
    "lone surrogate": GOOD.replace(b"u1", b"\\ud800"),
    "lone low surrogate": GOOD.replace(b"u1", b"\\udc00x"),
    "lone surrogate in a key": GOOD[:-1] + b',"\\ud800":1}',
    "control character": GOOD.replace(b"u1", b"u\x011"),
    "tab in text": GOOD.replace(b"u1", b"u\t1"),
    "line break in text": GOOD.replace(b"u1", b"u\n1"),
    "unknown escape": GOOD.replace(b"u1", b"\\x41"),
    "short escape": GOOD.replace(b"u1", b"\\u12"),
    "single quotes": GOOD.replace(b'"', b"'"),
    "no quotes": GOOD.replace(b'"userId"', b"userId"),
    "trailing comma": GOOD[:-1] + b",}",
    "comma first": b"{," + GOOD[1:],
    "two commas": GOOD.replace(b",", b",,", 1),
    "no colon": GOOD.replace(b":", b" ", 1),
    "comment": b"/* track */" + GOOD,
    "two documents": GOOD + GOOD,
    "two lines": GOOD + b"\n" + GOOD,
    "garbage behind": GOOD + b"x",
    "garbage before": b"x" + GOOD,
    "a brace too many": GOOD + b"}",
    "NaN": _with("price", "NaN"),
    "Infinity": _with("price", "Infinity"),
    "minus Infinity": _with("price", "-Infinity"),
    "leading zero": _with("price", "007"),
    "plus sign": _with("price", "+7"),
    "point first": _with("price", ".7"),
    "point last": _with("price", "7."),
    "no exponent": _with("price", "7e"),
    "hexadecimal": _with("price", "0x7"),
    "True": _with("price", "True"),
    "None": _with("price", "None"),
    "undefined": _with("price", "undefined"),
    "nul": _with("price", "nul"),
    "words": b"product viewed",
    "HTML": b"<!doctype html><html></html>",
    "XML": b"<?xml version='1.0'?><event/>",
    "YAML": b"type: track\nuserId: u1\n",
    "URL form": b"type=track&userId=u1",
    "CSV": b"track,u1,2026-01-31T08:00:00Z",
    "gzip": b"\x1f\x8b\x08" + zlib.compress(GOOD),
    "zlib bomb": zlib.compress(b"0" * 1_000_000),
    "msgpack": b"\x82\xa4type\xa5track\xa6userId\xa2u1",
    "Avro": b"\x00\x00\x00\x00\x07\x0atrack",
    "Java object": b"\xac\xed\x00\x05sr\x00\x11java.util.HashMap",
    "pickle": b"\x80\x04}\x94\x8c\x04type\x94\x8c\x05track\x94s.",
    "random bytes": bytes((number * 167 + 13) % 256 for number in range(300)),
    "all ones": b"\xff" * 100,
}.items():
    _add(_name, _value, "not_json", "$")
for _size in (1, 5, 20, 40, 60, 80, 100, len(GOOD) - 1):
    _add(f"cut after {_size} bytes", GOOD[:_size], "not_json", "$")

# JSON, but no object
for _name, _value in {
    "null": b"null",
    "true": b"true",
    "number": b"42",
    "float": b"4.2",
    "text": b'"track"',
    "list": b"[]",
    "list of events": b"[" + GOOD + b"]",
    "event as text": b'"' + GOOD.replace(b'"', b'\\"') + b'"',
}.items():
    _add(_name, _value, "wrong_type", "$")

# Too much
_add("one byte too many", GOOD[:-1] + b" " * (65_537 - len(GOOD)) + b"}", "too_large", "$")
_add("a mebibyte", GOOD[:-1] + b',"note":"' + b"x" * (1 << 20) + b'"}', "too_large", "$")
_add("a mebibyte of nothing", b"\x00" * (1 << 20), "too_large", "$")
_add("100,000 open brackets", b"[" * 100_000, "too_large", "$")
for _name, _value in {
    "65,536 open brackets": b"[" * 65_536,
    "32,768 open and closed": b"[" * 32_768 + b"]" * 32_768,
    "10,000 open braces": b'{"a":' * 10_000,
    "nine levels": _with("note", "[" * 8 + "]" * 8),
    "nine levels in properties": _with("properties", '{"a":' * 8 + "1" + "}" * 8),
    "lists and objects by turns": _with("note", '[{"a":' * 4 + "1" + "}]" * 4),
    "deep where nobody looks": _with("note", '{"a":' * 5_000 + "1" + "}" * 5_000),
    "deep and escaped quotes": _with("note", '["\\"",' * 8 + "1" + "]" * 8),
}.items():
    _add(_name, _value, "limit", "$")
for _members in (65, 100, 5_000):
    _members_json = "{" + ",".join(f'"p{number}":1' for number in range(_members)) + "}"
    _add(f"{_members} properties", _with("properties", _members_json), "limit", "$.properties")

# Fields of the wrong type
for _field in ("type", "event", "channel"):
    for _json in ("1", "1.5", "true", "[]", "{}", '["x"]'):
        _add(f"{_field} is {_json}", _with(_field, _json), "wrong_type", f"$.{_field}")
for _field in ("userId", "anonymousId", "messageId"):
    for _json in ("1.5", "true", "[]", "{}", '{"id":1}', "1e3"):
        _add(f"{_field} is {_json}", _with(_field, _json), "wrong_type", f"$.{_field}")
for _field in ("timestamp", "sentAt", "receivedAt"):
    for _json in (
        '"yesterday"',
        '""',
        '"2026-01-31"',
        '"2026-01-31T08:00:00"',
        '"2026-13-01T00:00:00Z"',
        '"31.01.2026 08:00"',
        "1.5",
        "true",
        "[]",
        "{}",
    ):
        _add(f"{_field} is {_json}", _with(_field, _json), "wrong_type", f"$.{_field}")
for _json in ("1", '"x"', "true", "[]", "[{}]"):
    _add(f"properties are {_json}", _with("properties", _json), "wrong_type", "$.properties")

# Numbers that are none
_add("userId of 5,000 digits", _with("userId", "9" * 5_000), "limit", "$.userId")
_add("userId is 1e400", _with("userId", "1e400"), "limit", "$.userId")
_add("timestamp of 300 digits", _with("timestamp", "9" * 300), "limit", "$.timestamp")
_add("timestamp beyond 2 to the 53", _with("timestamp", str((1 << 53) + 1)), "limit", "$.timestamp")

# Fields that lack
_add("empty object", b"{}", "missing_field", "$.type")
_add("no type", _without(b"type"), "missing_field", "$.type")
_add("type null", _with("type", "null"), "missing_field", "$.type")
_add("no event", _without(b"event"), "missing_field", "$.event")
_add("event null", _with("event", "null"), "missing_field", "$.event")
_add("event empty", _with("event", '""'), "missing_field", "$.event")
_add("no user", _without(b"userId"), "missing_field", "$.userId")
_add("user null", _with("userId", "null"), "missing_field", "$.userId")
_add("snake case", b'{"type":"track","event":"x","user_id":"u1"}', "missing_field", "$.userId")

# Types that are none
for _kind in ("Track", "TRACK", "event", "delete", "", " track", "track\\u0000", "\\u0442rack"):
    _add(f"type is {_kind!r}", _with("type", f'"{_kind}"'), "unknown_type", "$.type")

# Ids of nobody
for _blocked in (
    "",
    " ",
    "null",
    "NULL",
    " Null ",
    "undefined",
    "None",
    "nan",
    "0",
    "-1",
    "anonymous",
    "guest",
    "[object Object]",
    "true",
    "00000000-0000-0000-0000-000000000000",
):
    _add(f"userId is {_blocked!r}", _with("userId", f'"{_blocked}"'), "blocked_id", "$.userId")
_add("userId is the number 0", _with("userId", "0"), "blocked_id", "$.userId")
for _name, _id in {
    "prefix of ours": "anon:a1",
    "line break": "u\\n1",
    "NUL in it": "u\\u00001",
    "escape sequence": "\\u001b[31mu1",
    "right to left": "\\u202eu1",
    "invisible": "u\\u200b1",
    "private character": "\\ue000",
    "257 bytes": "x" * 257,
    "257 bytes of umlauts": "ü" * 128 + "x",
    "30,000 bytes": "x" * 30_000,
}.items():
    _add(f"userId: {_name}", _with("userId", f'"{_id}"'), "bad_id", "$.userId")
_add("anonymousId of nobody", b'{"type":"page","anonymousId":"undefined"}', "blocked_id", "$.anonymousId")
_add("anonymousId with a bell", b'{"type":"page","anonymousId":"a\\u0007"}', "bad_id", "$.anonymousId")

# Clocks
_add("in six minutes", _with("timestamp", '"2026-01-31T08:05:00.001Z"'), "future", "$.timestamp")
_add("year 2099", _with("timestamp", '"2099-01-01T00:00:00Z"'), "future", "$.timestamp")
_add("year 9999", _with("timestamp", '"9999-12-31T23:59:59Z"'), "future", "$.timestamp")
_add("microseconds", _with("timestamp", str(APPENDED_MS * 1000)), "future", "$.timestamp")
_add("received tomorrow", _with("timestamp", "null")[:-1] + b',"receivedAt":"2026-02-01T08:00:00Z"}', "future", "$.receivedAt")
_add("year 1970", _with("timestamp", '"1970-01-01T00:00:00Z"'), "limit", "$.timestamp")
_add("year 1", _with("timestamp", '"0001-01-01T00:00:00Z"'), "limit", "$.timestamp")
_add("seconds for milliseconds", _with("timestamp", "1769846400"), "limit", "$.timestamp")
_add("time zero", _with("timestamp", "0"), "limit", "$.timestamp")
_add("before 1970", _with("timestamp", "-1"), "limit", "$.timestamp")

# Amounts
_ORDER: Final = GOOD.replace(b"Product Viewed", b"Order Completed")
for _name, _json, _reason in (
    ("words", '"much"', "wrong_type"),
    ("empty text", '""', "wrong_type"),
    ("a comma", '"39,95"', "wrong_type"),
    ("a currency", '"39.95 EUR"', "wrong_type"),
    ("text NaN", '"NaN"', "wrong_type"),
    ("text Infinity", '"-Infinity"', "wrong_type"),
    ("a list", "[39.95]", "wrong_type"),
    ("an object", '{"amount":39.95}', "wrong_type"),
    ("true", "true", "wrong_type"),
    ("too much", "10000000.01", "limit"),
    ("too little", "-10000000.01", "limit"),
    ("1e400", "1e400", "limit"),
    ("400 digits", "9" * 400, "limit"),
    ("30,000 digits", "9" * 30_000, "limit"),
    ("text 1e999999", '"1e999999"', "limit"),
):
    _add(f"revenue: {_name}", _ORDER.replace(b'"price":39.95', f'"revenue":{_json}'.encode()), _reason, "$.properties.revenue")
