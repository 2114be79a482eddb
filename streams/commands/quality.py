"""`streams quality`: how good alerts and forecasts have been, and which threshold of the drop alert gives how many false ones."""

import asyncio
from typing import TYPE_CHECKING

import msgspec

from streams.commands.configured import configured, now_ms
from streams.commands.console import ACCENT, console, count, machine, plain_table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.console import Console

    from streams.core.quality import Quality
    from streams.settings import Settings

__all__ = ["Report", "render", "run"]

_USERS = 1000
_SHARES = (0.05, 0.10, 0.15, 0.20)
#: Fewer users than this say too little about a threshold.
_LEAST_USERS = 30


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What the command says.

    forecasts    as `core/calibration.py` has them
    false_rates  h -> share of users who change nothing and would be alerted within 90 days; empty with too few users
    h_for        share -> the least h that keeps it
    """

    days: int
    parameters_version: str
    alerts: "Sequence[Quality]"
    forecasts: "Mapping[str, float]"
    users: int
    h_on: float
    false_rates: "Mapping[str, float]"
    h_for: "Mapping[str, float]"


def run(*, days: int, as_json: bool) -> int:
    """0. Raises `Unavailable` without Redis."""
    settings = configured()
    report = asyncio.run(_read(settings, days))
    if as_json:
        machine(msgspec.to_builtins(report))
    else:
        render(console(), report)
    return 0


async def _read(settings: "Settings", days: int) -> Report:
    from streams.commands.connect import open_redis
    from streams.core.alert import RULES
    from streams.core.calibration import figures
    from streams.core.falsealarm import HEIGHTS, false_rate, highest, threshold_for
    from streams.core.quality import quality
    from streams.core.rules import DAY_MS
    from streams.shell.parameters import read_current, read_learned
    from streams.shell.quality import read_alert_sums, read_rates

    rules, today = settings.rules, now_ms() // DAY_MS
    async with open_redis(settings) as redis:
        sums = await read_alert_sums(redis, rules, today - days + 1, today)
        learned = await read_learned(redis, rules)
        parameters = await read_current(redis, rules)
        rates = await read_rates(redis, rules, _USERS)
    tops = [highest(rules, rate, key) for key, rate in rates.items()]
    enough = len(tops) >= _LEAST_USERS
    return Report(
        days=days,
        parameters_version=parameters.version,
        alerts=[quality(rule, sums) for rule in RULES],
        forecasts=figures([(part.churn, part.calibration) for part in learned]),
        users=len(tops),
        h_on=rules.drop.h_on,
        false_rates={f"{h:g}": false_rate(tops, h) for h in sorted({*HEIGHTS, rules.drop.h_on})} if enough else {},
        h_for={f"{share:g}": threshold_for(tops, share) for share in _SHARES} if enough else {},
    )


def render(out: "Console", report: Report) -> None:
    """Prints the report for a person, within 80 columns."""
    from rich.text import Text

    out.print(Text.assemble(("Alerts", f"bold {ACCENT}"), f" of the last {report.days} days, judged by what became of the users"))
    table = plain_table("alert", "fired", "right", "wrong", "precision", "recall", "lead", "returned", right=tuple(range(1, 8)))
    for it in report.alerts:
        lead = "·" if it.lead_days is None else f"{it.lead_days:.1f} d"
        numbers = (count(it.fired), count(it.right), count(it.wrong))
        table.add_row(it.rule.replace("_", " "), *numbers, _percent(it.precision), _percent(it.recall), lead, _percent(it.returned_share))
    out.print(table)
    out.print("right: no visit for the horizon after the alert. recall: lost users who had been alerted before.", style="dim")
    out.print()
    _forecasts(out, report)
    _thresholds(out, report)


def _forecasts(out: "Console", report: Report) -> None:
    from rich.text import Text

    says = report.forecasts
    learned = f"{count(int(says['labels_lost']))} lost, {count(int(says['labels_stayed']))} stayed"
    out.print(Text.assemble(("Forecasts", f"bold {ACCENT}"), f" read by {report.parameters_version}; learned from {learned}"))
    if "brier" in says:
        out.print(f"  said {100 * says['forecast']:.1f} % on average, {100 * says['outcome']:.1f} % were lost")
        out.print(f"  calibration error {100 * says['ece']:.1f} %, Brier {says['brier']:.3f}, drift {says['drift']:.2f} sd")
    out.print()


def _thresholds(out: "Console", report: Report) -> None:
    from rich.text import Text

    if not report.false_rates:
        out.print(f"Too few regular users ({report.users}) to say what h_on of the drop alert costs in false alerts.", style="dim")
        return
    out.print(Text.assemble(("Drop alert", f"bold {ACCENT}"), f", {count(report.users)} of your users let live for 90 days unchanged"))
    table = plain_table("h_on", "would be alerted", right=(0, 1))
    for h, share in report.false_rates.items():
        mine = float(h) == report.h_on
        table.add_row(f"{h}{' (yours)' if mine else ''}", _percent(share), style="bold" if mine else None)
    out.print(table)
    out.print("For " + ", ".join(f"{100 * float(share):g} %: h_on {h:g}" for share, h in report.h_for.items()), style="dim")


def _percent(share: float | None) -> str:
    return "·" if share is None else f"{100 * share:.1f} %"
