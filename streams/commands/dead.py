"""`streams dead list|show|replay`: refused records, looked at and sent once more."""

import asyncio
import base64
import sys
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from streams.commands.configured import configured, instant_ms, now_ms
from streams.commands.console import ACCENT, console, count, machine, plain_table, printable, short_time
from streams.errors import ConfigError

if TYPE_CHECKING:
    from streams.core.record import Record
    from streams.settings import Settings
    from streams.shell.letters import Letter, Replayed, Selection

__all__ = ["replay", "show", "show_list"]


def show_list(*, reason: str | None, topic: str | None, since: str | None, until: str | None, limit: int, as_json: bool) -> int:
    """Prints the chosen letters, oldest first. Raises `ConfigError`, `Unavailable`."""
    settings = configured()
    which = _selection(settings, reason=reason, topic=topic, since=since, until=until, coordinates=(), limit=None)
    found = asyncio.run(_collect(settings, which))
    shown, reasons = found[-limit:], Counter(letter.reason for letter in found)
    if as_json:
        machine({"letters": [_fields(letter) for letter in shown], "found": len(found), "by_reason": dict(reasons.most_common())})
        return 0
    out = console()
    if not found:
        out.print("No dead letters.")
        return 0
    table = plain_table("refused (UTC)", "reason", "where", "bytes", "times", "coordinates", right=(3, 4))
    table.columns[-1].overflow = "fold"
    for letter in shown:
        table.add_row(
            short_time(letter.at_ms),
            printable(letter.reason),
            printable(letter.path),
            count(letter.size),
            str(letter.times),
            printable(str(letter.origin)),
        )
    out.print(table)
    out.print()
    out.print(f"{count(len(found))} refused: {', '.join(f'{count(n)} {name}' for name, n in reasons.most_common())}.")
    if len(shown) < len(found):
        out.print(f"Shown are the newest {count(len(shown))} (--limit).", style="dim")
    return 0


def show(text: str, *, raw: bool, as_json: bool) -> int:
    """Prints one letter's headers and bytes. Raises `ConfigError` when there is no such letter, `Unavailable`."""
    from streams.shell.letters import coordinates

    settings = configured()
    which = _selection(settings, reason=None, topic=None, since=None, until=None, coordinates=[coordinates(text)], limit=None)
    letter, record = asyncio.run(_fetch_one(settings, which, text))
    if raw:
        sys.stdout.buffer.write(record.value or b"")
        return 0
    if as_json:
        machine(
            {
                **_fields(letter),
                "key": _bytes(record.key),
                "value": _bytes(record.value),
                "headers": [{"name": name, **(_bytes(value) or {})} for name, value in record.headers],
            }
        )
        return 0
    _print_letter(letter, record)
    return 0


def replay(
    texts: Sequence[str], *, reason: str | None, topic: str | None, since: str | None, until: str | None, dry_run: bool, as_json: bool
) -> int:
    """Sends the chosen letters once more and says what to look at next. Raises `ConfigError`, `Unavailable`."""
    from streams.shell.letters import coordinates

    settings = configured()
    if not texts and not any((reason, topic, since, until)):
        raise ConfigError("say which letters: coordinates, or a filter such as --reason or --since", file="dead replay")
    which = _selection(
        settings, reason=reason, topic=topic, since=since, until=until, coordinates=[coordinates(text) for text in texts], limit=None
    )
    started_ms = now_ms()
    found, replayed = asyncio.run(_replay(settings, which, dry_run=dry_run))
    missing = sorted(str(at) for at in set(which.origins) - {letter.origin for letter in found})
    if as_json:
        sent = {} if replayed is None else {"by_partition": replayed.by_partition, "unaddressed": replayed.unaddressed}
        reasons = Counter(letter.reason for letter in found)
        machine(
            {
                "dry_run": dry_run,
                "sent": 0 if replayed is None else replayed.sent,
                "found": len(found),
                "by_reason": reasons,
                "missing": missing,
                **sent,
            }
        )
        return 0
    _print_replay(settings, found, replayed, missing, short_time(started_ms).replace(" ", "T") + "Z")
    return 0


def _selection(
    settings: "Settings",
    *,
    reason: str | None,
    topic: str | None,
    since: str | None,
    until: str | None,
    coordinates: Sequence[object],
    limit: int | None,
) -> "Selection":
    from streams.shell.letters import REASONS, Selection

    if reason is not None and reason not in REASONS:
        raise ConfigError(f"there is no reason {reason!r}; there are {', '.join(REASONS)}", file="--reason")
    inputs = settings.rules.topics.inputs
    if topic is not None and topic not in inputs:
        raise ConfigError(f"no events come from {topic!r}; they come from {', '.join(inputs)}", file="--topic")
    now = now_ms()
    return Selection(
        reason=reason,
        topic=topic,
        since_ms=None if since is None else instant_ms(since, "--since", now_ms=now),
        until_ms=None if until is None else instant_ms(until, "--until", now_ms=now),
        origins=frozenset(coordinates),  # type: ignore[arg-type]
        limit=limit,
    )


