"""The API over a real socket, on a real broker and a real Redis: what it answers, what it refuses, and that its stream loses nothing."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any

import msgspec
import pytest

from streams.core.identity import home_partition
from streams.core.metric_record import MetricRecord
from streams.core.record import Head
from streams.core.site import Told, Watch
from streams.core.sitedrop import SLOTS, Series, Slot
from streams.core.sitestate import SiteState, encode_site
from streams.core.user import User
from streams.serve.access import Access
from streams.serve.headers import CSP, SAFE
from streams.serve.inbox import Inbox
from streams.settings import Secret, Settings
from streams.shell.heads import Keys, encode_body, encode_positions
from streams.shell.sitewatch import site_key
from streams.shell.topics import create_topics
from tests.scrape import free_port, get
from tests.served import Event, Served, alert, delete_topic, produce, score, serving, settled, stream
from tests.stack import Kafka, Redis

pytestmark = pytest.mark.services

DAY_MS = 86_400_000


@pytest.fixture
async def settings(kafka: Kafka, redis: Redis, tmp_path: Path) -> Settings:
    return await settled(tmp_path, kafka, redis)


@pytest.fixture
async def served(settings: Settings) -> AsyncIterator[Served]:
    async with serving(settings) as mine:
        yield mine


async def save_user(settings: Settings, served: Served, key: str, *, visits: int) -> int:
    """A user who came on each of the last `visits` days; returns the time of the last visit."""
    rules = settings.rules
    page = next(entry.id for entry in rules.catalogue.types if entry.name == "page_view")
    user = User(rules)
    user.load(key, None)
    last_ms = time.time_ns() // 1_000_000 - 3_600_000
    for n in range(visits):
        user.fold(page, last_ms - (visits - 1 - n) * DAY_MS, n + 1, 0, 0, 0, n)
    await served.server._redis.hset(Keys.of(rules.app_id, home_partition(key, 2)).users.decode(), key, user.dump())
    return last_ms


async def save_head(settings: Settings, served: Served, partition: int, clicks: int, **fates: int) -> None:
    positions = dict.fromkeys(settings.rules.topics.inputs, 0) | {settings.rules.topics.clickstream: clicks}
    head = Head(partition, "w1/x", 3, positions, None, 1000, "wall", {}, fates)
    fields = {"v": 1, "owner": head.owner, "rev": head.rev, "at": encode_positions(positions), "body": encode_body(head)}
    await served.server._redis.hset(Keys.of(settings.rules.app_id, partition).head.decode(), mapping=fields)


async def tell(settings: Settings, *alerts: bytes, partition: int = 0) -> None:
    await produce(settings, settings.rules.topics.alerts, [(partition, "u", each, time.time_ns() // 1_000_000) for each in alerts])


# -- users ------------------------------------------------------------------------------------------------------------------------------


async def test_a_profile_tells_state_windows_score_reasons_and_what_comes(settings: Settings, served: Served) -> None:
    await save_user(settings, served, "u1", visits=3)
    status, profile, headers = await served.get("/v1/users/u1")
    assert (status, headers["content-type"]) == (200, "application/json")
    assert profile["windows"] == {
        "5m": {},
        "1h": {},
        "24h": {"sessions": 1, "page_view": 1},
        "7d": {"sessions": 3, "page_view": 3},
        "30d": {"sessions": 3, "page_view": 3},
    }
    assert sum(part["points"] for part in profile["score"]["contributions"]) == profile["score"]["ces"]["7d"]
    for judged in (profile["churn"], profile["drop"]):
        assert judged["sum"] == pytest.approx(judged["value"], abs=0.001)
        assert "silence" in {reason["code"] for reason in judged["reasons"]}
    assert (profile["partition"], profile["alerts"], profile["next_due"]) == (home_partition("u1", 2), [], profile["ahead"][0])


async def test_a_profile_is_not_sent_again_while_it_is_the_same(settings: Settings, served: Served) -> None:
    """Its tag names the state and the minute; a new event changes it."""
    await save_user(settings, served, "u1", visits=3)
    _, _, headers = await served.get("/v1/users/u1")
    assert headers["cache-control"] == "private, no-cache"
    status, body, _ = await served.get("/v1/users/u1", headers={"if-none-match": headers["etag"]})
    if status == 304:  # else the minute has just ended
        assert body == ""
    await save_user(settings, served, "u1", visits=4)
    status, _, again = await served.get("/v1/users/u1", headers={"if-none-match": headers["etag"]})
    assert (status, again["etag"] != headers["etag"]) == (200, True)


async def test_why_is_the_same_in_words(settings: Settings, served: Served) -> None:
    await save_user(settings, served, "u1", visits=3)
    status, why, _ = await served.get("/v1/users/u1/why")
    assert status == 200
    assert why["summary"].startswith("Engagement is ")
    assert why["score"][1] == "In the last 7 days mostly 3 x page view (100 %)."
    assert any("usually comes every" in line for line in why["churn"])
    assert any(line.startswith("Will buy: ") for line in why["portrait"])
    _, why, _ = await served.get("/v1/users/u1/why?lang=de")
    assert any(line.startswith("Wird kaufen: mit ") for line in why["portrait"])


async def test_an_id_may_hold_anything_printable(settings: Settings, served: Served) -> None:
    await save_user(settings, served, "a/b ü?&", visits=1)
    status, profile, _ = await served.get("/v1/users/a%2Fb%20%C3%BC%3F%26")
    assert (status, profile["user_id"]) == (200, "a/b ü?&")


async def test_a_user_that_nobody_has_seen_is_a_problem_of_its_own(served: Served) -> None:
    status, problem, headers = await served.get("/v1/users/nobody")
    assert (status, headers["content-type"]) == (404, "application/problem+json")
    assert problem == {
        "type": "about:blank",
        "title": "Not Found",
        "status": 404,
        "detail": "nobody has seen this user: no event with this id was counted, or the state has expired",
    }


@pytest.mark.parametrize("path", ["/v1/users/%1b", "/v1/users/anon:", "/v1/users/" + 257 * "x"])
async def test_what_no_user_can_be_called_is_refused(served: Served, path: str) -> None:
    assert (await served.get(path))[0] == 400


async def test_a_batch_answers_in_order_and_names_the_unknown(settings: Settings, served: Served) -> None:
    for key in ("u1", "u2", "u3"):
        await save_user(settings, served, key, visits=1)
    status, answer, _ = await served.post("/v1/users:batch", json={"user_ids": ["u3", "nobody", "u1", "u3"]})
    assert (status, [it["user_id"] for it in answer["users"]], answer["unknown"]) == (200, ["u3", "u1"], ["nobody"])


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"{", 400), (b'{"user_ids":[1]}', 400), (b'{"user_ids":[],"more":1}', 400), (b'{"user_ids":["%b"]}' % (70_000 * b"x"), 413)],
)
async def test_a_batch_that_is_none_is_refused(served: Served, body: bytes, status: int) -> None:
    assert (await served.post("/v1/users:batch", data=body))[0] == status


async def test_a_batch_of_more_than_a_hundred_is_refused(served: Served) -> None:
    status, problem, _ = await served.post("/v1/users:batch", json={"user_ids": [f"u{n}" for n in range(101)]})
    assert (status, problem["detail"]) == (400, "at most 100 users at once, not 101")


# -- alerts and the stream ----------------------------------------------------------------------------------------------------------------


async def test_alerts_of_before_the_start_are_there_newest_first(settings: Settings) -> None:
    await tell(settings, alert("a", "u1"), alert("b", "u2", at="2026-01-02T00:00:00.000Z"))
    await tell(settings, alert("a", "u1", status="resolved"), partition=0)
    async with serving(settings) as served:
        _, page, _ = await served.get("/v1/alerts")
        assert [(it["alert_id"], it["status"]) for it in page["alerts"]] == [("b", "firing"), ("a", "resolved")]
        assert (page["found"], page["next"], page["whole"]) == (2, None, True)
        _, firing, _ = await served.get("/v1/alerts?status=firing&severity=high&limit=1")
        assert [it["alert_id"] for it in firing["alerts"]] == ["b"]


@pytest.mark.parametrize("query", ["status=loud", "limit=0", "limit=201", "cursor=*"])
async def test_a_wrong_question_for_alerts_is_refused_in_words(served: Served, query: str) -> None:
    status, problem, _ = await served.get(f"/v1/alerts?{query}")
    assert status == 400
    assert query.split("=")[0] in problem["detail"]


async def seen(events: AsyncIterator[Event], kind: str) -> Event:
    """The next event of a kind."""
    async with asyncio.timeout(60):
        async for event in events:
            if event.kind == kind:
                return event
    raise AssertionError("the stream ended")


async def test_an_alert_is_told_as_the_topic_has_it(settings: Settings, served: Served) -> None:
    _, page, _ = await served.get("/v1/alerts")
    async with aclosing(stream(served, f"/v1/stream?kinds=alerts&after={page['after']}")) as events:
        await tell(settings, alert("a", "u1", more_of_a_newer_release=1))
        (told,) = (await seen(events, "alerts")).content
        assert (told["alert_id"], told["more_of_a_newer_release"]) == ("a", 1)


async def test_figures_are_told_as_their_topic_has_them_and_what_is_no_figure_is_not(settings: Settings, served: Served) -> None:
    """Also to who was away: the id of the last event says where to go on."""
    figure = MetricRecord(
        series="dau/24h",
        metric="dau",
        window="24h",
        starts_at="2026-01-01T00:00:00.000Z",
        ends_at="2026-01-02T00:00:00.000Z",
        segment=None,
        unit="users",
        value=7.0,
        numerator=7.0,
        denominator=None,
        n=7.0,
        definition=1,
        as_of="2026-01-01T12:00:00.000Z",
        rev=1,
        rules_version="r",
    )

    async def tell_figure(rev: int) -> dict[str, Any]:
        told = msgspec.structs.replace(figure, rev=rev)
        records = [(0, "dau/24h", value, time.time_ns() // 1_000_000) for value in (b"{", msgspec.json.encode(told))]
        await produce(settings, settings.rules.topics.metrics, records)
        return msgspec.structs.asdict(told)

    _, page, _ = await served.get("/v1/alerts")
    async with aclosing(stream(served, f"/v1/stream?kinds=metrics&after={page['after']}")) as events:
        told = await tell_figure(1)
        first = await seen(events, "metrics")
        assert first.content == [told]
    told = await tell_figure(2)
    async with aclosing(stream(served, f"/v1/stream?kinds=metrics&after={first.ident}")) as events:
        assert (await seen(events, "metrics")).content == [told]


async def test_nothing_is_lost_between_two_connections_and_over_a_restart(settings: Settings) -> None:
    """Cut after the first alert; the rest comes to who asks with the last id, from another server too, by parameter or header."""
    async with serving(settings) as served:
        _, page, _ = await served.get("/v1/alerts")
        async with aclosing(stream(served, f"/v1/stream?kinds=alerts,scores&after={page['after']}")) as events:
            await tell(settings, alert("a", "u1"))
            first = await seen(events, "alerts")
        await tell(settings, alert("b", "u2"), alert("c", "u3"))
        await tell(settings, alert("d", "u4"), partition=1)
        ids: set[str] = set()
        async with aclosing(stream(served, "/v1/stream?kinds=alerts,scores", headers={"last-event-id": first.ident})) as events:
            while not {"b", "c", "d"} <= ids:
                ids |= {it["alert_id"] for it in (await seen(events, "alerts")).content}
        assert "a" not in ids
    async with serving(settings) as another, aclosing(stream(another, f"/v1/stream?kinds=alerts&after={first.ident}")) as events:
        assert {it["alert_id"] for it in (await seen(events, "alerts")).content} == {"b", "c", "d"}


async def test_nothing_is_lost_over_a_broker_that_dies(new_kafka: Callable[..., Kafka], redis: Redis, tmp_path: Path) -> None:
    """The stream stays open, and what is told afterwards comes when the broker is back. (What was told before may come twice.)"""
    kafka = new_kafka()
    settings = await settled(tmp_path, kafka, redis)
    async with serving(settings) as served, aclosing(stream(served, "/v1/stream?kinds=alerts")) as events:
        await tell(settings, alert("a", "u1"))
        assert [it["alert_id"] for it in (await seen(events, "alerts")).content] == ["a"]
        kafka.kill()
        while not served.server.waiting_for():
            await asyncio.sleep(0.01)
        kafka.start()
        await tell(settings, alert("b", "u2"))
        ids: set[str] = set()
        while "b" not in ids:
            ids |= {it["alert_id"] for it in (await seen(events, "alerts")).content}
        while served.server.waiting_for():
            await asyncio.sleep(0.01)


async def test_a_server_that_meets_what_nobody_has_foreseen_ends_with_it(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page that stands still would be believed."""

    def broken(*_: object) -> None:
        raise KeyError("unforeseen")

    async def serve_until_it_fails() -> None:
        async with serving(settings) as served:
            await tell(settings, alert("a", "u1"))
            while served.server.failure is None:
                await asyncio.sleep(0.01)

    monkeypatch.setattr(Inbox, "take", broken)
    with pytest.raises(KeyError, match="unforeseen"):
        await serve_until_it_fails()


