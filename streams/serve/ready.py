"""Whether what is served is up to date, and whether the workers keep what was promised: two questions, one answer."""

from collections.abc import Sequence

import msgspec

from streams.settings_files import Observe
from streams.stats import Stats

__all__ = ["Ready", "ready_of"]


class Ready(msgspec.Struct, frozen=True):
    """The body of `/ready`, which answers 200 when `ready`, else 503.

    waiting_for  why what is served is not up to date, in words; empty when `ready`
    behind       what the workers do not keep, in words: lag, freshness, partitions without a worker. That alone leaves this server ready:
                 it shows what there is, and whoever looks into the trouble needs it
    lag          records that wait to be counted; null when Kafka does not answer
    recovering   partitions with a step that was begun and not saved yet: normal for a moment, a crash if it stays
    """

    ready: bool
    lag: int | None
    recovering: Sequence[int]
    waiting_for: Sequence[str]
    behind: Sequence[str] = ()


def ready_of(stats: Stats, waiting_for: Sequence[str], promised: Observe) -> Ready:
    """What follows from what was seen last."""
    lag = sum(stats.lag.values()) if stats.lag else None
    behind = [why for why in stats.trouble if why not in waiting_for]
    if lag is not None and lag > promised.lag_slo_records:
        behind.append(f"{lag} records behind, promised are {promised.lag_slo_records}")
    behind += [
        f"{it.instance}: records have waited for {it.waiting_s:.0f} s, promised are {promised.freshness_slo_s:g} s"
        for it in stats.workers
        if it.waiting_s > promised.freshness_slo_s
    ]
    return Ready(not waiting_for, lag, [it.partition for it in stats.partitions if it.step_begun], waiting_for, behind)
