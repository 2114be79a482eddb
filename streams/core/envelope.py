"""How outputs are dressed: RFC 3339 times, CloudEvents headers, stable ids."""

from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID, uuid5

__all__ = ["NAMESPACE", "ce_headers", "rfc3339", "stable_id"]

#: Namespace of every id that we derive (a fixed random UUID: changing it would rename every alert ever sent).
NAMESPACE: Final = UUID("6f0d6c34-6f5b-5f0e-9d0c-1f4c7e0b7a52")

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_JSON: Final = b"application/json"


def rfc3339(at_ms: int) -> str:
    """`at_ms` as RFC 3339 in UTC with milliseconds: `2026-01-31T08:00:00.000Z`."""
    return (_EPOCH + timedelta(milliseconds=at_ms)).isoformat(timespec="milliseconds")[:-6] + "Z"


def stable_id(*parts: object) -> str:
    """A UUID (version 5) of `parts`: the same parts have the same id on every machine, for ever."""
    return str(uuid5(NAMESPACE, "|".join(map(str, parts))))


def ce_headers(kind: str, ident: str, source: str, subject: str, at_ms: int) -> list[tuple[str, bytes]]:
    """Headers of CloudEvents 1.0, Kafka binding, binary mode, plus the content type."""
    return [
        ("ce_specversion", b"1.0"),
        ("ce_id", ident.encode()),
        ("ce_type", kind.encode()),
        ("ce_source", source.encode()),
        ("ce_time", rfc3339(at_ms).encode()),
        ("ce_subject", subject.encode()),
        ("content-type", _JSON),
    ]
