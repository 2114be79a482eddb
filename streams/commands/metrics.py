"""`streams metrics`: the business metrics as they stand in Redis; `streams metrics reconcile`: a day of them counted again from the log."""

import asyncio
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from streams.commands.configured import configured
from streams.commands.console import ACCENT, TROUBLE, console, count, machine, plain_table, printable
from streams.configfile import did_you_mean
from streams.core.ledger import day_of, month_window, rolling_window, window_of
from streams.core.measures import DIMENSIONS
from streams.core.metric_record import MetricRecord, days_of, records_at
from streams.core.metrics import METRICS
from streams.core.rules import DAY_MS
from streams.errors import ConfigError, MissingHistory

if TYPE_CHECKING:
    from rich.console import Console

    from streams.settings import Settings

__all__ = ["Compared", "Reconciled", "compare", "reconcile", "render_reconciled", "run", "value_text"]


class Shown(NamedTuple):
    """What was read: the figures, how far the events had come, and how many sums by name found no room."""

    records: list[MetricRecord]
    time_ms: int
    overflow: int


def run(*, metric: str | None, window: str, day: str | None, segment: str | None, as_json: bool) -> int:
    """0. Raises `ConfigError` for what does not exist, `Unavailable` without Redis."""
    names = [each.name for each in METRICS]
    if metric is not None and metric not in names:
        raise ConfigError(f"there is no metric `{metric}`{did_you_mean(metric, names)}", file="--metric")
    settings = configured()
    shown = asyncio.run(_read(settings, window, day, metric, segment))
    if as_json:
        machine(msgspec.to_builtins(shown.records))
    else:
        render(console(), shown, window, segments=segment is not None)
    return 0


