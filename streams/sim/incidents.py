"""What breaks, and when."""

from collections.abc import Sequence
from random import Random

from streams.sim.config import Incident

__all__ = ["ORDER", "Incidents"]

ORDER = "Order Completed"
_HOUR_MS = 3_600_000


class Incidents:
    """The incidents of a world whose history ends at `origin_ms`."""

    def __init__(self, incidents: Sequence[Incident], origin_ms: int) -> None:
        self._losses: list[tuple[int, int, str]] = []
        self._drops: list[tuple[int, int, float]] = []
        for incident in incidents:
            begin_ms = origin_ms + int(incident.from_hours * _HOUR_MS)
            end_ms = begin_ms + int(incident.for_hours * _HOUR_MS)
            if incident.kind == "traffic_drop":
                self._drops.append((begin_ms, end_ms, incident.share))
            else:
                self._losses.append((begin_ms, end_ms, ORDER if incident.kind == "checkout_broken" else incident.event))

    def swallows(self, event: str, at_ms: int) -> bool:
        """Whether an event of this name never arrives."""
        return any(event == name and begin_ms <= at_ms < end_ms for begin_ms, end_ms, name in self._losses)

    def keeps_away(self, rng: Random, at_ms: int) -> bool:
        """Whether somebody who would come now does not."""
        return any(begin_ms <= at_ms < end_ms and rng.random() < share for begin_ms, end_ms, share in self._drops)
