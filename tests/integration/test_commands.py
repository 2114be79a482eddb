"""Commands against a real broker and a real Redis: dead letters, stats, explanations, topics, heartbeats."""

import asyncio
import base64
import json
import time
import uuid
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from threading import Thread
from typing import Any, NamedTuple

import pytest
from aiokafka import AIOKafkaProducer

from streams.cli import main
from streams.commands.connect import open_consumer, open_redis
from streams.core.deadletter import dead_letter
from streams.core.headers import DEAD_ORIGIN
from streams.core.identity import home_partition
from streams.core.record import Head, Rejected
from streams.core.user import User
from streams.settings import Settings, load
from streams.shell.heads import Keys, encode_body, encode_positions
from streams.shell.scan import log_bounds, scan
from streams.shell.status import Heartbeat, read_workers
from streams.shell.topics import create_topics
from tests.served import configuration
from tests.stack import Kafka, Redis
from tests.unit.records import FakeRecord

pytestmark = pytest.mark.services

HOSTILE = b'{"userId":"u1",\x1b[2J\xff'


class Place(NamedTuple):
    """An application of its own on the shared servers, and how to run a command in it."""

    settings: Settings
    env: dict[str, str]
    run: Callable[..., Any]

    @property
    def clicks(self) -> str:
        return self.settings.rules.topics.clickstream


class Said(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out.splitlines()[-1])


