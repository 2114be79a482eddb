"""What people have made of an alert: acknowledged, snoozed, assigned, noted, each with who and when.

Pure: an act of the audit topic and what was there before become what is there now.
"""

from collections.abc import Sequence
from typing import Final, Literal

import msgspec

from streams.serve.audit import AuditRecord

__all__ = ["ACTS", "NOTES", "Note", "Stamp", "State", "Triage", "state_of", "triaged"]

#: Acts of the audit topic that are about an alert.
ACTS: Final = frozenset({"alert.acknowledge", "alert.snooze", "alert.assign", "alert.note"})
#: An alert with more to say about it is a conversation, which belongs elsewhere. The oldest notes go.
NOTES: Final = 50

State = Literal["open", "acknowledged", "snoozed"]


class Stamp(msgspec.Struct, frozen=True):
    """Who did it, and when."""

    who: str
    at: str


class Note(Stamp, frozen=True):
    """A remark."""

    text: str


class Triage(msgspec.Struct, frozen=True):
    """What people have made of an alert. Each act stands with who did it and when; None: nobody has, or it was taken back.

    snoozed_until  when it comes back by itself
    acts           how many acts it took: the higher one is the newer one
    """

    alert_id: str
    acknowledged: Stamp | None = None
    snoozed: Stamp | None = None
    snoozed_until: str | None = None
    assigned: Stamp | None = None
    assignee: str | None = None
    notes: Sequence[Note] = ()
    acts: int = 0
    touched_at: str = ""


def triaged(before: Triage | None, act: AuditRecord) -> Triage:
    """What `act`, one of `ACTS`, makes of an alert. An act whose content is none, and a note that is there already (the topic is read
    again from time to time), change nothing but the count."""
    was, stamp = before or Triage(act.object), Stamp(act.who, act.at)
    changed = msgspec.structs.replace(was, acts=was.acts + 1, touched_at=act.at)
    if act.action == "alert.acknowledge":
        return msgspec.structs.replace(changed, acknowledged=stamp if act.change.get("acknowledged") is True else None)
    if act.action == "alert.snooze":
        until = _text(act.change.get("until"))
        return msgspec.structs.replace(changed, snoozed=stamp if until else None, snoozed_until=until)
    if act.action == "alert.assign":
        assignee = _text(act.change.get("assignee"))
        return msgspec.structs.replace(changed, assigned=stamp if assignee else None, assignee=assignee)
    note = Note(act.who, act.at, _text(act.change.get("text")) or "")
    return msgspec.structs.replace(changed, notes=(*was.notes, note)[-NOTES:]) if note.text and note not in was.notes else changed


def state_of(triage: Triage | None, now: str) -> State:
    """How an alert stands at `now` (RFC 3339): a snooze that is over is none."""
    if triage is None:
        return "open"
    if triage.snoozed_until is not None and triage.snoozed_until > now:
        return "snoozed"
    return "acknowledged" if triage.acknowledged is not None else "open"


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
