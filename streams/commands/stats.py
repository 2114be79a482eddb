"""`streams stats`: how it goes, from the heads in Redis, the ends of the logs in Kafka, and what the workers say of themselves."""

import asyncio
from typing import TYPE_CHECKING

import msgspec

from streams.commands.configured import configured, now_ms
from streams.commands.console import ACCENT, TROUBLE, ago, console, count, machine, plain_table, printable
from streams.core.record import FATES
from streams.errors import Unavailable
from streams.stats import Stats, ranges, stats_of

if TYPE_CHECKING:
    from rich.console import Console

    from streams.core.record import Head
    from streams.settings import Settings
    from streams.shell.status import WorkerStatus
    from streams.stats import Bounds

__all__ = ["render", "run"]

#: Marks that are shown; `--json` has all of them.
_MARKS = 20


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
    store, logs = await asyncio.gather(_store(settings), _logs(settings), return_exceptions=True)
    trouble = [str(problem) for problem in (store, logs) if isinstance(problem, Unavailable)]
    if len(trouble) == 2:
        raise Unavailable("; ".join(trouble))
    for problem in (store, logs):
        if isinstance(problem, BaseException) and not isinstance(problem, Unavailable):
            raise problem
    heads, workers, complaints, marks = ([], [], [], {}) if isinstance(store, BaseException) else store
    bounds = {} if isinstance(logs, BaseException) else logs
    return stats_of(settings.rules, heads, workers, bounds, [*trouble, *complaints], marks)


async def _store(settings: "Settings") -> "tuple[list[Head], list[WorkerStatus], list[str], dict[str, int]]":
    from streams.commands.connect import open_redis
    from streams.shell.quality import read_marks
    from streams.shell.status import read_heads, read_workers, redis_complaints

    app_id = settings.rules.app_id
    async with open_redis(settings) as redis:
        heads = await read_heads(redis, app_id, range(settings.rules.partitions))
        marks = await read_marks(redis, settings.rules)
        return heads, await read_workers(redis, app_id), await redis_complaints(redis), marks


async def _logs(settings: "Settings") -> "Bounds":
    from streams.commands.connect import open_consumer
    from streams.shell.scan import log_bounds, require_topics

    topics = (*settings.rules.topics.inputs, settings.rules.topics.dead)
    async with open_consumer(settings) as consumer:
        await require_topics(consumer, topics)
        return await log_bounds(consumer, topics, settings.rules.partitions)


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
    if stats.off_plan:
        table = plain_table("marked by the tracking plan since yesterday", "events", right=(1,))
        for mark, n in list(stats.off_plan.items())[:_MARKS]:
            table.add_row(printable(mark), count(n))
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
