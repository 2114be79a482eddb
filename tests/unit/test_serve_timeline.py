"""What happened to a user: records become lines, lines become entries; and the same profile in German."""

import json
from pathlib import Path

import pytest

from streams.core.alert import MOST_VISITS, Reason
from streams.core.user import User
from streams.core.words import clears
from streams.explanation import Next, explain
from streams.serve.timeline import Curve, Entry, Line, Reader, told
from streams.serve.why import _reason, _step, why
from streams.settings import load
from tests.served import alert
from tests.unit.records import FakeRecord

AT_MS = 1_767_225_600_000  # 2026-01-01T00:00:00Z
ALL = frozenset({"event", "score", "alert"})


def kept(topic: str, value: bytes | None) -> FakeRecord:
    """A record as it lies in a topic."""
    return FakeRecord(topic=topic, value=value, key=b"u1", timestamp=AT_MS, offset=7)


RULES = load(Path("config"), {}).rules
READER = Reader(RULES)


def lines(*records: FakeRecord) -> list[tuple[str, Line | None]]:
    return READER.lines(records[0].topic, records)


def test_an_event_is_a_line_with_its_name_in_the_catalogue_and_its_amount() -> None:
    event = {"type": "track", "event": "Order Completed", "userId": "u1", "messageId": "m", "properties": {"revenue": 12.5}}
    ((user, line),) = lines(kept(RULES.topics.clickstream, json.dumps(event).encode()))
    assert line is not None
    assert (user, line.kind, line.at_ms, line.name, line.number) == ("u1", 0, AT_MS, "order_completed", 1250)


def test_a_score_and_an_alert_are_lines_and_a_tombstone_forgets() -> None:
    score = {"user_id": "u1", "as_of": "2026-01-01T00:00:00.000Z", "engagement_score": 41.5, "band": "warm", "churn_probability": 0.2}
    assert lines(kept(RULES.topics.scores, json.dumps(score).encode()), kept(RULES.topics.scores, None)) == [
        ("u1", Line(1, AT_MS, "2026-01-01T00:00:00.000Z", "warm", 41.5, "", 0.2)),
        ("u1", None),
    ]
    assert lines(kept(RULES.topics.alerts, alert("a", "u1"))) == [("u1", Line(2, AT_MS, "a:firing", "churn_risk", 0.0, "high"))]


def test_an_alert_about_the_whole_is_no_line_of_anybody() -> None:
    assert lines(kept(RULES.topics.alerts, alert("a", "", series="country:DE"))) == []


@pytest.mark.parametrize("topic", ["clickstream", "scores", "alerts"])
@pytest.mark.parametrize("value", [b"", b"{", b"[]", b'{"user_id":1}', b"\xff"])
def test_what_cannot_be_read_is_no_line(topic: str, value: bytes) -> None:
    """The worker sets it aside; the page has nothing to tell."""
    assert lines(kept(getattr(RULES.topics, topic), value)) == []


def test_what_is_told_twice_stands_once_newest_first_and_the_curve_oldest_first() -> None:
    """A score that was repeated after a crash, an event that a device sent again."""
    there = [
        Line(1, AT_MS + 2, "s2", "hot", 50.0, "", 0.25),
        Line(2, AT_MS + 1, "a:firing", "churn_risk", 0.0, "high"),
        Line(1, AT_MS, "s1", "warm", 40.0),
        Line(1, AT_MS, "s1", "warm", 40.0),
        Line(0, AT_MS, "m1", "order_completed", 1250.0),
        Line(0, AT_MS, "m1", "order_completed", 1250.0),
        Line(0, AT_MS - 1, "m0", "page_view"),
    ]
    entries, curve = told(there, ALL, AT_MS)
    assert entries == [
        Entry("2026-01-01T00:00:00.002Z", "score", "hot", score=50.0, churn_probability=0.25),
        Entry("2026-01-01T00:00:00.001Z", "alert", "churn_risk", status="firing", severity="high", alert_id="a"),
        Entry("2026-01-01T00:00:00.000Z", "score", "warm", score=40.0, churn_probability=0.0),
        Entry("2026-01-01T00:00:00.000Z", "event", "order_completed", amount_minor=1250),
    ]
    assert curve == [Curve("2026-01-01T00:00:00.000Z", 40.0), Curve("2026-01-01T00:00:00.002Z", 50.0)]
    assert [each.kind for each in told(there, frozenset({"alert"}), 0)[0]] == ["alert"]


def test_a_profile_is_told_in_german() -> None:
    user = User(RULES)
    user.load("u1", None)
    page = next(entry.id for entry in RULES.catalogue.types if entry.name == "page_view")
    for n in range(3):
        user.fold(page, AT_MS + n * 86_400_000, n + 1, 0, 0, 0, n)
    words = why(explain(user, RULES, AT_MS + 3 * 86_400_000), "de")
    assert words.language == "de"
    assert words.summary.startswith("Engagement ist ")
    assert "Zuletzt aktiv vor 1 Tag; 3 aktive Tage" in words.summary
    assert words.summary.endswith("Kein Alarm.")
    assert words.score[1] == "In den letzten 7 Tagen vor allem 3 x page view (100 %)."
    assert words.churn[0] == "an 3 der 3 Tage bis zum letzten Besuch aktiv"
    assert words.churn[1].startswith("erst 1 Tag ohne Besuch; kommt sonst alle ")


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        (Reason("silence", "", 9.2, 2.0, 0.4), "9,2 Tage ohne Besuch; kommt sonst alle 2 Tage"),
        (Reason("activity_ratio", "", 0.25, 1.0, 0.0), "zuletzt 25 % der sonst üblichen Aktivität"),
        (Reason("earlier_gaps", "", 0.0, 0.0, 0.0), "die Besuche waren bis dahin regelmäßig"),
        (Reason("something_newer", "said in English", 0.0, 0.0, 0.0), "said in English"),
    ],
)
def test_a_reason_is_told_in_german_by_its_code(reason: Reason, words: str) -> None:
    assert _reason(reason, "de") == words


def test_what_clears_an_alert_and_what_comes_is_told_in_german() -> None:
    assert clears(1, MOST_VISITS, "de") == "ein Besuch"
    assert clears(3, MOST_VISITS, "de") == "drei Besuche diese Woche"
    assert _step(Next(0, "", "engagement falls to cold", "band", "cold")) == "das Engagement fällt auf kalt"
