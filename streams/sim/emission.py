"""One event on its way into a topic, as the world and the replay sources hand it over."""

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final, Literal, NamedTuple

__all__ = ["Emission", "Stream", "rfc3339"]

Stream = Literal["clickstream", "campaigns"]

_MINUTES: Final = [f"{minute // 60:02d}:{minute % 60:02d}:" for minute in range(1440)]
_SECONDS: Final = [f"{second:02d}." for second in range(60)]


class Emission(NamedTuple):
    """What to send, when and where.

    at_ms  when it is sent. Emissions follow each other by this; the event itself may be older (an offline phone), and says so in `value`
    topic  field of `streams.core.rules.Topics` that names the topic
    key    the raw id, which decides the partition
    """

    at_ms: int
    topic: Stream
    key: bytes
    value: bytes
    headers: Sequence[tuple[str, bytes]] = ()


@lru_cache(1024)
def _date(day: int) -> str:
    return datetime.fromtimestamp(day * 86_400, UTC).strftime("%Y-%m-%dT")


def rfc3339(at_ms: int) -> str:
    """`at_ms` (UTC) as RFC 3339 with milliseconds. Put together from pieces, since `datetime` takes ten times as long."""
    day, rest = divmod(at_ms, 86_400_000)
    minute, rest = divmod(rest, 60_000)
    second, milli = divmod(rest, 1000)
    return f"{_date(day)}{_MINUTES[minute]}{_SECONDS[second]}{milli:03d}Z"
