"""The main flow: every record has one fate, and what leaves depends on nothing but the arguments of the step."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal

import msgspec
import pytest

from streams.core.apart import unpacked
from streams.core.churnmodel import start
from streams.core.envelope import rfc3339
from streams.core.headers import (
    DEAD_ORIGIN,
    REROUTE_APPENDED_AT,
    REROUTE_FROM,
    REROUTE_HOPS,
    REROUTE_ORIGIN,
    REROUTE_USER,
    STREAMS_CLOCK,
    TRACEPARENT,
)
from streams.core.identity import home_partition
from streams.core.parameters import prior
from streams.core.record import FATES, NEVER_MS, PRIOR, Head, Outcome, Plan
from streams.core.rules import DAY_MS, Catalogue, Emit, EventType, Learning, Rules
from streams.core.user import User
from streams.errors import UnknownStateVersion
from streams.flow import Flow
from streams.shell.faults import faulty_fold
from tests.unit.records import CAMPAIGNS, CLICKS, REROUTED, FakeRecord

#: A midnight.
DAY0 = 20_500 * DAY_MS
PARTITIONS = 4


OFF = Learning(enabled=False)  # lessons have tests of their own


def rules(mode: Literal["meaningful", "step", "event"] = "meaningful", **changes: Any) -> Rules:
    types = (EventType(id=10, name="page_view"), EventType(id=11, name="order", weight=5.0, amount="revenue"))
    made = Rules(version="v1", app_id="shop", partitions=PARTITIONS, catalogue=Catalogue(types=types), emit=Emit(mode=mode), learning=OFF)
    return msgspec.structs.replace(made, **changes)


HOME = home_partition("ann", PARTITIONS)


def event(day: float = 0.0, *, user: str = "ann", name: str = "page_view", ident: str | None = None, **properties: Any) -> bytes:
    at_ms = DAY0 + int(day * DAY_MS)
    return json.dumps(
        {
            "type": "track",
            "event": name,
            "userId": user,
            "messageId": ident or f"{user}-{name}-{day}",
            "timestamp": rfc3339(at_ms),
            "properties": properties,
        }
    ).encode()


def record(
    value: bytes | None,
    day: float = 0.0,
    *,
    offset: int = 0,
    topic: str = CLICKS,
    partition: int = HOME,
    headers: Sequence[tuple[str, bytes]] = (),
) -> FakeRecord:
    return FakeRecord(topic, partition, offset, DAY0 + int(day * DAY_MS), b"ann", value, headers)


class World:
    """One partition taken step by step: what the lane and the store do, without either."""

    def __init__(self, flow: Flow, partition: int = HOME) -> None:
        self.flow = flow
        self.rows: dict[str, bytes] = {}
        self.queue: dict[str, int] = {}
        self.head = Head(partition, "me", 0, dict.fromkeys((CLICKS, CAMPAIGNS, REROUTED), 0), None, -1, "wall", {}, {})

    def step(
        self,
        *records: FakeRecord,
        day: float | None = None,
        now_day: float | None = None,
        due_limit: int = 100,
        hold_day: float | None = None,
        parameters: str = PRIOR,
    ) -> Outcome:
        reading = self.flow.read(records, self.head.partition)
        time_ms = DAY0 + int(day * DAY_MS) if day is not None else max([self.head.time_ms, *(r.timestamp - 1 for r in records)])
        now_ms = DAY0 + int(now_day * DAY_MS) if now_day is not None else time_ms
        hold_ms = None if hold_day is None else DAY0 + int(hold_day * DAY_MS)
        offsets = {topic: [r.offset for r in records if r.topic == topic] for topic in {r.topic for r in records}}
        spans = {topic: (min(at), max(at) + 1) for topic, at in offsets.items()}
        plan = Plan(self.head.rev, spans, time_ms, now_ms, reading.clock(self.head.clock), "v1", parameters, due_limit, hold_ms)
        due = [key for at, key in sorted((at, key) for key, at in self.queue.items()) if at <= plan.timers_ms][:due_limit]
        outcome = self.flow.step(plan, reading, self.head, {key: self.rows.get(key) for key in [*reading.keys, *due]}, due)
        assert sum(outcome.fates) == len(records)
        for key, blob in outcome.users.items():
            self.rows.pop(key, None)
            if blob is not None:
                self.rows[key] = blob
        for key, at_ms in outcome.due.items():
            self.queue.pop(key, None)
            if at_ms is not None:
                self.queue[key] = at_ms
        self.head = Head(
            self.head.partition,
            "me",
            plan.rev + 1,
            self.head.positions,
            None,
            time_ms,
            plan.clock,
            outcome.guards,
            self.head.fates,
            learned=self.head.learned if outcome.learned is None else outcome.learned,
        )
        return outcome

    def user(self, key: str = "ann") -> User:
        user = User(self.flow.rules)
        user.load(key, self.rows[key])
        return user


def fates(outcome: Outcome) -> dict[str, int]:
    return {name: n for name, n in zip(FATES, outcome.fates, strict=True) if n}


def said(outcome: Outcome, topic: str) -> list[Any]:
    return [json.loads(o.value) if o.value else None for o in outcome.outputs if o.topic == f"engagement.{topic}.v1"]


def daily(world: World, days: int, *, first: int = 0) -> None:
    for n in range(first, first + days):
        world.step(record(event(n, ident=f"d{n}"), n, offset=n))


class TestFates:
    """Each record read meets exactly one fate."""

    def test_a_good_event_is_counted_and_scored(self) -> None:
        world = World(Flow(rules()))
        outcome = world.step(record(event()))
        assert fates(outcome) == {"counted": 1}
        (score,) = said(outcome, "scores")
        assert score["user_id"] == "ann"
        assert score["counts"]["24h"] == {"page_view": 1}
        assert world.user().lifetime()[10] == 1

    def test_the_same_message_again_is_a_duplicate_and_says_nothing(self) -> None:
        world = World(Flow(rules()))
        world.step(record(event()))
        outcome = world.step(record(event(), offset=1, topic=CAMPAIGNS))
        assert fates(outcome) == {"duplicate": 1}
        assert said(outcome, "scores") == []
        assert outcome.users == {}

    def test_an_event_older_than_the_longest_window_is_late(self) -> None:
        world = World(Flow(rules()))
        world.step(record(event(40), 40))
        assert fates(world.step(record(event(0), 40, offset=1))) == {"late": 1}

    def test_what_is_no_event_is_rejected_with_its_bytes(self) -> None:
        outcome = World(Flow(rules())).step(record(b"{", offset=7))
        assert fates(outcome) == {"rejected": 1}
        (letter,) = [o for o in outcome.outputs if o.topic == "engagement.dead.v1"]
        assert (letter.partition, letter.value, dict(letter.headers)["dead-reason"]) == (HOME, b"{", b"not_json")
        assert outcome.rejects == {"not_json": 1}

    def test_a_record_of_another_partition_is_sent_home(self) -> None:
        elsewhere = (HOME + 1) % PARTITIONS
        outcome = World(Flow(rules()), elsewhere).step(record(event(), partition=elsewhere, offset=5))
        assert fates(outcome) == {"rerouted": 1}
        (sent,) = [o for o in outcome.outputs if o.topic == REROUTED]
        assert (sent.partition, sent.value) == (HOME, event())
        assert dict(sent.headers)["reroute-from"] == f"{CLICKS}/{elsewhere}/5".encode()
        assert outcome.users == {}

    def test_a_rerouted_record_is_counted_once_whoever_repeats_it(self) -> None:
        world = World(Flow(rules()))
        headers = [("reroute-from", f"{CLICKS}/9/5".encode()), ("reroute-appended-at", str(DAY0).encode())]
        outcome = world.step(record(event(), topic=REROUTED, headers=headers), record(event(), topic=REROUTED, offset=1, headers=headers))
        assert fates(outcome) == {"counted": 1, "duplicate": 1}
        assert outcome.guards == {f"{CLICKS}/9": 5}

    def test_a_record_that_finds_no_home_is_rejected(self) -> None:
        elsewhere = (HOME + 1) % PARTITIONS
        headers = [("reroute-from", f"{CLICKS}/9/5".encode()), ("reroute-hops", b"3")]
        outcome = World(Flow(rules()), elsewhere).step(record(event(), topic=REROUTED, partition=elsewhere, headers=headers))
        assert fates(outcome) == {"rejected": 1}
        assert outcome.rejects == {"limit": 1}

    def test_the_end_of_a_replay_is_a_control(self) -> None:
        outcome = World(Flow(rules())).step(record(None, headers=[("streams-clock", b"wall")]))
        assert fates(outcome) == {"control": 1}

    def test_the_journal_names_the_records_that_were_not_counted(self) -> None:
        """With the reason of a rejection and where in the record it lies, never with a value of it."""
        world = World(Flow(rules()))
        other = next(name for name in ("bob", "carl", "dora", "eva") if home_partition(name, PARTITIONS) != HOME)
        outcome = world.step(
            record(event(ident="m")),
            record(event(ident="m"), offset=1),
            record(b"no json", offset=2),
            record(event(user=other), offset=3),
        )
        (line,) = said(outcome, "journal")
        assert [(each["offset"], each["fate"], each.get("reason")) for each in line["apart"]] == [
            (2, "rejected", "not_json"),
            (3, "rerouted", None),
            (1, "duplicate", None),
        ]

    def test_a_step_of_repeats_names_two_hundred_of_them_and_tells_of_the_rest(self) -> None:
        world = World(Flow(rules()))
        outcome = world.step(*(record(event(ident="m"), offset=n) for n in range(300)))
        (line,) = said(outcome, "journal")
        assert (line["fates"], len(line["apart"])) == ({"counted": 1, "duplicate": 299}, 200)
        rest = list(unpacked(line["rest"], line["plan"]["spans"]))
        assert [(each.offset, each.fate) for each in rest] == [(n, "duplicate") for n in range(201, 300)]


class TestRuleErrors:
    """A rule that raises costs the record, and nobody else anything."""

    def fragile(self) -> World:
        made = rules()
        return World(Flow(made, faulty_fold(made, {"STREAMS_FAULT_TYPE": "order"})))

    def test_the_record_is_set_aside_and_the_others_of_its_user_count(self) -> None:
        outcome = self.fragile().step(
            record(event(0.1), 0.1), record(event(0.2, name="order"), 0.2, offset=1), record(event(0.3), 0.3, offset=2)
        )
        assert fates(outcome) == {"counted": 2, "rejected": 1}
        assert outcome.rejects == {"rule_error": 1}
        assert said(outcome, "scores")[0]["counts"]["24h"] == {"page_view": 2}

    def test_a_user_of_whom_nothing_is_left_is_not_written(self) -> None:
        outcome = self.fragile().step(record(event(name="order")))
        assert fates(outcome) == {"rejected": 1}
        assert (outcome.users, outcome.due) == ({}, {})

    def test_a_replayed_letter_that_fails_again_may_be_replayed_once_more(self) -> None:
        headers = [("dead-origin", f"{CLICKS}/0/3".encode())]
        world = self.fragile()
        world.step(record(event(name="order"), topic=REROUTED, headers=headers))
        assert world.rows == {}
        mended = World(Flow(rules()))
        assert fates(mended.step(record(event(name="order"), topic=REROUTED, headers=headers))) == {"counted": 1}

    def test_a_state_of_a_newer_release_stops_the_worker(self) -> None:
        world = World(Flow(rules()))
        world.rows["ann"] = b"\xff" + bytes(20)
        with pytest.raises(UnknownStateVersion):
            world.step(record(event()))


OURS = (DEAD_ORIGIN, REROUTE_ORIGIN, REROUTE_FROM, REROUTE_HOPS, REROUTE_APPENDED_AT, REROUTE_USER, STREAMS_CLOCK, TRACEPARENT)
NONSENSE = (None, b"", b"x", b"a/b", b"a/1/b", b"/1/2", b"\xff/1/2", "a/1/\u00b2".encode(), b"a/1/" + b"9" * 5000, b"9" * 5000)


@pytest.mark.parametrize("topic", [CLICKS, REROUTED])
@pytest.mark.parametrize("name", OURS)
def test_what_a_foreigner_writes_into_our_headers_stops_nobody(topic: str, name: str) -> None:
    """Of an event that is counted, of one that goes home, and of a record that is none: that one's letter says where it lay."""
    for text in NONSENSE:
        headers: Any = [(name, text)]
        sent = [event(), event(user="eve"), b"no event"]
        outcome = World(Flow(rules())).step(*(record(value, topic=topic, offset=n, headers=headers) for n, value in enumerate(sent)))
        for letter in (each for each in outcome.outputs if each.topic == "engagement.dead.v1"):
            assert dict(letter.headers)["__connect.errors.topic"] == topic.encode()


