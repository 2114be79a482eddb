"""The tracking plan as data: which events there should be, and what each of their properties should hold."""

from typing import Literal, TypeVar

import msgspec

__all__ = ["Kind", "Mode", "PlannedEvent", "Property", "TrackingPlan"]

Mode = Literal["accept", "mark", "dead-letter"]
#: The types of JSON, as JSON Schema calls them; `integer` is a number written without a point.
Kind = Literal["string", "number", "integer", "boolean", "array", "object"]


class _Data(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Strict and frozen: an unknown field is an error that names its path."""


class Property(_Data, frozen=True):
    """What one property holds. Bounds that are None are not there.

    type        one or several; none: anything
    required    the event must carry it
    nullable    `null` stands for a value; otherwise `null` is only another spelling of "not there"
    one_of      the only values there are
    minimum, maximum        of a number, both allowed
    min_length, max_length  of a text in characters, of a list in items
    pattern     a regular expression that the text contains
    format      `date-time`: RFC 3339 with an offset; `uuid`
    items       what each member of a list is
    properties  what an object holds; `others` whether it may hold more
    """

    type: Kind | tuple[Kind, ...] = ()
    required: bool = False
    nullable: bool = False
    description: str = ""
    one_of: tuple[str | int, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    min_length: int | None = None
    max_length: int | None = None
    pattern: str | None = None
    format: Literal["date-time", "uuid"] | None = None
    items: "Property | None" = None
    properties: dict[str, "Property"] = {}
    others: bool = True

    @property
    def types(self) -> tuple[Kind, ...]:
        """The types as a tuple, however they were spelled."""
        return (self.type,) if isinstance(self.type, str) else self.type


class PlannedEvent(_Data, frozen=True):
    """One version of one event.

    name     as trackers spell it; compared without regard to case, spaces, underscores and dashes
    version  what the event says in `context.protocols.event_version`; the first version of a name judges events that say none
    mode     what becomes of an event that does not fit: counted, counted and marked, or set aside
    others   whether it may carry properties that are not listed
    """

    name: str
    version: str = "1"
    mode: Mode = "mark"
    description: str = ""
    properties: dict[str, Property] = {}
    others: bool = True


class TrackingPlan(_Data, frozen=True):
    """All planned events. `unplanned`: what becomes of an event whose name is not here."""

    events: tuple[PlannedEvent, ...] = ()
    unplanned: Mode = "accept"

    def enforced(self) -> "TrackingPlan | None":
        """What a step depends on: names that are judged, without the words about them; None when nothing is judged."""
        judged = {event.name for event in self.events if event.mode != "accept"}
        if not judged and self.unplanned == "accept":
            return None
        # A name that is only documented must be known where unknown names are judged.
        kept = self.events if self.unplanned != "accept" else tuple(event for event in self.events if event.name in judged)
        return msgspec.structs.replace(self, events=tuple(_bare(event) for event in kept))


_T = TypeVar("_T", PlannedEvent, Property)


def _bare(of: _T) -> _T:
    properties = {name: _bare(below) for name, below in of.properties.items()}
    return msgspec.structs.replace(of, description="", properties=properties)
