"""How a head lies in the store, and what it is after a step: the one place that knows names and bytes of a partition's keys.

    {<app>:<p>}:users   hash: user key -> state; also rows that are no users (`is_user`)
    {<app>:<p>}:due     sorted set: user key by due time (ms)
    {<app>:<p>}:agg     hash: name of a hash of sums -> revision that last added to it
    {<app>:<p>}:agg:<name>   hash: sum -> integer; dropped when nothing was added for long (docs/wire.md)
    {<app>:<p>}:head    hash: v (version), owner, rev, at (positions), plan (absent when no step is begun), body (all the rest),
                        learned (absent before the first lesson)

The braces put the keys of a partition into one slot of a Redis Cluster. `at` and `plan` are compared byte by byte in the
scripts, so their JSON is canonical: fields as declared, map keys sorted.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Final, NamedTuple

import msgspec

from streams.core.moved import is_moved
from streams.core.record import FATES, NEVER_MS, Head, Outcome, Plan
from streams.errors import UnknownStateVersion

__all__ = [
    "HEAD_VERSION",
    "Keys",
    "after_move",
    "after_save",
    "clock_of",
    "decode_head",
    "encode_body",
    "encode_plan",
    "encode_positions",
    "is_user",
]

#: Raised when a release could misread what a newer one wrote. Every version from 1 on can be read.
HEAD_VERSION: Final = 1


class Keys(NamedTuple):
    """Names of the keys of one partition."""

    head: bytes
    users: bytes
    due: bytes
    sums: bytes

    @classmethod
    @lru_cache(maxsize=4096)
    def of(cls, app_id: str, partition: int) -> "Keys":
        tag = f"{{{app_id}:{partition}}}".encode()
        return cls(tag + b":head", tag + b":users", tag + b":due", tag + b":agg")


def is_user(key: bytes, row: bytes) -> bool:
    """Whether a row of the hash of users is one: others say where a merged state has gone, or remember replayed dead letters."""
    return not key.startswith(b"\x01") and not is_moved(row)


class _Body(msgspec.Struct, array_like=True):
    """The part of a head that no script looks into."""

    time_ms: int
    clock: str
    guards: dict[str, int]
    fates: dict[str, int]


_canonical = msgspec.json.Encoder(order="deterministic")
_positions = msgspec.json.Decoder(dict[str, int])
_plan = msgspec.json.Decoder(Plan)
_body = msgspec.msgpack.Decoder(_Body)


def encode_positions(positions: Mapping[str, int]) -> bytes:
    """Canonical: equal positions are equal bytes."""
    return _canonical.encode(positions)


def encode_plan(plan: Plan) -> bytes:
    """Canonical: equal plans are equal bytes (in one release: a newer one may know more fields)."""
    return _canonical.encode(plan)


def encode_body(head: Head) -> bytes:
    """What `save`, `move` and `create` store besides owner, revision, positions and plan."""
    return msgspec.msgpack.encode(_Body(head.time_ms, head.clock, head.guards, head.fates))


def clock_of(partition: int, version: bytes | None, body: bytes | None, now_ms: int) -> int:
    """What time it is for a partition, without reading the rest of its head: `now_ms`, or that of the events while old ones are replayed.

    Raises `UnknownStateVersion` as `decode_head` does.
    """
    if version is None or body is None:  # no worker has begun it
        return now_ms
    if int(version) > HEAD_VERSION:
        raise _unknown(partition, version)
    rest = _body.decode(body)
    return rest.time_ms if rest.clock == "event" else now_ms


def decode_head(partition: int, fields: Sequence[bytes | None], next_due_ms: int) -> Head:
    """The head that `fields` (v, owner, rev, at, plan, body, learned) hold. `UnknownStateVersion` when a newer release wrote them."""
    version, owner, rev, at, plan, body, learned = fields
    if version is None or owner is None or rev is None or at is None or body is None or int(version) > HEAD_VERSION:
        raise _unknown(partition, version)
    rest = _body.decode(body)
    return Head(
        partition=partition,
        owner=owner.decode(),
        rev=int(rev),
        positions=_positions.decode(at),
        plan=None if plan is None else _plan.decode(plan),
        time_ms=rest.time_ms,
        clock=rest.clock,
        guards=rest.guards,
        fates=rest.fates,
        next_due_ms=next_due_ms,
        learned=learned or b"",
    )


def after_save(head: Head, plan: Plan, outcome: Outcome, next_due_ms: int = NEVER_MS) -> Head:
    """The head once `plan` is done: positions at the ends of its spans, the fates added up, `rev` one higher, no plan."""
    return Head(
        partition=head.partition,
        owner=head.owner,
        rev=head.rev + 1,
        positions={**head.positions, **{topic: to for topic, (_, to) in plan.spans.items()}},
        plan=None,
        time_ms=plan.time_ms,
        clock=plan.clock,
        guards=outcome.guards,
        fates={name: head.fates.get(name, 0) + n for name, n in zip(FATES, outcome.fates, strict=True)},
        next_due_ms=next_due_ms,
        learned=head.learned if outcome.learned is None else outcome.learned,
    )


def after_move(head: Head, positions: Mapping[str, int], next_due_ms: int = NEVER_MS) -> Head:
    """The head at other positions: any plan is gone, `rev` is one higher."""
    return Head(
        partition=head.partition,
        owner=head.owner,
        rev=head.rev + 1,
        positions=dict(positions),
        plan=None,
        time_ms=head.time_ms,
        clock=head.clock,
        guards=head.guards,
        fates=head.fates,
        next_due_ms=next_due_ms,
        learned=head.learned,
    )


def _unknown(partition: int, version: bytes | None) -> UnknownStateVersion:
    stored = "no version" if version is None else f"version {version.decode(errors='replace')}"
    return UnknownStateVersion(f"the head of partition {partition} has {stored}; this release reads up to version {HEAD_VERSION}")
