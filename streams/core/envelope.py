"""How outputs are dressed: RFC 3339 times, CloudEvents headers, stable ids."""

from datetime import date
from functools import lru_cache
from typing import Final
from uuid import UUID, uuid5

__all__ = ["NAMESPACE", "Envelope", "rfc3339", "stable_id"]

#: Namespace of every id that we derive (a fixed random UUID: changing it would rename every alert ever sent).
NAMESPACE: Final = UUID("6f0d6c34-6f5b-5f0e-9d0c-1f4c7e0b7a52")

_EPOCH_DAY: Final = date(1970, 1, 1).toordinal()
_DAY_MS: Final = 86_400_000
_MINUTES: Final = [f"{minute // 60:02}:{minute % 60:02}:" for minute in range(1440)]
_SECONDS: Final = [f"{second:02}." for second in range(60)]


def rfc3339(at_ms: int) -> str:
    """`at_ms` as RFC 3339 in UTC with milliseconds: `2026-01-31T08:00:00.000Z`. Put together from pieces, since every record has a few."""
    day, rest = divmod(at_ms, _DAY_MS)
    minute, rest = divmod(rest, 60_000)
    second, ms = divmod(rest, 1000)
    return f"{_date(day)}{_MINUTES[minute]}{_SECONDS[second]}{ms:03}Z"


@lru_cache(maxsize=1024)
def _date(day: int) -> str:
    """The date of a UTC day number: the same for most records of a day, so that only the time has to be spelled."""
    return f"{date.fromordinal(_EPOCH_DAY + day).isoformat()}T"


def stable_id(*parts: object) -> str:
    """A UUID (version 5) of `parts`: the same parts have the same id on every machine, for ever."""
    return str(uuid5(NAMESPACE, "|".join(map(str, parts))))


class Envelope:
    """Headers of CloudEvents 1.0 (Kafka binding, binary mode) and the content type, for one kind of record."""

    def __init__(self, kind: str, source: str) -> None:
        self.fixed = (
            ("ce_specversion", b"1.0"),
            ("ce_type", kind.encode()),
            ("ce_source", source.encode()),
            ("content-type", b"application/json"),
        )

    def headers(self, ident: str, subject: bytes, time: bytes) -> list[tuple[str, bytes]]:
        """The headers of the record `ident` about `subject` (a user key, a partition) at `time` (RFC 3339)."""
        return [*self.fixed, ("ce_id", ident.encode()), ("ce_subject", subject), ("ce_time", time)]
