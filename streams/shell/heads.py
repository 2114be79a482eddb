"""How a head lies in the store, and what it is after a step: the one place that knows names and bytes of a partition's keys.

    {<app>:<p>}:users   hash: user key -> state
    {<app>:<p>}:due     sorted set: user key by due time (ms)
    {<app>:<p>}:head    hash: v (version), owner, rev, at (positions), plan (absent when no step is begun), body (all the rest)

The braces put the three keys of a partition into one slot of a Redis Cluster. `at` and `plan` are compared byte by byte in the
scripts, so their JSON is canonical: fields as declared, map keys sorted.
"""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import msgspec

from streams.core.record import FATES, NEVER_MS, Head, Outcome, Plan
from streams.errors import UnknownStateVersion

__all__ = ["HEAD_VERSION", "Keys", "after_move", "after_save", "decode_head", "encode_body", "encode_plan", "encode_positions"]

#: Raised when a release could misread what a newer one wrote. Every version from 1 on can be read.
HEAD_VERSION: Final = 1


class Keys(NamedTuple):
    """Names of the keys of one partition."""

    head: bytes
    users: bytes
    due: bytes

    @classmethod
    def of(cls, app_id: str, partition: int) -> "Keys":
        tag = f"{{{app_id}:{partition}}}".encode()
        return cls(tag + b":head", tag + b":users", tag + b":due")


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


def decode_head(partition: int, fields: Sequence[bytes | None], next_due_ms: int) -> Head:
    """The head that `fields` (v, owner, rev, at, plan, body) hold. Raises `UnknownStateVersion` when a newer release wrote them."""
    version, owner, rev, at, plan, body = fields
    if version is None or owner is None or rev is None or at is None or body is None or int(version) > HEAD_VERSION:
        stored = "no version" if version is None else f"version {version.decode(errors='replace')}"
        raise UnknownStateVersion(f"the head of partition {partition} has {stored}; this release reads up to version {HEAD_VERSION}")
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
    )
