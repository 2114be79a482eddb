"""Traces: a step follows the records that are sampled, and what is told because of a record belongs to its trace."""

import subprocess
import sys
from collections.abc import Iterator

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ParentBased

from streams.errors import ConfigError
from streams.telemetry.tracing import StepTimes, Traces, sampled, traces_from
from tests.unit.records import CLICKS, FakeRecord

TRACE = "0af7651916cd43dd8448eb211c80319c"
SPAN = "b7ad6b7169203331"
CONTEXT = f"00-{TRACE}-{SPAN}-01".encode()


def carrying(context: bytes, *, offset: int = 7, timestamp: int = 1000) -> FakeRecord:
    return FakeRecord(CLICKS, 0, offset, timestamp, None, b"{}", [("other", b"x"), ("traceparent", context)])


@pytest.fixture
def exporter() -> Iterator[InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    yield exporter
    exporter.clear()


@pytest.fixture
def traces(exporter: InMemorySpanExporter) -> Traces:
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return Traces(provider)


def named(exporter: InMemorySpanExporter, name: str) -> list[ReadableSpan]:
    return [span for span in exporter.get_finished_spans() if span.name == name]


def test_a_step_has_its_parts_and_links_to_its_records_and_each_record_has_a_span_in_its_own_trace(
    traces: Traces, exporter: InMemorySpanExporter
) -> None:
    record = carrying(CONTEXT)
    traces.step(
        [(record, CONTEXT)],
        3,
        500,
        20,
        found=False,
        times=StepTimes(2_000_000_000, 2_010_000_000, 2_020_000_000, 2_050_000_000, 2_060_000_000),
    )
    [step], [count] = named(exporter, "step"), named(exporter, f"count {CLICKS}")
    assert [f"{link.context.trace_id:032x}" for link in step.links] == [TRACE]
    assert (step.start_time, step.end_time) == (2_000_000_000, 2_060_000_000)
    assert dict(step.attributes or {})["messaging.batch.message_count"] == 500
    for part, start, end in (("plan", 2.0, 2.01), ("fold", 2.01, 2.02), ("publish", 2.02, 2.05), ("save", 2.05, 2.06)):
        [span] = named(exporter, part)
        assert (span.start_time, span.end_time) == (round(start * 1e9), round(end * 1e9))
        assert span.parent is not None
        assert span.parent.span_id == step.get_span_context().span_id
    assert f"{count.get_span_context().trace_id:032x}" == TRACE
    assert count.parent is not None
    assert f"{count.parent.span_id:016x}" == SPAN
    assert (count.start_time, count.end_time) == (1_000_000_000, 2_060_000_000)
    assert count.links[0].context.span_id == step.get_span_context().span_id
    assert dict(count.attributes or {})["messaging.kafka.offset"] == 7


def test_of_one_step_at_most_64_records_get_a_span(traces: Traces, exporter: InMemorySpanExporter) -> None:
    traces.step([(carrying(CONTEXT), CONTEXT)] * 200, 0, 200, 0, found=False, times=StepTimes(1, 2, 3, 4, 5))
    assert len(named(exporter, f"count {CLICKS}")) == len(named(exporter, "step")[0].links) == 64


@pytest.mark.parametrize(
    ("context", "followed"),
    [
        (CONTEXT, True),
        (f"00-{TRACE}-{SPAN}-00".encode(), False),
        (f"01-{TRACE}-{SPAN}-01".encode(), False),
        (CONTEXT + b"-more", False),
        (b"\xff\x00", False),
        (b"", False),
    ],
)
def test_records_are_followed_when_their_trace_is_recorded_and_well_formed(context: bytes, followed: bool) -> None:
    assert bool(sampled([FakeRecord(), carrying(context)])) is followed


def test_a_request_goes_on_in_the_trace_of_its_sender(traces: Traces, exporter: InMemorySpanExporter) -> None:
    request = traces.request("POST /v1/batch", CONTEXT)
    request.events = 3
    request.end(200)
    [span] = exporter.get_finished_spans()
    name, value = request.header
    assert name == "traceparent"
    assert value == f"00-{TRACE}-{span.get_span_context().span_id:016x}-01".encode()
    assert dict(span.attributes or {}) == {"http.response.status_code": 200, "messaging.batch.message_count": 3}


def test_a_request_that_is_not_sampled_says_so_to_its_records(exporter: InMemorySpanExporter) -> None:
    traces = Traces(TracerProvider(sampler=ParentBased(ALWAYS_OFF)))
    request = traces.request("POST /v1/batch", None)
    request.end(200)
    assert request.header[1].endswith(b"-00")
    assert sampled([carrying(request.header[1])]) == []


def test_without_an_endpoint_there_are_no_traces_and_nothing_is_imported() -> None:
    assert traces_from({}, "streams-worker", "w1") is None
    assert traces_from({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_SDK_DISABLED": "true"}, "streams-worker", "w1") is None
    script = "import sys, streams.telemetry.tracing; print([m for m in sys.modules if m.startswith('opentelemetry')])"
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_traces_without_their_packages_are_a_wrong_configuration() -> None:
    script = (
        "import sys; sys.modules['opentelemetry.sdk'] = None; import importlib.util as u\n"
        "from streams.errors import ConfigError\n"
        "from streams.telemetry.tracing import traces_from\n"
        "try: traces_from({'OTEL_EXPORTER_OTLP_ENDPOINT': 'http://127.0.0.1:1'}, 'streams-worker', 'w1')\n"
        "except ConfigError as e: print(e)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("environment: OTEL_EXPORTER_OTLP_ENDPOINT: asks for traces, and their packages are not installed")
    assert ConfigError("x").exit_code == 2
