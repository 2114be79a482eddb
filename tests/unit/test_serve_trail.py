"""Records and journal lines find each other, in whatever order they come, and nobody is shown more than can be read."""

import json
from pathlib import Path
from typing import Any

from streams.core.identity import home_partition
from streams.core.rules import Rules
from streams.serve.trail import Met, Passed, Seen, Trail, Watcher
from streams.settings import load
from tests.unit.records import CLICKS, REROUTED, FakeRecord

NOW_MS = 1_800_000_000_000
RULES: Rules = load(Path("config"), {}).rules


def record(offset: int, user: str = "ann", *, value: bytes | None = None, at_ms: int = NOW_MS, **other: Any) -> FakeRecord:
    said = {"type": "page", "userId": user, "messageId": f"m{offset}", "timestamp": "2027-01-15T08:00:00Z"}
    return FakeRecord(
        offset=offset, timestamp=at_ms, key=user.encode(), value=json.dumps(said).encode() if value is None else value, **other
    )


def line(
    first: int,
    end: int,
    *,
    fates: dict[str, int],
    apart: list[dict[str, Any]] | None = None,
    rev: int = 7,
    topic: str = CLICKS,
    **more: Any,
) -> bytes:
    plan = {"rev": rev, "spans": {topic: [first, end]}, "now_ms": NOW_MS, "time_ms": NOW_MS}
    return json.dumps({"rev": rev, "owner": "w", "plan": plan, "fates": fates, "apart": apart or [], **more}).encode()


def told(watcher: Watcher) -> list[Any]:
    return [content for _, content in watcher.take()]


def met(offset: int, fate: str, reason: str = "", at: str = "") -> Met:
    return Met(f"{CLICKS}/0/{offset}", fate, reason, at, 7, "2027-01-15T08:00:00.000Z")


def watched(user_id: str | None) -> tuple[Trail, Watcher]:
    trail, watcher = Trail(RULES), Watcher(user_id)
    trail.watch(watcher)
    return trail, watcher


def test_a_record_is_told_with_what_its_bytes_say() -> None:
    trail, watcher = watched("ann")
    trail.record(record(4))
    (seen,) = told(watcher)
    assert isinstance(seen, Seen)
    assert (seen.coordinates, seen.verdict, seen.user_id, seen.type) == (f"{CLICKS}/0/4", "valid", "ann", "page_view")
    assert (seen.event_at, seen.home) == ("2027-01-15T08:00:00.000Z", home_partition("ann", RULES.partitions))


def test_the_fate_follows_with_the_line_of_the_step() -> None:
    trail, watcher = watched("ann")
    trail.record(record(4))
    told(watcher)
    trail.line(0, line(0, 4, fates={"counted": 4}, rev=6))
    assert told(watcher) == []
    trail.line(0, line(4, 6, fates={"counted": 2}))
    assert told(watcher) == [met(4, "counted")]


def test_a_line_that_came_before_its_record_is_found() -> None:
    trail, watcher = watched("ann")
    trail.line(0, line(4, 6, fates={"counted": 1, "duplicate": 1}, apart=[{"topic": CLICKS, "offset": 4, "fate": "duplicate"}]))
    trail.record(record(4))
    assert told(watcher)[1:] == [met(4, "duplicate")]


def test_a_rejection_is_told_with_its_reason_before_and_after() -> None:
    trail, watcher = watched("ann")
    trail.record(record(0, value=b'{"userId": "ann"'))
    apart = [{"topic": CLICKS, "offset": 0, "fate": "rejected", "reason": "not_json", "at": "$"}]
    trail.line(0, line(0, 1, fates={"rejected": 1}, apart=apart))
    seen, fate = told(watcher)
    assert (seen.verdict, seen.reason, seen.body) == ("rejected", "not_json", '{"userId": "ann"')
    assert fate == met(0, "rejected", "not_json", "$")


def test_of_a_step_with_more_than_can_be_named_the_fates_are_told_all_the_same() -> None:
    trail, watcher = watched("ann")
    for offset in range(1, 4):
        trail.record(record(offset))
    apart = [{"topic": CLICKS, "offset": 5, "fate": "duplicate"}]
    fates = {"counted": 1, "duplicate": 3, "late": 1}
    rest = {"duplicate": {CLICKS: "CA=="}, "late": {CLICKS: "BA=="}}  # offsets 3 and 2
    trail.line(0, line(0, 6, fates=fates, apart=apart, rest=rest))
    assert [each.fate for each in told(watcher)[3:]] == ["counted", "late", "duplicate"]


def test_others_are_not_shown_to_who_looks_at_one() -> None:
    trail, watcher = watched("ann")
    trail.record(record(0, "bob"))
    trail.record(record(1, "joann"))
    trail.record(record(2, "bob", value=b"joined by nobody"))
    assert told(watcher) == []


def test_an_id_that_json_spells_otherwise_is_found() -> None:
    trail, watcher = watched("jörg/1")
    trail.record(record(0, "jörg/1"))
    assert [seen.user_id for seen in told(watcher)] == ["jörg/1"]


def test_an_anonymous_id_is_found_with_and_without_its_prefix() -> None:
    value = b'{"type":"page","anonymousId":"dev1","messageId":"m","timestamp":"2027-01-15T08:00:00Z"}'
    for name in ("dev1", "anon:dev1"):
        trail, watcher = watched(name)
        trail.record(record(0, value=value))
        assert [seen.user_id for seen in told(watcher)] == ["anon:dev1"]


def test_a_record_that_was_sent_on_names_where_it_came_from() -> None:
    trail, watcher = watched("ann")
    trail.record(record(9, topic=REROUTED, headers=[("reroute-origin", f"{CLICKS}/3/77".encode())]))
    assert [seen.origin for seen in told(watcher)] == [f"{CLICKS}/3/77"]


def test_whoever_looks_at_all_is_shown_ten_a_second_and_told_of_the_others() -> None:
    trail, watcher = watched(None)
    for n in range(25):
        trail.record(record(n, f"u{n}"))
    first = told(watcher)
    assert (len([each for each in first if isinstance(each, Seen)]), first[-1]) == (10, Passed(15))
    trail.record(record(25, at_ms=NOW_MS + 1000))
    assert [type(each) for each in told(watcher)] == [Seen]


def test_who_comes_later_is_told_of_the_last_records() -> None:
    trail = Trail(RULES)
    trail.record(record(0))
    trail.line(0, line(0, 1, fates={"counted": 1}))
    watcher = Watcher("ann")
    trail.watch(watcher)
    assert [type(each) for each in told(watcher)] == [Seen, Met]


def test_a_record_whose_line_is_no_longer_kept_is_not_shown() -> None:
    """It would wait for its fate for ever."""
    trail = Trail(RULES)
    trail.line(0, line(5, 9, fates={"counted": 4}))
    trail.record(record(2))
    watcher = Watcher("ann")
    trail.watch(watcher)
    assert told(watcher) == []


def test_a_long_record_is_shown_up_to_a_bound() -> None:
    trail, watcher = watched("ann")
    trail.record(record(0, value=b'{"type":"page","userId":"ann","x":"' + b"y" * 9000 + b'"}'))
    (seen,) = told(watcher)
    assert (len(seen.body), seen.cut, seen.bytes) == (4096, True, 9037)
