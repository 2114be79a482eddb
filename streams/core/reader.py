# cython: annotation_typing=False
"""Reads the properties of events, as the catalogue says which type is read for what."""

from typing import Final
from urllib.parse import urlsplit

import msgspec
from msgspec.structs import astuple

from streams.core.payload import PropertyParser, decode_minor, plain
from streams.core.properties import TEXT_MAX, Aggregated, Context, Properties
from streams.core.record import Rejected
from streams.core.rules import Catalogue, Condition, Counter, EventType, Limits
from streams.core.values import FIELDS, aggregated, meets, needs_truth, text_of, truth

__all__ = ["FLAGS", "PropertyReader", "Reads"]

#: Said by the sender of an open or click that no person made.
FLAGS: Final = ("machine_open", "suspected_bot_click", "bot")

#: Combinations of values remembered for each event type, and contexts and referrers of all. Past these, values are read anew.
_REMEMBERED: Final = 4096
#: Longer texts are not remembered: a hostile sender could fill the memory with them.
_SHORT: Final = 256
_TRUE: Final = (b"true", b'"true"')
_ABSENT: Final = (b"", b"null")
#: Fields that are called otherwise than what they are read from.
_FIELD: Final = {"engaged": "engaged_ms", "plan": "plan_minor"}


class Reads:
    """What the events of one type are read for.

    parser     parses the properties that are looked at, `names`; None when there are none
    flags      where in `names` it stands that a machine did it
    amounts    (where in `names`, name) of the amounts, the first one present counts
    fields     (field of `Properties`, where in `names`), the first one present counts
    filters    (id of a counter, its conditions as (where in `names`, condition)), ascending
    aggregates (place of the aggregate, whether it is of texts, where in `names`), the first one present counts
    referrers  where in `names` a source of the visit may stand
    source     whether the source is read, campaign: whether the campaign is
    known      properties as they stood in the event -> what they say
    """

    def __init__(self) -> None:
        self.parser: PropertyParser | None = None
        self.flags: list[int] = []
        self.amounts: list[tuple[int, str]] = []
        self.fields: list[tuple[str, list[int]]] = []
        self.filters: list[tuple[int, list[tuple[int, Condition]]]] = []
        self.aggregates: list[tuple[int, bool, list[int]]] = []
        self.referrers: list[int] = []
        self.source = self.campaign = False
        self.known: dict[bytes, Said] = {}


class Said:
    """What the properties of one event say: did a machine do it, the amount in minor units (or why it is none), the rest, and where the
    visit came from."""

    def __init__(self, machine: bool, amount: int, refused: Rejected | None, properties: Properties | None, source: str) -> None:
        self.machine, self.amount, self.refused = machine, amount, refused
        self.properties, self.source = properties, source


#: No properties at all.
_SILENT: Final = Said(False, 0, None, None, "")


