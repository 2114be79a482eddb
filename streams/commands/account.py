"""`streams explain account:ID`: finds an account's state and tells it in words."""

import asyncio
from typing import TYPE_CHECKING

import msgspec

from streams.commands.configured import instant_ms, now_ms
from streams.commands.console import ACCENT, TROUBLE, console, count, machine, plain_table, printable, short_time

if TYPE_CHECKING:
    from rich.console import Console

    from streams.account_explanation import AccountExplanation
    from streams.settings import Settings
    from streams.shell.accounts import StoredAccount

__all__ = ["render", "run"]

#: Members that are printed: who wants all of them asks for JSON.
_SHOWN = 20


def run(settings: "Settings", ident: str, *, at: str | None, as_json: bool) -> int:
    """0, also for an account that nobody is a member of. Raises `ConfigError` for a time that is none, `Unavailable` without Redis."""
    from streams.account_explanation import explain_account

    stored = asyncio.run(_read(settings, ident))
    if stored is None:
        if as_json:
            machine({"account_id": ident, "known": False})
        else:
            console().print(f"Nobody is a member of {printable(ident)}: no group event with this groupId was counted, or it is forgotten.")
        return 0
    as_of_ms = stored.as_of_ms if at is None else instant_ms(at, "--at", now_ms=stored.as_of_ms, ahead=True)
    told = explain_account(stored.account, ident, settings.rules, stored.a_ref, as_of_ms)
    if as_json:
        machine({"known": True, **msgspec.to_builtins(told)})
    else:
        render(console(), told)
    return 0


async def _read(settings: "Settings", ident: str) -> "StoredAccount | None":
    from streams.commands.connect import open_redis
    from streams.shell.accounts import read_account

    async with open_redis(settings) as redis:
        return await read_account(redis, settings.rules, ident, now_ms())


def render(out: "Console", told: "AccountExplanation") -> None:
    """Prints the account for a person, within 80 columns."""
    from rich.text import Text

    name = f"{told.name}  " if told.name else ""
    title = (f"account {printable(name + told.account_id)}", f"bold {ACCENT}")
    out.print(Text.assemble(title, (f"   as of {short_time(told.as_of_ms)} UTC", "dim")))
    out.print(told.summary)
    out.print()
    _members(out, told)
    _visits(out, told)
    if told.alert is not None:
        out.print(Text.assemble(("Alert: account drop", f"bold {TROUBLE}"), f" since {told.alert.starts_at[:16].replace('T', ' ')}"))
        for reason in told.alert.reasons:
            out.print(f"  {reason.text}")
        out.print(f"  {told.alert.clears_when} would clear it.")
        out.print(Text(f"  {told.alert.alert_id}", style="dim"))


def _members(out: "Console", told: "AccountExplanation") -> None:
    from rich.text import Text

    table = plain_table("member", "weight", "score", "adds", "last active", "", right=(1, 2, 3))
    for member in told.members[:_SHOWN]:
        risk = Text("at risk", style=TROUBLE) if member.at_risk else ""
        table.add_row(
            printable(member.user_id),
            count(member.weight),
            f"{member.engagement_score:.1f}",
            f"{member.points:.2f}",
            member.last_active,
            risk,
        )
    hidden = told.members[_SHOWN:]
    if hidden or told.others:
        points = sum(member.points for member in hidden) + told.others_points
        table.add_row(f"{len(hidden) + told.others} others", "", "", f"{points:.2f}", "", "")
    table.add_row(Text("= score", style="bold"), count(told.weight), "", f"{told.engagement_score:.2f}", "", "")
    out.print(table)
    out.print()


def _visits(out: "Console", told: "AccountExplanation") -> None:
    from rich.text import Text

    if not told.windows:
        out.print(Text("Too young for a usual level of visits: no drop can be seen yet.", style="dim"))
        out.print()
        return
    table = plain_table("visits", "came", "usual", "evidence of a drop", right=(1, 2, 3))
    for window in told.windows:
        table.add_row(f"{window.days} days to {told.judged_to}", count(window.visits), f"{window.usual:.1f}", f"{window.value:.2f}")
    out.print(table)
    share = f"{100 * told.fall_to:.0f} %"
    out.print(Text(f"An alert begins with evidence from {told.on:g} on, if visits are down to {share} of the usual.", style="dim"))
    out.print()
