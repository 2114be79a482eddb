"""How it goes, put together from what the store, the logs and the workers say. Pure: for `streams stats` and `GET /v1/status` alike."""

from collections.abc import Mapping, Sequence

import msgspec

from streams.core.record import FATES, Head
from streams.core.rules import Rules
from streams.shell.status import PartitionStatus, WorkerStatus, partition_status

__all__ = ["Bounds", "Stats", "ranges", "stats_of"]

#: (topic, partition) -> first offset that is held, and the one that comes next.
Bounds = Mapping[tuple[str, int], tuple[int, int]]


class Stats(msgspec.Struct, frozen=True):
    """Everything `streams stats` says.

    read      records folded, over all input topics; equals `sum`, the sum of the fates (unless a gap of the log was stepped over:
              `on_gap: continue`)
    lag       topic -> records appended and not counted yet; empty when Kafka does not answer
    letters   records on the dead-letter topic (one refused twice around a crash counts twice here, once in `fates`); None when Kafka does
              not answer
    trouble   what keeps things from going on, in words
    off_plan  events that the tracking plan marked today and yesterday (UTC): name and path -> how many
    """

    app: str
    partitions: tuple[PartitionStatus, ...]
    read: int
    fates: dict[str, int]
    sum: int
    lag: dict[str, int]
    letters: int | None
    workers: tuple[WorkerStatus, ...]
    events_per_s: float
    trouble: tuple[str, ...]
    off_plan: dict[str, int]


def stats_of(
    rules: Rules,
    heads: Sequence[Head],
    workers: Sequence[WorkerStatus],
    bounds: Bounds,
    trouble: Sequence[str],
    off_plan: Mapping[str, int] | None = None,
) -> Stats:
    """The stats that follow from what was read. `bounds` of inputs and dead letters, empty when Kafka did not answer; `trouble` is what
    the readers met."""
    partitions = tuple(partition_status(head, bounds) for head in heads)
    fates = {name: sum(it.fates[name] for it in partitions) for name in FATES}
    return Stats(
        app=rules.app_id,
        partitions=partitions,
        read=sum(it.read for it in partitions),
        fates=fates,
        sum=sum(fates.values()),
        lag=_lag(rules, partitions, bounds),
        letters=sum(end - start for (topic, _), (start, end) in bounds.items() if topic == rules.topics.dead) if bounds else None,
        workers=tuple(workers),
        events_per_s=round(sum(worker.events_per_s for worker in workers), 1),
        trouble=(
            *trouble,
            *(f"{it.instance}: {it.trouble}" for it in workers if it.trouble),
            *_unowned(rules, workers, bool(heads)),
        ),
        off_plan=dict(off_plan or {}),
    )


def ranges(numbers: Sequence[int]) -> str:
    """`0-3, 7`: neighbouring numbers together."""
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ", ".join(str(low) if low == high else f"{low}-{high}" for low, high in runs)


def _lag(rules: Rules, partitions: Sequence[PartitionStatus], bounds: Bounds) -> dict[str, int]:
    """Records not counted yet, by topic; a partition that nobody has begun is behind by all that its log holds."""
    if not bounds:
        return {}
    begun = {it.partition: it for it in partitions}
    lag = dict.fromkeys(rules.topics.inputs, 0)
    for (topic, number), (start, end) in bounds.items():
        if topic in lag:
            lag[topic] += begun[number].lag.get(topic, 0) if number in begun else end - start
    return lag


def _unowned(rules: Rules, workers: Sequence[WorkerStatus], begun: bool) -> list[str]:
    """Partitions that no worker speaks for. Before anything was begun that is no trouble, only a fresh start."""
    if not workers:
        return ["no worker is running: `streams worker` starts one"] if begun else []
    owned = {partition for worker in workers for partition in worker.partitions}
    left = [str(number) for number in range(rules.partitions) if number not in owned]
    return [f"nobody works on partition{'s' if len(left) > 1 else ''} {', '.join(left)}"] if left else []