async def test_a_topic_that_is_made_anew_is_read_from_its_beginning(settings: Settings) -> None:
    topic = settings.rules.topics.alerts
    await tell(settings, alert("a", "u1"), alert("b", "u2"))
    async with serving(settings) as served, aclosing(stream(served, "/v1/stream?kinds=alerts")) as events:
        await delete_topic(settings, topic)
        await create_topics(settings)
        await tell(settings, alert("c", "u3"))
        ids: set[str] = set()
        while "c" not in ids:
            ids |= {it["alert_id"] for it in (await seen(events, "alerts")).content}


async def test_a_position_of_another_topic_layout_is_told_to_begin_anew(served: Served) -> None:
    async with aclosing(stream(served, "/v1/stream?kinds=alerts&after=AQEFBQ")) as events:
        async with asyncio.timeout(60):
            assert (await anext(events)).kind == "reset"


@pytest.mark.parametrize("query", ["kinds=alerts,secrets", "after=*", "kinds="])
async def test_a_wrong_question_for_the_stream_is_refused(served: Served, query: str) -> None:
    assert (await served.get(f"/v1/stream?{query}"))[0] == 400


async def test_a_stream_tells_proxies_to_let_it_through(served: Served) -> None:
    async with served.client.get(f"{served.url}/v1/stream?kinds=now") as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert (answer.headers["cache-control"], answer.headers["x-accel-buffering"]) == ("no-store", "no")
        assert await answer.content.readline() == b"retry: 1000\n"