class PropertyReader:
    """Reads what the types of a catalogue are declared to be read for."""

    def __init__(self, catalogue: Catalogue, limits: Limits) -> None:
        self._minor_units = catalogue.minor_units
        self._most_minor = limits.amount_minor
        self._spellings = {field: getattr(catalogue.properties, field) for field in catalogue.properties.__struct_fields__}
        self._counters, self._aggregates = catalogue.counters, catalogue.aggregates
        self._contexts: dict[tuple[object, ...], Context] = {}
        self._hosts: dict[str, str] = {}

    def reads(self, entry: EventType | None, machine: bool) -> Reads:
        """What events of the type are read for; nothing for None. `machine`: whether a machine may do it in the place of a person."""
        reads = Reads()
        if entry is None:
            return reads
        amounts = (entry.amount,) if isinstance(entry.amount, str) else entry.amount or ()
        counters = sorted([counter for counter in self._counters if counter.event == entry.name], key=_by_id)
        wanted = dict.fromkeys((*(FLAGS if machine else ()), *amounts))
        exact = set(wanted)
        for role in entry.reads:
            wanted |= dict.fromkeys(self._spellings[role])
            if role == "plan":
                exact |= set(self._spellings[role])
        for counter in counters:
            wanted |= dict.fromkeys(counter.where)
            exact |= {name for name, condition in counter.where.items() if needs_truth(condition)}
        aggregates = [(slot, each) for slot, each in enumerate(self._aggregates) if each.event == entry.name]
        for _, aggregate in aggregates:
            wanted |= dict.fromkeys(aggregate.spellings)
        if not wanted:
            return reads
        names = tuple(wanted)
        at = {name: number for number, name in enumerate(names)}
        reads.parser = PropertyParser(names, exact)
        reads.flags = [at[name] for name in FLAGS] if machine else []
        reads.amounts = [(at[name], name) for name in amounts]
        reads.fields = [(role, [at[name] for name in self._spellings[role]]) for role in entry.reads if role != "source"]
        reads.filters = [(each.id, [(at[name], condition) for name, condition in each.where.items()]) for each in counters]
        reads.aggregates = [(slot, each.kind == "text", [at[name] for name in each.spellings]) for slot, each in aggregates]
        reads.source = "source" in entry.reads
        reads.campaign = "campaign" in entry.reads
        reads.referrers = [at[name] for name in self._spellings["source"]] if reads.source else []
        return reads

    def said(self, reads: Reads, text: bytes) -> Said:
        """What properties say. `text` is a JSON object as it stands in the event, or empty."""
        if not text or reads.parser is None:
            return _SILENT
        found = reads.known.get(text)
        if found is None:
            found = self._say(reads, reads.parser.parse(text))
            if len(reads.known) < _REMEMBERED and len(text) <= _SHORT:
                reads.known[text] = found
        return found

    def _say(self, reads: Reads, values: tuple[object, ...]) -> Said:
        for at in reads.flags:
            if bytes(values[at]) in _TRUE:  # type: ignore[call-overload]
                return Said(True, 0, None, None, "")
        minor: int | Rejected = 0
        for at, name in reads.amounts:
            if bytes(values[at]) not in _ABSENT:  # type: ignore[call-overload]
                minor = decode_minor(values[at], f"$.properties.{name}", self._minor_units, self._most_minor)  # type: ignore[arg-type]
                break
        source = ""
        for at in reads.referrers:
            source = source or self._where_from(values[at], None)
        if isinstance(minor, Rejected):
            return Said(False, 0, minor, None, "")
        return Said(False, minor, None, self._make(reads, values), source)

    def _make(self, reads: Reads, values: tuple[object, ...]) -> Properties | None:
        found: str | float | None
        said: dict[str, object] = {}
        for field, places in reads.fields:
            for at in places:
                if values[at] is None:  # of several spellings of a name all but one
                    continue
                value = plain(values[at])
                if value is None or value == "":
                    continue
                found = self._plan(values[at]) if field == "plan" else FIELDS[field](value)
                if found is not None:
                    said[_FIELD.get(field, field)] = found
                    break
        counters = []
        for counter, conditions in reads.filters:
            met = True
            for at, condition in conditions:
                met = met and meets(truth(values[at], plain(values[at])), condition)
            if met:
                counters.append(counter)
        if counters:
            said["counters"] = tuple(counters)
        if reads.aggregates:
            seen = self._seen(reads, values)
            if seen:
                said["aggregated"] = seen
        return Properties(**said) if said else None  # type: ignore[arg-type]

    def _seen(self, reads: Reads, values: tuple[object, ...]) -> tuple[Aggregated, ...]:
        seen: list[Aggregated] = []
        for slot, is_text, places in reads.aggregates:
            for at in places:
                if values[at] is not None:
                    found = aggregated(slot, is_text, plain(values[at]))
                    if found is not None:
                        seen.append(found)
                        break
        return tuple(seen)

    def _plan(self, value: object) -> int | None:
        minor = decode_minor(value, "", self._minor_units, self._most_minor)  # type: ignore[arg-type]
        return None if isinstance(minor, Rejected) else minor

    def campaign(self, properties: Properties | None, ident: object) -> Properties | None:
        """Properties with the campaign that is named beside them, unless they name one."""
        name = text_of(plain(ident))
        if not name or (properties is not None and properties.campaign):
            return properties
        return Properties(campaign=name) if properties is None else msgspec.structs.replace(properties, campaign=name)

    def context(self, sent: object, with_source: bool, said: str) -> Context | None:
        """Where the event came from, None when it does not say. `said`: the source that stands in the properties."""
        country = device = timezone = source = referrer = url = None
        if isinstance(sent, msgspec.Struct):
            _, timezone, location, phone, campaign, page = astuple(sent)
            if isinstance(location, msgspec.Struct):
                country = location.country  # type: ignore[attr-defined]
            if isinstance(phone, msgspec.Struct):
                device = phone.type  # type: ignore[attr-defined]
            if with_source:
                if isinstance(campaign, msgspec.Struct):
                    source = campaign.source  # type: ignore[attr-defined]
                if isinstance(page, msgspec.Struct):
                    referrer, url = page.referrer, page.url  # type: ignore[attr-defined]
        if with_source:
            source = self._where_from(source, None) or self._where_from(referrer, url) or said
        key = (country, device, timezone, source)
        try:
            found = self._contexts.get(key)
        except TypeError:  # a list: no value, and no key either
            return self._context(key)
        if found is None:
            found = self._context(key)
            if found is not None and len(self._contexts) < _REMEMBERED and _is_short(key):
                self._contexts[key] = found
        return found

    def _context(self, key: tuple[object, ...]) -> Context | None:
        texts = [text_of(plain(value)) or "" for value in key]
        return Context(*texts) if any(texts) else None

    def _where_from(self, value: object, url: object) -> str:
        """A source as it is written, or the host of a referrer when it is another site than that of `url`."""
        if value is None:
            return ""
        text = plain(value)
        if not isinstance(text, str) or not text:
            return ""
        if "://" not in text:
            return text.strip()[:TEXT_MAX].casefold()
        host, own = self._host(text), plain(url)
        return "" if isinstance(own, str) and host == self._host(own) else host[:TEXT_MAX]

    def _host(self, url: str) -> str:
        """The host of a URL without `www.`, empty when it has none."""
        found = self._hosts.get(url)
        if found is None:
            try:
                found = (urlsplit(url).hostname or "").removeprefix("www.")
            except ValueError:
                found = ""
            if len(self._hosts) < _REMEMBERED and len(url) <= _SHORT:
                self._hosts[url] = found
        return found


def _by_id(counter: Counter) -> int:
    return counter.id


def _is_short(key: tuple[object, ...]) -> bool:
    for value in key:  # noqa: SIM110  (compiled, a generator is a closure)
        if isinstance(value, str | bytes) and len(value) > _SHORT:
            return False
    return True
