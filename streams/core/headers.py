"""Names of the Kafka headers that we write and read."""

from typing import Final

from streams.core.record import Record

__all__ = ["DEAD_ORIGIN", "REROUTE_APPENDED_AT", "REROUTE_FROM", "REROUTE_HOPS", "REROUTE_ORIGIN", "STREAMS_CLOCK", "header"]

#: Last hop, as `topic/partition/offset`: what the home partition's guard counts by.
REROUTE_FROM: Final = "reroute-from"
#: First hop, same form: for tracing, for dead letters, and for the id of an event without `messageId`.
REROUTE_ORIGIN: Final = "reroute-origin"
#: Append time at the first hop, ms: clocks are judged against it, so a rebuild judges as the first run did.
REROUTE_APPENDED_AT: Final = "reroute-appended-at"
REROUTE_HOPS: Final = "reroute-hops"
#: First append of a dead letter that was replayed.
DEAD_ORIGIN: Final = "dead-origin"
#: `event`: partition time follows event time (replays, history). `wall` on an empty record: back to the wall clock.
STREAMS_CLOCK: Final = "streams-clock"


def header(record: Record, name: str) -> bytes | None:
    """The first header of that name."""
    for key, value in record.headers:
        if key == name:
            return value
    return None
