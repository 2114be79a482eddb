"""The collector in the loop of a test: on topics of its own of the shared broker, spoken to over a real socket."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import yaml
from aiokafka import AIOKafkaConsumer, TopicPartition

from streams.collect.app import Collector
from streams.commands.collect import serve_collector
from streams.commands.serve import listen
from streams.settings import Settings

__all__ = ["KEY", "Collected", "Lying", "Topics", "collecting", "keys", "reading"]

#: The write key of the tests.
KEY = "wk_test_0001"


class Lying(NamedTuple):
    """A record as it lies on a topic."""

    role: str
    partition: int
    key: str | None
    value: bytes
    headers: dict[str, str]

    @property
    def event(self) -> Any:
        return json.loads(self.value)


class Collected(NamedTuple):
    """A collector that runs, and a client for it."""

    collector: Collector
    url: str
    client: aiohttp.ClientSession

    async def post(self, path: str, content: Any = None, **options: Any) -> tuple[int, Any, Any]:
        """Status, JSON (or text) and headers of the answer. `content` is sent as JSON, with the key of the tests."""
        if content is not None:
            options["data"] = content if isinstance(content, bytes) else json.dumps(content).encode()
        if options.pop("auth", True):
            options["headers"] = {"authorization": aiohttp.encode_basic_auth(KEY, "")} | dict(options.get("headers", {}))
        async with self.client.request(options.pop("method", "POST"), self.url + path, **options) as answer:
            body = await answer.read()
            is_json = "json" in answer.content_type and body
            return answer.status, json.loads(body) if is_json else body, answer.headers


def keys(folder: Path, *specs: dict[str, Any]) -> Path:
    """A keys.yaml; without `specs`, one key that may do everything."""
    file = folder / "keys.yaml"
    file.write_text(yaml.safe_dump({"keys": list(specs) or [{"key": KEY, "source": "tests"}]}), encoding="utf-8")
    return file


@asynccontextmanager
async def collecting(settings: Settings, keys_file: Path, *, port: int = 0, ready: bool = True) -> AsyncIterator[Collected]:
    """A collector answers inside the block; with `ready`, it has reached Kafka."""
    collector, stop = Collector(settings, keys_file, loopback=True), asyncio.Event()
    with closing(listen("127.0.0.1", port)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        running = asyncio.create_task(serve_collector(collector, listener, stop))
        try:
            async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as client, asyncio.timeout(120):
                while ready and collector.delivery.trouble:
                    assert not running.done(), running.exception()
                    await asyncio.sleep(0)
                yield Collected(collector, url, client)
        finally:
            stop.set()
            await running


class Topics:
    """What is written to the topics of a collector."""

    def __init__(self, settings: Settings, consumer: AIOKafkaConsumer, begin: dict[TopicPartition, int]) -> None:
        self.settings, self._consumer, self._begin = settings, consumer, begin

    async def written(self) -> list[Lying]:
        """Everything since the test began."""
        found: list[Lying] = []
        names = _roles(self.settings)
        for place, end in (await self._consumer.end_offsets(list(self._begin))).items():
            self._consumer.seek(place, self._begin[place])
            while await self._consumer.position(place) < end:
                for record in (await self._consumer.getmany(place, timeout_ms=1000)).get(place, []):
                    headers = {name: value.decode() for name, value in record.headers}
                    key = None if record.key is None else record.key.decode()
                    found.append(Lying(names[place.topic], place.partition, key, record.value, headers))
        return found


@asynccontextmanager
async def reading(settings: Settings, *, from_start: bool = False) -> AsyncIterator[Topics]:
    """Sees what is written from now on, or all there is."""
    places = [TopicPartition(name, partition) for name in _roles(settings) for partition in range(settings.rules.partitions)]
    consumer = AIOKafkaConsumer(bootstrap_servers=settings.broker, enable_auto_commit=False, auto_offset_reset="earliest")
    await consumer.start()
    try:
        consumer.assign(places)
        begin = consumer.beginning_offsets if from_start else consumer.end_offsets
        yield Topics(settings, consumer, await begin(places))
    finally:
        await consumer.stop()


def _roles(settings: Settings) -> dict[str, str]:
    return {getattr(settings.rules.topics, role): role for role in ("clickstream", "campaigns", "dead", "quarantine")}
