"""One event on its way into a topic, as the world and the replay sources hand it over."""

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Literal, NamedTuple

__all__ = ["Emission", "Stream", "rfc3339"]

Stream = Literal["clickstream", "campaigns"]

_MINUTE_MS = 60_000


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


@lru_cache(4096)
def _minute(minute: int) -> str:
    return datetime.fromtimestamp(minute * 60, UTC).strftime("%Y-%m-%dT%H:%M:")


def rfc3339(at_ms: int) -> str:
    """`at_ms` (UTC) as RFC 3339 with milliseconds. Events of one minute share its text: `datetime` takes ten times as long."""
    minute, rest = divmod(at_ms, _MINUTE_MS)
    return f"{_minute(minute)}{rest // 1000:02d}.{rest % 1000:03d}Z"
