"""How a record that lies on the wrong partition is sent home, and how its home counts it once."""

from streams.core.headers import REROUTE_APPENDED_AT, REROUTE_FROM, REROUTE_HOPS, REROUTE_ORIGIN, header
from streams.core.record import Coordinates, Output, Record

__all__ = ["already_sent", "hops_of", "rerouted"]

_OURS = (REROUTE_FROM, REROUTE_ORIGIN, REROUTE_APPENDED_AT, REROUTE_HOPS)


def hops_of(record: Record) -> int:
    """How often the record has been sent on."""
    text = header(record, REROUTE_HOPS)
    return int(text) if text and text.isdigit() else 0


def rerouted(record: Record, topic: str, home: int) -> Output:
    """The record for its home partition: value and foreign headers untouched, with last hop, first append and hop count."""
    here = Coordinates(record.topic, record.partition, record.offset)
    origin = header(record, REROUTE_ORIGIN) or str(here).encode()
    appended_at = header(record, REROUTE_APPENDED_AT) or str(record.timestamp).encode()
    headers = [
        *(item for item in record.headers if item[0] not in _OURS),
        (REROUTE_FROM, str(here).encode()),
        (REROUTE_ORIGIN, origin),
        (REROUTE_APPENDED_AT, appended_at),
        (REROUTE_HOPS, str(hops_of(record) + 1).encode()),
    ]
    return Output(topic, home, record.key, record.value, headers)


def already_sent(record: Record, guards: dict[str, int]) -> bool:
    """Whether the home has seen this sending before; raises the guard of the sender when not.

    A sender reads its partition in order and publishes in order, so an offset at or below the highest one seen is a repeat. One sent
    offset yields
    at most one record per target partition.
    """
    sender = header(record, REROUTE_FROM)
    if sender is None:
        return False
    place, _, offset = sender.decode("utf-8", "replace").rpartition("/")
    if not offset.isdigit():
        return False
    if int(offset) <= guards.get(place, -1):
        return True
    guards[place] = int(offset)
    return False
