# cython: language_level=3, annotation_typing=False
"""Names of the Kafka headers that we write and read."""

import re
from typing import Final

from streams.core.record import Record

__all__ = [
    "DEAD_ORIGIN",
    "QUARANTINE",
    "QUARANTINE_REASON",
    "QUARANTINE_TOPIC",
    "REROUTE",
    "REROUTE_APPENDED_AT",
    "REROUTE_ERRAND",
    "REROUTE_FROM",
    "REROUTE_HOPS",
    "REROUTE_ORIGIN",
    "REROUTE_USER",
    "STREAMS_CLOCK",
    "TRACEPARENT",
    "header",
    "place",
    "traceparent",
    "well_formed",
    "whole",
]

#: Last hop, as `topic/partition/offset`: what the home partition's guard counts by.
REROUTE_FROM: Final = "reroute-from"
#: First hop, same form: for tracing, for dead letters, and for the id of an event without `messageId`.
REROUTE_ORIGIN: Final = "reroute-origin"
#: Append time at the first hop, ms: clocks are judged against it, so a rebuild judges as the first run did.
REROUTE_APPENDED_AT: Final = "reroute-appended-at"
REROUTE_HOPS: Final = "reroute-hops"
#: The user that the event of a merged anonymous id counts for.
REROUTE_USER: Final = "reroute-user"
#: The record is no event but what one partition asks of another; its kind.
REROUTE_ERRAND: Final = "reroute-errand"
#: All that tell of the way of a record that was sent on.
REROUTE: Final = (REROUTE_FROM, REROUTE_ORIGIN, REROUTE_APPENDED_AT, REROUTE_HOPS, REROUTE_USER, REROUTE_ERRAND)
#: First append of a dead letter that was replayed.
DEAD_ORIGIN: Final = "dead-origin"
#: What a record in quarantine says of itself: why it is there, and the topic that it was meant for. All such headers begin like this.
QUARANTINE: Final = "quarantine-"
QUARANTINE_REASON: Final = QUARANTINE + "reason"
QUARANTINE_TOPIC: Final = QUARANTINE + "topic"
#: `event`: partition time follows event time (replays, history). `wall` on an empty record: back to the wall clock.
STREAMS_CLOCK: Final = "streams-clock"

#: W3C Trace Context: the trace that a record belongs to. What is told because of it belongs to the same.
TRACEPARENT: Final = "traceparent"
_TRACEPARENT: Final = re.compile(rb"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
#: Topic, partition and offset. What is longer is none of Kafka's, and some of it is more than Python reads as a number.
_DIGITS: Final = 20
_PLACE: Final = re.compile(rb"([A-Za-z0-9._-]+)/([0-9]{1,10})/([0-9]{1,19})")


def header(record: Record, name: str) -> bytes | None:
    """The first header of that name."""
    for key, value in record.headers:
        if key == name:
            return value
    return None


def place(record: Record, name: str) -> tuple[str, str, str] | None:
    """Topic, partition and offset that the header of that name says; None when it says none: headers may be a foreigner's."""
    found = _PLACE.fullmatch(header(record, name) or b"")
    if found is None:
        return None
    topic, partition, offset = found.groups()
    return topic.decode(), partition.decode(), offset.decode()


def whole(text: bytes | None) -> int | None:
    """A whole number as headers have it; None for what is none, or longer than any of Kafka's: headers may be a foreigner's."""
    return int(text) if text and text.isdigit() and len(text) < _DIGITS else None


def traceparent(record: Record) -> bytes | None:
    """The trace that a record belongs to; None when it names none."""
    return well_formed(header(record, TRACEPARENT))


def well_formed(context: bytes | None) -> bytes | None:
    """`context`, if it is a `traceparent` of version 0: headers are a foreigner's."""
    return context if context is not None and _TRACEPARENT.fullmatch(context) else None
