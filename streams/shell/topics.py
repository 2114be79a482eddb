"""The topics of topics.yaml, made on a broker."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import msgspec
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code

from streams.core.rules import DAY_MS
from streams.errors import ConfigError, Unavailable
from streams.settings import Settings, TopicSpec

__all__ = ["TopicsReport", "admin_of", "create_topics", "topic_config"]

_TIMEOUT_MS: Final = 15_000
_LOOK_AGAIN_S: Final = 0.05
#: Kafka's word for "as many copies as the broker's default says".
_BROKERS_DEFAULT: Final = -1


class TopicsReport(msgspec.Struct, frozen=True):
    """Names of topics, sorted."""

    created: list[str]
    existing: list[str]


async def create_topics(settings: Settings) -> TopicsReport:
    """Every topic of topics.yaml exists. Topics that were there are left as they are: `streams check` says how they differ.

    Raises `Unavailable` when the broker refuses for now, `ConfigError` when it refuses the topic. aiokafka's own errors mean that no
    broker answered.
    """
    async with admin_of(settings) as admin:
        there = set(await admin.list_topics())
        missing = {spec.name: spec for spec in settings.topics.values() if spec.name not in there}
        created: set[str] = set()
        if missing:
            wanted = [_new_topic(settings, spec) for _, spec in sorted(missing.items())]
            answer = await admin.create_topics(wanted, timeout_ms=_TIMEOUT_MS)
            for name, code, *said in answer.topic_errors:
                if code == 0:
                    created.add(name)
                elif for_code(code) is not TopicAlreadyExistsError:  # somebody else made it at the same time: just as good
                    raise _refused(name, code, said[0] if said else None)
            await _listed(admin, set(missing))
        existing = sorted({spec.name for spec in settings.topics.values()} - created)
        return TopicsReport(created=sorted(created), existing=existing)


def _new_topic(settings: Settings, spec: TopicSpec) -> NewTopic:
    copies = settings.replication or _BROKERS_DEFAULT
    # aiokafka wants an assignment, even an empty one, to let -1 pass.
    assignment: dict[int, list[int]] | None = {} if copies == _BROKERS_DEFAULT else None
    return NewTopic(spec.name, settings.rules.partitions, copies, assignment, topic_config(spec))


def topic_config(spec: TopicSpec) -> dict[str, str]:
    """The topic's own settings, by Kafka's names."""
    config = {
        "cleanup.policy": spec.cleanup,
        "message.timestamp.type": spec.timestamp,
        "max.message.bytes": str(spec.max_bytes),
    }
    if "delete" in spec.cleanup:
        config["retention.ms"] = "-1" if spec.retention_days is None else str(round(spec.retention_days * DAY_MS))
    return config


@asynccontextmanager
async def admin_of(settings: Settings) -> AsyncIterator[AIOKafkaAdminClient]:
    """An admin client that is connected; closed after the block."""
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.broker, request_timeout_ms=_TIMEOUT_MS, **settings.kafka.client())
    try:
        await admin.start()
        yield admin
    finally:
        await admin.close()


async def _listed(admin: AIOKafkaAdminClient, names: set[str]) -> None:
    """The broker's answers name all of `names`: it makes a topic a moment before it tells of it."""
    try:
        async with asyncio.timeout(_TIMEOUT_MS / 1000):
            while not names <= set(await admin.list_topics()):  # noqa: ASYNC110 (nothing of the broker could set an event)
                await asyncio.sleep(_LOOK_AGAIN_S)
    except TimeoutError:
        raise Unavailable(f"the broker made {len(names)} topics and does not list them") from None


def _refused(name: str, code: int, said: str | None) -> ConfigError | Unavailable:
    kind: type[KafkaError] = for_code(code)
    text = f"the broker refused to make {name}: {said or kind.__name__}"
    return Unavailable(text) if kind.retriable else ConfigError(text, file="topics.yaml")
