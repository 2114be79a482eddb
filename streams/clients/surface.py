"""What a typed client offers, whatever its language: one call per event, with the shape of what it carries."""

import json
import keyword
import re
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from streams.core.catalogue import CALLS, fold
from streams.core.planned import PlannedEvent, Property, TrackingPlan
from streams.core.rules import Catalogue, EventType

__all__ = ["Call", "calls", "camel", "literal", "pascal", "shapes", "snake", "words_of"]

#: Calls of Segment's spec that are not `track`, by the name of their entry in the catalogue. `alias` carries nothing and is no event.
_KINDS: Final = {name: call for call, name in CALLS.items() if call != "alias"}
_WORD: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+|[^\W\d_a-zA-Z]+")


#: Names that the clients use themselves, in either language: a type of one of these would hide it, or not compile.
_OWN_NAMES: Final = frozenset(
    {
        *("Events", "Message", "Options", "Send", "User"),
        *("Callable", "False", "Literal", "Mapping", "NamedTuple", "None", "NotRequired", "Sequence", "True", "TypedDict", "UTC"),
        *("Date", "Error", "Promise", "ReadonlyArray", "Record"),
    }
)


class Call(NamedTuple):
    """One function of a client.

    words    its name, as lower-case words: each language joins them its own way
    kind     track, page, screen, identify or group
    event    the name that is sent; of `track` only
    version  what is sent as event_version; "" where the plan has one version only
    planned  what it carries; None: anything
    """

    words: tuple[str, ...]
    kind: str
    event: str
    version: str
    description: str
    planned: PlannedEvent | None

    @property
    def holds(self) -> str:
        """The member that carries `properties`."""
        return "traits" if self.kind in ("identify", "group") else "properties"

    @property
    def properties(self) -> Mapping[str, Property]:
        """What is planned for it; empty: it carries anything."""
        return {} if self.planned is None else self.planned.properties

    @property
    def shape(self) -> str:
        """The name of the type of `properties`."""
        name = pascal(self.words)
        return f"{name}Event" if name in _OWN_NAMES else name

    @property
    def needed(self) -> bool:
        """Whether it cannot be sent empty."""
        return any(of.required for of in self.properties.values())

    @property
    def text(self) -> str:
        """One sentence for whoever calls it."""
        return self.description or (f"Sends {literal(self.event)}." if self.kind == "track" else f"Sends `{self.kind}`.")


def calls(catalogue: Catalogue, plan: TrackingPlan) -> list[Call]:
    """Every call: the catalogue's events in its order, but those of campaigns, which senders write; then what only the plan knows."""
    entries: dict[str, EventType] = {}
    for entry in catalogue.types:
        entries |= dict.fromkeys(map(fold, (entry.name, *entry.aliases)), entry)
        if entry.name in _KINDS:
            entries[_KINDS[entry.name]] = entry
    versions: dict[str, list[PlannedEvent]] = {}
    for event in plan.events:
        known = entries.get(fold(event.name))
        versions.setdefault(known.name if known else fold(event.name), []).append(event)
    found: list[Call] = []
    for entry in catalogue.types:
        planned = versions.pop(entry.name, [])
        if entry.channel is None and entry.name != "alias":
            found += _of(entry.name, _KINDS.get(entry.name, "track"), entry, planned)
    for key in list(versions):
        found += _of(key, "track", None, versions.pop(key))
    return list(_unique(found))


def _of(name: str, kind: str, entry: EventType | None, planned: list[PlannedEvent]) -> list[Call]:
    said = planned[0].name if planned else next(iter(entry.aliases), name) if entry else name
    base = words_of(kind if kind != "track" else entry.name if entry else said)
    if not planned:
        return [Call(base, kind, said, "", "", None)]
    several = len(planned) > 1
    return [
        Call(
            (*base, f"v{event.version}") if several and number else base,
            kind,
            event.name,
            event.version if several else "",
            event.description,
            event,
        )
        for number, event in enumerate(planned)
    ]


def _unique(found: list[Call]) -> Iterator[Call]:
    """Two names that read alike get a number, or one function would hide the other."""
    seen: dict[tuple[str, ...], int] = {}
    for call in found:
        words = tuple("".join(re.findall(r"\w", word)) for word in call.words)
        seen[words] = seen.get(words, 0) + 1
        yield call._replace(words=words if seen[words] == 1 else (*words, str(seen[words])))


def shapes(name: str, properties: Mapping[str, Property]) -> Iterator[tuple[str, Mapping[str, Property]]]:
    """`name` with its properties, and before it each object inside, under a name of its own: `OrderCompletedProducts`."""
    for below, of in properties.items():
        inner = of
        while inner.items is not None:
            inner = inner.items
        if inner.properties:
            yield from shapes(name + pascal(words_of(below)), inner.properties)
    yield name, properties


def words_of(name: str) -> tuple[str, ...]:
    """`Order Completed`, `order_completed` and `orderCompleted` are the words order and completed."""
    words = tuple(word.lower() for word in _WORD.findall(name)) or ("event",)
    return words if words[0].isidentifier() else ("event", *words)


def snake(words: tuple[str, ...]) -> str:
    name = "_".join(words)
    return f"{name}_" if keyword.iskeyword(name) else name


def camel(words: tuple[str, ...]) -> str:
    return words[0] + "".join(word.capitalize() for word in words[1:])


def pascal(words: tuple[str, ...]) -> str:
    return "".join(word.capitalize() for word in words)


def literal(text: str) -> str:
    """`text` as a string literal that Python and TypeScript read alike."""
    return json.dumps(text, ensure_ascii=False).replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
