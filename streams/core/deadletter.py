"""How a rejected record leaves: its bytes untouched, with where it came from and why it was refused."""

from collections.abc import Sequence

from streams.core.headers import DEAD_ORIGIN, REROUTE_ORIGIN
from streams.core.record import Output, Record, Rejected

__all__ = ["PREFIX", "dead_letter", "origin_of"]

#: Kafka Connect's names: the tools that read its dead letters read ours.
PREFIX = "__connect.errors."
_VERSION = b"1"


def origin_of(record: Record) -> tuple[str, str, str]:
    """Topic, partition and offset where the record was first appended, however often it was sent on since."""
    for name in (DEAD_ORIGIN, REROUTE_ORIGIN):
        for key, value in record.headers:
            if key == name:
                topic, partition, offset = value.decode("utf-8", "replace").rsplit("/", 2)
                return topic, partition, offset
    return record.topic, str(record.partition), str(record.offset)


def dead_letter(record: Record, why: Rejected, topic: str, partition: int, stage: str) -> Output:
    """The dead letter of `record`: key, value and headers as they were; no message text and no stack trace, as both leak payloads.

    A record that was replayed and refused again keeps the coordinates of its first append, so that letters are counted by them.
    """
    source, number, offset = origin_of(record)
    headers: Sequence[tuple[str, bytes]] = [
        *(header for header in record.headers if not header[0].startswith((PREFIX, "dead-"))),
        (PREFIX + "topic", source.encode()),
        (PREFIX + "partition", number.encode()),
        (PREFIX + "offset", offset.encode()),
        (PREFIX + "stage", stage.encode()),
        (PREFIX + "exception.class.name", b"streams.core.record.Rejected"),
        ("dead-reason", why.reason.encode()),
        ("dead-at", why.at.encode()),
        ("dead-version", _VERSION),
    ]
    return Output(topic, partition, record.key, record.value, headers)
