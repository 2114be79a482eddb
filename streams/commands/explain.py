"""`streams explain USER`: finds one user's state and tells it in words."""

import asyncio
from typing import TYPE_CHECKING

import msgspec

from streams.commands.configured import configured, instant_ms, now_ms
from streams.commands.console import ACCENT, TROUBLE, ago, console, count, machine, plain_table, printable, short_time
from streams.errors import ConfigError

if TYPE_CHECKING:
    from rich.console import Console

    from streams.core.parameters import Parameters
    from streams.core.rules import Rules
    from streams.explanation import Explanation, Judgement
    from streams.settings import Settings

__all__ = ["render", "run"]


def run(key: str, *, at: str | None, as_json: bool) -> int:
    """0, also for a user that nobody has seen. Raises `ConfigError` for a time that lies before what the state knows, `Unavailable`
    without Redis."""
    from streams.commands import account
    from streams.core.account import ACCOUNT
    from streams.core.moved import Moved, is_moved
    from streams.core.user import User
    from streams.explanation import explain, found_by, let_pass

    settings = configured()
    asked, merged_ms, passed = key, -1, set[str]()
    blob, clock_ms, parameters = asyncio.run(_read(settings, key))
    while blob is not None and is_moved(blob):
        passed.add(key)
        key, since_ms, _ = Moved.decode(blob)
        merged_ms = max(merged_ms, since_ms)
        if key in passed:  # names that lead in a circle, while their state is on the way
            blob = None
            break
        blob, clock_ms, parameters = asyncio.run(_read(settings, key))
    if blob is None and key.startswith(ACCOUNT):
        return account.run(settings, key.removeprefix(ACCOUNT), at=at, as_json=as_json)
    if blob is None:
        if as_json:
            machine({"user_id": key, "known": False})
        else:
            console().print(f"Nobody has seen {printable(key)}: no event with this id was counted, or the state has expired.")
            if not key.startswith("anon:"):
                console().print("For somebody who never signed in: anon: and the anonymous id.", style="dim")
        return 0
    user = User(settings.rules)
    user.use(parameters)
    user.load(key, blob)
    as_of_ms = max(clock_ms, user.newest_ms) if at is None else instant_ms(at, "--at", now_ms=clock_ms, ahead=True)
    if as_of_ms < user.newest_ms:
        raise ConfigError(f"the state is as of its newest event, {short_time(user.newest_ms)}: it can be read then or later", file="--at")
    if at is not None and not let_pass(user, as_of_ms):
        console().print(f"By then {printable(key)} will be forgotten: {settings.rules.scoring.state_ttl_days} days without an event.")
        return 0
    told = explain(user, settings.rules, as_of_ms)
    if merged_ms >= 0:
        told = found_by(told, asked, merged_ms)
    if as_json:
        machine({"known": True, **msgspec.to_builtins(told)})
    else:
        render(console(), told, settings.rules)
    return 0


async def _read(settings: "Settings", key: str) -> "tuple[bytes | None, int, Parameters]":
    """The user's stored state, what time it is for its partition (a replay of old events lives in the time of the events), and the
    parameters in force."""
    from streams.commands.connect import open_redis
    from streams.core.identity import ANONYMOUS, home_partition
    from streams.shell.heads import Keys
    from streams.shell.parameters import read_current
    from streams.shell.status import read_head

    partition = home_partition(key.removeprefix(ANONYMOUS), settings.rules.partitions)
    async with open_redis(settings) as redis:
        (row,) = await redis.hmget(Keys.of(settings.rules.app_id, partition).users, [key])
        head = await read_head(redis, settings.rules.app_id, partition)
        parameters = await read_current(redis, settings.rules)
    blob = row if isinstance(row, bytes) else None
    return blob, head.time_ms if head is not None and head.clock == "event" else now_ms(), parameters