class TestReplayOfDeadLetters:
    """Replaying a dead letter twice changes nothing."""

    headers = (("dead-origin", f"{CLICKS}/0/3".encode()),)

    def letter(self, offset: int) -> FakeRecord:
        return record(json.dumps({**json.loads(event()), "messageId": None}).encode(), topic=REROUTED, offset=offset, headers=self.headers)

    def test_in_one_step(self) -> None:
        assert fates(World(Flow(rules())).step(self.letter(0), self.letter(1))) == {"counted": 1, "duplicate": 1}

    def test_weeks_apart(self) -> None:
        world = World(Flow(rules()))
        world.step(self.letter(0))
        daily(world, 10, first=1)
        assert fates(world.step(self.letter(1))) == {"duplicate": 1}

    def test_the_memory_of_it_ends_with_the_letter(self) -> None:
        world = World(Flow(rules()))
        world.step(self.letter(0), day=0)
        assert [key for key in world.rows if key.startswith("\x01")] == [f"\x01dead:{CLICKS}/0/3"]
        world.step(day=61)
        assert [key for key in world.rows if key.startswith("\x01")] == []


class TestScores:
    """When a score leaves."""

    def test_meaningful_is_silent_about_small_changes_until_they_add_up(self) -> None:
        world = World(Flow(rules()))
        daily(world, 30)
        quiet = [world.step(record(event(29.0 + n / 1000, ident=f"q{n}"), 29.0 + n / 1000, offset=100 + n)) for n in range(1, 4)]
        assert [len(said(outcome, "scores")) for outcome in quiet] == [0, 0, 1]

    def test_step_says_one_score_per_user_and_step(self) -> None:
        outcome = World(Flow(rules("step"))).step(record(event(0.1), 0.1), record(event(0.2), 0.2, offset=1))
        assert [score["counts"]["24h"] for score in said(outcome, "scores")] == [{"page_view": 2}]

    def test_event_says_one_score_per_counted_event(self) -> None:
        outcome = World(Flow(rules("event"))).step(
            record(event(0.1), 0.1), record(event(0.1), 0.2, offset=1), record(event(0.3), 0.3, offset=2)
        )
        assert [score["counts"]["24h"] for score in said(outcome, "scores")] == [{"page_view": 1}, {"page_view": 2}]

    def test_a_score_is_named_by_user_and_last_record(self) -> None:
        outcome = World(Flow(rules())).step(record(event(), offset=42))
        assert said(outcome, "scores")[0]["score_id"] == f"ann@{CLICKS}/{HOME}/42"

    def test_decay_into_another_band_is_said_by_a_timer(self) -> None:
        world = World(Flow(rules()))
        world.step(*(record(event(0.5 + n / 100, name="order", ident=f"o{n}"), 0.5 + n / 100, offset=n) for n in range(20)))
        due_ms = world.user().due_ms
        assert world.queue == {"ann": due_ms}
        outcome = world.step(day=(due_ms - DAY0) / DAY_MS + 1)
        (score,) = said(outcome, "scores")
        assert score["cause"] == "timer"
        at_ms = round(datetime.fromisoformat(score["as_of"]).timestamp() * 1000)
        assert 0 <= at_ms - due_ms < 1000  # an entry may be early, never late
        assert score["score_id"] == f"ann@{CLICKS}/{HOME}/19+{at_ms}"


