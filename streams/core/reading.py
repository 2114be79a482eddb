"""What the records of a step say, side by side with the records: made by `Flow.read`, taken by `Flow.step`."""

from collections.abc import Mapping, Sequence

import msgspec

from streams.core.errands import Forwarded
from streams.core.event import WALL_CLOCK
from streams.core.record import Event, Record, Rejected
from streams.core.trackingplan import Misfit

__all__ = ["Decoded", "Reading"]

#: An event, why it is none, a control, or an errand.
Decoded = Event | Rejected | object


class Reading(msgspec.Struct, frozen=True):
    """The records of a step in lane order, side by side with what they say.

    says   an event, why it is none, a control, an errand, or an event forwarded to the user that its own was merged into
    homes  the partition that the event's user lives on; -1 where there is no event, or one that its own partition has told of
    keys   the rows whose state the step needs, each once
    marks  place of an event in `records` -> how it fails the tracking plan that counts it nevertheless
    naming users whom an event of the step gives another name
    """

    records: Sequence[Record]
    says: Sequence[Decoded]
    homes: Sequence[int]
    keys: Sequence[str]
    marks: Mapping[int, Misfit] = {}
    naming: frozenset[str] = frozenset()

    def clock(self, before: str) -> str:
        """What moves partition time after these records: "event" in a replay, "wall" otherwise; records without an event do not change
        it."""
        for what in reversed(self.says):
            if what is WALL_CLOCK:
                return "wall"
            if isinstance(what, Forwarded):
                what = what.event
            if isinstance(what, Event):
                return "event" if what.event_clock else "wall"
        return before

    def newest_ms(self) -> int:
        """The newest time of the events that move partition time themselves; -1 when there is none."""
        events = (what.event if isinstance(what, Forwarded) else what for what in self.says)
        return max((what.at_ms for what in events if isinstance(what, Event) and what.event_clock), default=-1)
