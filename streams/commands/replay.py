"""`streams replay FILE...`: old events into the topics, or straight through the rules to a report."""

import asyncio
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from streams.commands.configured import configured
from streams.commands.console import ACCENT, console, count, machine, plain_table, printable, short_time
from streams.errors import ConfigError

if TYPE_CHECKING:
    from rich.console import Console

    from streams.core.rules import Rules
    from streams.replay.mapping import Mapping
    from streams.replay.straight import StraightReport
    from streams.replay.write import WriteReport
    from streams.settings import Settings
    from streams.sim.emission import Emission

__all__ = ["render_straight", "run"]

#: Bad rows that are shown one by one; the others are only counted.
_BAD_SHOWN = 5


class _Counted(Protocol):
    @property
    def events(self) -> int: ...
    @property
    def rate(self) -> float: ...


def run(
    files: Sequence[Path],
    *,
    mapping: Path | None,
    keep_event_clock: bool,
    part_days: int | None,
    straight: bool,
    skip_bad: bool,
    as_json: bool,
) -> int:
    """0 when every event was delivered. Raises `ConfigError` that names file, line and column, `Unavailable` with what was delivered."""
    from streams.replay.mapping import load_mapping

    settings = configured()
    meaning = load_mapping(mapping) if mapping is not None else None
    for file in files:
        if not file.is_file():
            raise ConfigError("is not a file", file=str(file))
    bad: list[ConfigError] = []
    events = _events(files, meaning, bad.append if skip_bad else None)
    report: StraightReport | WriteReport
    with _progress(quiet=as_json) as on_progress:
        if straight:
            from streams.replay.straight import straight as through

            report = through(events, settings.rules, on_progress)
        elif part_days is not None:
            report = asyncio.run(_in_parts(events, settings, part_days, keep_event_clock, on_progress))
        else:
            from streams.replay.write import write

            report = asyncio.run(write(events, settings, keep_event_clock=keep_event_clock, on_progress=on_progress))
    if as_json:
        machine(msgspec.to_builtins(report) | {"bad_rows": len(bad)})
        return 0
    out = console()
    for problem in bad[:_BAD_SHOWN]:
        out.print(f"left out  {printable(str(problem))}", style="dim", soft_wrap=True)
    if len(bad) > _BAD_SHOWN:
        out.print(f"left out  {count(len(bad) - _BAD_SHOWN)} more", style="dim")
    if straight:
        render_straight(out, report, settings.rules)  # type: ignore[arg-type]
    else:
        _render_written(out, report, keep_event_clock=keep_event_clock, in_parts=part_days is not None)  # type: ignore[arg-type]
    return 0


async def _in_parts(
    events: "Iterator[Emission]",
    settings: "Settings",
    days: int,
    keep_event_clock: bool,
    on_progress: "Callable[[WriteReport], None] | None",
) -> "WriteReport":
    """Every part is counted before the next one is sent. A person who forgot the worker is told, once."""
    from rich.console import Console

    from streams.commands.counting import counting
    from streams.replay.write import write_in_parts

    told = False

    def waiting(behind: int, working: bool) -> None:
        nonlocal told
        if not working and not told:
            told = True
            Console(stderr=True).print(f"{count(behind)} records wait for a worker: start one with `streams worker`")

    async with counting(settings, waiting) as counted:
        return await write_in_parts(events, settings, counted, days=days, keep_event_clock=keep_event_clock, on_progress=on_progress)


def _events(files: Sequence[Path], mapping: "Mapping | None", on_bad: Callable[[ConfigError], None] | None) -> "Iterator[Emission]":
    from streams.replay.sources import read

    for file in files:
        yield from read(file, mapping, on_bad)