async def test_figures_come_at_once_and_then_every_second(served: Served) -> None:
    async with aclosing(stream(served, "/v1/stream?kinds=now")) as events:
        first, second = await seen(events, "now"), await seen(events, "now")
        assert first.content["at"] < second.content["at"]


# -- how it goes ---------------------------------------------------------------------------------------------------------------------------


async def test_now_counts_people_by_score_and_alerts_by_rule(settings: Settings) -> None:
    now_ms = time.time_ns() // 1_000_000
    records: list[tuple[int, str, bytes | None, int]] = [
        (0, "a", score("a", 3, "cold"), now_ms),
        (0, "b", score("b", 99, "core", cause="timer"), now_ms),
        (1, "c", score("c", 99, "core"), now_ms),
        (1, "c", None, now_ms),
        (1, "d", b"not a score", now_ms),
    ]
    await produce(settings, settings.rules.topics.scores, records)
    await tell(settings, alert("x", "a"))
    async with serving(settings) as served:
        await save_head(settings, served, 0, 5, counted=4, late=1)
        async with asyncio.timeout(60):
            while (now := (await served.get("/v1/metrics/now"))[1])["read"] == 0:
                pass
        assert (now["users_scored"], now["histogram"][0], now["histogram"][19], now["active_users"]) == (2, 1, 1, 1)
        assert {it["name"]: it["users"] for it in now["bands"]} == {"cold": 1, "cool": 0, "warm": 0, "hot": 0, "core": 1}
        assert now["alerts"] == {"firing": 1, "by_rule": {"churn_risk": 1}, "by_severity": {"high": 1}}
        assert (now["read"], now["sum"], now["fates"]["counted"], now["fates"]["late"]) == (5, 5, 4, 1)
        assert served.server.feed.broken == 1


