"""`streams check`, `streams topics create` and the claim of a worker, against a real broker and a real Redis."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from redis.asyncio import Redis as Client

from streams.check import check_services, claim_meta
from streams.errors import ConfigError, StreamsError
from streams.settings import Settings, load
from streams.shell.embedded import embedded
from streams.shell.topics import admin_of, create_topics
from tests.stack import Kafka, Redis, Topics

pytestmark = pytest.mark.services

CONFIG = Path(__file__).parents[2] / "config"


def settings_for(kafka: Kafka | None, redis: Redis | None, prefix: str, **worker: Any) -> Settings:
    """The shipped settings with topics and keys of one test."""
    env = {"STREAMS_BROKER": kafka.bootstrap if kafka else "127.0.0.1:1", "STREAMS_REDIS": redis.url if redis else "redis://127.0.0.1:1/0"}
    loaded = load(CONFIG, env, partitions=3)
    return msgspec.structs.replace(
        loaded,
        rules=msgspec.structs.replace(loaded.rules, app_id=prefix + "app"),
        topics={role: msgspec.structs.replace(spec, name=prefix + role) for role, spec in loaded.topics.items()},
        worker=msgspec.structs.replace(loaded.worker, **worker),
    )


@pytest.fixture
async def client(redis: Redis) -> AsyncIterator[Client]:
    mine: Client = Client.from_url(redis.url)
    yield mine
    await mine.aclose()


@pytest.fixture
async def settings(kafka: Kafka, redis: Redis, topics: Topics) -> Settings:
    mine = settings_for(kafka, redis, topics.prefix)
    topics.created += [spec.name for spec in mine.topics.values()]
    return mine


async def test_topics_are_made_once_and_left_alone_after(settings: Settings) -> None:
    first = await create_topics(settings)
    second = await create_topics(settings)

    assert first.created == sorted(spec.name for spec in settings.topics.values())
    assert first.existing == []
    assert second.created == []
    assert second.existing == first.created


async def test_topics_just_made_and_a_redis_by_our_file_have_nothing_to_find(settings: Settings) -> None:
    await create_topics(settings)

    findings = await check_services(settings)

    assert [(finding.level, finding.where) for finding in findings] == [("ok", "Redis"), ("ok", "Kafka")]


async def test_a_missing_topic_is_named_with_the_command_that_makes_it(settings: Settings) -> None:
    findings = [finding for finding in await check_services(settings) if finding.level == "error"]

    assert [finding.where for finding in findings] == [spec.name for spec in settings.topics.values()]
    assert {(finding.text, finding.fix) for finding in findings} == {("is missing", "streams topics create")}


async def test_each_difference_to_topics_yaml_is_named(settings: Settings, topics: Topics) -> None:
    spec = settings.topics["clickstream"]
    await topics.create(
        "clickstream",
        partitions=2,
        config={
            "cleanup.policy": "compact",
            "retention.ms": "3600000",
            "message.timestamp.type": "CreateTime",
            "max.message.bytes": "70000",
        },
    )
    await create_topics(settings)

    findings = [finding for finding in await check_services(settings) if finding.where == spec.name]

    assert [(finding.level, finding.text.split(":")[0]) for finding in findings] == [
        ("error", "has 2 partitions, topics.yaml says 3"),
        ("error", "cleanup.policy is compact, topics.yaml says delete"),
        ("error", "message.timestamp.type is CreateTime, topics.yaml says LogAppendTime"),
        ("error", "max.message.bytes is 70000, topics.yaml says 131072"),
        ("error", "retention.ms is 3600000, topics.yaml says 2592000000"),
    ]
    assert findings[2].fix.endswith("--add-config message.timestamp.type=LogAppendTime")


async def test_keeping_longer_than_asked_for_is_no_difference(settings: Settings, topics: Topics) -> None:
    await topics.create(
        "alerts",
        partitions=3,
        config={
            "cleanup.policy": "delete",
            "retention.ms": "-1",
            "message.timestamp.type": "CreateTime",
            "max.message.bytes": "1000000",
        },
    )
    await create_topics(settings)

    assert [finding.level for finding in await check_services(settings)] == ["ok", "ok"]


async def test_alerts_kept_too_short_are_a_warning_not_an_error(settings: Settings, topics: Topics) -> None:
    await topics.create("alerts", partitions=3, config={"retention.ms": "3600000", "max.message.bytes": "65536"})
    await create_topics(settings)

    findings = [finding for finding in await check_services(settings) if finding.where == settings.topics["alerts"].name]

    assert [(finding.level, finding.text) for finding in findings] == [
        ("warning", "retention.ms is 3600000, topics.yaml says 7776000000"),
    ]


async def test_the_admin_client_is_closed_when_the_block_fails(settings: Settings) -> None:
    async def fail() -> None:
        async with admin_of(settings):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"maxmemory-policy": "allkeys-lru"}, "maxmemory-policy is allkeys-lru: a full Redis would forget users in silence"),
        ({"appendonly": "no"}, "appendonly is off: a restart of Redis would forget everything"),
    ],
)
async def test_a_redis_that_may_forget_is_refused(settings: Settings, new_redis: Any, options: dict[str, str], text: str) -> None:
    await create_topics(settings)
    other = new_redis(settings=options)

    findings = await check_services(msgspec.structs.replace(settings, redis=other.url))

    assert [(finding.level, finding.where, finding.text) for finding in findings if finding.level != "ok"] == [("error", "Redis", text)]


async def test_a_redis_without_a_log_is_accepted_by_those_who_rebuild(settings: Settings, new_redis: Any) -> None:
    await create_topics(settings)
    other = new_redis(settings={"appendonly": "no"})
    worker = msgspec.structs.replace(settings.worker, durability="rebuild")

    findings = await check_services(msgspec.structs.replace(settings, redis=other.url, worker=worker))

    assert [finding.level for finding in findings] == ["ok", "ok"]


async def test_the_first_claim_writes_down_partitions_and_ids(settings: Settings, client: Client) -> None:
    await claim_meta(client, settings)

    meta = await client.hgetall(f"{settings.rules.app_id}:meta")
    assert meta[b"partitions"] == b"3"
    assert msgspec.json.decode(meta[b"catalogue"])["39"] == "order_completed"


async def test_claiming_twice_changes_nothing(settings: Settings, client: Client) -> None:
    await claim_meta(client, settings)
    before = await client.hgetall(f"{settings.rules.app_id}:meta")
    await claim_meta(client, settings)

    assert await client.hgetall(f"{settings.rules.app_id}:meta") == before


async def test_another_number_of_partitions_is_refused_and_nothing_is_written(settings: Settings, client: Client) -> None:
    await claim_meta(client, settings)
    before = await client.hgetall(f"{settings.rules.app_id}:meta")
    more = msgspec.structs.replace(settings, rules=msgspec.structs.replace(settings.rules, partitions=6))

    with pytest.raises(ConfigError) as refused:
        await claim_meta(client, more)

    assert (refused.value.file, refused.value.path) == ("topics.yaml", "partitions")
    assert refused.value.exit_code == 2
    assert await client.hgetall(f"{settings.rules.app_id}:meta") == before


def renumbered(settings: Settings, type_id: int, **changes: Any) -> Settings:
    types = tuple(msgspec.structs.replace(entry, **changes) if entry.id == type_id else entry for entry in settings.rules.catalogue.types)
    catalogue = msgspec.structs.replace(settings.rules.catalogue, types=types)
    return msgspec.structs.replace(settings, rules=msgspec.structs.replace(settings.rules, catalogue=catalogue))


async def test_an_id_with_another_meaning_is_refused(settings: Settings, client: Client) -> None:
    await claim_meta(client, settings)

    with pytest.raises(ConfigError) as refused:
        await claim_meta(client, renumbered(settings, 39, name="basket_burned", aliases=()))

    assert refused.value.file == "catalogue.yaml"
    assert refused.value.message.startswith("39 has meant order_completed in stored states, and cannot mean basket_burned")


async def test_a_renamed_event_that_keeps_its_old_name_as_an_alias_is_the_same_event(settings: Settings, client: Client) -> None:
    await claim_meta(client, settings)
    await claim_meta(client, renumbered(settings, 39, name="order_paid", aliases=("order_completed",)))

    meta = await client.hgetall(f"{settings.rules.app_id}:meta")
    assert msgspec.json.decode(meta[b"catalogue"])["39"] == "order_paid"


async def test_an_id_that_left_the_catalogue_stays_taken(settings: Settings, client: Client) -> None:
    await claim_meta(client, settings)
    await claim_meta(client, renumbered(settings, 39, id=200))

    with pytest.raises(ConfigError, match="39 has meant order_completed"):
        await claim_meta(client, renumbered(settings, 39, name="basket_burned", aliases=()))


async def test_check_names_what_disagrees_with_redis(settings: Settings, client: Client) -> None:
    await claim_meta(client, settings)
    await create_topics(settings)
    changed = renumbered(settings, 39, name="basket_burned", aliases=())

    findings = [finding for finding in await check_services(changed) if finding.level == "error"]

    assert [(finding.where, finding.text.split(":")[0]) for finding in findings] == [("catalogue.yaml", "types[25].id")]


async def test_topics_are_made_on_the_embedded_broker_too() -> None:
    async with embedded() as services:
        settings = load(CONFIG, {"STREAMS_BROKER": services.broker, "STREAMS_REDIS": services.redis_url}, partitions=4)

        first = await create_topics(settings)
        second = await create_topics(settings)

    assert len(first.created) == 14
    assert second.existing == first.created


async def test_a_refused_topic_says_why(settings: Settings) -> None:
    too_many = msgspec.structs.replace(settings, replication=3)

    with pytest.raises(StreamsError, match=r"the broker refused to make .*accounts"):
        await create_topics(too_many)
