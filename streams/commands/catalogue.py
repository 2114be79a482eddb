"""`streams catalogue`: which events there are, what they should carry, and typed clients that send them."""

import sys
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from streams.commands.configured import configured
from streams.commands.console import console, machine, plain_table, printable

if TYPE_CHECKING:
    from streams.core.planned import PlannedEvent, Property
    from streams.settings import Settings

__all__ = ["run"]


def run(*, client: Literal["python", "typescript"] | None, as_json: bool) -> int:
    """0. Raises `ConfigError` when the files cannot be read."""
    settings = configured()
    if client is not None:
        sys.stdout.write(_client(settings, client))
    elif as_json:
        machine(_fields(settings))
    else:
        _print(settings)
    return 0


def _client(settings: "Settings", client: str) -> str:
    from streams.clients.python import python_client
    from streams.clients.surface import calls
    from streams.clients.typescript import typescript_client

    write = python_client if client == "python" else typescript_client
    return write(calls(settings.rules.catalogue, settings.plan), settings.rules.version)


def _fields(settings: "Settings") -> dict[str, Any]:
    catalogue = settings.rules.catalogue
    return {
        "unknown": catalogue.unknown,
        "unplanned": settings.plan.unplanned,
        "events": [msgspec.to_builtins(entry) for entry in catalogue.types],
        "plan": [msgspec.to_builtins(event) for event in settings.plan.events],
    }


def _print(settings: "Settings") -> None:
    from rich.text import Text

    from streams.core.catalogue import CALLS, fold

    out, catalogue, plan = console(), settings.rules.catalogue, settings.plan
    versions: dict[str, list[PlannedEvent]] = {}
    for event in plan.events:
        versions.setdefault(fold(event.name), []).append(event)
    table = plain_table("event", "worth", "plan", "also called", right=(1,))
    calls = {name: call for call, name in CALLS.items()}
    for entry in catalogue.types:
        names = dict.fromkeys(map(fold, (calls.get(entry.name, entry.name), entry.name, *entry.aliases)))
        planned = [event for key in names for event in versions.pop(key, [])]
        said = ", ".join(f"{event.mode}, {len(event.properties)} properties" for event in planned)
        table.add_row(entry.name, f"{entry.weight:g}", said, Text(printable(", ".join(entry.aliases)), style="dim"))
    for events in versions.values():
        said = ", ".join(f"{event.mode}, {len(event.properties)} properties" for event in events)
        table.add_row(printable(events[0].name), f"{catalogue.custom_weight:g}", said, Text("counted as custom", style="dim"))
    out.print(table)
    for event in plan.events:
        out.print()
        title = Text(printable(event.name), style="bold")
        title.append(f"  version {event.version}, {event.mode}", style="dim")
        out.print(title)
        if event.description:
            out.print(Text(printable(event.description)))
        properties = plain_table("property", "holds", "")
        for name, of in event.properties.items():
            properties.add_row(Text(printable(name)), Text(printable(_holds(of))), Text(printable(of.description), style="dim"))
        if event.properties:
            out.print(properties)
    out.print()
    words = {"accept": "are counted", "mark": "are counted and marked", "dead-letter": "are set aside"}[plan.unplanned]
    out.print(Text(f"{len(catalogue.types)} events in the catalogue, {len(plan.events)} in the plan. Events that are in no plan {words}."))


def _holds(of: "Property") -> str:
    """What a property holds, in words."""
    if of.one_of:
        said = "one of " + ", ".join(map(str, of.one_of))
    else:
        said = " or ".join(of.types) or "anything"
    if of.items is not None:
        said += f" of {_holds(of.items)}"
    if of.properties:
        said += " {" + ", ".join(name if each.required else f"{name}?" for name, each in of.properties.items()) + "}"
    bounds = [
        *([f"at least {of.minimum:g}"] if of.minimum is not None else []),
        *([f"at most {of.maximum:g}"] if of.maximum is not None else []),
        *([f"{of.min_length} or more long"] if of.min_length is not None else []),
        *([f"at most {of.max_length} long"] if of.max_length is not None else []),
        *([f"like {of.pattern}"] if of.pattern is not None else []),
        *([of.format] if of.format is not None else []),
        *(["may be null"] if of.nullable else []),
        *(["required"] if of.required else []),
    ]
    return ", ".join([said, *bounds])
