"""`streams dead list|show|replay` and `streams quarantine list|show|release`: records that were set aside, looked at and sent once more."""

import asyncio
import base64
import sys
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from streams.commands.configured import configured, instant_ms, now_ms
from streams.commands.console import ACCENT, console, count, machine, plain_table, printable, short_time
from streams.errors import ConfigError

if TYPE_CHECKING:
    from streams.core.record import Coordinates, Record
    from streams.settings import Settings
    from streams.shell.letters import Letter, Replayed, Selection, Shelf

__all__ = ["DEAD", "QUARANTINE", "Chosen", "Place", "replay", "show", "show_list"]


class Place(NamedTuple):
    """Where the records of a command lie, and what people call them there. `again`: what may become of one that is sent."""

    command: Literal["dead", "quarantine"]
    send: str
    sent: str
    one: str
    none: str
    none_match: str
    done: str
    again: str


DEAD: Final = Place(
    command="dead",
    send="replay",
    sent="replayed",
    one="dead letter",
    none="No dead letters.",
    none_match="No dead letters match",
    done="refused",
    again="What is refused again:   streams dead list --since ",
)
QUARANTINE: Final = Place(
    command="quarantine",
    send="release",
    sent="released",
    one="record in quarantine",
    none="Nothing is in quarantine.",
    none_match="Nothing in quarantine matches",
    done="held back",
    again="What is refused now:     streams dead list --since ",
)


class Chosen(NamedTuple):
    """What somebody asks for: all that meet every filter. `user`: a raw id, the key of the record."""

    reason: str | None = None
    topic: str | None = None
    user: str | None = None
    since: str | None = None
    until: str | None = None


def show_list(place: Place, chosen: Chosen, *, limit: int, as_json: bool) -> int:
    """Prints the chosen letters, oldest first. Raises `ConfigError`, `Unavailable`."""
    settings = configured()
    found = asyncio.run(_collect(settings, place, _selection(settings, place, chosen, ())))
    shown, reasons = found[-limit:], _by_reason(found)
    if as_json:
        machine({"letters": [_fields(place, letter) for letter in shown], "found": len(found), "by_reason": reasons})
        return 0
    out = console()
    if not found:
        out.print(place.none)
        return 0
    what, right = (("user",), (3,)) if place is QUARANTINE else (("where", "times"), (3, 4))
    table = plain_table(f"{place.done} (UTC)", "reason", what[0], "bytes", *what[1:], "coordinates", right=right)
    table.columns[-1].overflow = "fold"
    for letter in shown:
        told = (_shown(letter.key),) if place is QUARANTINE else (printable(letter.path), str(letter.times))
        coordinates = printable(str(letter.origin))
        table.add_row(short_time(letter.at_ms), printable(letter.reason), told[0], count(letter.size), *told[1:], coordinates)
    out.print(table)
    out.print()
    out.print(f"{count(len(found))} {place.done}: {_listed(reasons)}.")
    if len(shown) < len(found):
        out.print(f"Shown are the newest {count(len(shown))} (--limit).", style="dim")
    return 0


def show(place: Place, text: str, *, raw: bool, as_json: bool) -> int:
    """Prints one letter's headers and bytes. Raises `ConfigError` when there is no such letter, `Unavailable`."""
    from streams.shell.letters import coordinates

    settings = configured()
    which = _selection(settings, place, Chosen(), [coordinates(text)])
    letter, record = asyncio.run(_fetch_one(settings, place, which, text))
    if raw:
        sys.stdout.buffer.write(record.value or b"")
        return 0
    if as_json:
        machine(
            {
                **_fields(place, letter),
                "key": _bytes(record.key),
                "value": _bytes(record.value),
                "headers": [{"name": name, **(_bytes(value) or {})} for name, value in record.headers],
            }
        )
        return 0
    _print_letter(place, letter, record)
    return 0


def replay(place: Place, texts: Sequence[str], chosen: Chosen, *, dry_run: bool, as_json: bool) -> int:
    """Sends the chosen letters once more and says what to look at next. Raises `ConfigError`, `Unavailable`."""
    from streams.shell.letters import coordinates

    settings = configured()
    if not texts and not any(chosen):
        raise ConfigError("say which: coordinates, or a filter such as --reason or --since", file=f"{place.command} {place.send}")
    which = _selection(settings, place, chosen, [coordinates(text) for text in texts])
    started_ms = now_ms()
    found, replayed = asyncio.run(_replay(settings, place, which, dry_run=dry_run))
    missing = which.missing(found)
    if as_json:
        sent = {} if replayed is None else {"by_partition": replayed.by_partition, "unaddressed": replayed.unaddressed}
        machine(
            {
                "dry_run": dry_run,
                "sent": 0 if replayed is None else replayed.sent,
                "found": len(found),
                "by_reason": _by_reason(found),
                "missing": missing,
                **sent,
            }
        )
        return 0
    _print_replay(place, settings, found, replayed, missing, short_time(started_ms).replace(" ", "T") + "Z")
    return 0


def _shelf(settings: "Settings", place: Place) -> "Shelf":
    from streams.shell.letters import held_back, refused

    return held_back(settings.rules) if place is QUARANTINE else refused(settings.rules)