async def _collect(settings: "Settings", which: "Selection") -> "list[Letter]":
    from streams.commands.connect import open_consumer
    from streams.shell.letters import collect

    async with open_consumer(settings) as consumer:
        return await collect(consumer, settings.rules, which)


async def _fetch_one(settings: "Settings", which: "Selection", text: str) -> "tuple[Letter, Record]":
    from streams.commands.connect import open_consumer
    from streams.shell.letters import collect, fetch

    async with open_consumer(settings) as consumer:
        async for letter, record in fetch(consumer, settings.rules, await collect(consumer, settings.rules, which)):
            return letter, record
    raise ConfigError(f"there is no dead letter of {printable(text)}; `streams dead list` shows those there are", file="COORDINATES")


async def _replay(settings: "Settings", which: "Selection", *, dry_run: bool) -> "tuple[list[Letter], Replayed | None]":
    from streams.commands.connect import open_consumer, open_producer
    from streams.shell.letters import collect, replay

    async with open_consumer(settings) as consumer:
        found = await collect(consumer, settings.rules, which)
        if dry_run or not found:
            return found, None
        async with open_producer(settings) as producer:
            return found, await replay(consumer, producer, settings.rules, found)


def _fields(letter: "Letter") -> dict[str, object]:
    from streams.core.envelope import rfc3339

    return {
        "coordinates": str(letter.origin),
        "topic": letter.origin.topic,
        "partition": letter.origin.partition,
        "offset": letter.origin.offset,
        "reason": letter.reason,
        "at": letter.path,
        "stage": letter.stage,
        "refused_at": rfc3339(letter.at_ms),
        "size_bytes": letter.size,
        "times": letter.times,
    }


def _bytes(value: bytes | None) -> dict[str, str] | None:
    """Bytes for JSON: exactly, and as text with what is no text spelled out."""
    if value is None:
        return None
    return {"base64": base64.b64encode(value).decode(), "text": value.decode("utf-8", "backslashreplace")}


def _shown(value: bytes | None) -> str:
    return "(none)" if value is None else printable(value.decode("utf-8", "backslashreplace"))


def _print_letter(letter: "Letter", record: "Record") -> None:
    from rich.table import Table
    from rich.text import Text

    out = console()
    out.print(Text.assemble((printable(letter.reason), f"bold {ACCENT}"), f" at {printable(letter.path)}" if letter.path else ""))
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    table.add_row("coordinates", printable(str(letter.origin)))
    table.add_row(
        "refused",
        f"{short_time(letter.at_ms)} UTC, while {printable(letter.stage) or 'unknown'}"
        + (f", {letter.times} times" if letter.times > 1 else ""),
    )
    table.add_row("key", _shown(record.key))
    out.print(table)
    out.print()
    headers = Table.grid(padding=(0, 2))
    headers.add_column(style="dim", overflow="fold")
    headers.add_column(overflow="fold")
    for name, value in record.headers:
        headers.add_row(printable(name), _shown(value))
    out.print(headers)
    out.print()
    out.print(Text(f"value, {count(letter.size)} bytes", style="dim"))
    out.print(_shown(record.value), soft_wrap=True)


def _print_replay(settings: "Settings", found: "Sequence[Letter]", replayed: "Replayed | None", missing: Sequence[str], since: str) -> None:
    from rich.text import Text

    out = console()
    for text in missing:
        out.print(f"no letter  {printable(text)}")
    if not found:
        out.print("No dead letters match: nothing was sent.")
        return
    reasons = ", ".join(f"{count(n)} {printable(name)}" for name, n in Counter(letter.reason for letter in found).most_common())
    if replayed is None:
        out.print(Text.assemble("Would send ", (count(len(found)), f"bold {ACCENT}"), f": {reasons}. Nothing was sent (--dry-run)."))
        return
    out.print(Text.assemble("Sent ", (count(replayed.sent), f"bold {ACCENT}"), f" to {settings.rules.topics.rerouted}: {reasons}."))
    if replayed.unaddressed:
        out.print(f"In {count(replayed.unaddressed)} of them no user id can be read: they will be refused again.")
    out.print("A record that was replayed before is counted as a duplicate, so nothing is counted twice.", style="dim")
    out.print()
    out.print("What is refused again:   streams dead list --since " + since, soft_wrap=True)
    out.print("Whether all is counted:  streams stats", soft_wrap=True)
