"""How a record that lies on the wrong partition is sent home, and how its home counts it once."""

from streams.core.headers import (
    REROUTE,
    REROUTE_APPENDED_AT,
    REROUTE_FROM,
    REROUTE_HOPS,
    REROUTE_ORIGIN,
    REROUTE_USER,
    header,
    place,
    whole,
)
from streams.core.record import Coordinates, Output, Record

__all__ = ["already_sent", "hops_of", "rerouted"]


def hops_of(record: Record) -> int:
    """How often the record has been sent on."""
    return whole(header(record, REROUTE_HOPS)) or 0


def rerouted(record: Record, topic: str, home: int, user: str = "") -> Output:
    """The record for its home partition: value and foreign headers untouched, with last hop, first append and hop count.

    `user`: whom its event counts for there, where that is not the one it names.
    """
    here = Coordinates(record.topic, record.partition, record.offset)
    origin = place(record, REROUTE_ORIGIN) or (here.topic, str(here.partition), str(here.offset))
    appended_at = header(record, REROUTE_APPENDED_AT) or str(record.timestamp).encode()
    headers = [
        *(item for item in record.headers if item[0] not in REROUTE),  # a foreigner may have written them
        (REROUTE_FROM, str(here).encode()),
        (REROUTE_ORIGIN, "/".join(origin).encode()),
        (REROUTE_APPENDED_AT, appended_at),
        (REROUTE_HOPS, str(hops_of(record) + 1).encode()),
    ]
    if user:
        headers.append((REROUTE_USER, user.encode()))
    return Output(topic, home, record.key, record.value, headers)


def already_sent(record: Record, guards: dict[str, int]) -> bool:
    """Whether the home has seen this sending before; raises the guard of the sender when not.

    A sender reads its partition in order and publishes in order, so an offset at or below the highest one seen is a repeat. One sent
    offset yields at most one record per target partition.
    """
    sender = header(record, REROUTE_FROM)
    if sender is None:
        return False
    name, _, text = sender.rpartition(b"/")
    offset, guard = whole(text), name.decode("utf-8", "replace")
    if offset is None:
        return False
    if offset <= guards.get(guard, -1):
        return True
    guards[guard] = offset
    return False