async def _read(settings: "Settings", window: str, day: str | None, metric: str | None, segment: str | None) -> Shown:
    from streams.commands.connect import open_redis
    from streams.shell.sums import SumsReader

    rules = settings.rules
    async with open_redis(settings) as redis:
        reader = SumsReader(redis, rules.app_id, rules.partitions)
        moment = await reader.look()
        time_ms = max(0, moment.time_ms)
        try:
            windows = [window_of(window, None if day is None else _day(day), time_ms)]
        except ValueError as wrong:
            raise ConfigError(str(wrong), file="--window") from None
        await reader.load(days_of(windows))
        records = records_at(reader.ledger, windows, rules.business, time_ms=time_ms, rev=moment.rev, rules_version=rules.version)
        chosen = [record for record in records if (metric is None or record.metric == metric) and _meets(record.segment, segment)]
        first, last = (each // 24 if windows[0].hours else each for each in (windows[0].first, windows[0].last))
        return Shown(chosen, moment.time_ms, reader.ledger.overflow(first, last))


def _meets(have: str | None, wanted: str | None) -> bool:
    """`country` means all of them, `country=DE` that one, nothing what is over all."""
    if wanted is None or have is None:
        return have is wanted
    return have == wanted or have.partition("=")[0] == wanted


def _day(text: str) -> int:
    try:
        return day_of(text)
    except ValueError:
        raise ConfigError(f"a day is written 2026-01-31, got {text!r}", file="DAY") from None


# -- for people --------------------------------------------------------------------------------------------------------


def render(out: "Console", shown: Shown, window: str, *, segments: bool) -> None:
    """Prints the figures as a table: what, value, and what it rests on."""
    from rich.text import Text

    if shown.time_ms < 0:
        out.print("Nothing has been counted yet.", style="dim")
        return
    if not shown.records:
        out.print("Nothing of that kind has been counted in this window.", style="dim")
        return
    first = shown.records[0]
    out.print(
        Text.assemble(
            ("Business metrics ", f"bold {ACCENT}"), (window, "bold"), f"  {first.starts_at[:16]} to {first.ends_at[:16]} UTC",
            (f"   as of {first.as_of[:19]}", "dim"),
        )
    )  # fmt: skip
    out.print()
    texts = {metric.name: metric.text for metric in METRICS}
    by = ("segment",) if segments else ()
    table = plain_table("metric", *by, "value", "of", "what", right=(1 + len(by), 2 + len(by)))
    for record in shown.records:
        if record.value is None and not segments:
            table.add_row(record.metric, Text("-", "dim"), "0", Text(texts[record.metric], "dim"))
            continue
        named = (printable(record.segment or ""),) if segments else ()
        base = "" if record.denominator is None else count(record.denominator)
        table.add_row(record.metric, *named, Text(value_text(record), "bold"), base, Text(texts[record.metric], "dim"))
    out.print(table)
    if shown.overflow:
        out.print()
        text = f"{count(shown.overflow)} sums by name found no room: figures by campaign, survey, source and feature are not complete"
        out.print(Text(f"! {text} (metrics.yaml, named_limit).", TROUBLE))


def value_text(record: MetricRecord) -> str:
    """The value as people read it: `17.26 %`, `1,234`, `56.10`."""
    if record.value is None:
        return "-"
    match record.unit:
        case "percent":
            return f"{record.value:,.2f} %"
        case "count":
            return count(record.value)
        case "money_minor":
            return f"{record.value / 100:,.2f}"
        case _:
            return f"{record.value:,.2f}"


# -- counted again -----------------------------------------------------------------------------------------------------


class Compared(msgspec.Struct, frozen=True):
    """One figure counted twice."""

    series: str
    stored: tuple[float, float | None]
    recounted: tuple[float, float | None]


class Reconciled(msgspec.Struct, frozen=True):
    """What a recount found. `left_out`: metrics that rest on days that the log no longer holds."""

    day: str
    events: int
    figures: int
    differences: tuple[Compared, ...]
    left_out: tuple[str, ...]


def reconcile(day: str, *, as_json: bool) -> int:
    """0 when every figure of the day is the same counted again, 1 when one is not. `MissingHistory` when the log has lost it."""
    settings = configured()
    found = asyncio.run(_reconcile(settings, day))
    if as_json:
        machine(msgspec.to_builtins(found))
    else:
        render_reconciled(console(), found)
    return 1 if found.differences else 0


async def _reconcile(settings: "Settings", label: str) -> Reconciled:
    from streams.commands.connect import open_consumer, open_redis
    from streams.recount import Recount
    from streams.shell.counted import Arrived, CountedLog, Departed
    from streams.shell.sums import SumsReader

    rules, day = settings.rules, _day(label)
    windows = [rolling_window("day", day), rolling_window("7d", day), rolling_window("30d", day), month_window(day)]
    recount, events = Recount(rules), 0
    async with open_redis(settings) as redis, open_consumer(settings) as consumer:
        reader = SumsReader(redis, rules.app_id, rules.partitions)
        moment = await reader.look()
        revs = await reader.snapshot(days_of(windows))  # workers may go on counting: what they add from here on is left out on both sides
        time_ms = max(0, moment.time_ms)
        records = list(records_at(reader.ledger, windows, rules.business, time_ms=time_ms, rev=moment.rev, rules_version=rules.version))
        log = CountedLog(consumer, rules)
        await log.open()
        if log.begins_ms is not None and log.begins_ms > day * DAY_MS:
            raise MissingHistory(f"the log begins within or after {label}: that day cannot be counted again")
        async for event in log.events(revs):
            if isinstance(event, Departed):
                recount.left(event.source)
            elif isinstance(event, Arrived):
                recount.came(event.source, event.target)
            else:
                recount.add(event)
                events += 1
    again = recount.figures(day, time_ms // DAY_MS)
    return compare(label, records, again, events, None if log.begins_ms is None else _OF_THE_DAY)


#: Differences that are shown; `--json` has all of them.
_DIFFERENCES = 50

#: Metrics of a day that rest on nothing but the events of that day.
_OF_THE_DAY = frozenset(
    {
        "dau",
        "page_views",
        "shares",
        "interactions",
        "sales",
        "returns",
        "revenue",
        "expansion_revenue",
        "contraction_revenue",
        "opt_in_rate",
    }
)


def compare(
    label: str, records: list[MetricRecord], again: "dict[str, tuple[float, float | None]]", events: int, allowed: "frozenset[str] | None"
) -> Reconciled:
    """The figures in the store beside those counted again; only metrics of `allowed`, and of the day, where that is given."""
    stored = {record.series: (record.numerator, record.denominator) for record in records if _may(record.metric, record.window, allowed)}
    by = {metric.name: metric for metric in METRICS}
    expected = {}
    for series, pair in again.items():
        name, window, rest = series.split("/", 2) if series.count("/") > 1 else (*series.split("/"), "")
        segment = rest.partition("/")[2] if window in ("day", "month") else rest
        dimension = segment.partition("=")[0]
        told = not segment or dimension == by[name].by or (by[name].segments and dimension in DIMENSIONS)
        if told and _may(name, window, allowed) and (series in stored or any(pair)):
            expected[series] = pair
    differences = []
    for series in sorted(stored.keys() | expected.keys()):
        have, want = stored.get(series, (0, None)), expected.get(series, (0, None))
        if any(abs((one or 0) - (other or 0)) > 1e-6 for one, other in zip(have, want, strict=True)):
            differences.append(Compared(series, have, want))
    left_out = () if allowed is None else tuple(metric.name for metric in METRICS if metric.name not in allowed)
    return Reconciled(label, events, len(stored.keys() | expected.keys()), tuple(differences), left_out)


def _may(metric: str, window: str, allowed: "frozenset[str] | None") -> bool:
    return allowed is None or (metric in allowed and window == "day")


def render_reconciled(out: "Console", found: Reconciled) -> None:
    """Prints what a recount found: nothing but a line when nothing differs, else the first of the figures that do."""
    from rich.text import Text

    out.print(f"{found.day}: {count(found.figures)} figures counted again from {count(found.events)} events.")
    if found.left_out:
        out.print(f"Left out, as the log no longer holds the days that they rest on: {', '.join(found.left_out)}.", style="dim")
    if not found.differences:
        out.print(Text("difference 0", f"bold {ACCENT}"))
        return
    out.print(Text(f"! {count(len(found.differences))} differ", f"bold {TROUBLE}"))
    table = plain_table("figure", "stored", "counted again", right=(1, 2))
    for each in found.differences[:_DIFFERENCES]:
        table.add_row(printable(each.series), _pair(each.stored), _pair(each.recounted))
    out.print(table)


def _pair(figure: tuple[float, float | None]) -> str:
    return " / ".join("-" if part is None else f"{part:,g}" for part in figure)
