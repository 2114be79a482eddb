"""The collector as an ASGI app. A request is read, taken apart, judged, delivered and answered, in this order and in one place.

1. read       the body, whole and inflated
2. take apart into events, by the dialect of the path
3. admit      its write key, its origin, its rate
4. judge      each event alone: its topic, quarantine, or a dead letter
5. deliver    200 once Kafka has acknowledged all of them, else 503; what Kafka may have all the same is remembered
"""

import asyncio
import base64
import binascii
import logging
import time
from functools import partial
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl

from streams.collect.answers import Answer, Send, failed, preflight, taken
from streams.collect.body import Receive, inflated, read
from streams.collect.delivery import Delivery, Parcel
from streams.collect.dialects.event import Incoming, Said, Unreadable
from streams.collect.figures import Figures, Ready
from streams.collect.judge import Judge
from streams.collect.keys import Keyring, Source
from streams.collect.memory import Memory
from streams.collect.routes import Route, routes
from streams.core.catalogue import Names
from streams.core.envelope import rfc3339
from streams.settings import Settings
from streams.shell.producer import Pace, new_producer
from streams.telemetry.tracing import Request, Traces

__all__ = ["Collector"]

log = logging.getLogger(__name__)

_RETRY_S: Final = 1
#: A key that was taken out may send for so long yet.
_LOOK_S: Final = 1.0
#: Addresses with longer queries are no tracker's (the pixel carries a whole event in its own).
_QUERY_BYTES: Final = 16_384


