"""How a head lies in the store."""

import pytest

from streams.core.record import Head, Outcome, Plan
from streams.errors import UnknownStateVersion
from streams.shell.heads import Keys, after_move, after_save, decode_head, encode_body, encode_plan, encode_positions


def plan(**spans: tuple[int, int]) -> Plan:
    return Plan(rev=4, spans=spans, time_ms=50, now_ms=60, clock="event", rules_version="r", parameters_version="prior", due_limit=7)


HEAD = Head(
    partition=3, owner="Zoë/1", rev=4, positions={"b": 1, "a": 2}, plan=None, time_ms=9, clock="wall", guards={"a/1": 8}, fates={"late": 2}
)


def test_the_keys_of_a_partition_share_one_hash_tag() -> None:
    assert Keys.of("shop", 11) == (b"{shop:11}:head", b"{shop:11}:users", b"{shop:11}:due", b"{shop:11}:agg")


def test_equal_positions_are_equal_bytes_in_whatever_order_they_were_put() -> None:
    assert encode_positions({"b": 1, "a": 2}) == encode_positions({"a": 2, "b": 1}) == b'{"a":2,"b":1}'


def test_equal_plans_are_equal_bytes_in_whatever_order_their_spans_were_put() -> None:
    written = (
        b'{"rev":4,"spans":{"a":[0,1],"b":[2,3]},"time_ms":50,"now_ms":60,"clock":"event",'
        b'"rules_version":"r","parameters_version":"prior","due_limit":7,"hold_ms":null}'
    )
    assert encode_plan(plan(b=(2, 3), a=(0, 1))) == encode_plan(plan(a=(0, 1), b=(2, 3))) == written


def test_a_head_is_what_was_written() -> None:
    fields = [b"1", "Zoë/1".encode(), b"4", encode_positions(HEAD.positions), None, encode_body(HEAD), None]
    head = decode_head(3, fields, 70)
    assert decode_head(3, [*fields[:6], b"known"], 70).learned == b"known"
    assert head == Head(3, "Zoë/1", 4, {"a": 2, "b": 1}, None, 9, "wall", {"a/1": 8}, {"late": 2}, 70)
    assert decode_head(3, [*fields[:4], encode_plan(plan(a=(2, 5))), *fields[5:]], 70).plan == plan(a=(2, 5))


@pytest.mark.parametrize(("version", "said"), [(b"2", "version 2"), (None, "no version")])
def test_a_head_of_another_make_is_not_guessed_at(version: bytes | None, said: str) -> None:
    fields = [version, b"me", b"4", encode_positions(HEAD.positions), None, encode_body(HEAD), None]
    with pytest.raises(UnknownStateVersion, match=f"partition 3 has {said}; this release reads up to version 1"):
        decode_head(3, fields, 70)


def test_a_save_moves_the_named_topics_and_adds_up_the_fates() -> None:
    done = Outcome(users={}, due={}, outputs=[], fates=[3, 0, 1, 0, 0, 0, 0], guards={"a/1": 9}, rejects={})
    assert after_save(HEAD, plan(a=(2, 6)), done, 70) == Head(
        partition=3,
        owner="Zoë/1",
        rev=5,
        positions={"a": 6, "b": 1},
        plan=None,
        time_ms=50,
        clock="event",
        guards={"a/1": 9},
        fates={"counted": 3, "duplicate": 0, "late": 3, "rejected": 0, "rerouted": 0, "erased": 0, "control": 0},
        next_due_ms=70,
    )


def test_a_move_keeps_all_but_positions_plan_and_revision() -> None:
    assert after_move(HEAD, {"a": 9}, 70) == Head(3, "Zoë/1", 5, {"a": 9}, None, 9, "wall", {"a/1": 8}, {"late": 2}, 70)
