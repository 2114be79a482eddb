"""What alerts about the whole say, in either language."""

from string import Formatter

import msgspec
import pytest

from streams.core.drift import DriftTurn
from streams.core.record import Output
from streams.core.rules import Alerts, Rules
from streams.core.silence import SourceTurn
from streams.core.site import SiteTurn
from streams.core.sitealert import SiteAlertRecord, drift_alert, site_alert, source_alert
from streams.core.sitewords import _PHRASES, minutes_text, number_text, series_text
from streams.core.words import Language
from tests.histories import make_rules

HOUR_MS = 3_600_000


def rules(language: Language) -> Rules:
    return msgspec.structs.replace(make_rules(), alerts=Alerts(language=language))


def record(output: Output) -> SiteAlertRecord:
    return msgspec.json.decode(output.value or b"", type=SiteAlertRecord)


def test_every_sentence_is_there_in_either_language_with_the_same_facts() -> None:
    def facts(phrase: str) -> set[str | None]:
        return {field for _, field, _, _ in Formatter().parse(phrase) if field}

    assert {code: facts(phrase) for code, phrase in _PHRASES["en"].items()} == {
        code: facts(phrase) for code, phrase in _PHRASES["de"].items()
    }


@pytest.mark.parametrize(
    ("language", "text", "clears"),
    [
        (
            "en",
            "country DE: 12 in one hour from 10:00 UTC, 1 % of the usual 1,234",
            "about 1,234 events in one hour, as usual at this time",
        ),
        (
            "de",
            "Land DE: 12 in einer Stunde ab 10:00 UTC, 1 % der üblichen 1.234",
            "etwa 1.234 Ereignisse in einer Stunde, wie um diese Zeit üblich",
        ),
    ],
)
def test_a_drop_of_a_part(language: Language, text: str, clears: str) -> None:
    turn = SiteTurn("drop", "country:DE", "firing", 10, 10, 12.0, 1234.0, 9.0, 3.0)
    told = record(site_alert(turn, rules(language), now_ms=11 * HOUR_MS, rev=1))
    assert (told.reasons[0].text, told.clears_when) == (text, clears)


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "nothing at all for 17 minutes on clicks; about 2.5 records a minute are usual"),
        ("de", "gar nichts seit 17 Minuten auf clicks; üblich sind etwa 2,5 Sätze in der Minute"),
    ],
)
def test_a_silent_source(language: Language, text: str) -> None:
    turn = SourceTurn("clicks", "firing", 5, 0, 17 * 60_000, 2.5)
    assert record(source_alert(turn, rules(language), now_ms=17 * 60_000, rev=1)).reasons[0].text == text


@pytest.mark.parametrize(("language", "clears"), [("en", "the property is there again"), ("de", "die Eigenschaft ist wieder da")])
def test_a_vanished_property(language: Language, clears: str) -> None:
    turn = DriftTurn("property_gone", "property:view.price", True, 10, 10, "said", 9.0, 100.0)
    assert record(drift_alert(turn, rules(language), now_ms=11 * HOUR_MS, rev=1)).clears_when == clears


@pytest.mark.parametrize(
    ("minutes", "english", "german"),
    [
        (1, "one minute", "einer Minute"),
        (60, "one hour", "einer Stunde"),
        (90, "90 minutes", "90 Minuten"),
        (240, "4 hours", "4 Stunden"),
    ],
)
def test_spans(minutes: int, english: str, german: str) -> None:
    assert (minutes_text(minutes, "en"), minutes_text(minutes, "de")) == (english, german)


def test_numbers_and_series() -> None:
    assert [number_text(n, "de") for n in (0.25, 7.0, 1234567.0)] == ["0,2", "7", "1.234.567"]
    assert [series_text(name, "de") for name in ("all", "event:order", "device:tv")] == ["alle Ereignisse", "Ereignis order", "Gerät tv"]