class TestAlerts:
    """Silence raises alerts, visits clear them, and a backlog is not silence."""

    def silent(self) -> World:
        """Ann came daily for 30 days: the last time on day 29."""
        world = World(Flow(rules()))
        daily(world, 30)
        return world

    def crossing(self, world: World) -> float:
        """The day on which her silence becomes an alert."""
        while True:
            day: float = (world.queue["ann"] - DAY0) / DAY_MS
            outcome = world.step(day=day, due_limit=1)
            if said(outcome, "alerts"):
                self.fired = outcome
                return day

    def test_a_silence_fires_once_with_reasons_that_add_up(self) -> None:
        world = self.silent()
        day = self.crossing(world)
        (alert,) = said(self.fired, "alerts")
        assert (alert["rule"], alert["status"], alert["cause"], alert["user_id"]) == ("engagement_drop", "firing", "silence", "ann")
        assert alert["starts_at"] == rfc3339(DAY0 + round(day * DAY_MS))
        assert alert["ends_at"] is None
        assert sum(reason["contribution"] for reason in alert["reasons"]) == pytest.approx(4.8, abs=0.001)
        assert alert["clears_when"] == "one visit"
        assert said(world.step(day=day + 1), "alerts") == []

    def test_a_visit_resolves_it_under_the_same_id(self) -> None:
        world = self.silent()
        day = self.crossing(world)
        (fired,) = said(self.fired, "alerts")
        (resolved,) = said(world.step(record(event(day + 0.1), day + 0.1, offset=99)), "alerts")
        assert (resolved["status"], resolved["cause"]) == ("resolved", "came_back")
        assert resolved["alert_id"] == fired["alert_id"]
        assert resolved["ends_at"] == rfc3339(DAY0 + int((day + 0.1) * DAY_MS))

    def test_who_falls_silent_with_many_others_is_counted_and_not_told_alone(self) -> None:
        """The first is told; the others are one alert, which ends with its hour. Nobody hears that one of them came back."""
        made = rules()
        world = World(Flow(msgspec.structs.replace(made, alerts=msgspec.structs.replace(made.alerts, group_from=1))))
        crowd = [name for name in (f"u{n}" for n in range(100)) if home_partition(name, PARTITIONS) == HOME][:3]
        for n in range(30):
            world.step(*(record(event(n, user=name), n, offset=3 * n + place) for place, name in enumerate(crowd)))
        alerts: list[Any] = []
        while (day := (min(world.queue.values()) - DAY0) / DAY_MS) < 60 and not any(a["status"] == "resolved" for a in alerts):
            alerts += said(world.step(day=day), "alerts")
        first, group, over = [alert for alert in alerts if alert["rule"].startswith("engagement_drop")]
        assert (first["rule"], first["status"], first["user_id"]) == ("engagement_drop", "firing", crowd[0])
        assert (group["rule"], group["status"], over["rule"], over["status"]) == (
            "engagement_drop_group",
            "firing",
            "engagement_drop_group",
            "resolved",
        )
        assert group["alert_id"] == over["alert_id"]
        assert over["reasons"][0]["value"] == 2
        assert said(world.step(record(event(day + 1, user=crowd[1]), day + 1, offset=999)), "alerts") == []

    def test_a_hold_keeps_silence_from_being_told_until_it_ends(self) -> None:
        """The whole source was silent, which is no habit of hers. Time goes on meanwhile, and scores do."""
        world, held = self.silent(), self.silent()
        day = self.crossing(world)
        assert said(held.step(day=day + 1, hold_day=day - 0.5), "alerts") == []
        (alert,) = said(held.step(day=day + 1), "alerts")
        assert alert["starts_at"] == said(self.fired, "alerts")[0]["starts_at"]

    def test_who_comes_back_during_a_hold_was_never_missed(self) -> None:
        world, held = self.silent(), self.silent()
        day = self.crossing(world)
        assert said(held.step(record(event(day + 0.5), day + 0.5, offset=99), day=day + 1, hold_day=day - 0.5), "alerts") == []
        assert said(held.step(day=day + 1), "alerts") == []

    def test_a_later_visit_does_not_cancel_what_fell_due_before_it(self) -> None:
        """The visit is read before the sweep: the alert fires at its own instant all the same, and is resolved by the visit."""
        swept, late = self.silent(), self.silent()
        day = self.crossing(swept)
        visit = record(event(day + 0.2), day + 0.2, offset=99)
        swept.step(day=day + 0.1)
        both = said(late.step(visit), "alerts")
        assert [(a["status"], a["starts_at"]) for a in both] == [
            ("firing", rfc3339(DAY0 + round(day * DAY_MS))),
            ("resolved", rfc3339(DAY0 + round(day * DAY_MS))),
        ]
        swept.step(visit)
        assert swept.user().lifetime() == late.user().lifetime()
        assert swept.user().alert(1) == late.user().alert(1)

    def test_a_visit_in_time_leaves_no_trace(self) -> None:
        world, other = self.silent(), self.silent()
        day = self.crossing(other)
        assert said(world.step(record(event(day - 0.1), day - 0.1, offset=99)), "alerts") == []
        assert said(world.step(day=day), "alerts") == []

    def test_nothing_fires_beyond_partition_time(self) -> None:
        """Records up to the plan's time are read; what is due later may still be answered by one that is not."""
        world, other = self.silent(), self.silent()
        day = self.crossing(other)
        outcome = world.step(record(event(day + 2), day + 2, offset=99), day=day - 1)
        assert said(outcome, "alerts") == []

    def test_an_old_alert_is_stale(self) -> None:
        world, other = self.silent(), self.silent()
        day = self.crossing(other)
        assert said(self.fired, "alerts")[0]["stale"] is False
        for _ in range(50):
            if alerts := said(world.step(day=day, now_day=day + 1), "alerts"):
                break
        assert alerts[0]["stale"] is True

    def learned(self, flow: Flow) -> str:
        """Parameters of day 35 by which whoever comes daily is at risk after four days."""
        made = msgspec.structs.replace(prior(flow.rules), version="late", since_ms=DAY0 + 35 * DAY_MS)
        flow.know(msgspec.structs.replace(made, churn=msgspec.structs.replace(start(30.0), a=3.0, b=21.0)))
        return made.version

    def test_who_comes_back_is_not_alerted_by_what_was_learned_meanwhile(self) -> None:
        """The queue wakes a silent user at the risk that was known when it was written; to fire at the return is to resolve at once."""
        world = self.silent()
        world.step(day=32)
        late = self.learned(world.flow)
        assert world.queue["ann"] > DAY0 + 37 * DAY_MS
        assert said(world.step(record(event(36), 36, offset=99), parameters=late), "alerts") == []

    def test_who_stays_away_is_alerted_by_what_was_learned_at_the_next_look(self) -> None:
        """A letter that was sent is no return, and makes the queue look again."""
        world = self.silent()
        world.step(day=32)
        late = self.learned(world.flow)
        sent = record(event(36, name="email_send", ident="letter"), 36, offset=99, topic=CAMPAIGNS)
        assert said(world.step(sent, parameters=late), "alerts") == []
        assert [(a["rule"], a["status"]) for a in said(world.step(day=37, parameters=late), "alerts")] == [("churn_risk", "firing")]

    def test_history_fires_its_timers_where_they_belong(self) -> None:
        """With the event clock a year of history is read in a second, and fires what fell due in between."""
        world = World(Flow(rules()))
        clock = [("streams-clock", b"event")]
        days = [*range(30), 200]
        records = [record(event(n, ident=f"d{n}"), 400, offset=n, headers=clock) for n in days]
        alerts = said(world.step(*records, day=199.9, now_day=400), "alerts")
        assert [(a["rule"], a["status"]) for a in alerts[:2]] == [("engagement_drop", "firing"), ("churn_risk", "firing")]
        assert world.head.clock == "event"