@contextmanager
def _progress(*, quiet: bool) -> Iterator[Callable[[_Counted], None] | None]:
    """Something to call with a report so far: it shows how many events there are, where somebody can see it."""
    if quiet or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn

    with Progress(SpinnerColumn(style=ACCENT), TextColumn("{task.description}"), console=Console(stderr=True), transient=True) as shown:
        task = shown.add_task("reading")

        def tell(report: _Counted) -> None:
            shown.update(task, description=f"{count(report.events)} events, {count(report.rate)} per second")

        yield tell


def _render_written(out: "Console", report: "WriteReport", *, keep_event_clock: bool, in_parts: bool) -> None:
    from rich.text import Text

    from streams.core.audience import OPEN_DAYS
    from streams.core.rules import DAY_MS

    out.print(Text.assemble((count(report.events), f"bold {ACCENT}"), f" events delivered in {report.seconds:.1f} s."))
    if report.events:
        out.print(f"From {short_time(report.first_ms)} to {short_time(report.last_ms)} UTC.")
    for topic, n in report.by_topic.items():
        out.print(f"  {count(n):>12}  {topic}")
    if report.disordered:
        out.print(f"{count(report.disordered)} lay before the event ahead of them: time does not go back for them.")
    if not in_parts and report.last_ms - report.first_ms > OPEN_DAYS * DAY_MS:
        out.print(
            "A long history: if people log in in it, send it with --part-days 15, or some stay two users (docs/identity.md).", style="dim"
        )
    if keep_event_clock:
        out.print("The partitions stay in the time of the events (--keep-event-clock).", style="dim")
    out.print()
    out.print("How far it is counted: streams stats")


def render_straight(out: "Console", report: "StraightReport", rules: "Rules") -> None:
    """Prints what came of the events, for a person, within 80 columns."""
    from rich.text import Text

    out.print(
        Text.assemble(
            (count(report.events), f"bold {ACCENT}"),
            " events of ",
            (count(report.users), "bold"),
            f" users, {count(report.rate)} per second",
        )
    )
    if not report.events:
        return
    out.print(f"From {short_time(report.first_ms)} to {short_time(report.last_ms)} UTC; all figures are as of then.", style="dim")
    out.print()
    fates = plain_table(*(name for name, n in report.fates.items() if n), "sum", right=tuple(range(9)))
    fates.add_row(*(count(n) for n in report.fates.values() if n), count(sum(report.fates.values())))
    out.print(fates)
    for reason, n in report.rejects.items():
        out.print(f"  rejected as {reason}: {count(n)}", style="dim")
    out.print()
    _render_users(out, report)
    alerts = plain_table("alerts", "fired", "resolved", "firing now", right=(1, 2, 3))
    for rule, counts in report.alerts.items():
        alerts.add_row(rule.replace("_", " "), count(counts.fired), count(counts.resolved), count(counts.firing))
    out.print(alerts)
    out.print()
    windows = list(report.windows)
    types = sorted(
        {name for window in windows for name in report.windows[window]}, key=lambda name: -report.windows[windows[-1]].get(name, 0)
    )
    table = plain_table("events", *windows, right=tuple(range(1, len(windows) + 1)))
    for name in types[:12]:
        minor = rules.catalogue.minor_units if name == "revenue_minor" else 1
        numbers = [report.windows[window].get(name, 0) / minor for window in windows]
        table.add_row(name.removesuffix("_minor").replace("_", " "), *(count(n) for n in numbers))
    out.print(table)


def _render_users(out: "Console", report: "StraightReport") -> None:
    from rich.table import Table
    from rich.text import Text

    from streams.demo.view import bar

    table: Any = Table.grid(padding=(0, 1))
    table.add_column(width=10)
    table.add_column(width=44, no_wrap=True)
    table.add_column(justify="right")
    top = max(report.bands.values(), default=0)
    for band, n in reversed(report.bands.items()):
        table.add_row(band, Text(bar(n / top if top else 0.0, 44), style=ACCENT), count(n))
    out.print(Text("users by engagement", style="dim"))
    out.print(table)
    out.print()