def render(out: "Console", told: "Explanation", rules: "Rules") -> None:
    """Prints the explanation for a person, within 80 columns."""
    from rich.text import Text

    if told.ids.asked:
        out.print(f"{printable(told.ids.asked)} was merged into {printable(told.user_id)} on {told.ids.merged[:10]}.")
    out.print(Text.assemble((printable(told.user_id), f"bold {ACCENT}"), (f"   as of {short_time(told.as_of_ms)} UTC", "dim")))
    out.print(told.summary)
    if told.account_id is not None:
        out.print(Text(f"A member of account:{printable(told.account_id)}.", style="dim"))
    out.print()
    _activity(out, told, rules)
    _score(out, told)
    _portrait(out, told)
    _judged(out, f"Chance of leaving within {rules.churn.horizon_days:.0f} days", told.churn, percent=True)
    _judged(out, "Engagement drop", told.drop, percent=False)
    _alerts(out, told)
    _ahead(out, told)


def _activity(out: "Console", told: "Explanation", rules: "Rules") -> None:
    from streams.phrases import said

    windows = list(told.windows)
    table = plain_table("activity", *windows, "ever", right=tuple(range(1, len(windows) + 2)))
    ranked = sorted(told.lifetime, key=lambda name: -max(told.windows[window].get(name, 0) for window in windows))
    for name in [*(name for name in ranked if name != "revenue_minor"), "revenue_minor"]:
        if name in told.lifetime or any(name in told.windows[window] for window in windows):
            numbers = [told.windows[window].get(name, 0) for window in windows] + [told.lifetime.get(name, 0)]
            money = name == "revenue_minor"
            cells = [("·" if not n else f"{n / rules.catalogue.minor_units:,.2f}" if money else count(n)) for n in numbers]
            table.add_row("revenue" if money else said(name), *cells)
    out.print(table)
    out.print()


def _score(out: "Console", told: "Explanation") -> None:
    from rich.padding import Padding
    from rich.text import Text

    score = told.score
    out.print(Text.assemble(("Score  ", "bold"), (f"{score.engagement_score}", f"bold {ACCENT}"), " of 100, ", (score.band, "bold")))
    out.print(Padding(told.made_of, (0, 0, 0, 2), expand=False))
    out.print()


def _portrait(out: "Console", told: "Explanation") -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2))
    for heading, line in told.portrait:
        table.add_row(Text(heading, style="bold"), line)
    out.print(table)
    out.print()


def _judged(out: "Console", title: str, judged: "Judgement", *, percent: bool) -> None:
    from rich.table import Table
    from rich.text import Text

    def figure(x: float) -> str:
        return f"{100 * x:.1f} %" if percent else f"{x:.2f}"

    def limit(x: float) -> str:
        return f"{100 * x:g} %" if percent else f"{x:g}"

    hot = judged.value >= judged.on
    out.print(
        Text.assemble(
            (f"{title}  ", "bold"),
            (figure(judged.value), f"bold {TROUBLE if hot else ACCENT}"),
            (f"   alert from {limit(judged.on)}, over below {limit(judged.off)}", "dim"),
        )
    )
    table = Table.grid(padding=(0, 2))
    table.add_column(justify="right", min_width=9, no_wrap=True)
    table.add_column()
    for reason in judged.reasons:
        table.add_row(f"{'+' if reason.contribution >= 0 else ''}{figure(reason.contribution)}" if reason.contribution else "", reason.text)
    table.add_row(Text(f"= {figure(judged.sum)}", style="bold"), Text("sum", style="dim"))
    out.print(table)
    out.print()


def _alerts(out: "Console", told: "Explanation") -> None:
    from rich.text import Text

    from streams.phrases import said

    for alert in told.alerts:
        out.print(Text.assemble((f"Alert: {said(alert.rule)}", f"bold {TROUBLE}"), f" since {alert.starts_at[:16].replace('T', ' ')}"))
        out.print(f"  {alert.clears_when} would clear it.")
        out.print(Text(f"  {alert.alert_id}", style="dim"))
        out.print()


def _ahead(out: "Console", told: "Explanation") -> None:
    from rich.table import Table
    from rich.text import Text

    if not told.ahead:
        out.print(Text("Time alone will change nothing.", style="dim"))
        return
    out.print(Text("If they stay away", style="bold"))
    table = Table.grid(padding=(0, 2))
    for step in told.ahead:
        span_ms = step.at_ms - told.as_of_ms
        when = f"in {ago(span_ms)}" if span_ms > 0 else "due now"
        table.add_row(Text(f"  {short_time(step.at_ms)[:16]}", style="dim"), when, step.what)
    out.print(table)
