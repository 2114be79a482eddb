"""What a record says, read the slow and obvious way: the JSON module of Python, `Decimal`, and the rules as a plain dictionary.

Nothing here comes from `streams`: it is written from the description of the input (DESIGN.md 11, WIRE.md) a second time.
"""

import json
from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation
from math import isfinite
from typing import Any, NamedTuple

from tests.logs import Line

__all__ = ["CONTROL", "Reader", "Refused", "Said"]

CALLS = {"page": "page_view", "screen": "screen_view", "identify": "identify", "alias": "alias", "group": "group"}
CHANNELS = ("email", "sms", "push", "webpush", "inapp")
CUSTOM = 3
FAR = 1 << 53
Y2000_MS, Y2100_MS = 946_684_800_000, 4_102_444_800_000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

CONTROL = "control"


class Said(NamedTuple):
    """An event: who did what, when. `ident` makes a resend the same event; `counters` are the filtered ones that it is counted in;
    `type_name` is empty for an event of no type."""

    user: str
    raw_id: str
    type_id: int
    at_ms: int
    ident: str
    amount: int
    event_clock: bool
    counters: tuple[int, ...] = ()
    type_name: str = ""
    properties: dict[str, Any] = {}  # noqa: RUF012 - nobody writes into it


class Refused(Exception):
    """The record is no event; the message is one of the closed reasons."""


class Reader:
    """Reads records by `rules`, the content of the rules as plain dictionaries and numbers."""

    def __init__(self, rules: dict[str, Any]) -> None:
        self.limits, self.catalogue = rules["limits"], rules["catalogue"]
        self.types = self.catalogue["types"]
        self.found: dict[tuple[str, str | None], Any] = {}
        self.verbs: dict[str, bool] = {}
        self.blocked = {text.strip().casefold() for text in self.limits["blocked_ids"]}

    def read(self, line: Line) -> Said | str:
        """The event of a record, `CONTROL`, or a `Refused` raised."""
        value, headers = line.value or b"", dict(reversed(line.headers))
        if not value:
            if headers.get("streams-clock") == b"wall":
                return CONTROL
            raise Refused("empty")
        if len(value) > self.limits["value_bytes"]:
            raise Refused("too_large")
        payload = self._parse(value)
        name, kind = self._name(payload)
        user, raw_id = self._who(payload)
        appended_ms = int(headers.get("reroute-appended-at", b"%d" % line.timestamp))
        event_clock = headers.get("streams-clock") == b"event"
        at_ms = self._when(payload, appended_ms, event_clock)
        type_id, amount, counters = self._what(payload, name, kind)
        origin = headers.get("dead-origin") or headers.get("reroute-origin") or str(line.place).encode()
        message = payload.get("messageId")
        ident = str(message) if message not in (None, "") else origin.decode()
        named = next((entry["name"] for entry in self.types if entry["id"] == type_id), "")
        properties = payload.get("properties") or {}
        return Said(user, raw_id, type_id, at_ms, ident, amount, event_clock, counters, named, properties)

    def _parse(self, value: bytes) -> dict[str, Any]:
        if value.count(b"[") + value.count(b"{") > self.limits["depth"] and _depth(value) > self.limits["depth"]:
            raise Refused("limit")
        try:
            payload = json.loads(value.decode(), parse_constant=_no_constant, parse_float=Decimal)
        except (ValueError, RecursionError):
            raise Refused("not_json") from None
        if not isinstance(payload, dict):
            raise Refused("wrong_type")
        for field in ("type", "event", "channel"):
            _is(payload, field, str)
        for field in ("userId", "anonymousId", "messageId", "previousId"):
            _is(payload, field, str, int)
            if isinstance(payload.get(field), int) and not -(1 << 63) <= payload[field] < 1 << 64:
                raise Refused("limit")
        for field in ("timestamp", "sentAt", "receivedAt"):
            _is(payload, field, str, int)
            if payload.get(field) is not None:
                payload[field] = _millis(payload[field])
        _is(payload, "properties", dict)
        if isinstance(payload.get("context"), dict):
            _is(payload["context"], "channel", str)
        return payload

    def _name(self, payload: dict[str, Any]) -> tuple[str, str]:
        """Name and what kind of name it is ("call" or "track")."""
        kind, event = payload.get("type"), payload.get("event")
        if kind is None and payload.get("channel") not in CHANNELS:
            raise Refused("missing_field")
        if kind not in (None, "track"):
            if kind not in CALLS:
                raise Refused("unknown_type")
            return CALLS[kind], "call"
        if not event:
            raise Refused("missing_field")
        return event, "track"

    def _who(self, payload: dict[str, Any]) -> tuple[str, str]:
        for field, prefix in (("userId", ""), ("anonymousId", "anon:")):
            if payload.get(field) is None:
                continue
            raw_id = str(payload[field])
            if len(raw_id.encode("utf-8", "replace")) > self.limits["id_bytes"]:
                raise Refused("bad_id")
            if raw_id.strip().casefold() in self.blocked:
                raise Refused("blocked_id")
            if not raw_id.isprintable() or (not prefix and raw_id.startswith("anon:")):
                raise Refused("bad_id")
            return prefix + raw_id, raw_id
        raise Refused("missing_field")

    def _when(self, payload: dict[str, Any], appended_ms: int, event_clock: bool) -> int:
        at_ms, sent_ms, received_ms = (payload.get(field) for field in ("timestamp", "sentAt", "receivedAt"))
        if at_ms is None:
            if event_clock:
                raise Refused("missing_field")
            at_ms = appended_ms if received_ms is None else received_ms
        elif sent_ms is not None and received_ms is not None:
            most = self.limits["clock_correction_ms"]
            at_ms -= max(-most, min(most, sent_ms - received_ms))
        if not event_clock and at_ms > appended_ms + self.limits["future_ms"]:
            raise Refused("future")
        if not Y2000_MS <= at_ms < Y2100_MS:
            raise Refused("limit")
        return int(at_ms)

    def _what(self, payload: dict[str, Any], name: str, kind: str) -> tuple[int, int, tuple[int, ...]]:
        """Type, amount in minor units, and filtered counters."""
        properties = payload.get("properties") or {}
        if len(properties) > self.limits["properties"]:
            raise Refused("limit")
        entry = self._entry(name, None)
        if kind == "track" and self._is_verb(name):
            channel = payload.get("channel")
            if channel not in CHANNELS and payload.get("context"):
                channel = payload["context"].get("channel")
            entry = self._entry(name, channel)
        if entry is None:
            if self.catalogue["unknown"] == "reject":
                raise Refused("unknown_type")
            return CUSTOM, 0, ()
        machine = self._machine(entry)
        if machine is not None and any(properties.get(flag) in (True, "true") for flag in ("machine_open", "suspected_bot_click", "bot")):
            return machine["id"], 0, ()
        counters = tuple(
            counter["id"]
            for counter in self.catalogue["counters"]
            if counter["event"] == entry["name"] and all(_meets(properties.get(name), asked) for name, asked in counter["where"].items())
        )
        names = entry["amount"] or ()
        for field in (names,) if isinstance(names, str) else names:
            if properties.get(field) is not None:
                return entry["id"], entry["sign"] * self._minor(properties[field]), counters
        return entry["id"], 0, counters

    def _minor(self, value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int | Decimal | str):
            raise Refused("wrong_type")
        try:
            major = Decimal(value)
        except InvalidOperation:
            raise Refused("wrong_type") from None
        if not major.is_finite():
            raise Refused("wrong_type")
        if abs(major) * self.catalogue["minor_units"] > 2 * self.limits["amount_minor"]:
            raise Refused("limit")
        minor = int((major * self.catalogue["minor_units"]).to_integral_value(ROUND_HALF_EVEN))
        if abs(minor) > self.limits["amount_minor"]:
            raise Refused("limit")
        return minor

    def _entry(self, name: str, channel: str | None) -> Any:
        """The catalogue entry of that name on that channel, else of that name; looked for once."""
        if (name, channel) not in self.found:
            self.found[name, channel] = self._search(name, channel)
        return self.found[name, channel]

    def _search(self, name: str, channel: str | None) -> Any:
        if channel:
            for entry in self.types:
                if entry["channel"] == _fold(channel) and _fold(channel) + _fold(name) in _spellings(entry):
                    return entry
        return next((entry for entry in self.types if _fold(name) in _spellings(entry)), None)

    def _is_verb(self, name: str) -> bool:
        if name not in self.verbs:
            self.verbs[name] = any(entry["channel"] and entry["channel"] + _fold(name) in _spellings(entry) for entry in self.types)
        return self.verbs[name]

    def _machine(self, entry: dict[str, Any]) -> Any:
        channel = entry["channel"]
        if not channel or not entry["name"].startswith(f"{channel}_"):
            return None
        return self._entry(f"{channel}_machine_{entry['name'].removeprefix(f'{channel}_')}", None)


