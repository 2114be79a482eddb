"""The oracle itself is held by figures that were computed elsewhere."""

import json
from typing import Any

import msgspec
import pytest

from streams.core.event import WALL_CLOCK, Decoder
from streams.core.identity import home_partition as product_home
from streams.core.record import Event, Rejected
from streams.core.rules import Bounds, Catalogue, Counter, EventType, Rules
from tests.logs import Line, Place, home_partition
from tests.oracle_events import Reader, Refused, Said
from tests.oracle_user import COUNTED, DAY_MS, OracleUser

TYPES = (
    EventType(id=10, name="page_view", weight=3.0, aliases=("Page Viewed",)),
    EventType(id=11, name="order_completed", weight=5.0, amount=("revenue", "total")),
    EventType(id=12, name="order_refunded", weight=0.0, amount="revenue", sign=-1),
    EventType(id=13, name="identify", weight=0.0),
    EventType(id=20, name="email_open", channel="email", aliases=("Email Opened",)),
    EventType(id=21, name="email_machine_open", channel="email", weight=0.0),
    EventType(id=22, name="push_open", channel="push"),
)
COUNTERS = (
    Counter(id=240, name="big_order", event="order_completed", where={"revenue": Bounds(at_least=39.95, at_most=500.0)}),
    Counter(id=241, name="shoe_view", event="page_view", where={"category": ("shoes", "7"), "new": True}),
    Counter(id=242, name="seventh_view", event="page_view", where={"category": 7.0}),
)
RULES = Rules(version="test", app_id="t", partitions=4, catalogue=Catalogue(types=TYPES, counters=COUNTERS))
PLAIN: dict[str, Any] = msgspec.to_builtins(RULES)
AT_MS = 1_790_000_000_000


def test_churn_and_score_have_the_golden_values_of_the_scoring_page() -> None:
    user = OracleUser("u", PLAIN)
    for n, day in enumerate((0, 2, 3, 7, 8, 12, 20)):
        said = Said("u", "u", 10, (20_000 + day) * DAY_MS, f"m{n}", 0, False)
        assert user.fold(said, Place("t", 0, n)) == COUNTED
    assert [round(user.p0(r), 6) for r in (0, 10, 30)] == [0.117762, 0.169161, 0.278706]
    assert [round(user.drop(r), 6) for r in (0, 10, 30)] == [0.082841, 1.679746, 4.873554]
    assert (round(user.m(), 6), round(user.points, 6), round(user.cus, 6)) == (4.68152, 7.201256, 0.723718)
    assert user.p0(94.791 - 20) < 0.5 < user.p0(94.793 - 20)


def test_a_day_may_be_given_up_only_when_it_has_no_room() -> None:
    """A hundred types on a day of thirty: as many days as fit, whatever else a state may hold, are asked for."""
    user, n = OracleUser("u", PLAIN), 0
    for day in range(30):
        for kind in range(14, 114):
            n += 1
            user.fold(Said("u", "u", kind, (20_000 + day) * DAY_MS, f"m{n}", 0, False), Place("t", 0, n))
    assert user.crowded
    assert 20_026 < user.exact_from <= 20_029
    assert user.exact_windows(user.exact_from) == ()
    assert user.exact_windows(20_023) == ("7d",)
    few = OracleUser("u", PLAIN)
    few.fold(Said("u", "u", 14, 20_000 * DAY_MS, "m", 0, False), Place("t", 0, 1))
    assert (few.exact_from, len(few.exact_windows(few.exact_from))) == (-1, 5)


@pytest.mark.parametrize("raw_id", ["", "a", "ab", "abc", "abcd", "user-123", "ünïcode", "日本語", "x" * 99])
def test_homes_are_those_of_the_java_client(raw_id: str) -> None:
    assert [home_partition(raw_id, n) for n in (1, 4, 12)] == [product_home(raw_id, n) for n in (1, 4, 12)]


