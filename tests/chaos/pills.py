"""Poison: records that must be refused, each with the reason that it must be refused for. None of the reasons is computed."""

import json
import zlib
from typing import Any, NamedTuple

__all__ = ["Pill", "pills"]


class Pill(NamedTuple):
    """Bytes, headers, and why they must be refused."""

    value: bytes | None
    reason: str
    headers: tuple[tuple[str, bytes], ...] = ()


def pills(now_ms: int) -> list[Pill]:
    """Two hundred kinds, the times among them relative to `now_ms`."""
    found = [*_nothing(), *_broken(), *_large(), *_misspelt(now_ms), *_nobody(now_ms), *_untimely(now_ms), *_overpaid(now_ms)]
    for n in range(200 - len(found)):  # good records cut off somewhere
        whole = _event(now_ms, messageId=f"cut-{n}", properties={"note": "x" * n})
        found.append(Pill(whole[: len(whole) - 1 - n % 60], "not_json"))
    return found


def _event(now_ms: int, **changes: Any) -> bytes:
    fields = {"type": "track", "event": "page_view", "userId": "pill", "messageId": "pill", "timestamp": now_ms} | changes
    return json.dumps(fields).encode()


def _nothing() -> list[Pill]:
    return [Pill(None, "empty"), Pill(b"", "empty"), Pill(None, "empty", (("streams-clock", b"sundial"),))]


def _broken() -> list[Pill]:
    texts = [
        b" ",
        b"\n",
        b"{",
        b"}",
        b"{]",
        b'{"a":1',
        b'{"a" 1}',
        b"{'a':1}",
        b'{"a":1,}',
        b'{"a":01}',
        b'{"a":+1}',
        b'{"a":.5}',
        b'{"a":tru}',
    ]
    texts += [
        b'{"userId":"\xff\xfe"}',
        b'{"x":"\xc0\xaf"}',
        b"\xef\xbb\xbf{}",
        b"\x00",
        b"\x1f\x8b\x08\x00",
        b"PK\x03\x04",
        b"<xml/>",
        b"nul",
        b"undefined",
    ]
    texts += [
        zlib.compress(b"a" * 60_000),
        b'{"a":NaN}',
        b'{"a":-Infinity}',
        b'{"type":"track"}{"type":"track"}',
        b'{"a":"\x01"}',
        b'{"a":"\\x"}',
        b'{"a":"\\u12"}',
    ]
    return [Pill(text, "not_json") for text in texts]


def _large() -> list[Pill]:
    nested = [b"[" * 9 + b"]" * 9, b'{"a":' * 9 + b"1" + b"}" * 9, b'{"properties":' + b"[" * 9 + b"]" * 9 + b"}"]
    many = json.dumps({"type": "track", "event": "page_view", "userId": "pill", "properties": {f"p{n}": n for n in range(65)}}).encode()
    found = [Pill(text, "limit") for text in (*nested, b"[" * 60_000, b'{"a":' * 10_000, many)]
    return [*found, Pill(b"x" * 65_537, "too_large"), Pill(b" " * 100_000, "too_large"), Pill(b'"' + b"a" * 70_000 + b'"', "too_large")]


def _misspelt(now_ms: int) -> list[Pill]:
    found = [Pill(text, "wrong_type") for text in (b"[]", b"7", b'"text"', b"null", b"true", b"[1,2]", b"1.5")]
    for field in ("type", "event", "userId", "anonymousId", "messageId", "timestamp", "sentAt", "receivedAt"):
        found += [Pill(_event(now_ms, **{field: value}), "wrong_type") for value in ([], {}, True, [1], {"a": 1}, 1.5)]
    found += [Pill(_event(now_ms, properties=value), "wrong_type") for value in ([], "text", 7, True)]
    found += [
        Pill(_event(now_ms, timestamp=value), "wrong_type")
        for value in ("yesterday", "", "2026-13-01T00:00:00Z", "2026-01-31T08:00:00", "12:00")
    ]
    found += [Pill(_event(now_ms, type=value), "unknown_type") for value in ("banana", "", "TRACK", "track ", "delete")]
    found += [Pill(_event(now_ms, event=value), "missing_field") for value in ("", None)]
    return [*found, Pill(_event(now_ms, type=None), "missing_field"), Pill(b"{}", "missing_field")]


def _nobody(now_ms: int) -> list[Pill]:
    blocked = [
        "",
        " ",
        "0",
        "-1",
        "null",
        "NULL",
        "Nil",
        "none",
        "undefined",
        "NaN",
        "anonymous",
        "guest",
        "true",
        "[object Object]",
        "{}",
        " null ",
    ]
    found = [Pill(_event(now_ms, userId=value), "blocked_id") for value in blocked]
    found += [Pill(_event(now_ms, userId=None, anonymousId=value), "blocked_id") for value in blocked[:6]]
    bad = ["a\u0000b", "a\nb", "\u202etxt", "a\u200bb", "x" * 257, "ü" * 129, "anon:me", "\x1b[31m", "tab\there"]
    found += [Pill(_event(now_ms, userId=value), "bad_id") for value in bad]
    return [
        *found,
        Pill(_event(now_ms, userId=None), "missing_field"),
        Pill(_event(now_ms, userId=None, anonymousId=None), "missing_field"),
    ]


def _untimely(now_ms: int) -> list[Pill]:
    day = 86_400_000
    found = [Pill(_event(now_ms, timestamp=now_ms + ahead), "future") for ahead in (600_000, day, 400 * day)]
    found += [
        Pill(_event(now_ms, timestamp="2099-12-31T23:59:59Z"), "future"),
        Pill(_event(now_ms, timestamp=None, receivedAt=now_ms + day), "future"),
    ]
    return found + [Pill(_event(now_ms, timestamp=at), "limit") for at in (0, -1, 900_000_000_000, "1970-01-01T00:00:00Z", -(1 << 60))]


def _overpaid(now_ms: int) -> list[Pill]:
    def order(revenue: Any) -> bytes:
        return _event(now_ms, event="order_completed", properties={"revenue": revenue})

    found = [Pill(order(value), "limit") for value in (10**12, -(10**12), "1e400", "99999999999")]
    return found + [Pill(order(value), "wrong_type") for value in ("much", [], {}, True, "12,50", "nan", "Infinity")]
