"""Whether Kafka and Redis are set up as the files say. Looks only, changes nothing."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from redis.asyncio import Redis

from streams.core.rules import Rules
from streams.findings import Finding
from streams.settings import Settings, TopicSpec
from streams.shell.meta import changed_meaning, differing_partitions, read_meta
from streams.shell.topics import admin_of, topic_config

__all__ = ["check_services", "redis_set_up"]

#: Functions that the scripts use are there since this version.
_REDIS: Final = (6, 2)
_TIMEOUT_S: Final = 2.5

#: Roles whose records are the source of everything: shorter retention than the files promise is an error there.
_SOURCES: Final = ("clickstream", "campaigns", "rerouted", "journal")


async def check_services(settings: Settings) -> list[Finding]:
    """What Redis and Kafka have to say. The clients' own errors mean that a server did not answer."""
    return [*await _redis(settings), *await _kafka(settings)]


async def _redis(settings: Settings) -> list[Finding]:
    client: Redis = Redis.from_url(settings.redis, socket_timeout=_TIMEOUT_S, socket_connect_timeout=_TIMEOUT_S)
    try:
        info: Mapping[str, Any] = await client.info()
        partitions, meanings = await read_meta(client, settings.rules.app_id)
    finally:
        await client.aclose()
    findings = [*redis_set_up(settings, info)]
    for error in (differing_partitions(settings.rules, partitions), changed_meaning(settings.rules.catalogue, meanings)):
        if error is not None:
            findings.append(Finding("error", error.file, f"{error.path}: {error.message}", "Change it back, or take another app_id."))
    return findings or [Finding("ok", "Redis", f"{info['redis_version']} at {settings.redis_place} keeps what it is given")]


def redis_set_up(settings: Settings, info: Mapping[str, Any]) -> Iterator[Finding]:
    """What is wrong with a Redis of which `INFO` says this: it would forget users."""
    version = str(info["redis_version"])
    numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdecimal())
    if numbers < _REDIS:
        yield Finding("error", "Redis", f"version {version} is older than 6.2", "Use a newer Redis, or Valkey.")
    policy = info.get("maxmemory_policy")
    if policy != "noeviction":
        fix = "redis-cli CONFIG SET maxmemory-policy noeviction, and in redis.conf."
        yield Finding("error", "Redis", f"maxmemory-policy is {policy}: a full Redis would forget users in silence", fix)
    if settings.worker.durability == "aof" and not info.get("aof_enabled"):
        fix = "redis-cli CONFIG SET appendonly yes, and in redis.conf. Or `durability: rebuild`: a lost Redis is computed anew."
        yield Finding("error", "Redis", "appendonly is off: a restart of Redis would forget everything", fix)


async def _kafka(settings: Settings) -> list[Finding]:
    async with admin_of(settings) as admin:
        there = set(await admin.list_topics())
        present = {role: spec for role, spec in settings.topics.items() if spec.name in there}
        findings = [
            Finding("error", spec.name, "is missing", "streams topics create")
            for role, spec in settings.topics.items()
            if role not in present
        ]
        if present:
            counts = {topic["topic"]: len(topic["partitions"]) for topic in await admin.describe_topics([s.name for s in present.values()])}
            configs = await _configs(admin, [spec.name for spec in present.values()])
            for role, spec in present.items():
                findings += _topic(settings.rules, role, spec, counts.get(spec.name, 0), configs.get(spec.name, {}))
    fine = f"{len(present)} topics of {settings.rules.partitions} partitions at {settings.broker} are as they should be"
    return findings or [Finding("ok", "Kafka", fine)]


async def _configs(admin: AIOKafkaAdminClient, names: list[str]) -> dict[str, dict[str, str]]:
    """Topic -> its settings by Kafka's names."""
    resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
    configs: dict[str, dict[str, str]] = {}
    for answer in await admin.describe_configs(resources):
        for _code, _message, _kind, name, entries in (resource[:5] for resource in answer.resources):
            configs[name] = {entry[0]: entry[1] for entry in entries}
    return configs


def _topic(rules: Rules, role: str, spec: TopicSpec, partitions: int, config: Mapping[str, str]) -> Iterator[Finding]:
    if partitions != rules.partitions:
        text = f"has {partitions} partitions, topics.yaml says {rules.partitions}: users would be looked for on the wrong ones"
        yield Finding("error", spec.name, text, "Make the topic anew with the right number, or correct topics.yaml before the first start.")
    for setting, wanted in topic_config(spec).items():
        actual = config.get(setting)
        if actual is None or _good_enough(setting, actual, wanted):
            continue
        harmless = setting == "retention.ms" and role not in _SOURCES
        fix = f"kafka-configs.sh --alter --entity-type topics --entity-name {spec.name} --add-config {setting}={_quoted(wanted)}"
        yield Finding("warning" if harmless else "error", spec.name, f"{setting} is {actual}, topics.yaml says {wanted}", fix)


def _good_enough(setting: str, actual: str, wanted: str) -> bool:
    """Equal, or more than was asked for where more does no harm."""
    if setting == "cleanup.policy":
        return set(actual.split(",")) == set(wanted.split(","))
    if setting == "retention.ms":
        return actual == "-1" or (wanted != "-1" and int(actual) >= int(wanted))
    if setting == "max.message.bytes":
        return int(actual) >= int(wanted)
    return actual == wanted


def _quoted(value: str) -> str:
    return f"[{value}]" if "," in value else value
