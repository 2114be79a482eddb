"""Any bytes at all become an event or a reason, alone and in a batch alike."""

import json
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from streams.core.event import WALL_CLOCK, Decoder
from streams.core.payload import nests_deeper
from streams.core.record import Event, Rejected
from streams.settings import load
from tests.examples import examples
from tests.pills import APPENDED_MS, GOOD, PILLS
from tests.unit.records import FakeRecord

REASONS = {"empty", "too_large", "not_json", "wrong_type", "missing_field", "bad_id", "blocked_id", "future", "unknown_type", "limit"}
RULES = load(None, {}).rules
DECODER = Decoder(RULES)

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
fields = st.sampled_from(
    ["type", "event", "userId", "anonymousId", "messageId", "timestamp", "sentAt", "receivedAt", "channel", "properties", "context"]
)
plausible = st.sampled_from(
    [
        *("track", "page", "identify", "Order Completed", "open", "email", "u1", "2026-01-31T08:00:00Z", "1999-01-01T00:00:00+14:00"),
        *(APPENDED_MS, {"revenue": 1.005}, {"revenue": "x"}, {"bot": True}, {"channel": "email"}, None),
    ]
)
events = st.dictionaries(fields, plausible | json_values, max_size=11).map(lambda event: json.dumps(event).encode("utf-8", "surrogatepass"))
spoiled = st.builds(
    lambda value, at, byte: value[: at % len(value)] + bytes([byte]) + value[at % len(value) + 1 :],
    st.sampled_from([GOOD, *(pill.value for pill in PILLS.values() if pill.value and len(pill.value) < 500)]),
    st.integers(0, 499),
    st.integers(0, 255),
)
headers = st.lists(
    st.tuples(
        st.sampled_from(["reroute-origin", "reroute-appended-at", "dead-origin", "streams-clock", "trace"]),
        st.binary(max_size=8) | st.sampled_from([b"event", b"wall", b"1769846400000"]),
    ),
    max_size=3,
)
records = st.builds(
    FakeRecord,
    offset=st.integers(0, 1 << 40),
    timestamp=st.just(APPENDED_MS),
    value=st.none() | st.binary(max_size=60) | events | spoiled,
    headers=headers,
)


def sound(decoded: Any) -> bool:
    """Whether `decoded` is what the rest of the program may rely on."""
    if isinstance(decoded, Event):
        return (
            bool(decoded.raw_id)
            and decoded.user in (decoded.raw_id, "anon:" + decoded.raw_id)
            and decoded.raw_id.isprintable()
            and len(decoded.raw_id.encode()) <= RULES.limits.id_bytes
            and 3 <= decoded.type_id <= 255
            and 946_684_800_000 <= decoded.at_ms < 4_102_444_800_000
            and (decoded.event_clock or decoded.at_ms <= APPENDED_MS + RULES.limits.future_ms)
            and 0 <= decoded.id_hash < 1 << 64
            and abs(decoded.amount) <= RULES.limits.amount_minor
        )
    return decoded is WALL_CLOCK or (isinstance(decoded, Rejected) and decoded.reason in REASONS)


@settings(max_examples=examples(600), deadline=None)
@given(st.lists(records, max_size=6))
def test_a_batch_becomes_what_its_records_become_alone(batch: list[FakeRecord]) -> None:
    decoded = DECODER.decode(batch)
    assert all(map(sound, decoded))
    assert decoded == [DECODER.decode_one(record) for record in batch]


json_texts = st.recursive(
    st.sampled_from(['"["', '"\\""', '"\\\\"', '"{\\"}"', "1", "null"]),
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda items: f"[{','.join(items)}]")
        | st.lists(inner, max_size=3).map(lambda items: "{" + ",".join(f'"{number}":{item}' for number, item in enumerate(items)) + "}")
    ),
    max_leaves=20,
)


def depth_of(value: Any) -> int:
    if isinstance(value, list):
        return 1 + max(map(depth_of, value), default=0)
    if isinstance(value, dict):
        return 1 + max(map(depth_of, value.values()), default=0)
    return 0


@settings(max_examples=examples(500), deadline=None)
@given(json_texts, st.integers(0, 8))
@example('{"a":[{"b":[]}]}', 3)
@example("[{},[[]]]", 2)
def test_the_depth_that_is_found_without_parsing_is_the_depth(text: str, depth: int) -> None:
    assert nests_deeper(text.encode(), depth) == (depth_of(json.loads(text)) > depth)


@settings(max_examples=examples(500), deadline=None)
@given(st.binary(max_size=200), st.integers(1, 8))
def test_looking_for_depth_never_fails(value: bytes, depth: int) -> None:
    nests_deeper(value, depth)
