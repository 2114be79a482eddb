"""A record as tests spell it: aiokafka's attributes, nothing else."""

from collections.abc import Sequence
from typing import NamedTuple

CLICKS, CAMPAIGNS, REROUTED = "engagement.clickstream.v1", "engagement.campaigns.v1", "engagement.rerouted.v1"


class FakeRecord(NamedTuple):
    topic: str = CLICKS
    partition: int = 0
    offset: int = 0
    timestamp: int = 0
    key: bytes | None = None
    value: bytes | None = None
    headers: Sequence[tuple[str, bytes]] = ()
