"""`streams serve` in the loop of a test: on its own application of the shared servers, spoken to over a real socket."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import yaml
from aiokafka import AIOKafkaProducer

from streams.commands.serve import listen, runner
from streams.serve.access import Access
from streams.serve.app import Server
from streams.serve.assets import load_assets
from streams.settings import Settings, load
from streams.shell.topics import admin_of, create_topics
from tests.stack import Kafka, Redis

__all__ = [
    "Event",
    "Served",
    "alert",
    "configuration",
    "delete_topic",
    "produce",
    "score",
    "secured",
    "serving",
    "settings_of",
    "settled",
    "stream",
]


def configuration(folder: Path, app_id: str, kafka: Mapping[str, str] = {}) -> None:
    """The shipped files, with topic names and an application id of this test and two partitions; `kafka` as in streams.yaml."""
    topics = yaml.safe_load(Path("config/topics.yaml").read_text(encoding="utf-8"))
    topics["partitions"], topics["replication"] = 2, 1
    for role, spec in topics["topics"].items():
        spec["name"] = f"{app_id}.{role}"
    folder.joinpath("topics.yaml").write_text(yaml.safe_dump(topics), encoding="utf-8")
    folder.joinpath("streams.yaml").write_text(yaml.safe_dump({"app_id": app_id, "kafka": dict(kafka)}), encoding="utf-8")


def settings_of(folder: Path, broker: str, redis: str) -> Settings:
    """As `configuration` of a new application id has them."""
    configuration(folder, f"serve-{uuid.uuid4().hex[:8]}")
    return load(None, {"STREAMS_BROKER": broker, "STREAMS_REDIS": redis, "STREAMS_CONFIG": str(folder), "STREAMS_INSTANCE": "w1"})


async def settled(folder: Path, kafka: Kafka, redis: Redis) -> Settings:
    """As `settings_of`, and the broker has the topics."""
    mine = settings_of(folder, kafka.bootstrap, redis.url)
    await create_topics(mine)
    return mine


async def secured(folder: Path, kafka: Kafka, redis: Redis) -> Settings:
    """As `settled`, of a broker that wants a password."""
    access = {"security_protocol": "SASL_PLAINTEXT", "sasl_mechanism": "PLAIN", "sasl_username": Kafka.USER}
    configuration(folder, f"secured-{uuid.uuid4().hex[:8]}", access)
    env = {
        "STREAMS_BROKER": kafka.secured,
        "STREAMS_KAFKA_PASSWORD": Kafka.PASSWORD,
        "STREAMS_REDIS": redis.url,
        "STREAMS_CONFIG": str(folder),
    }
    mine = load(None, {**env, "STREAMS_INSTANCE": "w1"})
    await create_topics(mine)
    return mine


async def delete_topic(settings: Settings, topic: str) -> None:
    """The topic is gone, for everybody who asks: made at once, it might be taken for one that is still there."""
    async with admin_of(settings) as admin:
        await admin.delete_topics([topic])
        while topic in await admin.list_topics():
            await asyncio.sleep(0.01)


class Served(NamedTuple):
    """A server that runs, and a client for it."""

    server: Server
    url: str
    client: aiohttp.ClientSession

    async def get(self, path: str, **options: Any) -> tuple[int, Any, Mapping[str, str]]:
        """Status, JSON (or text) and headers."""
        return await self._ask("GET", path, **options)

    async def post(self, path: str, **options: Any) -> tuple[int, Any, Mapping[str, str]]:
        return await self._ask("POST", path, **options)

    async def _ask(self, method: str, path: str, **options: Any) -> tuple[int, Any, Mapping[str, str]]:
        async with self.client.request(method, self.url + path, allow_redirects=False, **options) as answer:
            body = await answer.read()
            is_json = "json" in answer.content_type
            return answer.status, json.loads(body) if is_json else body.decode(), answer.headers


@asynccontextmanager
async def serving(
    settings: Settings, access: Access | None = None, *, ready: bool = True, port: int = 0, most_s: float | None = 120
) -> AsyncIterator[Served]:
    """A server answers inside the block, which may take `most_s`; with `ready`, it has read the past."""
    server = Server(settings, access or Access(None), load_assets())
    with closing(listen("127.0.0.1", port)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        process = runner(server)
        running = asyncio.create_task(process.serve(sockets=[listener]))
        try:
            async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as client, asyncio.timeout(most_s):
                served = Served(server, url, client)
                while not process.started or (ready and server.waiting_for()):
                    await asyncio.sleep(0)
                yield served
        finally:
            process.should_exit = True
            await running


class Event(NamedTuple):
    """One server-sent event."""

    ident: str
    kind: str
    content: Any


async def stream(served: Served, path: str, **options: Any) -> AsyncIterator[Event]:
    """The events of a stream as a browser reads them; closing the iterator cuts the connection."""
    async with served.client.get(served.url + path, **options) as answer:
        assert answer.status == 200, await answer.text()
        fields: dict[str, str] = {}
        async for line in answer.content:
            text = line.decode().rstrip("\n")
            if not text:
                if "data" in fields:
                    yield Event(fields.get("id", ""), fields["event"], json.loads(fields["data"]))
                fields = {}
            elif not text.startswith(":"):
                name, _, value = text.partition(": ")
                fields[name] = value


async def produce(
    settings: Settings, topic: str, records: Sequence[tuple[int, str, bytes | None, int]], headers: Sequence[tuple[str, bytes]] = ()
) -> None:
    """The broker has `records`: (partition, key, value, time in ms), all with `headers`."""
    producer = AIOKafkaProducer(bootstrap_servers=settings.broker, acks="all", **settings.kafka.client())
    await producer.start()
    try:
        sent = [
            await producer.send(topic, value, key.encode(), partition, at_ms, list(headers)) for partition, key, value, at_ms in records
        ]
        await asyncio.gather(*sent)
    finally:
        await producer.stop()


def alert(ident: str, user: str, *, status: str = "firing", at: str = "2026-01-01T00:00:00.000Z", **other: Any) -> bytes:
    """An alert record as a worker writes it."""
    reason = {"code": "silence", "text": "9 days without a visit", "value": 9.0, "baseline": 2.0, "contribution": 0.4}
    fields = {
        "alert_id": ident,
        "fingerprint": f"f-{ident}",
        "user_id": user,
        "rule": "churn_risk",
        "status": status,
        "cause": "silence",
        "severity": "high",
        "risk": 0.4,
        "band": "cold",
        "horizon_days": 30.0,
        "value_band": "low",
        "reasons": [reason],
        "clears_when": "one visit",
        "starts_at": at,
        "ends_at": None,
        "stale": False,
        "model": "prior",
        "rev": 1,
        "rules_version": "r",
    }
    return json.dumps(fields | other).encode()


def score(user: str, value: float, band: str, *, rev: int = 1, cause: str = "event") -> bytes:
    """The fields of a score record that are looked at."""
    return json.dumps({"user_id": user, "engagement_score": value, "band": band, "rev": rev, "cause": cause}).encode()
