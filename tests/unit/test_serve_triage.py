"""What people make of alerts, act by act; and the inbox by what they made."""

import pytest

from streams.serve.audit import AuditRecord
from streams.serve.inbox import Filter, Inbox
from streams.serve.triage import NOTES, Note, Stamp, Triage, state_of, triaged
from tests.served import alert

AT = "2026-01-01T00:00:00.000Z"


def act(action: str, change: dict[str, object], *, who: str = "ada", at: str = AT) -> AuditRecord:
    return AuditRecord("id", at, who, "session", action, "a1", change)


def test_each_act_is_kept_with_who_and_when() -> None:
    triage = triaged(None, act("alert.acknowledge", {"acknowledged": True}))
    triage = triaged(triage, act("alert.assign", {"assignee": "bob"}, at="2026-01-02T00:00:00.000Z"))
    triage = triaged(triage, act("alert.snooze", {"until": "2026-02-01T00:00:00.000Z"}, who="bob"))
    triage = triaged(triage, act("alert.note", {"text": "called"}, who="eve"))
    assert triage == Triage(
        alert_id="a1",
        acknowledged=Stamp("ada", AT),
        snoozed=Stamp("bob", AT),
        snoozed_until="2026-02-01T00:00:00.000Z",
        assigned=Stamp("ada", "2026-01-02T00:00:00.000Z"),
        assignee="bob",
        notes=(Note("eve", AT, "called"),),
        acts=4,
        touched_at=AT,
    )


BACK = [("alert.acknowledge", {"acknowledged": False}), ("alert.assign", {"assignee": None}), ("alert.snooze", {"until": None})]


@pytest.mark.parametrize(("action", "change"), BACK)
def test_an_act_can_be_taken_back(action: str, change: dict[str, object]) -> None:
    done = Triage("a1", Stamp("ada", AT), Stamp("ada", AT), "2099-01-01T00:00:00.000Z", Stamp("ada", AT), "bob")
    left = triaged(done, act(action, change))
    assert [left.acknowledged, left.snoozed, left.assigned].count(None) == 1


@pytest.mark.parametrize("change", [{}, {"text": 7}, {"text": ""}, {"until": []}])
def test_an_act_of_somebody_else_that_says_nothing_changes_nothing(change: dict[str, object]) -> None:
    assert triaged(None, act("alert.note", change)) == Triage("a1", acts=1, touched_at=AT)


def test_a_note_that_is_read_again_is_there_once() -> None:
    """Of two people who say the same, or of one who says it twice, both are."""
    triage = triaged(triaged(None, act("alert.note", {"text": "called"})), act("alert.note", {"text": "called"}))
    assert [note.text for note in triage.notes] == ["called"]
    triage = triaged(triage, act("alert.note", {"text": "called"}, who="bob"))
    triage = triaged(triage, act("alert.note", {"text": "called"}, at="2026-01-01T00:00:00.001Z"))
    assert [note.text for note in triage.notes] == ["called"] * 3


def test_the_oldest_notes_go() -> None:
    triage = None
    for n in range(NOTES + 3):
        triage = triaged(triage, act("alert.note", {"text": str(n)}))
    assert triage is not None
    assert [triage.notes[0].text, triage.notes[-1].text, len(triage.notes)] == ["3", "52", 50]


@pytest.mark.parametrize(
    ("triage", "state"),
    [
        (None, "open"),
        (Triage("a"), "open"),
        (Triage("a", acknowledged=Stamp("ada", AT)), "acknowledged"),
        (Triage("a", snoozed_until="2026-01-01T00:00:01.000Z"), "snoozed"),
        (Triage("a", acknowledged=Stamp("ada", AT), snoozed_until="2026-01-01T00:00:01.000Z"), "snoozed"),
        (Triage("a", snoozed_until=AT), "open"),
    ],
)
def test_an_alert_is_open_acknowledged_or_snoozed_until_it_is_not(triage: Triage | None, state: str) -> None:
    assert state_of(triage, AT) == state


def test_the_inbox_shows_what_people_made_of_an_alert_and_filters_by_it() -> None:
    inbox = Inbox()
    for ident in ("a1", "a2"):
        inbox.take(alert(ident, "u"))
    triage = {"a1": Triage("a1", acknowledged=Stamp("ada", AT), assignee="ada")}

    def found(**which: str) -> list[tuple[str, Triage | None]]:
        page = inbox.page(Filter(**which), limit=9, cursor=None, after="", triage=triage, now=AT)
        return [(each.alert_id, each.triage) for each in page.alerts]

    assert found() == [("a2", None), ("a1", triage["a1"])]
    assert found(state="acknowledged") == found(assignee="ada") == [("a1", triage["a1"])]
    assert found(state="open") == [("a2", None)]
    assert found(assignee="bob") == []