@pytest.fixture
def place(kafka: Kafka, redis: Redis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Place:
    app_id = f"commands-{uuid.uuid4().hex[:8]}"
    configuration(tmp_path, app_id)
    env = {"STREAMS_BROKER": kafka.bootstrap, "STREAMS_REDIS": redis.url, "STREAMS_CONFIG": str(tmp_path), "STREAMS_INSTANCE": "w1"}
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    settings = load(None, env)

    def run(*arguments: str) -> Said:
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            main(arguments)
        said = capsys.readouterr()
        return Said(int(end.value.code or 0), said.out, said.err)

    asyncio.run(create_topics(settings))
    return Place(settings, env, run)


@asynccontextmanager
async def producing(settings: Settings) -> AsyncIterator[AIOKafkaProducer]:
    producer = AIOKafkaProducer(bootstrap_servers=settings.broker, acks="all")
    await producer.start()
    yield producer
    await producer.stop()


async def refuse(settings: Settings, letters: Sequence[tuple[FakeRecord, Rejected]]) -> None:
    """Letters as a worker writes them."""
    async with producing(settings) as producer:
        for record, why in letters:
            it = dead_letter(record, why, settings.rules.topics.dead, record.partition, "decode")
            await producer.send_and_wait(it.topic, it.value, it.key, partition=it.partition, headers=list(it.headers))


async def everything(settings: Settings, topic: str) -> list[Any]:
    async with open_consumer(settings) as consumer:
        return [record async for record in scan(consumer, topic, settings.rules.partitions)]


def do(what: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(what)


@pytest.fixture
def letters(place: Place) -> Place:
    """Three refused records; the first letter is there twice, as after a crash."""
    clicks = place.clicks
    first = (FakeRecord(clicks, 0, 5, 1000, b"u1", HOSTILE, [("trace", b"\x1b]0;title\x07")]), Rejected("not_json", "$"))
    second = (FakeRecord(clicks, 1, 7, 1000, b"u2", b'{"userId":"u2"}'), Rejected("unknown_type", "$.event"))
    third = (FakeRecord(clicks, 0, 6, 1000, b"u3", b'{"userId":"u3"}'), Rejected("future", "$.timestamp"))
    do(refuse(place.settings, [first, first, second, third]))
    return place


def test_a_letter_that_was_written_twice_is_listed_once(letters: Place) -> None:
    answer = letters.run("dead", "list", "--json").json
    # As a set: letters that were appended in the same millisecond have no order.
    assert {(it["coordinates"].removeprefix(letters.clicks), it["reason"], it["times"]) for it in answer["letters"]} == {
        ("/0/5", "not_json", 2),
        ("/1/7", "unknown_type", 1),
        ("/0/6", "future", 1),
    }
    assert (answer["found"], answer["by_reason"]) == (3, {"not_json": 1, "unknown_type": 1, "future": 1})


@pytest.mark.parametrize(
    ("filters", "offsets"),
    [
        (["--reason", "future"], {6}),
        (["--since", "1h"], {5, 6, 7}),
        (["--until", "1h"], set()),
    ],
)
def test_letters_are_chosen_by_reason_and_time(letters: Place, filters: list[str], offsets: set[int]) -> None:
    assert {it["offset"] for it in letters.run("dead", "list", "--json", *filters).json["letters"]} == offsets


def test_a_limit_keeps_the_list_short(letters: Place) -> None:
    assert len(letters.run("dead", "list", "--json", "--since", "2001-01-01", "--limit", "1").json["letters"]) == 1


def test_the_list_for_people_counts_by_reason(letters: Place) -> None:
    said = letters.run("dead", "list")
    assert said.code == 0
    assert "3 refused: 1 future, 1 not_json, 1 unknown_type." in said.out


def test_nothing_refused_is_said_in_words(place: Place) -> None:
    assert place.run("dead", "list") == (0, "No dead letters.\n", "")


def test_a_letter_is_shown_without_a_byte_that_could_steer_the_terminal(letters: Place) -> None:
    out = letters.run("dead", "show", f"{letters.clicks}/0/5").out
    assert '{"userId":"u1",\\x1b[2J\\xff' in out
    assert "\\x1b]0;title\\x07" in out
    assert all(character.isprintable() or character == "\n" for character in out)


def test_a_letter_for_machines_is_exact_to_the_byte(letters: Place) -> None:
    answer = letters.run("dead", "show", "--json", f"{letters.clicks}/0/5").json
    assert base64.b64decode(answer["value"]["base64"]) == HOSTILE
    assert {"name": "dead-reason", "base64": base64.b64encode(b"not_json").decode(), "text": "not_json"} in answer["headers"]


def test_a_letter_that_is_not_there_ends_with_2(letters: Place) -> None:
    said = letters.run("dead", "show", f"{letters.clicks}/0/99")
    assert (said.code, said.out) == (2, "")
    assert said.err.startswith("error: COORDINATES: there is no dead letter of ")


def test_a_replay_sends_each_record_once_to_its_users_home(letters: Place) -> None:
    answer = letters.run("dead", "replay", "--since", "1h", "--json").json
    assert (answer["sent"], answer["by_reason"], answer["unaddressed"]) == (3, {"not_json": 1, "unknown_type": 1, "future": 1}, 1)
    sent = {dict(it.headers)[DEAD_ORIGIN].decode(): it for it in do(everything(letters.settings, letters.settings.rules.topics.rerouted))}
    assert set(sent) == {f"{letters.clicks}/0/5", f"{letters.clicks}/1/7", f"{letters.clicks}/0/6"}
    two, one = sent[f"{letters.clicks}/1/7"], sent[f"{letters.clicks}/0/5"]
    assert (two.partition, two.key, two.value) == (home_partition("u2", 2), b"u2", b'{"userId":"u2"}')
    assert (one.partition, one.value, dict(one.headers)["trace"]) == (0, HOSTILE, b"\x1b]0;title\x07")


def test_a_replay_of_coordinates_sends_those_alone_and_names_what_is_missing(letters: Place) -> None:
    answer = letters.run("dead", "replay", f"{letters.clicks}/1/7", f"{letters.clicks}/1/99", "--json").json
    assert (answer["sent"], answer["missing"]) == (1, [f"{letters.clicks}/1/99"])


def test_a_dry_run_sends_nothing(letters: Place) -> None:
    out = letters.run("dead", "replay", "--reason", "future", "--dry-run").out
    assert out == "Would send 1: 1 future. Nothing was sent (--dry-run).\n"
    assert do(everything(letters.settings, letters.settings.rules.topics.rerouted)) == []


def test_a_replay_says_what_to_look_at_next(letters: Place) -> None:
    out = letters.run("dead", "replay", "--reason", "future").out
    assert out.startswith(f"Sent 1 to {letters.settings.rules.topics.rerouted}: 1 future.")
    assert "streams dead list --since " in out
    assert "streams stats" in out


@pytest.fixture
def suspects(place: Place) -> Place:
    """A robot's event and two of somebody fast, as the collector holds them back."""
    do(hold_back(place.settings, [("bot", "robot", "m1"), ("u1", "velocity", "m2"), ("u1", "velocity", "m3")]))
    return place


async def hold_back(settings: Settings, events: Sequence[tuple[str, str, str]]) -> None:
    topics = settings.rules.topics
    async with producing(settings) as producer:
        for user, why, ident in events:
            value = b'{"type":"page","userId":"%b","messageId":"%b"}' % (user.encode(), ident.encode())
            headers = [("source", b"shop"), ("quarantine-reason", why.encode()), ("quarantine-topic", topics.clickstream.encode())]
            await producer.send_and_wait(topics.quarantine, value, user.encode(), partition=home_partition(user, 2), headers=headers)


def test_what_was_held_back_is_listed_with_whose_it_is_and_why(suspects: Place) -> None:
    answer = suspects.run("quarantine", "list", "--json").json
    assert sorted((it["user"], it["reason"]) for it in answer["letters"]) == [("bot", "robot"), ("u1", "velocity"), ("u1", "velocity")]
    assert (answer["found"], answer["by_reason"]) == (3, {"velocity": 2, "robot": 1})
    assert suspects.run("quarantine", "list", "--reason", "robot", "--json").json["found"] == 1
    assert "2 held back: 2 velocity." in suspects.run("quarantine", "list", "--user", "u1").out


def test_what_was_held_back_is_shown(suspects: Place) -> None:
    coordinates = suspects.run("quarantine", "list", "--user", "bot", "--json").json["letters"][0]["coordinates"]
    out = suspects.run("quarantine", "show", coordinates).out
    assert out.startswith("robot\n")
    assert '{"type":"page","userId":"bot","messageId":"m1"}' in out
    said = suspects.run("quarantine", "show", coordinates + "7")
    assert (said.code, said.err.partition(" of ")[0]) == (2, "error: COORDINATES: there is no record in quarantine")


def test_what_is_released_goes_to_its_users_home(suspects: Place) -> None:
    rerouted = suspects.settings.rules.topics.rerouted
    out = suspects.run("quarantine", "release", "--user", "u1", "--dry-run").out
    assert out == "Would send 2: 2 velocity. Nothing was sent (--dry-run).\n"
    out = suspects.run("quarantine", "release", "--user", "u1").out
    assert out.startswith(f"Sent 2 to {rerouted}: 2 velocity.")
    assert "released before is counted as a duplicate" in out
    sent = do(everything(suspects.settings, rerouted))
    assert {(it.key, it.partition) for it in sent} == {(b"u1", home_partition("u1", 2))}
    assert {name for it in sent for name, _ in it.headers} == {"source", "reroute-appended-at", "reroute-origin", "dead-origin"}


def test_an_empty_quarantine_is_said_in_words(place: Place) -> None:
    assert place.run("quarantine", "list") == (0, "Nothing is in quarantine.\n", "")


def test_topics_are_made_once(place: Place) -> None:
    said = place.run("topics", "create", "--json")
    assert (said.code, said.json["created"], len(said.json["existing"])) == (0, [], 14)


async def store(settings: Settings, users: dict[str, bytes], heads: Sequence[Head]) -> None:
    """Rows and heads as a worker saves them."""
    async with open_redis(settings) as redis:
        for key, blob in users.items():
            await redis.hset(Keys.of(settings.rules.app_id, home_partition(key, 2)).users.decode(), key, blob)
        for head in heads:
            fields = {"v": 1, "owner": head.owner, "rev": head.rev, "at": encode_positions(head.positions), "body": encode_body(head)}
            await redis.hset(Keys.of(settings.rules.app_id, head.partition).head.decode(), mapping=fields)


def head_of(settings: Settings, partition: int, clicks: int, **fates: int) -> Head:
    positions = dict.fromkeys(settings.rules.topics.inputs, 0) | {settings.rules.topics.clickstream: clicks}
    return Head(partition, "w1/x", 3, positions, None, 1000, "wall", {}, fates)


def test_stats_add_up_and_say_how_far_behind(place: Place) -> None:
    async def write() -> None:
        async with producing(place.settings) as producer:
            for _ in range(5):
                await producer.send_and_wait(place.clicks, b"{}", b"u1", partition=0)
        await store(place.settings, {}, [head_of(place.settings, 0, 3, counted=2, rejected=1)])

    do(write())
    stats = place.run("stats", "--json").json
    assert (stats["read"], stats["sum"], stats["fates"]["counted"], stats["fates"]["rejected"]) == (3, 3, 2, 1)
    assert stats["lag"] == {place.clicks: 2, place.settings.rules.topics.campaigns: 0, place.settings.rules.topics.rerouted: 0}
    assert stats["partitions"][0]["lag"][place.clicks] == 2
    assert stats["trouble"] == ["no worker is running: `streams worker` starts one"]


def test_a_replay_in_parts_waits_until_each_one_is_counted_and_says_who_is_missing(place: Place, tmp_path: Path) -> None:
    """Somebody counts what is there, now and then, as a worker would."""
    file = tmp_path / "old.jsonl"
    event = {"type": "track", "event": "Page View", "userId": "u1"}
    file.write_text("".join(json.dumps({**event, "timestamp": f"2026-0{month}-01T00:00:00Z"}) + "\n" for month in (1, 2, 3)))
    seen: list[int] = []

    async def count() -> None:
        while True:
            async with open_consumer(place.settings) as consumer:
                bounds = await log_bounds(consumer, [place.clicks], 2)
            ends = [bounds[place.clicks, partition][1] for partition in range(2)]
            seen.append(sum(ends))  # what is counted now, and nothing that came since
            await store(place.settings, {}, [head_of(place.settings, partition, end) for partition, end in enumerate(ends)])
            await asyncio.sleep(1.0)

    def counting() -> None:
        with suppress(asyncio.CancelledError):
            loop.run_until_complete(task)

    loop = asyncio.new_event_loop()
    task = loop.create_task(count())
    thread = Thread(target=counting)
    thread.start()
    try:
        said = place.run("replay", str(file), "--part-days", "15", "--json")
    finally:
        loop.call_soon_threadsafe(task.cancel)
        thread.join()
        loop.close()
    assert (said.code, said.json["events"], said.json["controls"]) == (0, 3, 2)
    assert {1, 2} <= set(seen)
    assert "start one with `streams worker`" in said.err


def test_a_long_history_in_one_go_is_told_of_the_better_way(place: Place, tmp_path: Path) -> None:
    file = tmp_path / "old.jsonl"
    event = {"type": "track", "event": "Page View", "userId": "u1"}
    file.write_text("".join(json.dumps({**event, "timestamp": f"2026-0{month}-01T00:00:00Z"}) + "\n" for month in (1, 3)))
    assert "--part-days 15" in place.run("replay", str(file)).out
    file.write_text(file.read_text().splitlines()[0])
    assert "--part-days" not in place.run("replay", str(file)).out


def test_stats_for_people_show_the_sum_beside_what_was_read(place: Place) -> None:
    do(store(place.settings, {}, [head_of(place.settings, 0, 3, counted=2, rejected=1)]))
    out = place.run("stats").out
    assert any(line.split() == ["all", "3", "2", "1", "3", "0"] for line in out.splitlines())


def test_stats_name_what_the_tracking_plan_marked(place: Place, tmp_path: Path) -> None:
    """Of all partitions, today and yesterday; nothing is looked up without a plan that marks."""
    app_id = place.settings.rules.app_id
    today = time.time_ns() // (86_400_000 * 1_000_000)

    async def mark() -> None:
        async with open_redis(place.settings) as redis:
            for partition, day, n in ((0, today, 3), (1, today - 1, 4), (0, today - 2, 50)):
                await redis.hset(f"{{{app_id}:{partition}}}:agg:plan:{day}", "Order Completed\t$.properties.revenue", str(n))

    do(store(place.settings, {}, [head_of(place.settings, 0, 3, counted=3)]))
    do(mark())
    assert place.run("stats", "--json").json["off_plan"] == {}
    tmp_path.joinpath("tracking_plan.yaml").write_text("events: [{name: Order Completed}]", encoding="utf-8")
    assert place.run("stats", "--json").json["off_plan"] == {"Order Completed $.properties.revenue": 7}
    assert "Order Completed $.properties.revenue" in place.run("stats").out


def test_stats_with_kafka_away_say_so_and_show_the_rest(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    do(store(place.settings, {}, [head_of(place.settings, 0, 3, counted=3)]))
    monkeypatch.setenv("STREAMS_BROKER", "127.0.0.1:1")
    said = place.run("stats", "--json")
    assert (said.code, said.json["sum"], said.json["lag"], said.json["letters"]) == (0, 3, {}, None)
    assert said.json["trouble"][0].startswith("Kafka at 127.0.0.1:1 cannot be used")


def test_a_heartbeat_is_read_while_it_is_fresh_and_gone_after_a_stop(place: Place) -> None:
    async def beat() -> None:
        async with open_redis(place.settings) as redis:
            snapshot = {"partitions": [0, 1], "trouble": "waiting for Kafka: gone", "events_per_s": 12.5, "something": "new"}
            heart = asyncio.create_task(Heartbeat(place.settings, redis, lambda: snapshot).run())
            app_id = place.settings.rules.app_id
            while not (heard := await read_workers(redis, app_id)):
                await asyncio.sleep(0)
            assert (heard[0].instance, heard[0].partitions, heard[0].trouble) == ("w1", (0, 1), "waiting for Kafka: gone")
            heart.cancel()
            await asyncio.gather(heart, return_exceptions=True)
            assert await read_workers(redis, app_id) == []

    do(beat())


def test_a_worker_that_is_silent_for_ten_seconds_is_not_read(place: Place) -> None:
    async def look() -> list[Any]:
        async with open_redis(place.settings) as redis:
            seconds, _ = await redis.time()
            old = json.dumps({"instance": "w0", "at_ms": (seconds - 11) * 1000})
            await redis.hset(f"{place.settings.rules.app_id}:workers", mapping={"w0": old, "w9": "not ours"})
            return await read_workers(redis, place.settings.rules.app_id)

    assert do(look()) == []


def test_stats_say_within_a_heartbeat_that_redis_is_full(
    place: Place, new_redis: Callable[..., Redis], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full Redis refuses writes; that is when a worker must be able to say so, and `stats` sees it by itself too."""
    full = new_redis()
    monkeypatch.setenv("STREAMS_REDIS", full.url)
    settings = load(None, place.env | {"STREAMS_REDIS": full.url})
    do(store(settings, {}, [head_of(settings, 0, 3, counted=3)]))

    async def beat() -> None:
        async with open_redis(settings) as redis:
            full.config_set("maxmemory", "1mb")
            heart = asyncio.create_task(
                Heartbeat(settings, redis, lambda: {"partitions": [0, 1], "trouble": "waiting for Redis: OOM"}).run()
            )
            async with asyncio.timeout(30):
                while not await read_workers(redis, settings.rules.app_id):
                    await asyncio.sleep(0)
            monkeypatch.setenv("STREAMS_BROKER", "127.0.0.1:1")
            trouble = (await asyncio.to_thread(place.run, "stats", "--json")).json["trouble"]
            assert any(line.startswith("Redis is full: ") for line in trouble)
            assert "w1: waiting for Redis: OOM" in trouble
            heart.cancel()
            await asyncio.gather(heart, return_exceptions=True)

    do(beat())


def test_a_user_is_found_on_the_home_partition_and_explained(place: Place) -> None:
    rules = place.settings.rules
    user = User(rules)
    user.load("u1", None)
    page = next(entry.id for entry in rules.catalogue.types if entry.name == "page_view")
    user.fold(page, 1_700_000_000_000, 1, 0, 0, 0, 0)
    do(store(place.settings, {"u1": user.dump()}, []))
    answer = place.run("explain", "u1", "--json").json
    assert (answer["known"], answer["lifetime"], answer["last_seen"]) == (True, {"sessions": 1, "page_view": 1}, "2023-11-14T22:13:20.000Z")
    assert "sum" in place.run("explain", "u1").out
    early = place.run("explain", "u1", "--at", "2023-11-14")
    assert early.code == 2
    assert early.err.startswith("error: --at: the state is as of its newest event, 2023-11-14 22:13:20")


def test_an_unknown_user_is_an_answer_not_an_error(place: Place) -> None:
    assert place.run("explain", "nobody", "--json") == (0, '{"user_id":"nobody","known":false}\n', "")
    said = place.run("explain", "no\x1bbody")
    assert (said.code, said.out.startswith("Nobody has seen no\\x1bbody:")) == (0, True)


def test_check_says_what_is_right(place: Place) -> None:
    said = place.run("check", "--json")
    assert (said.code, said.json["ok"]) == (0, True), said.out


def test_a_missing_topic_is_named_with_what_to_do(place: Place, tmp_path: Path) -> None:
    configuration(tmp_path, f"commands-{uuid.uuid4().hex[:8]}")
    said = place.run("dead", "list")
    assert said.code == 2
    assert said.err.strip().endswith("the topic does not exist; `streams topics create` makes it")