class TestExpiry:
    """A user who has not been seen for the time to live is forgotten."""

    def test_the_state_goes_with_a_tombstone_and_open_alerts_are_resolved(self) -> None:
        world = World(Flow(rules()))
        daily(world, 30)
        for day in (60, 120, 200, 300, 430, 431):
            last = world.step(day=day)
            if world.rows == {}:
                break
        assert (world.rows, world.queue) == ({}, {})
        assert [(a["rule"], a["cause"]) for a in said(last, "alerts")] == [("churn_risk", "expired"), ("engagement_drop", "expired")]
        (tombstone,) = [o for o in last.outputs if o.topic == "engagement.scores.v1" and o.value is None]
        assert tombstone.key == b"ann"

    def test_who_comes_back_later_is_new(self) -> None:
        world = World(Flow(rules()))
        daily(world, 3)
        outcome = world.step(record(event(500), 500, offset=99))
        assert fates(outcome) == {"counted": 1}
        assert world.user().lifetime()[10] == 1
        assert world.queue["ann"] == world.user().entry_ms < NEVER_MS


def test_a_due_entry_without_a_user_is_taken_away() -> None:
    world = World(Flow(rules()))
    world.queue["ghost"] = DAY0
    world.step(day=1)
    assert world.queue == {}


def test_an_early_entry_is_looked_at_again() -> None:
    """Entries in the queue are lazy: early ones are moved to the true due time."""
    world = World(Flow(rules()))
    daily(world, 3)
    user = world.user()
    world.queue["ann"] = DAY0
    outcome = world.step(day=2.1)
    assert outcome.due == {"ann": user.due_ms}
    assert said(outcome, "alerts") == []


