"""The collector over a real socket and a real broker: what is answered, and what lies on the topics."""

import asyncio
import gzip
import json
import os
import shlex
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
import yaml

from streams.core.identity import home_partition
from streams.demo.courier import Courier
from streams.settings import Settings
from streams.shell.topics import create_topics
from streams.sim.emission import Emission
from tests.collecting import KEY, Collected, Lying, Topics, collecting, keys, reading
from tests.served import settings_of
from tests.stack import Kafka, Redis, free_port

pytestmark = pytest.mark.services

CHROME = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/139.0.0.0 Safari/537.36"
GOOGLEBOT = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"


@pytest.fixture(scope="module")
def settings(kafka: Kafka, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Topics that the tests of this file share: each looks only at what was written since it began (`lying`)."""
    mine = settings_of(tmp_path_factory.mktemp("collect"), kafka.bootstrap, "redis://127.0.0.1:1/0")
    asyncio.run(create_topics(mine))
    return mine


def track(user: str, ident: str, **more: Any) -> dict[str, Any]:
    return {"type": "track", "event": "Product Viewed", "userId": user, "messageId": ident, **more}


async def only(lying: Topics, role: str = "clickstream") -> Lying:
    """The one record that lies anywhere."""
    (found,) = await lying.written()
    assert found.role == role
    return found


async def test_a_batch_lies_on_the_partitions_of_its_users(lying: Topics, collected: Collected) -> None:
    """200 means: each event is on the topic, under its user's raw id, on its user's partition, with what the request knows of it."""
    batch = [track(f"user-{n}", f"m{n}") for n in range(20)]
    status, answer, _ = await collected.post("/v1/batch", {"batch": batch, "sentAt": "2026-01-31T08:00:00.000Z"})
    assert (status, answer) == (200, {"success": True})
    found = await lying.written()
    assert {record.key for record in found} == {f"user-{n}" for n in range(20)}
    for record in found:
        assert record.key is not None
        assert record.partition == home_partition(record.key, 2)
        assert record.event["sentAt"] == "2026-01-31T08:00:00.000Z"
        assert record.event["receivedAt"].endswith("Z")
        assert record.headers == {"source": "tests"}


@pytest.mark.parametrize(
    ("path", "call"),
    [
        ("/v1/track", "track"),
        ("/v1/t", "track"),
        ("/v1/page", "page"),
        ("/v1/p", "page"),
        ("/v1/screen", "screen"),
        ("/v1/s", "screen"),
        ("/v1/identify", "identify"),
        ("/v1/i", "identify"),
        ("/v1/alias", "alias"),
        ("/v1/a", "alias"),
        ("/v1/group", "group"),
        ("/v1/g/", "group"),
    ],
)
async def test_the_path_says_what_kind_of_event_it_is(lying: Topics, collected: Collected, path: str, call: str) -> None:
    """Long and short names, with a slash at the end or without; the write key in the body does not travel on."""
    event = {"event": "Product Viewed", "userId": "u1", "messageId": "m1", "writeKey": KEY, "previousId": "a", "groupId": "g"}
    status, _, headers = await collected.post(path, event, auth=None, headers={"content-type": "text/plain"})
    assert (status, headers["access-control-allow-origin"]) == (200, "*")
    found = await only(lying)
    assert (found.key, found.event["type"]) == ("u1", call)
    assert "writeKey" not in found.event


async def test_gzip_is_taken_whatever_the_headers_say(lying: Topics, collected: Collected) -> None:
    body = gzip.compress(json.dumps({"batch": [track("u1", "m1")]}).encode())
    for headers in ({"content-encoding": "gzip"}, {"content-type": "application/x-www-form-urlencoded"}):
        status, _, _ = await collected.post("/v1/batch", body, headers=headers)
        assert status == 200
    assert len(await lying.written()) == 2


async def test_one_bad_event_takes_no_other_with_it(lying: Topics, collected: Collected) -> None:
    """The bad ones become dead letters with the reason, and the answer names them."""
    big = track("u3", "m3", properties={"text": "x" * 40_000})
    batch = [track("u1", "m1"), {"type": "track", "event": "x"}, 7, big, track("null", "m5"), track("u6", "m6")]
    status, answer, _ = await collected.post("/v1/batch", {"batch": batch})
    assert status == 200
    assert answer["refused"] == [
        {"event": 1, "reason": "missing_field", "at": "$.userId"},
        {"event": 2, "reason": "wrong_type", "at": "$"},
        {"event": 3, "reason": "too_large", "at": "$"},
        {"event": 4, "reason": "blocked_id", "at": "$.userId"},
    ]
    found = await lying.written()
    assert sorted(record.key or "" for record in found if record.role == "clickstream") == ["u1", "u6"]
    dead = {record.headers["dead-reason"]: record for record in found if record.role == "dead"}
    assert set(dead) == {"missing_field", "wrong_type", "too_large", "blocked_id"}
    assert dead["wrong_type"].value == b"7"
    assert dead["too_large"].event["properties"]["text"] == "x" * 40_000
    assert dead["too_large"].headers["__connect.errors.stage"] == "collect"


async def test_campaign_events_go_to_their_topic(lying: Topics, collected: Collected) -> None:
    await collected.post("/v1/track", {"event": "Email Opened", "userId": "u1", "messageId": "m1"})
    assert (await only(lying, "campaigns")).key == "u1"


@pytest.mark.parametrize(
    ("path", "content", "options", "status", "message"),
    [
        ("/v1/track", {"event": "x"}, {"auth": None}, 401, "the write key is missing: basic auth, or `writeKey` in the body"),
        ("/v1/track", {"event": "x", "writeKey": "wrong"}, {"auth": None}, 401, "the write key is wrong"),
        ("/v1/batch", b"{", {}, 400, "the body is not JSON"),
        ("/v1/batch", b"[" * 5000, {}, 400, "the body is not what this path takes: $ has the wrong type"),
        ("/v1/batch", b'{"batch":[' + b"[" * 5000, {}, 400, "the body nests too deep"),
        ("/v1/batch", {"batch": 7}, {}, 400, "the body is not what this path takes: $.batch has the wrong type"),
        ("/v1/batch", {"batch": [{}] * 2501}, {}, 413, "more than 2500 events in one request"),
        ("/v1/batch", b" " * 512_001, {}, 413, "the body is larger than 512000 bytes"),
        ("/v1/batch", gzip.compress(b" " * 50_000_000), {}, 413, "the body is larger than 512000 bytes, inflated"),
        ("/v1/batch", b"\x1f\x8bno", {}, 400, "the body is not the gzip that it says it is"),
        ("/v1/batch", gzip.compress(b"{}")[:-9], {}, 400, "the gzip of the body is cut off"),
        ("/v1/batch", {}, {"headers": {"content-encoding": "br"}}, 415, "of the content encodings gzip and deflate are understood"),
        ("/v1/nothing", {}, {}, 404, "no tracker sends here; the paths are in docs/collector.md, POST /v1/track is one"),
    ],
)
async def test_what_is_refused_as_a_whole_says_why(
    lying: Topics, collected: Collected, path: str, content: Any, options: dict[str, Any], status: int, message: str
) -> None:
    found, answer, _ = await collected.post(path, content, **options)
    assert (found, answer["message"]) == (status, message)
    assert await lying.written() == []


async def test_a_single_event_that_is_refused_is_told_so(lying: Topics, collected: Collected) -> None:
    """400, and the event is kept as a dead letter: whoever tries with curl sees what is wrong."""
    status, answer, _ = await collected.post("/v1/track", {"event": "x", "userId": "u1", "timestamp": "yesterday"})
    assert (status, answer["refused"]) == (400, [{"event": 0, "reason": "wrong_type", "at": "$.timestamp"}])
    assert (await only(lying, "dead")).event["timestamp"] == "yesterday"


async def test_robots_go_into_quarantine(lying: Topics, collected: Collected) -> None:
    """The browser is the one that the event names, else the one that sent it. A library's name is not a browser's."""
    await collected.post("/v1/batch", {"batch": [track("bot", "m1", context={"userAgent": GOOGLEBOT})]}, headers={"user-agent": CHROME})
    await collected.post("/v1/track", track("crawler", "m2"), headers={"user-agent": GOOGLEBOT})
    await collected.post("/v1/track", track("library", "m3"), headers={"user-agent": "python-requests/2.32"})
    await collected.post("/v1/track", track("person", "m4"), headers={"user-agent": CHROME})
    found = await lying.written()
    assert {record.key: record.role for record in found} == {
        "bot": "quarantine",
        "crawler": "quarantine",
        "library": "clickstream",
        "person": "clickstream",
    }
    robots = [record.headers for record in found if record.role == "quarantine"]
    assert robots == [{"source": "tests", "quarantine-reason": "robot", "quarantine-topic": lying.settings.rules.topics.clickstream}] * 2


async def test_who_is_too_fast_to_be_a_person_goes_into_quarantine(lying: Topics, collected: Collected) -> None:
    """600 events a minute; an import of history may be faster."""
    for path in ("/v1/batch", "/v1/import"):
        events = [track(f"fast{path[4]}", f"{path}{n}") for n in range(610)]
        status, _, _ = await collected.post(path, {"batch": events})
        assert status == 200
    roles = [(record.key, record.role) for record in await lying.written()]
    counts = {each: roles.count(each) for each in set(roles)}
    # A run may fall across a minute's end: then it is ten or fewer.
    assert counts.pop(("fastb", "quarantine"), 0) <= 10
    assert counts[("fasti", "clickstream")] == 610


async def test_a_write_key_has_pages_and_a_rate(settings: Settings, tmp_path: Path) -> None:
    """Another page: 403. More than the rate: 429, with the seconds to wait."""
    file = keys(tmp_path, {"key": KEY, "source": "shop", "rate_per_s": 1, "origins": ["https://shop.example"]})
    async with collecting(settings, file) as collected:
        status, _, _ = await collected.post("/v1/track", track("u1", "m1"), headers={"origin": "https://evil.example"})
        assert status == 403
        batch = {"batch": [track("u1", f"m{n}") for n in range(10)]}
        assert (await collected.post("/v1/batch", batch, headers={"origin": "https://shop.example"}))[0] == 200
        status, answer, headers = await collected.post("/v1/batch", batch)
        assert (status, headers["retry-after"]) == (429, "6")
        assert answer["message"] == "more events than this write key may send: see `rate_per_s` in keys.yaml"


async def test_a_browser_is_told_that_it_may_send(collected: Collected) -> None:
    headers = {"origin": "https://a.example", "access-control-request-headers": "authorization,content-type"}
    status, _, told = await collected.post("/v1/t", method="OPTIONS", headers=headers, auth=None)
    assert status == 204
    assert told["access-control-allow-origin"] == "*"
    assert told["access-control-allow-headers"] == "authorization,content-type"
    assert "POST" in told["access-control-allow-methods"]


async def test_without_any_key_only_this_machine_may_send(settings: Settings, tmp_path: Path) -> None:
    """By its own names, and pages of its own: a foreign page that has its name point here gets nothing."""
    async with collecting(settings, tmp_path / "keys.yaml") as collected:
        event = track("u1", "m1")
        assert (await collected.post("/v1/track", event, auth=None))[0] == 200
        assert (await collected.post("/v1/track", event, auth=None, headers={"origin": "http://localhost:3000"}))[0] == 200
        assert (await collected.post("/v1/track", event, auth=None, headers={"origin": "https://evil.example"}))[0] == 401
        assert (await collected.post("/v1/track", event, auth=None, headers={"host": "evil.example"}))[0] == 401


async def test_no_kafka_is_a_503_that_counts_once_after_the_retry(tmp_path: Path, new_kafka: Any) -> None:
    """The tracker tries again until it hears 200, while the broker is dead and after; each event lies on the topic once.

    The first try is under way when the broker dies, so Kafka may have a part of it.
    """
    broker = await asyncio.to_thread(new_kafka)
    mine = settings_of(tmp_path, broker.bootstrap, "redis://127.0.0.1:1/0")
    mine = msgspec.structs.replace(mine, collect=msgspec.structs.replace(mine.collect, answer_s=0.3))
    await create_topics(mine)
    async with collecting(mine, keys(tmp_path)) as collected, reading(mine) as written:
        batches = [{"batch": [track(f"user-{n}", f"b{b}m{n}") for n in range(30)]} for b in range(20)]

        async def send(batch: dict[str, Any]) -> int:
            tries = 0
            while True:
                tries += 1
                status, _, headers = await collected.post("/v1/batch", batch | {"sentAt": str(time.time_ns() // 1_000_000)})
                if status == 200:
                    return tries
                assert (status, headers["retry-after"]) == (503, "1")

        await send(batches[0])
        under_way = [asyncio.create_task(send(batch)) for batch in batches[1:]]
        broker.kill()
        await asyncio.wait([under_way[-1]], timeout=1.0)
        await asyncio.to_thread(broker.start)
        assert max(await asyncio.gather(*under_way)) > 1
        idents = [record.event["messageId"] for record in await written.written()]
        assert len(set(idents)) == 600
        assert len(idents) == 600


@pytest.mark.parametrize(
    "command", [["collect", "--port", "0"], ["serve", "--port", "0", "--collect-port", "0"]], ids=["alone", "with the page"]
)
async def test_it_runs_alone_or_beside_the_page_and_ends_when_told_to(
    lying: Topics, tmp_path: Path, redis: Redis, command: list[str]
) -> None:
    """Its address is the first word that is printed; what was under way at SIGTERM is answered, and the exit code is 0."""
    settings = lying.settings
    env = os.environ | {"STREAMS_BROKER": settings.broker, "STREAMS_REDIS": redis.url, "STREAMS_CONFIG": str(settings.folder)}
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "streams", *command, env=env, stdout=asyncio.subprocess.PIPE)
    try:
        assert process.stdout is not None
        url = (await process.stdout.readline()).decode().split()[0]
        async with aiohttp.ClientSession() as client:
            sending = asyncio.create_task(client.post(f"{url}v1/track", data=b'{"event": "Hello", "userId": "me"}'))
            async with await sending as answer:
                assert answer.status == 200
            sending = asyncio.create_task(client.post(f"{url}v1/track", data=b'{"event": "Bye", "userId": "me"}'))
            await asyncio.wait([sending], timeout=0.001)
            process.terminate()
            with suppress(aiohttp.ClientConnectionError):  # it may have come too late to be taken
                assert (await sending).status == 200
        assert await process.wait() == 0
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
    assert "Hello" in [record.event["event"] for record in await lying.written()]


CURL = [line for line in Path("docs/collector.md").read_text(encoding="utf-8").splitlines() if line.startswith("curl ")]


async def test_what_the_docs_say_to_type_works(lying: Topics, tmp_path: Path) -> None:
    """Every line of docs/collector.md that begins with `curl` puts its events on the topics."""
    file = keys(tmp_path, {"key": "wk_shop_7f3a91c2", "source": "shop"})
    for keys_file, lines in ((tmp_path / "none.yaml", CURL[:1]), (file, CURL[1:])):
        async with collecting(lying.settings, keys_file) as collected:
            for line in lines:
                words = shlex.split(line.replace("http://localhost:8081", collected.url))
                process = await asyncio.create_subprocess_exec(*words, "-sf", stdout=asyncio.subprocess.PIPE)
                await process.communicate()
                assert process.returncode == 0, line
    found = [record.event for record in await lying.written()]
    names = [event.get("event") or event["type"] for event in found]
    assert sorted(names) == ["Order Completed", "Product Viewed", "Signed Up", "order_completed", "page", "page", "view_item"]


async def test_a_part_of_the_demos_shop_sends_through_it(lying: Topics, tmp_path: Path) -> None:
    """One shopper in five; each event once."""
    url = ""
    courier = Courier(lambda: url)
    emissions = [Emission(0, "clickstream", b"u%d" % n, json.dumps(track(f"u{n}", f"m{n}")).encode()) for n in range(100)]
    assert not any(courier.takes(emission) for emission in emissions)
    async with collecting(lying.settings, tmp_path / "none.yaml") as mine:
        url = f"{mine.url}/"
        taken = [emission.key.decode() for emission in emissions if courier.takes(emission)]
        carrying = asyncio.create_task(courier.run())
        await asyncio.wait([carrying], timeout=0.3)
        carrying.cancel()
        await asyncio.gather(carrying, return_exceptions=True)
    assert sorted(record.key or "" for record in await lying.written()) == sorted(taken)
    assert len(taken) > 10


async def test_what_was_answered_200_outlives_the_broker_and_the_collector(tmp_path: Path, new_kafka: Any) -> None:
    """Both are killed with -9 under load, and started again: 0 events lost, and the worker's ids tell copies apart."""
    broker = await asyncio.to_thread(new_kafka)
    settings = settings_of(tmp_path, broker.bootstrap, "redis://127.0.0.1:1/0")
    await create_topics(settings)
    port, answered = free_port(), set[str]()
    env = os.environ | {"STREAMS_BROKER": broker.bootstrap, "STREAMS_CONFIG": str(tmp_path)}
    tmp_path.joinpath("streams.yaml").write_text(
        yaml.safe_dump({"app_id": settings.rules.app_id, "collect": {"answer_s": 1, "velocity_per_min": 0}}), encoding="utf-8"
    )
    command = (sys.executable, "-m", "streams", "collect", "--port", str(port))
    stop = asyncio.Event()

    async def send(client: aiohttp.ClientSession, sender: int) -> None:
        number = 0
        while not stop.is_set():
            batch = [track(f"user-{n % 7}", f"s{sender}n{number + n}") for n in range(20)]
            number += 20
            while not stop.is_set():
                with suppress(aiohttp.ClientError, TimeoutError):
                    async with client.post(f"http://127.0.0.1:{port}/v1/batch", data=json.dumps({"batch": batch})) as answer:
                        if answer.status == 200:
                            answered.update(event["messageId"] for event in batch)
                            break
                await asyncio.sleep(0.02)

    async def more_than(events: int) -> None:
        wanted = len(answered) + events
        async with asyncio.timeout(90):
            while len(answered) < wanted:
                await asyncio.sleep(0.02)

    process = await asyncio.create_subprocess_exec(*command, env=env, stdout=asyncio.subprocess.DEVNULL)
    try:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as client, asyncio.TaskGroup() as senders:
            for sender in range(4):
                senders.create_task(send(client, sender))
            await more_than(400)
            broker.kill()
            process.kill()
            await process.wait()
            await asyncio.to_thread(broker.start)
            process = await asyncio.create_subprocess_exec(*command, env=env, stdout=asyncio.subprocess.DEVNULL)
            await more_than(400)
            process.kill()
            await process.wait()
            process = await asyncio.create_subprocess_exec(*command, env=env, stdout=asyncio.subprocess.DEVNULL)
            await more_than(400)
            broker.kill()
            await asyncio.to_thread(broker.start)
            await more_than(400)
            stop.set()
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
    async with reading(settings, from_start=True) as lying:
        there = {record.event["messageId"] for record in await lying.written() if record.role == "clickstream"}
    assert answered - there == set()