def _selection(settings: "Settings", place: Place, chosen: Chosen, coordinates: "Sequence[Coordinates]") -> "Selection":
    from streams.shell.letters import Selection

    reasons = _shelf(settings, place).reasons
    if chosen.reason is not None and chosen.reason not in reasons:
        raise ConfigError(f"there is no reason {chosen.reason!r}; there are {', '.join(reasons)}", file="--reason")
    inputs = settings.rules.topics.inputs
    if chosen.topic is not None and chosen.topic not in inputs:
        raise ConfigError(f"no events come from {chosen.topic!r}; they come from {', '.join(inputs)}", file="--topic")
    now = now_ms()
    return Selection(
        reason=chosen.reason,
        topic=chosen.topic,
        key=None if chosen.user is None else chosen.user.encode(),
        since_ms=None if chosen.since is None else instant_ms(chosen.since, "--since", now_ms=now),
        until_ms=None if chosen.until is None else instant_ms(chosen.until, "--until", now_ms=now),
        origins=frozenset(coordinates),
    )


async def _collect(settings: "Settings", place: Place, which: "Selection") -> "list[Letter]":
    from streams.commands.connect import open_consumer
    from streams.shell.letters import collect

    async with open_consumer(settings) as consumer:
        return await collect(consumer, _shelf(settings, place), which)


async def _fetch_one(settings: "Settings", place: Place, which: "Selection", text: str) -> "tuple[Letter, Record]":
    from streams.commands.connect import open_consumer
    from streams.shell.letters import collect, fetch

    shelf = _shelf(settings, place)
    async with open_consumer(settings) as consumer:
        async for letter, record in fetch(consumer, shelf, await collect(consumer, shelf, which)):
            return letter, record
    there = f"`streams {place.command} list` shows those there are"
    raise ConfigError(f"there is no {place.one} of {printable(text)}; {there}", file="COORDINATES")


async def _replay(settings: "Settings", place: Place, which: "Selection", *, dry_run: bool) -> "tuple[list[Letter], Replayed | None]":
    from streams.commands.connect import open_consumer, open_producer
    from streams.shell.letters import collect, replay

    shelf = _shelf(settings, place)
    async with open_consumer(settings) as consumer:
        found = await collect(consumer, shelf, which)
        if dry_run or not found:
            return found, None
        async with open_producer(settings) as producer:
            return found, await replay(consumer, producer, settings.rules, shelf, found)


def _fields(place: Place, letter: "Letter") -> dict[str, object]:
    from msgspec.structs import asdict

    from streams.shell.letters import LetterLine

    user = {"user": _shown(letter.key)} if place is QUARANTINE else {}
    return asdict(LetterLine.of(letter)) | user


def _bytes(value: bytes | None) -> dict[str, str] | None:
    """Bytes for JSON: exactly, and as text with what is no text spelled out."""
    if value is None:
        return None
    return {"base64": base64.b64encode(value).decode(), "text": value.decode("utf-8", "backslashreplace")}


def _shown(value: bytes | None) -> str:
    return "(none)" if value is None else printable(value.decode("utf-8", "backslashreplace"))


def _print_letter(place: Place, letter: "Letter", record: "Record") -> None:
    from rich.table import Table
    from rich.text import Text

    out = console()
    out.print(Text.assemble((printable(letter.reason), f"bold {ACCENT}"), f" at {printable(letter.path)}" if letter.path else ""))
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    table.add_row("coordinates", printable(str(letter.origin)))
    told = [f"{short_time(letter.at_ms)} UTC"]
    if letter.stage:
        told.append(f"while {printable(letter.stage)}")
    if letter.times > 1:
        told.append(f"{letter.times} times")
    table.add_row(place.done, ", ".join(told))
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


def _by_reason(letters: "Sequence[Letter]") -> dict[str, int]:
    """Reason -> letters, the most frequent first, equal ones by name."""
    return dict(sorted(Counter(letter.reason for letter in letters).items(), key=lambda item: (-item[1], item[0])))


def _listed(reasons: dict[str, int]) -> str:
    return ", ".join(f"{count(n)} {printable(name)}" for name, n in reasons.items())


def _print_replay(
    place: Place, settings: "Settings", found: "Sequence[Letter]", replayed: "Replayed | None", missing: Sequence[str], since: str
) -> None:
    from rich.text import Text

    out = console()
    for text in missing:
        out.print(f"no {place.one}  {printable(text)}")
    if not found:
        out.print(f"{place.none_match}: nothing was sent.")
        return
    reasons = _listed(_by_reason(found))
    if replayed is None:
        out.print(Text.assemble("Would send ", (count(len(found)), f"bold {ACCENT}"), f": {reasons}. Nothing was sent (--dry-run)."))
        return
    out.print(Text.assemble("Sent ", (count(replayed.sent), f"bold {ACCENT}"), f" to {settings.rules.topics.rerouted}: {reasons}."))
    if replayed.unaddressed:
        out.print(f"In {count(replayed.unaddressed)} of them no user id can be read: they will be refused again.")
    out.print(
        f"A record that was {place.sent} before is counted as a duplicate, so nothing is counted twice.",
        style="dim",
    )
    out.print()
    out.print(place.again + since, soft_wrap=True)
    out.print("Whether all is counted:  streams stats", soft_wrap=True)
