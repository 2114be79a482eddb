"""Who a user is, and where the user lives."""

import random
from typing import Any

import pytest
from aiokafka.partitioner import murmur2 as aiokafka_murmur2

from streams.core.identity import Identities, home_partition, murmur2, user_key
from streams.core.record import Rejected
from streams.core.rules import Limits

LIMITS = Limits()


@pytest.mark.parametrize(
    ("user_id", "anonymous_id", "key"),
    [
        ("u1", None, "u1"),
        ("u1", "a1", "u1"),
        (None, "a1", "anon:a1"),
        (None, "anon:a1", "anon:anon:a1"),
        (42, None, "42"),
        (-7, None, "-7"),
        (12345678901234567890123, None, "12345678901234567890123"),
        (None, 42, "anon:42"),
        ("a b", None, "a b"),
        ("Zoë", None, "Zoë"),
        ("ANON:x", None, "ANON:x"),
        ("anon", None, "anon"),
        ("anon-1", None, "anon-1"),
        ("testing", None, "testing"),
        ("users", None, "users"),
        ("0001", None, "0001"),
    ],
)
def test_the_key_is_the_user_id_else_the_anonymous_id_with_a_prefix(user_id: Any, anonymous_id: Any, key: str) -> None:
    assert user_key(user_id, anonymous_id, LIMITS) == key


@pytest.mark.parametrize(
    ("user_id", "anonymous_id", "rejected"),
    [
        (None, None, Rejected("missing_field", "$.userId")),
        ("anon:a1", None, Rejected("bad_id", "$.userId")),
        ("anon:", "a1", Rejected("bad_id", "$.userId")),
        ("a\nb", None, Rejected("bad_id", "$.userId")),
        ("a\x00b", None, Rejected("bad_id", "$.userId")),
        ("a\x7fb", None, Rejected("bad_id", "$.userId")),
        ("a\u200bb", None, Rejected("bad_id", "$.userId")),
        ("a\u2028b", None, Rejected("bad_id", "$.userId")),
        ("a\ud800b", None, Rejected("bad_id", "$.userId")),
        (None, "\u202ea", Rejected("bad_id", "$.anonymousId")),
    ],
)
def test_ids_that_name_nobody_are_refused(user_id: Any, anonymous_id: Any, rejected: Rejected) -> None:
    assert user_key(user_id, anonymous_id, LIMITS) == rejected


@pytest.mark.parametrize("blocked", LIMITS.blocked_ids)
@pytest.mark.parametrize("spelling", ["{}", "  {}", "{} ", "\t{}\n"])
def test_fillers_of_broken_trackers_are_blocked_without_regard_to_case_and_space(blocked: str, spelling: str) -> None:
    for text in (blocked, blocked.upper(), blocked.title()):
        assert user_key(spelling.format(text), None, LIMITS) == Rejected("blocked_id", "$.userId")
        assert user_key(None, spelling.format(text), LIMITS) == Rejected("blocked_id", "$.anonymousId")


def test_ids_of_one_s_own_can_be_blocked() -> None:
    identities = Identities(Limits(blocked_ids=(" Demo ", "STRASSE", "x" * 100)))
    refused = [identities.refusal(text) for text in ("demo", "DEMO ", "straße", "Straße", "x" * 100, "X" * 100, "x" * 99, "null", "")]
    assert refused == ["blocked_id"] * 6 + ["", "", ""]


@pytest.mark.parametrize(
    ("raw_id", "refused"),
    [
        ("x" * 256, ""),
        ("x" * 257, "bad_id"),
        ("ü" * 128, ""),
        ("ü" * 128 + "x", "bad_id"),
        ("💛" * 64, ""),
        ("💛" * 64 + "x", "bad_id"),
        ("x" * 100_000, "bad_id"),
    ],
)
def test_ids_are_measured_in_bytes_of_utf_8(raw_id: str, refused: str) -> None:
    assert Identities(LIMITS).refusal(raw_id) == refused


@pytest.mark.parametrize(
    ("data", "signed"),
    [
        # Kafka's own values: clients/src/test/java/org/apache/kafka/common/utils/UtilsTest.java
        (b"21", -973932308),
        (b"foobar", -790332482),
        (b"a-little-bit-long-string", -985981536),
        (b"a-little-bit-longer-string", -1486304829),
        (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        (b"abc", 479470107),
        (b"", 275646681),
    ],
)
def test_murmur2_is_the_one_of_the_java_client(data: bytes, signed: int) -> None:
    assert murmur2(data) == signed & 0xFFFFFFFF


def test_murmur2_agrees_with_the_producer_that_we_use() -> None:
    source = random.Random(7)
    for size in range(70):
        for data in (source.randbytes(size), b"\xff" * size, b"\x80" * size):
            assert murmur2(data) == aiokafka_murmur2(data) & 0xFFFFFFFF


@pytest.mark.parametrize(("raw_id", "partition"), [("u1", 4), ("u2", 6), ("a1", 11), ("Zoë", 10), ("12345", 8)])
def test_a_user_lives_where_the_java_client_puts_the_key(raw_id: str, partition: int) -> None:
    assert home_partition(raw_id, 12) == partition
    assert partition == (aiokafka_murmur2(raw_id.encode()) & 0x7FFFFFFF) % 12


def test_everybody_has_a_home() -> None:
    assert {home_partition(f"user-{number}", 4) for number in range(100)} == {0, 1, 2, 3}
    assert home_partition("\ud800", 4) in {0, 1, 2, 3}
