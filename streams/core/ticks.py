# cython: language_level=3, annotation_typing=False, wraparound=False
"""What a step adds to the counts of the whole: how many events each tick had, in all, of each name, and of each place told apart.

The sums lie in one hash per tick (`t60:482136`: the 482136th hour since 1970), saved by the script that saves the step, so they are as
exact as the users' counters. An event counts in the tick of its partition time: of its append time, or of its own time in a replay. So a
tick is complete when partition time has passed its end, whatever comes late from somebody's phone.
"""

from array import array
from collections.abc import Sequence
from typing import Any, Final

from streams.core.properties import Context
from streams.core.record import Increments, Record
from streams.core.rules import CUSTOM, Rules

__all__ = ["KEEP_S", "OVERALL", "OVERFLOW", "Ticks", "hash_of"]

#: All events together.
OVERALL: Final = "all"
#: Where the store counts what did not fit into a hash any more.
OVERFLOW: Final = "overflow"
#: How long a tick waits for somebody to look at it.
KEEP_S: Final = 2 * 86_400
#: Types have 8 bits; 0 is none, and counts events of users elsewhere.
_TYPES: Final = 256
_ELSEWHERE: Final = 0


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
        self._counts = array("q", bytes(8 * _TYPES))

    def of(self, records: Sequence[Record], says: Sequence[Any], homes: Sequence[int], partition: int) -> tuple[Increments, ...]:
        """What the records of a step add. An event counts at home, whatever becomes of it there; for its topic it counts where it came
        in."""
        ticks: dict[int, dict[str, int]] = {}
        topic, tick, low_ms, high_ms = "", -1, 0, 0
        counts, waiting = self._counts, False
        # Equal contexts and properties are mostly one object (`PropertyReader` remembers them), so it is objects that are counted.
        said: dict[int, list[Any]] = {}
        for record, event, home in zip(records, says, homes, strict=True):
            if home < 0:  # no event
                continue
            at_ms = event.at_ms if event.event_clock else record.timestamp
            if not low_ms <= at_ms < high_ms or record.topic != topic:  # neighbours nearly always share both
                if waiting:
                    self._add(ticks.setdefault(tick, {}), topic, said)
                topic, tick, waiting = record.topic, at_ms // self._tick_ms, True
                low_ms = tick * self._tick_ms
                high_ms = low_ms + self._tick_ms
            if home != partition:
                counts[_ELSEWHERE] += 1
                continue
            counts[event.type_id] += 1
            for about in (event.context, event.properties):
                if about is not None:
                    found = said.get(id(about))
                    if found is None:
                        said[id(about)] = [about, 1]
                    else:
                        found[1] += 1
        if waiting:
            self._add(ticks.setdefault(tick, {}), topic, said)
        return tuple([Increments(hash_of(self._minutes, tick), sums, KEEP_S, self._limit) for tick, sums in sorted(ticks.items()) if sums])

    def _add(self, sums: dict[str, int], topic: str, said: dict[int, list[Any]]) -> None:
        """`sums` of a tick grow by what was seen of a topic in it; then nothing is seen yet."""
        counts = self._counts
        here = self._topics.get(topic)
        for type_id in range(_TYPES):
            n = counts[type_id]
            if not n:
                continue
            counts[type_id] = 0
            names = [] if here is None else [here]
            if type_id != _ELSEWHERE:
                names += (OVERALL, self._events[type_id])
            for name in names:
                sums[name] = sums.get(name, 0) + n
        for about, n in said.values():
            if isinstance(about, Context):
                self._tell(sums, "country", about.country, n)
                self._tell(sums, "device", about.device, n)
            else:
                self._tell(sums, "category", about.category, n)
                self._tell(sums, "campaign", about.campaign, n)
        said.clear()

    def _tell(self, sums: dict[str, int], dimension: str, value: str, n: int) -> None:
        if value and dimension in self._dimensions:
            name = f"{dimension}:{value}"
            sums[name] = sums.get(name, 0) + n