def test_the_journal_names_the_plan_and_its_fates() -> None:
    outcome = World(Flow(rules())).step(record(event()))
    (line,) = said(outcome, "journal")
    assert (line["rev"], line["owner"], line["fates"]) == (0, "me", {"counted": 1})
    assert line["plan"]["time_ms"] == DAY0 - 1


def test_a_step_is_a_function_of_its_arguments() -> None:
    """Another worker, with another scratch user that has seen other people, says the same to the byte."""
    one, other = World(Flow(rules())), World(Flow(rules()))
    other.flow.step(
        Plan(0, {}, 0, 0, "wall", "v1", "prior", 1), other.flow.read([record(event(user="bob"))], HOME), other.head, {"bob": None}, []
    )
    assert one.step(record(event(), offset=3)) == other.step(record(event(), offset=3))


@pytest.mark.parametrize(("before", "says", "after"), [("wall", b"event", "event"), ("event", b"", "wall"), ("event", b"event", "event")])
def test_the_last_event_decides_what_moves_time(before: str, says: bytes, after: str) -> None:
    headers = [("streams-clock", says)] if says else []
    assert Flow(rules()).read([record(event(), headers=headers)], HOME).clock(before) == after


def test_records_that_are_no_events_do_not_move_the_clock() -> None:
    assert Flow(rules()).read([record(b"{")], HOME).clock("event") == "event"
    assert Flow(rules()).read([record(event()), record(None, headers=[("streams-clock", b"wall")])], HOME).clock("event") == "wall"


# Traces

TRACE = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.mark.parametrize("mode", ["event", "step", "meaningful"])
def test_a_score_belongs_to_the_trace_of_the_record_that_caused_it(mode: Literal["meaningful", "step", "event"]) -> None:
    outcome = World(Flow(rules(mode))).step(record(event(), headers=[("traceparent", TRACE)]))
    scores = [output for output in outcome.outputs if output.topic == "engagement.scores.v1"]
    assert [dict(output.headers).get("traceparent") for output in scores] == [TRACE]


def test_a_trace_that_is_none_is_not_passed_on() -> None:
    outcome = World(Flow(rules("event"))).step(record(event(), headers=[("traceparent", b"\xff forged")]))
    assert all("traceparent" not in dict(output.headers) for output in outcome.outputs)
