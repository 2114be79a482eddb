"""How a rejected record leaves: its bytes untouched, with where it came from and why it was refused."""

from collections.abc import Sequence

from streams.core.headers import DEAD_ORIGIN, REROUTE_ORIGIN, place
from streams.core.record import Output, Record, Rejected

__all__ = ["PREFIX", "dead_letter", "letter_headers", "origin_of"]

#: Kafka Connect's names: the tools that read its dead letters read ours.
PREFIX = "__connect.errors."
_VERSION = b"1"


def origin_of(record: Record) -> tuple[str, str, str]:
    """Topic, partition and offset where the record was first appended, however often it was sent on since."""
    here = record.topic, str(record.partition), str(record.offset)
    return place(record, DEAD_ORIGIN) or place(record, REROUTE_ORIGIN) or here


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
        *letter_headers(why, stage),
    ]
    return Output(topic, partition, record.key, record.value, headers)


def letter_headers(why: Rejected, stage: str) -> list[tuple[str, bytes]]:
    """What every dead letter says of itself.

    One that was refused before it was a record says no more: its own coordinates name it.
    """
    return [
        (PREFIX + "stage", stage.encode()),
        (PREFIX + "exception.class.name", b"streams.core.record.Rejected"),
        ("dead-reason", why.reason.encode()),
        ("dead-at", why.at.encode()),
        ("dead-version", _VERSION),
    ]
