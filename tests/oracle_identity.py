"""The oracle of ids: it is told whose the devices and names are, and reads the source topics: what every person has done. Nothing of the
product."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from tests.logs import Line

__all__ = ["Person", "people"]

DAY_MS = 86_400_000


@dataclass
class Person:
    """Everything that one person has done, under whatever id."""

    events: Counter[str] = field(default_factory=Counter)  # by name
    revenue_minor: int = 0
    days: set[int] = field(default_factory=set)


def people(
    lines: Iterable[Line], owners: Mapping[str, str], idle: frozenset[str], holders: Mapping[str, str] | None = None
) -> dict[str, Person]:
    """User key -> what the person did; every `messageId` counts once.

    owners   device -> the user it belongs to; a device that is not there is nobody's but its own
    idle     names of events that make no active day
    holders  user -> the one that holds of all names of the person; a user who is not there has no other name
    """
    found: dict[str, Person] = {}
    seen: set[str] = set()
    for line in lines:
        said = json.loads(line.value or b"{}")
        if said["messageId"] in seen:
            continue
        seen.add(said["messageId"])
        device = said.get("anonymousId", "")
        who = said.get("userId") or owners.get(device) or f"anon:{device}"
        person = found.setdefault((holders or {}).get(who, who), Person())
        name = said["event"] if said["type"] == "track" else said["type"]
        person.events[name] += 1
        person.revenue_minor += int(Decimal(str(said.get("properties", {}).get("revenue", 0))) * 100)
        if name not in idle:
            person.days.add(said["timestamp"] // DAY_MS)
    return found
