"""What alerts about the whole say to people, in English and German: a sentence by its code, filled with names and numbers."""

from collections.abc import Mapping
from typing import Final

from streams.core.words import Language

__all__ = ["minutes_text", "number_text", "series_text", "site_text"]

_PHRASES: Final[Mapping[Language, Mapping[str, str]]] = {
    "en": {
        "count": "{series}: {came} in {span} from {since} UTC, {share} % of the usual {usual}",
        "part": "{name}: {came} came, {usual} are usual",
        "count_clears": "about {usual} events in {span}, as usual at this time",
        "silent": "nothing at all for {span} on {topic}; about {usual} records a minute are usual",
        "silent_clears": "one record on the topic; alerts about silent users wait until then, and as long again",
        "gone_clears": "the property is there again",
        "news_clears": "nothing to clear: it counts as known after a day",
        "new_event": "an event named {name} comes for the first time: {n} of {of} sampled events",
        "new_property": "{name} carries {property} for the first time: {n} of {of} sampled events",
        "type_flip": "{property} of {name} is {type} in {n} of {of} sampled events; it used to be {usual}",
        "property_back": "{property} of {name} is back",
        "property_gone": "{name} carries {property} in {n} of {of} sampled events; usually in {share} %",
        "many": "{n} names, properties or types at once are new, among them: {some}",
        "known": "known for a day now",
    },
    "de": {
        "count": "{series}: {came} in {span} ab {since} UTC, {share} % der üblichen {usual}",
        "part": "{name}: {came} kamen, {usual} sind üblich",
        "count_clears": "etwa {usual} Ereignisse in {span}, wie um diese Zeit üblich",
        "silent": "gar nichts seit {span} auf {topic}; üblich sind etwa {usual} Sätze in der Minute",
        "silent_clears": "ein Satz auf dem Topic; Alarme über stille Nutzer warten bis dahin und noch einmal so lange",
        "gone_clears": "die Eigenschaft ist wieder da",
        "news_clears": "nichts zu tun: nach einem Tag gilt es als bekannt",
        "new_event": "ein Ereignis namens {name} kommt zum ersten Mal: {n} von {of} Ereignissen der Stichprobe",
        "new_property": "{name} trägt zum ersten Mal {property}: {n} von {of} Ereignissen der Stichprobe",
        "type_flip": "{property} von {name} ist {type} in {n} von {of} Ereignissen der Stichprobe; sonst {usual}",
        "property_back": "{property} von {name} ist wieder da",
        "property_gone": "{name} trägt {property} in {n} von {of} Ereignissen der Stichprobe; sonst in {share} %",
        "many": "{n} Namen, Eigenschaften oder Typen zugleich sind neu, darunter: {some}",
        "known": "seit einem Tag bekannt",
    },
}
#: What stands before the colon of a series, or is the whole of it.
_SERIES: Final[Mapping[Language, Mapping[str, str]]] = {
    "en": {"all": "all events", "users": "many users"},
    "de": {
        "account": "Kunde",
        "all": "alle Ereignisse",
        "campaign": "Kampagne",
        "category": "Kategorie",
        "country": "Land",
        "device": "Gerät",
        "event": "Ereignis",
        "property": "Eigenschaft",
        "topic": "Topic",
        "tracking": "Messung",
        "users": "viele Nutzer",
    },
}


def site_text(code: str, language: Language, **facts: object) -> str:
    """The sentence of a code with its facts; numbers are said as they are given."""
    return _PHRASES[language][code].format(**facts)


def series_text(series: str, language: Language) -> str:
    """A series as people call it: `all events`, `country DE`, `account acme`."""
    kind, _, name = series.partition(":")
    return f"{_SERIES[language].get(kind, kind)} {name}".rstrip()


def minutes_text(minutes: int, language: Language) -> str:
    """A span of minutes or whole hours, as it stands after "in" or "for" (German: after "in" or "seit")."""
    if language == "de":
        if minutes < 120:
            return {60: "einer Stunde", 1: "einer Minute"}.get(minutes, f"{minutes} Minuten")
        return f"{minutes // 60} Stunden"
    if minutes < 120:
        return {60: "one hour", 1: "one minute"}.get(minutes, f"{minutes} minutes")
    return f"{minutes // 60} hours"


def number_text(count: float, language: Language) -> str:
    """A count with its thousands marked; below ten with a decimal, if there is one."""
    said = f"{count:,.0f}" if count >= 10 or count == int(count) else f"{count:.1f}"
    return said.translate(str.maketrans(",.", ".,")) if language == "de" else said
