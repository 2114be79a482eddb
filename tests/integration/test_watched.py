"""A worker seen from outside: what `/metrics`, `/health` and `/ready` say while it works, on a real broker and a real Redis."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.chaos.crashes import now_ms
from tests.chaos.ground import Ground
from tests.chaos.harness import until
from tests.feed import Feed, Sent
from tests.scrape import free_port, get
from tests.stack import Kafka, Redis

pytestmark = pytest.mark.services

CANARY = "canary-email@example.test"


async def test_a_worker_says_what_it_has_done_and_when_it_is_ready(kafka: Kafka, redis: Redis, tmp_path: Path) -> None:
    """Not ready before it is assigned; then every record has its fate, its freshness and its step in the metrics.

    Neither metrics nor log (JSON, line by line) tell of any user or of what a record held.
    """
    async with Ground(kafka, redis, tmp_path).stage("watched") as stage:
        feed = Feed(5, stage.rules, users=50)
        records = feed.live(500, now_ms(), resent=0.0, late=0.0, stray=0.0, anonymous=0.0)
        pill = Sent(stage.rules.topics.clickstream, 0, CANARY.encode(), b"not json " + CANARY.encode(), ())
        records[0] = feed.event(CANARY, now_ms())
        worker = await stage.worker().start(STREAMS_LOG_FORMAT="json")
        await until("it answers", lambda: _answers(worker.url))
        assert (await get(f"{worker.url}/health"))[0] == 200
        status, body = await get(f"{worker.url}/ready")
        assert (status, json.loads(body)["ready"]) in ((503, False), (200, True))
        await until("it is ready", worker.ready)
        told = json.loads((await get(f"{worker.url}/ready"))[1])
        assert (told["partitions"], told["recovering"], told["reasons"]) == ([0, 1, 2, 3], [], [])

        await stage.feed([*records, pill])
        await stage.caught_up()
        seen = await worker.metrics()
        assert seen.by("streams_records_total", "fate")["counted"] == 500
        assert seen.by("streams_dead_letters_total", "reason")["not_json"] == 1
        assert seen.value("streams_outputs_total", topic=stage.rules.topics.dead) == 1
        assert seen.value("streams_freshness_seconds_count") == 501
        assert seen.value("streams_step_seconds_count", phase="save") == seen.value("streams_steps_total")
        assert seen.value("streams_cache_lookups_total") > 0
        assert seen.value("streams_lag_records") == 0
        assert seen.value("streams_partitions") == 4
        assert seen.value("streams_ready") == 1
        assert seen.value("streams_fenced_total") == seen.value("streams_rewinds_total") == 0
        assert CANARY not in seen.text
        assert len(seen.text.splitlines()) < 500
        assert (await get(f"{worker.url}/nothing"))[0] == 404
        assert await worker.stop() == 0
        said = [json.loads(line) for line in worker.text().splitlines()]
        assert {line["instance"] for line in said} == {"w1"}
        assert CANARY not in worker.text()


async def test_who_has_nothing_to_say_notices_too_that_kafka_is_away(new_kafka: Callable[..., Kafka], redis: Redis, tmp_path: Path) -> None:
    """No output waits: it is the reader that waits, and the metrics say so until the broker is back."""
    kafka = new_kafka()
    async with Ground(kafka, redis, tmp_path).stage("idle") as stage:
        worker = await stage.worker().start()
        await until("it is ready", worker.ready)
        assert (await worker.metrics()).by("streams_waiting", "service") == {"kafka": 0, "redis": 0}
        kafka.kill()

        async def waits() -> bool:
            return (await worker.metrics()).value("streams_waiting", service="kafka") == 1

        await until("it says that it waits", waits)
        kafka.start()
        await until("it is ready again", worker.ready)
        seen = await worker.metrics()
        assert seen.by("streams_waiting", "service") == {"kafka": 0, "redis": 0}
        assert seen.value("streams_waiting_seconds_total", service="kafka") > 0


async def test_a_trace_goes_from_the_record_to_what_is_told_of_it(kafka: Kafka, redis: Redis, tmp_path: Path) -> None:
    """The worker's spans arrive where it was told to send them, in the trace of the record, and the score carries the same trace."""
    spans: list[Any] = []

    async def take(request: web.Request) -> web.Response:
        told = ExportTraceServiceRequest.FromString(gunzipped(await request.read()))
        spans.extend(span for of in told.resource_spans for scope in of.scope_spans for span in scope.spans)
        return web.Response()

    app = web.Application(client_max_size=1 << 24)
    app.router.add_post("/v1/traces", take)
    runner, port = web.AppRunner(app), free_port()
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        async with Ground(kafka, redis, tmp_path).stage("traced") as stage:
            trace = "0af7651916cd43dd8448eb211c80319c"
            context = ("traceparent", f"00-{trace}-b7ad6b7169203331-01".encode())
            feed = Feed(6, stage.rules, users=5)
            await stage.feed([feed.event("u1", now_ms(), headers=(context,)), feed.event("u2", now_ms())])
            worker = await stage.worker().start(
                OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{port}", OTEL_BSP_SCHEDULE_DELAY="100", STREAMS_METRICS=""
            )
            await stage.caught_up()
            await until("the spans are there", lambda: any(span.name == "step" for span in spans))
            assert await worker.stop() == 0
            left = await stage.result()
            told = [line for (topic, _), lines in left.logs.items() if topic == stage.rules.topics.scores for line in lines]
            assert {line.key: line.header("traceparent") for line in told} == {b"u1": context[1].decode(), b"u2": None}
            (count,) = (span for span in spans if span.name.startswith("count "))
            assert count.trace_id.hex() == trace
            (step,) = (span for span in spans if span.name == "step")
            assert [link.trace_id.hex() for link in step.links] == [trace]
            assert {span.name for span in spans if span.parent_span_id == step.span_id} == {"plan", "fold", "publish", "save"}
            assert "u1" not in str(spans)
    finally:
        await runner.cleanup()


def gunzipped(body: bytes) -> bytes:
    return gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body


async def _answers(url: str) -> bool:
    try:
        return (await get(f"{url}/health"))[0] == 200
    except OSError:
        return False