GOOD = {"type": "track", "event": "page_view", "userId": "u1", "messageId": "m1", "timestamp": AT_MS}
CASES: list[dict[str, Any]] = [
    {},
    {"timestamp": "2026-09-21T13:20:00+02:00"},
    {"timestamp": AT_MS + 300_001},
    {"timestamp": AT_MS + 300_000},
    {"timestamp": 900_000_000_000},
    {"timestamp": None},
    {"timestamp": "yesterday"},
    {"timestamp": 1.5},
    {"timestamp": None, "receivedAt": AT_MS - 5},
    {"sentAt": AT_MS + 7_000, "receivedAt": AT_MS},
    {"sentAt": AT_MS + 3 * DAY_MS, "receivedAt": AT_MS},
    {"event": "Page Viewed"},
    {"event": "PAGE-VIEW"},
    {"event": "something else"},
    {"event": ""},
    {"event": 7},
    {"type": "page", "event": None},
    {"type": "identify"},
    {"type": "screen"},
    {"type": "banana"},
    {"type": None},
    {"type": None, "event": "open", "channel": "email"},
    {"event": "open", "channel": "push"},
    {"event": "open", "context": {"channel": "email"}},
    {"event": "open"},
    {"event": "Email Opened", "properties": {"machine_open": True}},
    {"event": "order_completed", "properties": {"revenue": 39.95}},
    {"event": "order_completed", "properties": {"total": "39.955"}},
    {"event": "order_completed", "properties": {"revenue": 0.125}},
    {"event": "order_completed", "properties": {"revenue": -3}},
    {"event": "order_completed", "properties": {"revenue": "much"}},
    {"event": "order_completed", "properties": {"revenue": True}},
    {"event": "order_completed", "properties": {"revenue": 10**12}},
    {"event": "order_refunded", "properties": {"revenue": 5}},
    *({"event": "order_completed", "properties": {"revenue": revenue}} for revenue in (39.94, "39.95", 500, 500.01, "", None)),
    *(
        {"properties": {"category": category, "new": new}}
        for category in ("Shoes ", "boots", 7, 7.0, "7", "7.0", 7.5, True, None, ["shoes"])
        for new in (True, "TRUE", False, 1, None)
    ),
    {"properties": {f"p{n}": n for n in range(65)}},
    {"properties": [1]},
    {"properties": {"a": [[[[[[[[[1]]]]]]]]]}},
    {"userId": 4711},
    {"userId": "NULL"},
    {"userId": "anon:x"},
    {"userId": "a\u0000b"},
    {"userId": "x" * 257},
    {"userId": None},
    {"userId": None, "anonymousId": "a-1"},
    {"userId": None, "anonymousId": "undefined"},
    {"messageId": ""},
    {"messageId": None},
    {"messageId": 12},
    {"userId": {"a": 1}},
]
BYTES: list[bytes | None] = [
    None,
    b"",
    b"{",
    b"[]",
    b"7",
    b"\xff",
    b'{"type":"track","event":"page_view","userId":"\xff"}',
    b'{"x":NaN}',
    b"x" * 65_537,
]


def test_the_oracle_and_the_product_read_the_same() -> None:
    """Two readers, written apart: each record is the same event to both, or refused for the same reason."""
    values = [json.dumps({k: v for k, v in (GOOD | case).items() if v is not None or k in case}).encode() for case in CASES] + BYTES
    headers: list[tuple[tuple[str, bytes], ...]] = [
        (),
        (("streams-clock", b"event"),),
        (("streams-clock", b"wall"),),
        (("reroute-from", b"x/1/2"), ("reroute-origin", b"y/3/4"), ("reroute-appended-at", str(AT_MS - DAY_MS).encode())),
        (("dead-origin", b"z/5/6"),),
    ]
    reader, decoder = Reader(PLAIN), Decoder(RULES)
    lines = [Line("engagement.clickstream.v1", 1, n, AT_MS, b"k", value, each) for each in headers for n, value in enumerate(values)]
    for line, theirs in zip(lines, decoder.decode(lines), strict=True):
        assert _ours(reader, line) == _theirs(theirs), line


def _ours(reader: Reader, line: Line) -> Any:
    try:
        said = reader.read(line)
    except Refused as why:
        return str(why)
    if isinstance(said, str):
        return said
    return (said.user, said.raw_id, said.type_id, said.at_ms, said.amount, said.event_clock, said.counters)


def _theirs(said: object) -> Any:
    if isinstance(said, Rejected):
        return said.reason
    if isinstance(said, Event):
        counters = () if said.properties is None else said.properties.counters
        return (said.user, said.raw_id, said.type_id, said.at_ms, said.amount, said.event_clock, counters)
    assert said is WALL_CLOCK
    return "control"
