"""What people do by the API: alerts that are worked on, dead letters that are sent again, and the record of who did it."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import msgspec
import pytest

from streams.commands.connect import open_consumer
from streams.core.headers import DEAD_ORIGIN
from streams.serve.access import Access
from streams.serve.audit import AuditRecord
from streams.serve.scribe import timeline_key
from streams.settings import Settings
from streams.shell.scan import scan
from streams.shell.topics import create_topics
from tests.served import Served, alert, delete_topic, produce, serving, settled, stream
from tests.stack import Kafka, Redis

pytestmark = pytest.mark.services


@pytest.fixture
async def settings(kafka: Kafka, redis: Redis, tmp_path: Path) -> Settings:
    mine = await settled(tmp_path, kafka, redis)
    await produce(mine, mine.rules.topics.alerts, [(0, "u", alert("a1", "u"), time.time_ns() // 1_000_000)])
    return mine


@pytest.fixture
async def served(settings: Settings) -> AsyncIterator[Served]:
    async with serving(settings) as mine:
        yield mine


async def audit_of(settings: Settings) -> list[AuditRecord]:
    """Everything on the audit topic, in the order in which it was done."""
    found = []
    async with open_consumer(settings) as consumer:
        async for record in scan(consumer, settings.rules.topics.audit, settings.rules.partitions):
            found.append(msgspec.json.decode(record.value, type=AuditRecord))
    return sorted(found, key=lambda record: record.at)


async def shown(served: Served) -> Any:
    """What people have made of the one alert."""
    _, page, _ = await served.get("/v1/alerts")
    return page["alerts"][0]["triage"]


async def test_an_alert_is_acknowledged_snoozed_assigned_and_noted_with_who_and_when(settings: Settings, served: Served) -> None:
    """Answered, shown, told live, known to another replica and after a restart, and written down."""
    assert await shown(served) is None
    _, page, _ = await served.get("/v1/alerts")
    async with serving(settings) as replica, aclosing(stream(replica, f"/v1/stream?kinds=triage&after={page['after']}")) as events:
        for act, body in (
            ("acknowledge", {}),
            ("snooze", {"until": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3600))}),
            ("assign", {"assignee": "bob"}),
            ("note", {"text": "<script>alert(1)</script>"}),
        ):
            status, triage, _ = await served.post(f"/v1/alerts/a1/{act}", json=body)
            assert status == 200, triage
        assert (triage["acknowledged"]["who"], triage["assignee"], triage["notes"][0]["text"]) == (
            "local",
            "bob",
            "<script>alert(1)</script>",
        )
        assert triage["acts"] == 4
        told: dict[str, Any] = {}
        while told.get("acts") != 4:
            event = await anext(events)
            assert event.kind == "triage"
            told = event.content[-1]
        assert told == triage
        assert await shown(replica) == triage == await shown(served)
    async with serving(settings) as again:
        assert await shown(again) == triage
        assert (await again.get("/v1/alerts?state=snoozed&assignee=bob"))[1]["found"] == 1
        assert (await again.get("/v1/alerts?state=open"))[1]["found"] == 0
    assert [(it.action, it.object, it.who, it.via) for it in await audit_of(settings)] == [
        ("alert.acknowledge", "a1", "local", "local"),
        ("alert.snooze", "a1", "local", "local"),
        ("alert.assign", "a1", "local", "local"),
        ("alert.note", "a1", "local", "local"),
    ]


async def test_what_people_did_is_kept_by_the_topic_and_read_again_when_redis_has_lost_it(settings: Settings, served: Served) -> None:
    await served.post("/v1/alerts/a1/note", json={"text": "called"})
    app = settings.rules.app_id
    await served.server._redis.delete(f"{{{app}:serve}}:triage", f"{{{app}:serve}}:triage-at")
    status, triage, _ = await served.post("/v1/alerts/a1/assign", json={"assignee": "bob"})
    assert (status, triage["assignee"], [note["text"] for note in triage["notes"]], triage["acts"]) == (200, "bob", ["called"], 2)
    async with serving(settings) as again:
        assert await shown(again) == triage


async def test_work_goes_on_when_the_audit_topic_was_made_anew(settings: Settings, served: Served) -> None:
    """Offsets begin again at nothing: new acts are done, and what was done before stays, on every replica."""
    for text in ("one", "two"):
        await served.post("/v1/alerts/a1/note", json={"text": text})
    await delete_topic(settings, settings.rules.topics.audit)
    await create_topics(settings)
    status, triage, _ = await served.post("/v1/alerts/a1/note", json={"text": "three"})
    assert (status, [note["text"] for note in triage["notes"]]) == (200, ["one", "two", "three"])
    async with serving(settings) as again:
        status, triage, _ = await again.post("/v1/alerts/a1/note", json={"text": "four"})
        assert (status, [note["text"] for note in triage["notes"]]) == (200, ["one", "two", "three", "four"])
        await noted(served, "four")


async def test_work_goes_on_when_the_audit_topic_was_made_anew_while_nobody_served(settings: Settings) -> None:
    async with serving(settings) as served:
        await served.post("/v1/alerts/a1/note", json={"text": "one"})
    await delete_topic(settings, settings.rules.topics.audit)
    await create_topics(settings)
    async with serving(settings) as served:
        status, triage, _ = await served.post("/v1/alerts/a1/note", json={"text": "two"})
        assert (status, [note["text"] for note in triage["notes"]]) == (200, ["one", "two"])


async def noted(served: Served, text: str) -> None:
    """The one alert has that note, by and by."""
    async with asyncio.timeout(60):
        while text not in [note["text"] for note in (await shown(served))["notes"]]:
            pass


async def test_what_cannot_be_done_to_an_alert_is_refused_in_words(served: Served) -> None:
    for path, body, status in (
        ("a1/note", {"text": ""}, 400),
        ("a1/note", {"text": 2001 * "x"}, 400),
        ("a1/note", {"words": "x"}, 400),
        ("a1/snooze", {"until": "2020-01-01T00:00:00Z"}, 400),
        ("a1/snooze", {"until": "2999-01-01T00:00:00Z"}, 400),
        ("a1/snooze", {"until": "tomorrow"}, 400),
        ("nobody/note", {"text": "x"}, 404),
        ("a1/shout", {}, 404),
    ):
        answer, problem, headers = await served.post(f"/v1/alerts/{path}", json=body)
        assert (answer, headers["content-type"]) == (status, "application/problem+json"), problem


async def test_what_cannot_be_written_down_is_not_done(settings: Settings) -> None:
    """No act without its record: with Kafka away an alert stays as it is."""
    async with serving(settings) as served:
        served.server._auditor._settings = msgspec.structs.replace(settings, broker="127.0.0.1:1")
        status, problem, headers = await served.post("/v1/alerts/a1/note", json={"text": "x"})
        assert (status, headers["retry-after"]) == (503, "5"), problem
        assert await shown(served) is None


# -- dead letters -------------------------------------------------------------------------------------------------------------------------


async def refuse(settings: Settings, value: bytes, offset: int, reason: str = "not_json") -> str:
    """A letter as a worker writes it; its coordinates."""
    from aiokafka import AIOKafkaProducer

    origin = (settings.rules.topics.clickstream, 1, offset)
    names = [f"__connect.errors.{name}" for name in ("topic", "partition", "offset")]
    headers = [(name, str(part).encode()) for name, part in zip(names, origin, strict=True)]
    headers += [("dead-reason", reason.encode()), ("dead-at", b"$.userId")]
    producer = AIOKafkaProducer(bootstrap_servers=settings.broker, acks="all")
    await producer.start()
    await producer.send_and_wait(settings.rules.topics.dead, value, b"u1", partition=0, headers=headers)
    await producer.stop()
    return "/".join(str(part) for part in origin)


async def test_refused_records_are_listed_looked_at_and_sent_again(settings: Settings, served: Served) -> None:
    bad = await refuse(settings, b'{"userId":"u1"\xff', 7)
    other = await refuse(settings, b"{}", 8, reason="missing_field")
    _, page, _ = await served.get("/v1/dead?limit=1")
    assert (page["found"], page["by_reason"], len(page["letters"])) == (2, {"missing_field": 1, "not_json": 1}, 1)
    _, rest, _ = await served.get(f"/v1/dead?cursor={page['next']}")
    assert {each["coordinates"] for each in (*page["letters"], *rest["letters"])} == {bad, other}
    _, only, _ = await served.get("/v1/dead?reason=not_json")
    assert [each["coordinates"] for each in only["letters"]] == [bad]

    status, letter, _ = await served.get(f"/v1/dead/{bad}")
    assert (status, letter["value"]["text"], letter["at"], letter["key"]["text"]) == (200, '{"userId":"u1"\\xff', "$.userId", "u1")

    status, dry, _ = await served.post("/v1/dead:replay", json={"reason": "not_json", "dry_run": True})
    assert (status, dry["sent"], dry["dry_run"]) == (200, 1, True)
    status, done, _ = await served.post("/v1/dead:replay", json={"coordinates": [bad, "t/0/1"]})
    assert (status, done) == (200, {"sent": 1, "dry_run": False, "by_reason": {"not_json": 1}, "unaddressed": 1, "missing": ["t/0/1"]})
    async with open_consumer(settings) as consumer:
        sent = [record async for record in scan(consumer, settings.rules.topics.rerouted, settings.rules.partitions)]
    assert [(dict(record.headers)[DEAD_ORIGIN], record.value) for record in sent] == [(bad.encode(), b'{"userId":"u1"\xff')]
    assert [(it.action, it.object) for it in await audit_of(settings)] == [("letter.look", bad), ("letter.replay", "dead")]


async def test_a_wrong_question_for_letters_is_refused(served: Served) -> None:
    for method, path, body, status in (
        ("GET", "?reason=boring", None, 400),
        ("GET", "?cursor=x", None, 400),
        ("GET", "?since_hours=0", None, 400),
        ("GET", "/engagement/0/99", None, 404),
        ("GET", "/engagement/x/99", None, 400),
        ("POST", ":replay", {}, 400),
        ("POST", ":replay", {"reason": "not_json", "coordinates": ["a/0/1"]}, 400),
        ("POST", ":replay", {"coordinates": ["a"]}, 400),
        ("POST", ":replay", {"reason": "boring"}, 400),
    ):
        answer, problem, _ = await served._ask(method, f"/v1/dead{path}", json=body)
        assert answer == status, problem


# -- signing in ---------------------------------------------------------------------------------------------------------------------------


async def test_signing_in_and_out_is_written_down_without_what_was_typed(settings: Settings) -> None:
    async with serving(settings, Access.of("127.0.0.1", {}, link=True)) as served:
        _, _, headers = await served.get(f"/login/{await served.server.link()}")
        browser = {"cookie": headers["set-cookie"].split(";")[0]}
        _, me, _ = await served.get("/v1/session", headers=browser)
        await served.post("/logout", headers=browser | {"x-csrf-token": me["csrf"]})
        await served.post("/login", data={"name": "my secret in the wrong field", "password": "x"})
    written = await audit_of(settings)
    assert [(it.action, it.who) for it in written] == [("session.begin", "local"), ("session.end", "local"), ("session.refused", "unknown")]
    assert "secret" not in str(written)


# -- timelines and exports ----------------------------------------------------------------------------------------------------------------


def viewed(user: str, ident: str) -> bytes:
    return b'{"type":"page","name":"home","userId":"%b","messageId":"%b"}' % (user.encode(), ident.encode())


async def history(served: Served, user: str, entries: int) -> Any:
    """The timeline of `user`, once it has so many entries."""
    async with asyncio.timeout(90):
        while len((told := (await served.get(f"/v1/users/{user}/timeline"))[1])["entries"]) < entries:
            pass
    return told


async def test_a_timeline_is_written_once_by_several_replicas_and_again_after_it_was_lost(settings: Settings) -> None:
    """Events, scores and alerts of a user; whoever has the turn goes on where the last one stopped."""
    now_ms = time.time_ns() // 1_000_000
    score = b'{"user_id":"u","as_of":"2026-01-01T00:00:00.000Z","engagement_score":41.5,"band":"warm","churn_probability":0.2}'
    await produce(settings, settings.rules.topics.clickstream, [(0, "u", viewed("u", f"m{n}"), now_ms) for n in range(3)])
    await produce(settings, settings.rules.topics.scores, [(0, "u", score, now_ms)])
    async with serving(settings) as one, serving(settings) as other:
        told = await history(one, "u", 5)
        assert [each["kind"] for each in told["entries"]].count("event") == 3
        assert told["curve"][0]["score"] == 41.5
        assert (await history(other, "u", 5)) == told
        assert (await one.get("/v1/users/u/timeline?kinds=alert"))[1]["entries"][0]["alert_id"] == "a1"
        _, page, _ = await one.get("/v1/users/u/timeline?limit=2")
        _, rest, _ = await one.get(f"/v1/users/u/timeline?cursor={page['next']}")
        assert [*page["entries"], *rest["entries"]] == told["entries"]
    async with serving(settings) as again:
        await produce(settings, settings.rules.topics.clickstream, [(1, "u", viewed("u", "later"), now_ms)])
        await history(again, "u", 6)
        key = timeline_key(settings.rules.app_id, settings.rules.partitions, "u")
        assert await again.server._redis.llen(key) == 6  # nothing was appended a second time
        await again.server._redis.delete(key, f"{{{settings.rules.app_id}:serve}}:timeline-at")
        await produce(settings, settings.rules.topics.clickstream, [(1, "u", viewed("u", "last"), now_ms)])
        await history(again, "u", 7)


async def test_an_export_holds_everything_and_who_asked_is_written_down(settings: Settings, served: Served) -> None:
    await served.post("/v1/alerts/a1/note", json={"text": "called"})
    status, whole, headers = await served.get("/v1/users/u/export")
    assert (status, headers["content-disposition"]) == (200, 'attachment; filename="export.json"')
    assert (whole["user_id"], whole["profile"], whole["state_base64"]) == ("u", None, None)
    assert [each["triage"]["notes"][0]["text"] for each in whole["alerts"]] == ["called"]
    assert (await served.get("/v1/users/nobody/export"))[0] == 404
    assert [(it.action, it.object) for it in await audit_of(settings)][-1] == ("user.export", "u")