def _meets(said: Any, asked: Any) -> bool:
    """Whether a property is what a condition asks for: a text, a number, a truth, one of a list of them, or a number within bounds."""
    if isinstance(asked, list | tuple):
        return any(_meets(said, each) for each in asked)
    if isinstance(asked, bool):
        return said is asked or (isinstance(said, str) and said.casefold() == str(asked).casefold())
    if isinstance(said, bool) or not isinstance(said, str | int | Decimal):
        return False
    if isinstance(asked, str):
        written = said if isinstance(said, str) else str(int(said)) if said == int(said) else repr(float(said))
        return written.strip().casefold() == asked.strip().casefold()
    try:
        number = float(said)
    except ValueError:
        return False
    low, high = (asked["at_least"], asked["at_most"]) if isinstance(asked, dict) else (asked, asked)
    return isfinite(number) and (low is None or number >= low) and (high is None or number <= high)


def _fold(name: str) -> str:
    return "".join(c for c in name if c not in " _-\t").casefold()


def _spellings(entry: dict[str, Any]) -> set[str]:
    return {_fold(name) for name in (entry["name"], *entry["aliases"])}


def _is(payload: dict[str, Any], field: str, *kinds: type) -> None:
    value = payload.get(field)
    if value is not None and (isinstance(value, bool) or not isinstance(value, kinds)):
        raise Refused("wrong_type")


def _millis(value: str | int) -> int:
    if isinstance(value, int):
        if abs(value) > FAR:
            raise Refused("limit")
        return value
    try:
        at = datetime.fromisoformat(value)
    except ValueError:
        raise Refused("wrong_type") from None
    if at.tzinfo is None:
        raise Refused("wrong_type")
    since = at - EPOCH
    return since.days * 86_400_000 + since.seconds * 1000 + since.microseconds // 1000


def _depth(value: bytes) -> int:
    """How deep arrays and objects nest, strings left out."""
    deepest = depth = 0
    in_string = escaped = False
    for byte in value:
        if in_string:
            escaped, in_string = byte == 0x5C and not escaped, escaped or byte != 0x22
        elif byte == 0x22:
            in_string = True
        elif byte in b"[{":
            depth += 1
            deepest = max(deepest, depth)
        elif byte in b"]}":
            depth -= 1
    return deepest


def _no_constant(name: str) -> Any:
    raise ValueError(name)
