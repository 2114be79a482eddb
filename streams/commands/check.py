"""`streams check`: what is right, what is doubtful, what is wrong, and what to do about it."""

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

from streams.commands.configured import configured
from streams.commands.console import ACCENT, TROUBLE, console, machine, printable

if TYPE_CHECKING:
    from streams.check import Finding

__all__ = ["run"]

_MARK = {"ok": ("ok", ACCENT), "warning": ("look", "bold"), "error": ("wrong", TROUBLE)}


def run(*, offline: bool, as_json: bool) -> int:
    """0 when nothing is wrong, 2 otherwise. Raises `ConfigError` when the files cannot be read, `Unavailable` when a server does not
    answer."""
    from streams.check import check_config, check_services
    from streams.commands.connect import greet_kafka, kafka_trouble, open_redis, redis_trouble

    settings = configured()
    findings = list(check_config(settings))

    async def services() -> "list[Finding]":
        # Who does not answer is told apart first: afterwards a timeout could be anybody's.
        async with open_redis(settings):
            await greet_kafka(settings)
        return await check_services(settings)

    if not offline:
        with kafka_trouble(settings), redis_trouble(settings):
            findings += asyncio.run(services())
    wrong = sum(finding.level == "error" for finding in findings)
    if as_json:
        machine({"ok": not wrong, "findings": [_fields(finding) for finding in findings]})
    else:
        _print(findings, wrong)
    return 2 if wrong else 0


def _fields(finding: "Finding") -> dict[str, str]:
    return {"level": finding.level, "where": finding.where, "text": finding.text, "fix": finding.fix}


def _print(findings: Sequence["Finding"], wrong: int) -> None:
    from rich.table import Table
    from rich.text import Text

    out = console()
    table = Table.grid(padding=(0, 2))
    for finding in findings:
        word, style = _MARK[finding.level]
        text = Text(printable(finding.text))
        if finding.fix and finding.level != "ok":
            text.append(f"\n{printable(finding.fix)}", style="dim")
        table.add_row(Text(word, style=style), Text(finding.where, style="dim"), text)
    out.print(table)
    doubtful = sum(finding.level == "warning" for finding in findings)
    out.print()
    if wrong:
        out.print(Text(f"{wrong} wrong, {doubtful} to look at.", style="bold"))
    else:
        out.print(Text(f"Ready{f', {doubtful} to look at' if doubtful else ''}.", style="bold"))
