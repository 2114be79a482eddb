# cython: language_level=3, annotation_typing=False, wraparound=False
"""What a step adds to the counts of the whole: how many events each tick had, in all, of each name, and of each place told apart.

The sums lie in one hash per tick (`t60:482136`: the 482136th hour since 1970), saved by the script that saves the step, so they are as
exact as the users' counters. An event counts in the tick of its partition time: of its append time, or of its own time in a replay. So a
tick is complete when partition time has passed its end, whatever comes late from somebody's phone.
"""

from collections.abc import Sequence
from typing import Any, Final

from streams.core.properties import Context, Properties
from streams.core.record import Event, Increments, Record
from streams.core.rules import CUSTOM, Rules

__all__ = ["KEEP_S", "OVERALL", "OVERFLOW", "Ticks", "hash_of"]

#: All events together.
OVERALL: Final = "all"
#: Where the store counts what did not fit into a hash any more.
OVERFLOW: Final = "overflow"
#: How long a tick waits for somebody to look at it.
KEEP_S: Final = 2 * 86_400


def hash_of(tick_minutes: int, tick: int) -> str:
    """Name of the hash of sums of a tick."""
    return f"t{tick_minutes}:{tick}"


class Ticks:
    """Counts the events of steps by tick and series."""

    def __init__(self, rules: Rules) -> None:
        site, topics = rules.site, rules.topics
        self._minutes, self._tick_ms = site.tick_minutes, site.tick_minutes * 60_000
        self._limit = 2 * site.max_series  # made-up countries of one partition must not push out those that all have
        self._dimensions = frozenset(site.dimensions)
        self._events = {CUSTOM: "event:custom"} | {entry.id: f"event:{entry.name}" for entry in rules.catalogue.types}
        self._topics = {topic: f"topic:{topic}" for topic in (topics.clickstream, topics.campaigns)}

    def of(self, records: Sequence[Record], says: Sequence[Any], homes: Sequence[int], partition: int) -> tuple[Increments, ...]:
        """What the records of a step add. An event counts at home, whatever becomes of it there; for its topic it counts where it came
        in."""
        seen: dict[tuple[int, str], _Seen] = {}
        here: _Seen | None = None
        topic, low_ms, high_ms = "", 0, 0
        for record, event, home in zip(records, says, homes, strict=True):
            if home < 0:  # no event
                continue
            at_ms = event.at_ms if event.event_clock else record.timestamp
            if here is None or not low_ms <= at_ms < high_ms or record.topic != topic:  # neighbours nearly always share both
                topic, tick = record.topic, at_ms // self._tick_ms
                low_ms = tick * self._tick_ms
                high_ms = low_ms + self._tick_ms
                here = seen.setdefault((tick, topic), _Seen())
            here.see(event if home == partition else None)
        ticks: dict[int, dict[str, int]] = {}
        for (tick, topic), what in seen.items():
            self._add(ticks.setdefault(tick, {}), topic, what)
        return tuple([Increments(hash_of(self._minutes, tick), sums, KEEP_S, self._limit) for tick, sums in sorted(ticks.items()) if sums])

    def _add(self, sums: dict[str, int], topic: str, seen: "_Seen") -> None:
        """`sums` of a tick grow by what was seen of a topic in it."""
        for type_id, n in seen.types.items():
            names = [self._topics[topic]] if topic in self._topics else []
            if type_id:
                names += (OVERALL, self._events[type_id])
            for name in names:
                sums[name] = sums.get(name, 0) + n
        for ident, context in seen.contexts.items():
            self._tell(sums, "country", context.country, seen.told[ident])
            self._tell(sums, "device", context.device, seen.told[ident])
        for ident, properties in seen.properties.items():
            self._tell(sums, "category", properties.category, seen.told[ident])
            self._tell(sums, "campaign", properties.campaign, seen.told[ident])

    def _tell(self, sums: dict[str, int], dimension: str, value: str, n: int) -> None:
        if value and dimension in self._dimensions:
            name = f"{dimension}:{value}"
            sums[name] = sums.get(name, 0) + n


class _Seen:
    """Events of one tick and topic: how many of each type (0: of users elsewhere), and with what context and properties. Equal ones are
    mostly one object (`PropertyReader` remembers them), so it is objects that are counted, and read once each."""

    def __init__(self) -> None:
        self.types: dict[int, int] = {}
        self.told: dict[int, int] = {}
        self.contexts: dict[int, Context] = {}
        self.properties: dict[int, Properties] = {}

    def see(self, event: Event | None) -> None:
        """One more event; None for one of a user elsewhere."""
        if event is None:
            self.types[0] = self.types.get(0, 0) + 1
            return
        type_id, context, properties = event.type_id, event.context, event.properties
        self.types[type_id] = self.types.get(type_id, 0) + 1
        if context is not None:
            ident = id(context)
            self.contexts[ident] = context
            self.told[ident] = self.told.get(ident, 0) + 1
        if properties is not None:
            ident = id(properties)
            self.properties[ident] = properties
            self.told[ident] = self.told.get(ident, 0) + 1
