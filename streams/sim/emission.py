"""One event on its way into a topic, as the world and the replay sources hand it over."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

__all__ = ["Emission", "Stream"]

Stream = Literal["clickstream", "campaigns"]


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
