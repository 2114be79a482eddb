"""Whether a worker is ready: started, assigned, recovered, waiting for nobody, and within what was promised. If not, why not."""

from collections.abc import Iterable, Sequence
from typing import Protocol

import msgspec

from streams.settings_files import Observe

__all__ = ["Readiness", "WatchedLane", "readiness"]

#: A fetch is answered within milliseconds, a broker that is being replaced comes back within seconds.
_SILENT_S = 15.0


class WatchedLane(Protocol):
    """What is asked of a lane; `lanewatch.LaneWatch` is one."""

    partition: int

    @property
    def recovering(self) -> bool: ...
    def lag(self) -> int: ...
    def delay_ms(self) -> int: ...
    def silent_ms(self) -> int: ...


class Readiness(msgspec.Struct, frozen=True):
    """The body of `/ready`, which answers 200 when `ready`, else 503.

    reasons      why it is not ready, in words; empty when it is
    partitions   those that this process works on
    recovering   of them, those that are not open yet, or finish a step that was begun before
    lag_records  records appended and not counted yet, over all of them
    delay_s      how far behind in time the slowest of them is
    """

    ready: bool
    reasons: Sequence[str]
    instance: str
    partitions: Sequence[int]
    recovering: Sequence[int]
    lag_records: int
    delay_s: float
    version: str
    rules_version: str


def readiness(
    *,
    instance: str,
    version: str,
    rules_version: str,
    starting: str | None,
    joining: bool,
    lanes: Iterable[WatchedLane],
    trouble: Iterable[str | None],
    promised: Observe,
) -> Readiness:
    """`starting`: what the process waits for before it can begin; `joining`: it has no assignment yet, or gets another one right now."""
    watched = sorted(lanes, key=lambda lane: lane.partition)
    recovering = [lane.partition for lane in watched if lane.recovering]
    lag, delay_s = sum(lane.lag() for lane in watched), max((lane.delay_ms() for lane in watched), default=0) / 1000
    silent_s = min((lane.silent_ms() for lane in watched), default=0) / 1000
    reasons = [why for why in (starting, *trouble) if why]
    if joining and not starting:
        reasons.append("joining the group: partitions are being assigned")
    if recovering:
        reasons.append(f"recovering partition{'s' if len(recovering) > 1 else ''} {', '.join(map(str, recovering))}")
    if silent_s > _SILENT_S:
        reasons.append(f"Kafka has not answered a fetch for {silent_s:.0f} s")
    if delay_s > promised.freshness_slo_s:
        reasons.append(f"{delay_s:.0f} s behind, promised are {promised.freshness_slo_s:g} s")
    if lag > promised.lag_slo_records:
        reasons.append(f"{lag} records behind, promised are {promised.lag_slo_records}")
    return Readiness(
        ready=not reasons,
        reasons=reasons,
        instance=instance,
        partitions=[lane.partition for lane in watched],
        recovering=recovering,
        lag_records=lag,
        delay_s=round(delay_s, 3),
        version=version,
        rules_version=rules_version,
    )
