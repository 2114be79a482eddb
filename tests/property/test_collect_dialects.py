"""Whatever is sent to the collector becomes events, dead letters or a refusal of the whole request, and never an exception."""

import base64
import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.collect.app import _key, _query
from streams.collect.body import inflated
from streams.collect.dialects.event import Incoming, Said, Unreadable
from streams.collect.judge import Judge
from streams.collect.keys import KeySpec, Source
from streams.collect.routes import routes
from streams.core.event import Decoder
from streams.core.record import Event
from streams.settings import Collect, load
from tests.examples import examples

RULES = load(None, {}).rules
JUDGE = Judge(RULES, Collect())
DECODER = Decoder(RULES)
SOURCE = Source(KeySpec(key="wk_test_0001", source="tests"))
ROUTES = routes(lambda name: name == "order_completed")
NOW_MS = 1_790_000_000_000

SCALARS = st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.floats() | st.text(max_size=8)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3), max_leaves=6
)
#: The names that any dialect looks for, so that wrong types meet code that expects right ones.
# fmt: off
NAMES = [
    "batch", "events", "data", "writeKey", "api_key", "sentAt", "sent_at", "context", "messageId", "type", "event", "userId",
    "anonymousId", "properties", "timestamp", "receivedAt", "userAgent", "distinct_id", "uuid", "$set", "token", "$device_id",
    "$anon_distinct_id", "alias", "client_id", "user_id", "timestamp_micros", "name", "params", "event_id", "user_agent", "specversion",
    "id", "source", "subject", "time", "userid", "schema", "e", "eid", "aid", "uid", "duid", "dtm", "stm", "ue_pr", "ue_px", "se_ac",
    "p", "tv",
]
# fmt: on
WORDS = st.sampled_from(
    ["track", "page", "$identify", "$groupidentify", "$screen", "1.0", "ue", "se", "pv", "order_completed", "a.b.order_completed"]
)


def objects(inner: Any) -> Any:
    return st.dictionaries(st.sampled_from(NAMES), inner | WORDS, max_size=8)


BODIES = st.recursive(VALUES | objects(VALUES), lambda inner: st.lists(inner, max_size=3) | objects(inner), max_leaves=12)
BYTES = st.binary(max_size=64) | BODIES.map(lambda body: json.dumps(body).encode())


def said(body: bytes, query: Mapping[str, str], headers: Mapping[bytes, bytes]) -> Said:
    return Said(body, query, headers, "2026-09-21T13:46:40.000Z", 100)


def read(path: str, request: Said) -> list[Incoming] | int:
    """The events of a request, or the status of its refusal."""
    try:
        return ROUTES[path].read(request)[1]
    except Unreadable as refusal:
        return refusal.status


@pytest.mark.parametrize(
    "path", sorted(set(ROUTES) - {f"/v1/{name}" for name in ("p", "s", "i", "a", "g", "page", "screen", "alias", "group")})
)
@settings(max_examples=examples(150))
@given(body=BYTES, ce=st.booleans(), values=st.lists(st.text(max_size=12), min_size=4, max_size=4))
def test_only_events_dead_letters_and_refusals(path: str, body: bytes, ce: bool, values: list[str]) -> None:
    """An event that is sent on is one for the worker's decoder, too: it says the same of it."""
    headers = {b"ce-specversion": b"1.0", b"ce-id": b"1"} | {
        name: value.encode() for name, value in zip((b"ce-source", b"ce-type", b"ce-time", b"ce-subject"), values, strict=True)
    }
    query = dict(zip(("e", "uid", "ue_px", "dtm"), values, strict=True))
    answer = read(path, said(body, query, headers if ce else {}))
    if isinstance(answer, int):
        assert answer in (400, 413)
        return
    events = answer
    parcels = JUDGE.parcels(events, SOURCE, "", NOW_MS, history=False)
    assert len(parcels) == len(events)
    for parcel, event in zip(parcels, events, strict=True):
        assert (parcel.refused is None) == (parcel.topic != RULES.topics.dead)
        assert parcel.value == event.value
        if parcel.refused is None:
            assert isinstance(DECODER.decode_one(_Lying(parcel.value)), Event)


class _Lying:
    """A record as a worker reads it."""

    topic, partition, offset, timestamp, key, headers = "t", 0, 0, NOW_MS, None, ()

    def __init__(self, value: bytes) -> None:
        self.value = value


@given(st.binary(max_size=200), st.sampled_from([b"", b"gzip", b"deflate", b"br"]))
def test_any_bytes_inflate_or_are_refused(body: bytes, encoding: bytes) -> None:
    try:
        size = len(inflated(body, encoding, 1000))
    except Unreadable as refusal:
        size = -refusal.status
    assert size <= 1000
    assert size >= 0 or -size in (400, 413, 415)


@given(st.binary(max_size=80), st.binary(max_size=80))
def test_any_header_and_query_name_a_key_or_none(header: bytes, query: bytes) -> None:
    for kind in (b"Basic ", b"Basic " + base64.b64encode(header), b"Bearer " + header, header):
        found = _key(said(b"", _query(query), {b"authorization": kind}))
        assert found is None or isinstance(found, str)
