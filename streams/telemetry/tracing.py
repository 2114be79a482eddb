"""Traces by OpenTelemetry, where `OTEL_EXPORTER_OTLP_ENDPOINT` says where to: from the collector's request to the record that is told.

A record carries its context in the header `traceparent` (W3C), whoever put it there; what is told because of it carries the same one. Who
began a trace decides whether it is sampled: a step is traced only for the records that are, and costs nothing without any.
Comes with the extra `otel`; without the variable nothing of it is imported.
"""

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from threading import Thread
from typing import TYPE_CHECKING, Final, NamedTuple

from streams import __version__
from streams.core.headers import TRACEPARENT, traceparent, well_formed
from streams.core.record import Record
from streams.errors import ConfigError

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span, SpanContext

__all__ = ["Request", "StepTimes", "Traced", "Traces", "sampled", "traces_from"]

_ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
#: Records of one step that get a span of their own. A foreign tracker may mark all of its records as sampled.
_MOST: Final = 64
_CLOSE_S: Final = 2.0

Traced = Sequence[tuple[Record, bytes]]
"""Records with the context that they carry."""


class StepTimes(NamedTuple):
    """When the parts of a step began, ns since 1970, and when the last one ended."""

    plan: int
    fold: int
    publish: int
    save: int
    end: int


class Request:
    """A request on its way through the collector. `header` is for the records that it brings, of which there are `events`."""

    def __init__(self, span: "Span") -> None:
        self._span, self.events = span, 0
        context = span.get_span_context()
        recorded = int(context.trace_flags.sampled)  # the other flags say how the ids were made
        self.header = (TRACEPARENT, f"00-{context.trace_id:032x}-{context.span_id:016x}-{recorded:02x}".encode())

    def end(self, status: int) -> None:
        """It has its answer."""
        self._span.set_attribute("http.response.status_code", status)
        self._span.set_attribute("messaging.batch.message_count", self.events)
        self._span.end()


class Traces:
    """Where the spans of this process go."""

    def __init__(self, provider: "TracerProvider") -> None:
        self._provider = provider
        self._tracer = provider.get_tracer("streams", __version__)

    def request(self, name: str, parent: bytes | None) -> Request:
        """A request has come, in the trace of `parent` (what its header `traceparent` says) if that is one."""
        from opentelemetry.trace import SpanKind

        return Request(self._tracer.start_span(name, _under(well_formed(parent)), SpanKind.SERVER))

    def step(self, traced: Traced, partition: int, records: int, outputs: int, *, found: bool, times: StepTimes) -> None:
        """A step is saved. It is a span with its four parts, linked to the records; each record has one in its own trace, from its append
        to the save."""
        from opentelemetry.trace import Link, SpanKind, set_span_in_context

        chosen = [(record, context) for record, text in traced[:_MOST] if (context := _context(text)) is not None]
        about = {"messaging.system": "kafka", "messaging.operation.type": "process", "messaging.destination.partition.id": str(partition)}
        step = self._tracer.start_span(
            "step",
            None,
            SpanKind.CONSUMER,
            {**about, "messaging.batch.message_count": records, "streams.outputs": outputs, "streams.found": found},
            [Link(context) for _, context in chosen],
            times.plan,
        )
        inside = set_span_in_context(step)
        for name, start, end in zip(StepTimes._fields[:-1], times[:-1], times[1:], strict=True):
            self._tracer.start_span(name, inside, start_time=start).end(end)
        step.end(times.end)
        for record, context in chosen:
            span = self._tracer.start_span(
                f"count {record.topic}",
                _under_context(context),
                SpanKind.CONSUMER,
                {**about, "messaging.destination.name": record.topic, "messaging.kafka.offset": record.offset},
                [Link(step.get_span_context())],
                record.timestamp * 1_000_000,
            )
            span.end(times.end)

    def close(self) -> None:
        """What is left has been sent, or given up after two seconds: nobody waits for whoever reads traces. Blocks."""
        closing = Thread(target=self._provider.shutdown, name="traces", daemon=True)
        closing.start()
        closing.join(_CLOSE_S)


def sampled(records: Sequence[Record]) -> list[tuple[Record, bytes]]:
    """Those of `records` that carry the context of a trace that is recorded."""
    found = []
    for record in records:
        if record.headers and (text := traceparent(record)) is not None and int(text[-2:], 16) & 1:
            found.append((record, text))
    return found


def traces_from(env: Mapping[str, str], service: str, instance: str) -> Traces | None:
    """Traces of `service`, where `env` says where they go; None when it does not.

    The collector begins traces: how many is `OTEL_TRACES_SAMPLER`'s to say. A worker never does, it follows. Raises `ConfigError` without
    the extra.
    """
    if not any(env.get(name) for name in _ENDPOINTS) or env.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return None
    if find_spec("opentelemetry.sdk") is None or find_spec("opentelemetry.exporter.otlp.proto.http") is None:
        raise ConfigError(
            "asks for traces, and their packages are not installed: pip install 'streams[otel]'", file="environment", path=_ENDPOINTS[0]
        )
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.sdk.trace.sampling import ALWAYS_ON

    resource = Resource.create({"service.name": service, "service.instance.id": instance, "service.version": __version__})
    follows = None if service == "streams-collector" else ALWAYS_ON
    provider = TracerProvider(sampler=follows, resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return Traces(provider)


def _context(text: bytes | None) -> "SpanContext | None":
    from opentelemetry.trace import SpanContext, TraceFlags

    if text is None:
        return None
    _, trace, span, flags = text.decode().split("-")
    context = SpanContext(int(trace, 16), int(span, 16), is_remote=True, trace_flags=TraceFlags(int(flags, 16)))
    return context if context.is_valid else None


def _under(text: bytes | None) -> "Context | None":
    context = _context(text)
    return None if context is None else _under_context(context)


def _under_context(context: "SpanContext") -> "Context":
    from opentelemetry.trace import NonRecordingSpan, set_span_in_context

    return set_span_in_context(NonRecordingSpan(context))
