"""News about ids, for audits: which id was linked to whom, what moved, what was refused; each with the event that it goes back to."""

from typing import Final

import msgspec

from streams.core.envelope import rfc3339
from streams.core.record import Coordinates, Record
from streams.core.rules import DAY_MS, FIRST_TYPE, REVENUE
from streams.core.state import State

__all__ = ["IdentityRecord", "Moving", "identity_record", "moving"]

_encode: Final = msgspec.json.Encoder().encode


class Moving(msgspec.Struct, frozen=True):
    """What a shipped state holds.

    events         counted events since the first one
    active_days    days with a scored event
    revenue_minor  since the first event
    first_day      RFC 3339; empty before the first active day
    """

    events: int
    active_days: int
    revenue_minor: int
    first_day: str


class IdentityRecord(msgspec.Struct, frozen=True):
    """The record on the identity topic, field by field as docs/wire.md names them."""

    identity_id: str
    action: str
    user_id: str
    other_id: str
    reason: str
    at: str
    because: str
    moved: Moving | None
    rev: int
    rules_version: str


def moving(state: State) -> Moving:
    """What there is to be moved."""
    counts, rhythm = state.lifetime(), state.rhythm
    events = sum(n for type_id, n in counts.items() if type_id >= FIRST_TYPE)
    first = rfc3339(rhythm.first_day * DAY_MS) if rhythm.x else ""
    return Moving(events, rhythm.x, counts.get(REVENUE, 0), first)


def identity_record(
    action: str,
    user_id: str,
    other_id: str,
    cause: Record,
    *,
    at_ms: int,
    because: str,
    rev: int,
    rules_version: str,
    reason: str = "",
    moved: Moving | None = None,
) -> tuple[str, bytes]:
    """Id and JSON. The id names what was done and the record that it was done because of: repeated, it is the same."""
    ident = f"{action}@{Coordinates(cause.topic, cause.partition, cause.offset)}"
    record = IdentityRecord(ident, action, user_id, other_id, reason, rfc3339(at_ms), because, moved, rev, rules_version)
    return ident, _encode(record)
