"""`streams stats`: how it goes, from the heads in Redis, the ends of the logs in Kafka, and what the workers say of themselves."""

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from streams.commands.configured import configured, now_ms
from streams.commands.console import ACCENT, TROUBLE, ago, console, count, machine, plain_table, printable
from streams.core.record import FATES
from streams.errors import Unavailable
from streams.shell.status import PartitionStatus, WorkerStatus

if TYPE_CHECKING:
    from rich.console import Console

    from streams.core.record import Head
    from streams.settings import Settings

__all__ = ["Stats", "ranges", "render", "run"]

Bounds = dict[tuple[str, int], tuple[int, int]]


class Stats(msgspec.Struct, frozen=True):
    """Everything `streams stats` says.

    read      records folded, over all input topics; equals `sum`, the sum of the fates (unless a gap of the log was stepped over:
              `on_gap: continue`)
    lag       topic -> records appended and not counted yet; empty when Kafka does not answer
    letters   records on the dead-letter topic (one refused twice around a crash counts twice here, once in `fates`); None when Kafka does
              not answer
    trouble   what keeps things from going on, in words
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


def run(*, as_json: bool) -> int:
    """0, or 3 when neither Kafka nor Redis can be reached (`Unavailable`)."""
    settings = configured()
    stats = asyncio.run(_read(settings))
    if as_json:
        machine(msgspec.to_builtins(stats))
    else:
        render(console(), stats, now_ms())
    return 0


async def _read(settings: "Settings") -> Stats:
    """What can be had; who does not answer is named in `trouble`."""
    from streams.shell.status import partition_status

    store, logs = await asyncio.gather(_store(settings), _logs(settings), return_exceptions=True)
    trouble = [str(problem) for problem in (store, logs) if isinstance(problem, Unavailable)]
    if len(trouble) == 2:
        raise Unavailable("; ".join(trouble))
    for problem in (store, logs):
        if isinstance(problem, BaseException) and not isinstance(problem, Unavailable):
            raise problem
    heads, workers, complaints = ([], [], []) if isinstance(store, BaseException) else store
    bounds = {} if isinstance(logs, BaseException) else logs
    partitions = tuple(partition_status(head, bounds) for head in heads)
    fates = {name: sum(it.fates[name] for it in partitions) for name in FATES}
    dead = settings.rules.topics.dead
    return Stats(
        app=settings.rules.app_id,
        partitions=partitions,
        read=sum(it.read for it in partitions),
        fates=fates,
        sum=sum(fates.values()),
        lag=_lag(settings, partitions, bounds),
        letters=sum(end - start for (topic, _), (start, end) in bounds.items() if topic == dead) if bounds else None,
        workers=tuple(workers),
        events_per_s=round(sum(worker.events_per_s for worker in workers), 1),
        trouble=(
            *trouble,
            *complaints,
            *(f"{it.instance}: {it.trouble}" for it in workers if it.trouble),
            *_unowned(settings, workers, bool(heads)),
        ),
    )


async def _store(settings: "Settings") -> "tuple[list[Head], list[WorkerStatus], list[str]]":
    from streams.commands.connect import open_redis
    from streams.shell.status import read_heads, read_workers, redis_complaints

    app_id = settings.rules.app_id
    async with open_redis(settings) as redis:
        heads = await read_heads(redis, app_id, range(settings.rules.partitions))
        return heads, await read_workers(redis, app_id), await redis_complaints(redis)


async def _logs(settings: "Settings") -> Bounds:
    from streams.commands.connect import open_consumer
    from streams.shell.scan import log_bounds, require_topics

    topics = (*settings.rules.topics.inputs, settings.rules.topics.dead)
    async with open_consumer(settings) as consumer:
        await require_topics(consumer, topics)
        return await log_bounds(consumer, topics, settings.rules.partitions)


def _lag(settings: "Settings", partitions: Sequence[PartitionStatus], bounds: Bounds) -> dict[str, int]:
    """Records not counted yet, by topic; a partition that nobody has begun is behind by all that its log holds."""
    if not bounds:
        return {}
    begun = {it.partition: it for it in partitions}
    lag = dict.fromkeys(settings.rules.topics.inputs, 0)
    for (topic, number), (start, end) in bounds.items():
        if topic in lag:
            lag[topic] += begun[number].lag.get(topic, 0) if number in begun else end - start
    return lag


def _unowned(settings: "Settings", workers: "Sequence[WorkerStatus]", begun: bool) -> list[str]:
    """Partitions that no worker speaks for. Before anything was begun that is no trouble, only a fresh start."""
    if not workers:
        return ["no worker is running: `streams worker` starts one"] if begun else []
    owned = {partition for worker in workers for partition in worker.partitions}
    left = [str(number) for number in range(settings.rules.partitions) if number not in owned]
    return [f"nobody works on partition{'s' if len(left) > 1 else ''} {', '.join(left)}"] if left else []


def render(out: "Console", stats: Stats, now_ms: int) -> None:
    """Prints the stats for a person, within 80 columns."""
    from rich.text import Text

    for line in stats.trouble:
        out.print(Text.assemble(("! ", f"bold {TROUBLE}"), (line, TROUBLE)))
    if stats.trouble:
        out.print()
    behind = sum(stats.lag.values())
    out.print(
        Text.assemble(
            (count(stats.read), f"bold {ACCENT}"),
            " records read, ",
            (f"{count(behind)} behind" if stats.lag else "lag unknown", "bold"),
            f", {count(stats.events_per_s)} events/s" if stats.workers else "",
            f", {count(stats.letters)} dead letters" if stats.letters is not None else "",
        )
    )
    out.print()
    _print_fates(out, stats)
    if stats.lag:
        table = plain_table("topic", "behind", right=(1,))
        for topic, n in stats.lag.items():
            table.add_row(topic, count(n))
        out.print(table)
        out.print()
    _print_workers(out, stats, now_ms)


def _print_fates(out: "Console", stats: Stats) -> None:
    shown = [name for name in FATES if stats.fates[name] or name in ("counted", "rejected")]
    table = plain_table("partition", "read", *shown, "sum", "behind", right=tuple(range(len(shown) + 4)))
    for it in stats.partitions:
        behind = count(sum(it.lag.values())) if it.lag else "?"
        table.add_row(str(it.partition), count(it.read), *(count(it.fates[name]) for name in shown), count(it.sum), behind)
    table.add_section()
    total = count(sum(stats.lag.values())) if stats.lag else "?"
    table.add_row("all", count(stats.read), *(count(stats.fates[name]) for name in shown), count(stats.sum), total, style="bold")
    out.print(table)
    out.print()
    if stats.read != stats.sum:
        out.print(f"{count(stats.read - stats.sum)} records lie in gaps that were stepped over (on_gap: continue).", style="dim")
        out.print()


def _print_workers(out: "Console", stats: Stats, now_ms: int) -> None:
    if not stats.workers:
        out.print("No worker has been heard within the last 10 seconds.", style="dim")
        return
    table = plain_table("worker", "partitions", "events/s", "behind", "memory", "up", right=(2, 3, 4, 5))
    for it in stats.workers:
        table.add_row(
            printable(it.instance),
            ranges(it.partitions),
            count(it.events_per_s),
            count(it.lag),
            f"{it.rss_bytes / 1048576:.0f} MiB",
            ago(now_ms - it.started_ms) if it.started_ms else "",
        )
    out.print(table)


def ranges(numbers: Sequence[int]) -> str:
    """`0-3, 7`: neighbouring numbers together."""
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ", ".join(str(low) if low == high else f"{low}-{high}" for low, high in runs)
