"""What events look like, told from a sample: names, properties and their types that are new, and properties that have vanished.

A step in four looks at sixteen of its events at most (which ones follows from its plan, so a step that is repeated samples the same), and
adds what it saw to the sums of the tick: `view` (so many sampled), `view<TAB>price<TAB>number` (so many had it). Names only, never values.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, Literal, NamedTuple

import msgspec

from streams.core.record import Event, Increments, Record
from streams.core.rules import Rules
from streams.core.sitewords import site_text
from streams.core.ticks import KEEP_S, OVERFLOW
from streams.core.words import Language

__all__ = ["DriftTurn", "Drifts", "EventShape", "PropertyShape", "Sampler", "judge_drift", "samples_of"]

_ONE_STEP_IN: Final = 4
_EVENTS: Final = 16
_NAME_CHARACTERS: Final = 64
#: Sums of one tick on one partition. What does not fit is not sampled.
_SUMS: Final = 4_000
#: What is remembered: of so many names so many properties.
_NAMES: Final = 300
_PROPERTIES: Final = 64
#: A thing is there when so many sampled events had it: one stray event is no news.
_SEEN: Final = 5
#: News begin when so many events have been sampled: in all (names), of the name (properties), of the property (types).
_LEARNED: Final = 5_000
_LEARNED_NAME: Final = 500
_LEARNED_TYPE: Final = 100
#: A share of events that carry a property is judged by a sample of so many, and known after so many ticks.
_SAMPLE: Final = 30
_KNOWN_TICKS: Final = 3
_USUAL_SHARE: Final = 0.5
_GAIN: Final = 0.2
#: More news in one tick than this are told as one.
_NEWS: Final = 10
_NEWS_MINUTES: Final = 1440

_KINDS: Final = {b'"': "string", b"{": "object", b"[": "array", b"t": "boolean", b"f": "boolean"}


def samples_of(tick_minutes: int, tick: int) -> str:
    """Name of the hash of sums that holds the sample of a tick."""
    return f"d{tick_minutes}:{tick}"


class _Look(msgspec.Struct, frozen=True, gc=False):
    event: str | None = None
    properties: dict[str, msgspec.Raw] | None = None
    traits: dict[str, msgspec.Raw] | None = None


_look: Final = msgspec.json.Decoder(_Look).decode


class Sampler:
    """Looks at some events of some steps."""

    def __init__(self, rules: Rules) -> None:
        self._minutes, self._tick_ms = rules.site.tick_minutes, rules.site.tick_minutes * 60_000
        self._names = {entry.id: entry.name for entry in rules.catalogue.types}

    def of(
        self, records: Sequence[Record], says: Sequence[object], homes: Sequence[int], partition: int, rev: int
    ) -> tuple[Increments, ...]:
        """What the step that starts from revision `rev` adds to the samples."""
        if rev % _ONE_STEP_IN:
            return ()
        ticks: dict[int, dict[str, int]] = {}
        for place in range(0, len(records), len(records) // _EVENTS + 1):
            what, record = says[place], records[place]
            if not isinstance(what, Event) or homes[place] != partition:
                continue
            tick = (what.at_ms if what.event_clock else record.timestamp) // self._tick_ms
            sums = ticks.setdefault(tick, {})
            for field in self._fields(what, record.value or b""):
                sums[field] = sums.get(field, 0) + 1
        return tuple(Increments(samples_of(self._minutes, tick), sums, KEEP_S, _SUMS) for tick, sums in sorted(ticks.items()) if sums)

    def _fields(self, event: Event, value: bytes) -> Iterator[str]:
        try:
            seen = _look(value)
        except msgspec.DecodeError:  # traits that are no object, say: that is no event's shape
            return
        name = self._names.get(event.type_id) or _short(seen.event or "")
        yield name
        for each, raw in (seen.properties or seen.traits or {}).items():
            text = bytes(raw)
            if text != b"null":
                yield f"{name}\t{_short(each)}\t{_KINDS.get(text[:1], 'number')}"


def _short(name: str) -> str:
    cut = name[:_NAME_CHARACTERS]
    return cut if cut.isprintable() else "".join(sign if sign.isprintable() else "?" for sign in cut)


class PropertyShape(msgspec.Struct, frozen=True, array_like=True):
    """What is known of one property: type -> sampled events that had it so; the usual share of events that carry it, and how many ticks say
    so; the tick since which it is told as vanished."""

    types: dict[str, int] = {}
    share: float = 0.0
    ticks: int = 0
    gone: int | None = None


class EventShape(msgspec.Struct, frozen=True, array_like=True):
    """What is known of one event name: how many were sampled, and its properties."""

    n: int = 0
    properties: dict[str, PropertyShape] = {}


class Drifts(msgspec.Struct, frozen=True, array_like=True):
    """All that is known after a number of ticks. `news`: what was told as new -> the tick in which it was, until a day later."""

    n: int = 0
    events: dict[str, EventShape] = {}
    news: dict[str, int] = {}


class DriftTurn(NamedTuple):
    """Something is new (told once, over after a day), or a property has vanished or is back.

    series  `event:NAME`, `property:NAME.PROPERTY`, or `tracking` for many at once
    words   what a person reads; n, of: how many sampled events it was seen in, of how many
    """

    cause: Literal["new_event", "new_property", "type_flip", "property_gone", "many"]
    series: str
    firing: bool
    tick: int
    since: int
    words: str
    n: float
    of: float


def judge_drift(drifts: Drifts, sample: Mapping[str, int], tick: int, rules: Rules) -> tuple[Drifts, list[DriftTurn]]:
    """What is known after the sample of one more tick, and what is told of it."""
    catalogued, say = {entry.name for entry in rules.catalogue.types}, rules.alerts.language
    sample = {field: n for field, n in sample.items() if field != OVERFLOW}
    turns: list[DriftTurn] = []
    events = dict(drifts.events)
    for name, (n, properties) in _by_name(sample).items():
        before = events.get(name)
        if before is None:
            if len(events) >= _NAMES:
                continue
            before = EventShape()
        if before.n < _SEEN <= before.n + n and name not in catalogued and drifts.n >= _LEARNED:
            words = site_text("new_event", say, name=name, n=before.n + n, of=_n_of(sample))
            turns.append(DriftTurn("new_event", f"event:{name}", True, tick, tick, words, before.n + n, _n_of(sample)))
        shapes = dict(before.properties)
        for each, types in properties.items():
            if each in shapes or len(shapes) < _PROPERTIES:
                shape, told = _typed(name, each, shapes.get(each, PropertyShape()), types, before.n, n, tick, say)
                shapes[each] = shape
                turns += told
        for each, shape in shapes.items():
            shapes[each], told = _shared(name, each, shape, sum(properties.get(each, {}).values()), n, tick, rules)
            turns += told
        events[name] = EventShape(before.n + n, shapes)
    news, said = dict(drifts.news), list[DriftTurn]()
    for key, since in drifts.news.items():
        if tick - since >= _NEWS_MINUTES // rules.site.tick_minutes:
            del news[key]
            cause, _, series = key.partition("\t")
            said.append(DriftTurn(cause, series, False, tick, since, site_text("known", say), 0.0, 0.0))  # type: ignore[arg-type]
    for turn in _few(turns, tick, say):
        if _is_news(turn):
            # Told again with another beginning, the alert that is firing would never be over.
            if (key := f"{turn.cause}\t{turn.series}") in news:
                continue
            news[key] = tick
        said.append(turn)
    return Drifts(drifts.n + _n_of(sample), events, news), said


def _is_news(turn: DriftTurn) -> bool:
    return turn.firing and turn.cause != "property_gone"


def _n_of(sample: Mapping[str, int]) -> int:
    """How many events a sample has."""
    return sum(n for field, n in sample.items() if "\t" not in field)


def _by_name(sample: Mapping[str, int]) -> dict[str, tuple[int, dict[str, dict[str, int]]]]:
    """Name -> (events, property -> type -> events)."""
    found: dict[str, tuple[int, dict[str, dict[str, int]]]] = {field: (n, {}) for field, n in sample.items() if "\t" not in field}
    for field, n in sorted(sample.items()):
        name, _, rest = field.partition("\t")
        if rest and name in found:
            each, _, kind = rest.partition("\t")
            found[name][1].setdefault(each, {})[kind] = n
    return found


def _typed(
    name: str, each: str, shape: PropertyShape, types: Mapping[str, int], name_before: int, n: int, tick: int, say: Language
) -> tuple[PropertyShape, list[DriftTurn]]:
    """The property with the types that it had in this tick, and what is new about it."""
    before, turns = sum(shape.types.values()), []
    series = f"property:{name}.{each}"
    seen = sum(types.values())
    if before < _SEEN <= before + seen and name_before >= _LEARNED_NAME:
        words = site_text("new_property", say, name=name, property=each, n=before + seen, of=n)
        turns.append(DriftTurn("new_property", series, True, tick, tick, words, before + seen, n))
    after = dict(shape.types)
    for kind, count in types.items():
        had = after.get(kind, 0)
        after[kind] = had + count
        others = before - had
        if had < _SEEN <= had + count and others >= _LEARNED_TYPE:
            usual = max((k for k in shape.types if k != kind), key=lambda k: shape.types[k])
            words = site_text("type_flip", say, name=name, property=each, type=kind, n=count, of=seen, usual=usual)
            turns.append(DriftTurn("type_flip", series, True, tick, tick, words, count, seen))
    return msgspec.structs.replace(shape, types=after), turns


def _shared(
    name: str, each: str, shape: PropertyShape, seen: int, n: int, tick: int, rules: Rules
) -> tuple[PropertyShape, list[DriftTurn]]:
    """The property with the share of events that carried it in this tick; told when it has vanished, and when it is back."""
    if n < _SAMPLE:
        return shape, []
    share, series, say = seen / n, f"property:{name}.{each}", rules.alerts.language
    usual = shape.ticks >= _KNOWN_TICKS and shape.share >= _USUAL_SHARE
    if shape.gone is not None:
        if share < shape.share / 2:
            return shape, []
        words = site_text("property_back", say, name=name, property=each)
        return msgspec.structs.replace(shape, gone=None), [DriftTurn("property_gone", series, False, tick, shape.gone, words, seen, n)]
    if usual and share <= rules.site.broken_below * shape.share:
        words = site_text("property_gone", say, name=name, property=each, n=seen, of=n, share=round(100 * shape.share))
        return msgspec.structs.replace(shape, gone=tick), [DriftTurn("property_gone", series, True, tick, tick, words, seen, n)]
    gain = max(_GAIN, 1 / (shape.ticks + 1))
    return msgspec.structs.replace(shape, share=shape.share + gain * (share - shape.share), ticks=shape.ticks + 1), []


def _few(turns: list[DriftTurn], tick: int, say: Language) -> list[DriftTurn]:
    """The turns; more than ten pieces of news at once become one."""
    news = [turn for turn in turns if _is_news(turn)]
    if len(news) <= _NEWS:
        return turns
    rest = [turn for turn in turns if not _is_news(turn)]
    words = site_text("many", say, n=len(news), some="; ".join(turn.words for turn in news[:3]))
    return [*rest, DriftTurn("many", "tracking", True, tick, tick, words, float(len(news)), 0.0)]