async def test_the_journal_is_the_pulse(settings: Settings, served: Served) -> None:
    line = b'{"rev":1,"fates":{"counted":7,"late":1}}'
    await produce(settings, settings.rules.topics.journal, [(0, "0", line, time.time_ns() // 1_000_000)])
    async with asyncio.timeout(60):
        while 8 not in (await served.get("/v1/metrics/now"))[1]["series"]:
            pass


async def test_status_adds_up_and_says_how_far_behind(settings: Settings, served: Served) -> None:
    await produce(settings, settings.rules.topics.clickstream, [(0, "u", b"{}", 0) for _ in range(5)])
    await save_head(settings, served, 0, 3, counted=2, rejected=1)
    behind = {settings.rules.topics.clickstream: 2, settings.rules.topics.campaigns: 0, settings.rules.topics.rerouted: 0}
    async with asyncio.timeout(60):
        while (status := (await served.get("/v1/status"))[1])["lag"] != behind or not status["partitions"]:
            pass
    assert (status["read"], status["sum"], status["fates"]["counted"], status["rules_version"]) == (3, 3, 2, settings.rules.version)
    assert status["trouble"] == ["no worker is running: `streams worker` starts one"]


async def test_ready_knows_the_lag(served: Served) -> None:
    assert (await served.get("/ready"))[:2] == (200, {"ready": True, "lag": 0, "recovering": [], "waiting_for": [], "behind": []})


async def test_metrics_and_readiness_have_a_port_of_their_own_without_a_login(settings: Settings) -> None:
    place = f"127.0.0.1:{free_port()}"
    watched = msgspec.structs.replace(settings, observe=msgspec.structs.replace(settings.observe, metrics=place))
    async with serving(watched, Access(Secret("a token of sixteen characters"))) as served:
        assert (await served.get("/metrics"))[0] == 401
        assert "streams_app_workers" in (await get(f"http://{place}/metrics"))[1]
        assert (await get(f"http://{place}/ready"))[0] == (await get(f"http://{place}/health"))[0] == 200
    with pytest.raises(OSError, match="refused"):
        await get(f"http://{place}/health")


async def test_without_redis_it_lives_is_not_ready_and_says_why(settings: Settings) -> None:
    away = msgspec.structs.replace(settings, redis="redis://:secret@127.0.0.1:1/0")
    async with serving(away, ready=False) as served:
        async with asyncio.timeout(60):
            while len((answer := await served.get("/ready"))[1]["waiting_for"]) != 1:
                pass
        assert answer[0] == 503
        assert answer[1]["waiting_for"] == ["Redis at 127.0.0.1:1/0 does not answer (ConnectionError)"]
        assert (await served.get("/health"))[0] == 200
        status, problem, headers = await served.get("/v1/users/u1")
        assert (status, headers["retry-after"], "secret" in str(problem)) == (503, "1", False)


async def test_prometheus_reads_figures_with_units_and_no_user(settings: Settings, served: Served) -> None:
    await tell(settings, alert("x", "a-user-of-ours"))
    async with asyncio.timeout(60):
        while 'streams_alerts_firing{rule="churn_risk"} 1.0' not in (text := (await served.get("/metrics"))[1]):
            pass
    assert (await served.get("/v1/users/a-user-of-ours"))[0] == 404
    text = (await served.get("/metrics"))[1]
    for name in (
        "streams_app_records_total",
        "streams_app_lag_records",
        "streams_build_info",
        "process_cpu_seconds_total",
        "streams_serve_request_duration_seconds_bucket",
        "streams_serve_readers",
    ):
        assert f"\n{name}" in text
    assert 'route="/v1/users/{user_id:path}",status="404"' in text
    assert "a-user-of-ours" not in text


# -- doors --------------------------------------------------------------------------------------------------------------------------------


def routes(served: Served) -> list[tuple[str, str]]:
    """Every route of the document and of the page, and some that do not exist."""
    document: dict[str, Any] = served.server.app.openapi()["paths"]
    api = [(method.upper(), path.replace("{user_id}", "u")) for path, methods in document.items() for method in methods]
    page = [("GET", f"/page/{name}") for name in ("app.js", "style.css", "echarts.js", "icon.svg")]
    return [*api, *page, ("GET", "/"), ("GET", "/openapi.json"), ("GET", "/nothing"), ("PUT", "/v1/alerts"), ("GET", "/docs")]


async def test_every_answer_carries_the_policy_whatever_made_it(served: Served) -> None:
    """Pages, API, stream, errors of all kinds."""
    for method, path in routes(served):
        async with served.client.request(method, served.url + path) as answer:
            assert answer.headers["content-security-policy"] == CSP, path
            assert {name: answer.headers[name] for name in SAFE} == SAFE
            assert "access-control-allow-origin" not in answer.headers
            assert answer.headers["cache-control"] in ("no-store", "no-cache", "private, no-cache")


async def test_the_document_names_the_types_of_all_answers(served: Served) -> None:
    _, document, _ = await served.get("/openapi.json")
    known = {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}
    text = str(document)
    assert {"Profile", "Why", "Users", "Page", "Now", "Status", "Ready", "ProblemDetails"} <= set(document["components"]["schemas"])
    assert {part.split("'")[0] for part in text.split("'$ref': '")[1:]} <= known


async def test_a_file_that_the_browser_has_is_not_sent_again(served: Served) -> None:
    _, _, headers = await served.get("/page/echarts.js")
    status, _, again = await served.get("/page/echarts.js", headers={"if-none-match": headers["etag"]})
    assert (status, again["etag"]) == (304, headers["etag"])
    assert (await served.get("/page/index.html"))[0] == 404
    assert (await served.get("/page/..%2Fapp.py"))[0] == 404


async def test_a_funnel_of_few_counts_everybody_and_of_many_a_sample(settings: Settings, served: Served) -> None:
    """What is no user is left out; the sample says how large it is and between which shares the truth lies."""
    rules, store = settings.rules, served.server._redis
    ids = {entry.name: entry.id for entry in rules.catalogue.types}
    user = User(rules)

    async def save(first: int, end: int) -> None:
        """Everybody has viewed a product; those of even number have put one into the cart, too."""
        rows: dict[int, dict[str, bytes]] = {0: {"\x01dead:x": b"\x00"}, 1: {}}
        for n in range(first, end):
            user.load(f"u{n}", None)
            for place, step in enumerate(["product_viewed", "product_added"][: 2 - n % 2]):
                user.fold(ids[step], time.time_ns() // 1_000_000, 10 * n + place, 0, 0, 0, place)
            rows[home_partition(f"u{n}", 2)][f"u{n}"] = user.dump()
        for partition, mine in rows.items():
            await store.hset(Keys.of(rules.app_id, partition).users.decode(), mapping=mine)

    await save(0, 40)
    _, told, _ = await served.get("/v1/funnel?steps=product_viewed,product_added")
    assert (told["whole"], told["n"], told["population"]) == (True, 40, 40)
    assert [(step["users"], step["of_first"], step["low"], step["high"]) for step in told["steps"]] == [(40, 1, 1, 1), (20, 0.5, 0.5, 0.5)]
    await save(40, 6000)
    _, told, _ = await served.get("/v1/funnel?steps=product_viewed,product_added&by=identity")
    assert (told["whole"], 3990 <= told["n"] <= 4001, told["population"]) == (False, True, 6001)
    assert told["steps"][1]["low"] < 0.5 < told["steps"][1]["high"]
    assert [group["name"] for group in told["groups"]] == ["known"]


@pytest.mark.parametrize(
    "query",
    [
        "steps=",
        "steps=nothing",
        "steps=page_view&window=2w",
        "steps=page_view&by=shoe_size",
        "steps=page_view&where=device:shoe",
        "steps=" + "page_view," * 9,
    ],
)
async def test_a_funnel_of_what_is_not_there_is_refused(served: Served, query: str) -> None:
    status, told, _ = await served.get(f"/v1/funnel?{query}")
    assert (status, told["status"]) == (400, 400)


async def test_the_whole_is_told_by_tick_beside_what_is_usual(settings: Settings, served: Served) -> None:
    """Partitions are added up; behind the first tick that is kept, one without a count had no events; the last is not over."""
    rules, store = settings.rules, served.server._redis
    hour = 480_000
    for partition in (0, 1):
        head = Head(partition, "w", 1, {}, None, (hour + 3) * 3_600_000 + 1, "event", {}, {})
        fields = {"v": 1, "owner": head.owner, "rev": head.rev, "at": encode_positions({}), "body": encode_body(head)}
        await store.hset(Keys.of(rules.app_id, partition).head.decode(), mapping=fields)
        for tick, counts in {hour: {"all": 5, "country:DE": 2}, hour + 2: {"all": 7}, hour + 3: {"all": 1}}.items():
            await store.hset(Keys.of(rules.app_id, partition).sums.decode() + f":t60:{tick}", mapping=counts)
    series = Series((Slot(4, 3.0, 0.75),) * SLOTS, firing=True)
    watch = Watch(hour + 3, {"all": series, "country:DE": Series()}, {}, {"all": Told("site_drop", hour + 1)})
    await store.hset(site_key(rules.app_id).decode(), "state", encode_site(SiteState(watch=watch)))
    _, told, _ = await served.get("/v1/whole")
    assert [(tick["events"], tick["expected"], tick["low"], tick["high"], tick["whole"]) for tick in told["ticks"]] == [
        (10, 8.62, 0.62, 24.62, True),
        (0, 8.62, 0.62, 24.62, True),
        (14, 8.62, 0.62, 24.62, True),
        (2, 8.62, 0.62, 24.62, False),
    ]
    assert (told["firing"], told["since"], told["names"]) == ("site_drop", "2024-10-04T01:00:00.000Z", ["all", "country:DE"])
    _, told, _ = await served.get("/v1/whole?series=country:DE&ticks=3")
    assert [(tick["events"], tick["expected"]) for tick in told["ticks"]] == [(0, None), (0, None)]
