"""Which names are one person's: as clients said, and as the rows of a history at rest have it."""

from collections.abc import Iterable, Mapping
from typing import Any

from streams.core.moved import leads_to
from tests.model.history import DEVICES

__all__ = ["CIRCLE", "claims", "faults", "people"]

#: Where a way leads that has no end.
CIRCLE = ""


def claims(events: Iterable[dict[str, Any]]) -> dict[str, set[str]]:
    """User -> the others who have said to be the same person."""
    found: dict[str, set[str]] = {}
    for event in events:
        if "previousId" in event:
            found.setdefault(event["previousId"], set()).add(event["userId"])
    return found


def people(claimed: Mapping[str, set[str]]) -> dict[str, str]:
    """User -> the first of all who are one person with it, if everybody is believed."""
    one: dict[str, set[str]] = {}
    for user, others in claimed.items():
        group = {user, *others}.union(*(one.get(each, set()) for each in (user, *others)))
        one |= dict.fromkeys(group, group)
    return {user: min(group) for user, group in one.items()}


def faults(rows: Mapping[str, bytes], claimed: Mapping[str, set[str]], known: set[str], *, late: bool) -> set[str]:
    """What is wrong with the ways that rows lead.

    known   devices that somebody has logged in on
    late    whether events came late: those link nothing
    """
    ends = {key: _end(key, rows) for key in {*rows, *claimed, *(each for others in claimed.values() for each in others)}}
    broken = {"12 names lead in a circle"} if CIRCLE in ends.values() else set[str]()
    if late:
        return broken
    if any(ends[user] not in {ends[other] for other in others} for user, others in claimed.items()):
        broken.add("13 nobody was believed who claimed a user")
    for device, owners in DEVICES.items():
        if len(owners) == 1 and device in known and _end(f"anon:{device}", rows) != _end(owners[0], rows):
            broken.add("14 a device does not lead to its owner")
    return broken


def _end(key: str, rows: Mapping[str, bytes]) -> str:
    passed = {key}
    while (on := leads_to(rows.get(key))) is not None:
        if on in passed:
            return CIRCLE
        passed.add(on)
        key = on
    return key