class Collector:
    """What runs under uvicorn. `run` has to run beside it: it keeps the connection to Kafka."""

    def __init__(
        self, settings: Settings, keys: Path, *, loopback: bool, figures: Figures | None = None, traces: Traces | None = None
    ) -> None:
        """Raises `ConfigError` for a wrong keys.yaml. loopback: nobody but this machine can reach the collector."""
        rules, self._collect = settings.rules, settings.collect
        #: A request waits so long for Kafka, at the most.
        self.answer_s = settings.collect.answer_s
        self.keyring, self.figures = Keyring(keys, loopback=loopback), figures or Figures()
        self._traces = traces
        names = Names(rules.catalogue)
        self._routes = routes(lambda name: names.find(name) is not None)
        self._judge, self._memory = Judge(rules, settings.collect), Memory(settings.collect.remembered)
        topics = (rules.topics.clickstream, rules.topics.campaigns, rules.topics.dead, rules.topics.quarantine)
        batch_bytes = min(settings.batch_bytes[topic] for topic in topics)
        make = partial(new_producer, settings.broker, settings.kafka.idempotence, settings.kafka.client(), Pace(batch_bytes=batch_bytes))
        self.delivery = Delivery(
            make,
            topics,
            rules.partitions,
            batch_bytes=batch_bytes,
            buffer_bytes=settings.collect.buffer_bytes,
            linger_s=settings.collect.linger_ms / 1000,
        )

    async def run(self) -> None:
        """Kafka is within reach whenever it can be, and the keys are those of the file; until cancelled. Raises `ConfigError`."""
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(self.delivery.run())
                both.create_task(self._watch_keys())
        finally:
            if self._traces is not None:
                await asyncio.to_thread(self._traces.close)

    def ready(self) -> Ready:
        """Whether events are taken, for /ready beside the metrics."""
        trouble = self.delivery.trouble
        return Ready(trouble is None, [] if trouble is None else [trouble])

    async def _watch_keys(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_S)
            self.keyring.look()

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
        elif scope["type"] == "http":
            answer = await self._answer(scope, receive)
            await answer.send(send)

    async def _answer(self, scope: Any, receive: Receive) -> Answer:
        method, path, began_s = scope["method"], scope["path"].rstrip("/"), time.monotonic()
        headers = dict(scope["headers"])
        if method == "OPTIONS":
            return preflight(headers.get(b"access-control-request-headers", b""))
        route = self._routes.get(path)
        if route is None:
            return self._other(path)
        if method not in route.methods:
            return Answer(405, more=((b"allow", ", ".join(route.methods).encode()),))
        request = None if self._traces is None else self._traces.request(f"{method} {path}", headers.get(b"traceparent"))
        try:
            answer = await self._take(route, scope, headers, receive, request)
        except Unreadable as refusal:
            answer = failed(refusal.status, refusal.why)
        except Exception as bug:  # the one place: a tracker must hear that its events are not there
            log.exception("a bug: %s", type(bug).__name__)
            answer = failed(500, "a bug of ours; the log names it")
        if request is not None:
            request.end(answer.status)
        self.figures.answered(route.dialect, answer.status, time.monotonic() - began_s)
        return answer

    def _other(self, path: str) -> Answer:
        """What else somebody may ask."""
        if path == "/health":
            return Answer(200, b'{"status":"ok"}')
        if path == "/v1/m":  # what the browser's library tells of itself
            return Answer(200, b'{"success":true}')
        if path == "/ready":
            trouble = self.delivery.trouble
            return failed(503, trouble, _RETRY_S) if trouble else Answer(200, b'{"status":"ready"}')
        return failed(404, "no tracker sends here; the paths are in docs/collector.md, POST /v1/track is one")

    async def _take(self, route: Route, scope: Any, headers: dict[bytes, bytes], receive: Receive, request: Request | None) -> Answer:
        most, now_ms = self._collect.body_bytes, time.time_ns() // 1_000_000
        body = inflated(await read(receive, most), headers.get(b"content-encoding", b"").strip().lower(), most)
        said = Said(body, _query(scope["query_string"]), headers, rfc3339(now_ms), self._collect.batch_events)
        key, events = route.read(said)

        source = self._admitted(_key(said) or key, headers)
        if isinstance(source, Answer):
            return source
        source.take(len(events))

        agent = headers.get(b"user-agent", b"").decode("latin-1")
        # Libraries name themselves here; browsers, and robots that look like one, begin like this.
        agent = agent if agent.startswith("Mozilla/") else ""
        # What is only asked about stays remembered: the try that is meant is yet to come.
        known = [None] * len(events) if route.dry else self._memory.recall(source.name, events)
        fresh = [event for event, parcel in zip(events, known, strict=True) if parcel is None]
        judged = self._judge.parcels(fresh, source, agent, now_ms, history=route.history)
        if request is not None:
            request.events = len(events)
            for parcel in judged:
                parcel.headers = [*parcel.headers, request.header]
        made = iter(judged)
        parcels = [next(made) if parcel is None else parcel for parcel in known]
        if not route.dry and not await self._delivered(source, events, parcels):
            trouble = self.delivery.trouble
            return failed(
                503, f"Kafka has not acknowledged everything in time{f' ({trouble})' if trouble else ''}: send it again", _RETRY_S
            )
        refused = [(number, parcel.refused) for number, parcel in enumerate(parcels) if parcel.refused is not None]
        return taken(route.answer, refused, strict=route.strict and len(events) == 1)

    async def _delivered(self, source: Source, events: list[Incoming], parcels: list[Parcel]) -> bool:
        kept = await self.delivery.deliver(parcels, self.answer_s)
        if kept:
            self.figures.kept(source.name, parcels)
        else:
            self._memory.remember(source.name, events, parcels)
        return kept

    def _admitted(self, key: str | None, headers: dict[bytes, bytes]) -> Source | Answer:
        """Who sends, or why nobody may."""
        origin, host = headers.get(b"origin", b"").decode("latin-1"), headers.get(b"host", b"").decode("latin-1")
        source = self.keyring.find(key, origin, host)
        if source is None:
            if self.keyring.empty:
                return failed(401, "there are no write keys yet, so only this machine may send: put one into keys.yaml")
            return failed(401, "the write key is wrong" if key else "the write key is missing: basic auth, or `writeKey` in the body")
        if not source.admits(origin):
            return failed(403, "this page may not use this write key: see `origins` in keys.yaml")
        wait_s = source.wait_s()
        return failed(429, "more events than this write key may send: see `rate_per_s` in keys.yaml", wait_s) if wait_s else source


def _key(said: Said) -> str | None:
    """The write key that headers or query name."""
    kind, _, word = said.headers.get(b"authorization", b"").partition(b" ")
    if kind.lower() == b"basic":
        try:
            return base64.b64decode(word.strip(), validate=True).partition(b":")[0].decode("ascii") or None
        except (binascii.Error, ValueError):
            return None
    if kind.lower() == b"bearer":
        return word.strip().decode("latin-1") or None
    return said.query.get("writeKey") or said.query.get("api_key") if said.query else None


def _query(text: bytes) -> dict[str, str]:
    if not text:
        return {}
    if len(text) > _QUERY_BYTES:
        raise Unreadable(414, f"the query is longer than {_QUERY_BYTES} bytes")
    try:
        return dict(parse_qsl(text.decode("latin-1"), keep_blank_values=True, max_num_fields=200))
    except ValueError:
        raise Unreadable(400, "the query has more than 200 parameters") from None


async def _lifespan(receive: Receive, send: Send) -> None:
    """Nothing happens at the beginning or the end: `run` is somebody else's task."""
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
