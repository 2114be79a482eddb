"""What the collector counts, as Prometheus metrics: requests, events by what became of them, and the time an answer takes."""

from collections import Counter as Tally
from collections.abc import Sequence

import msgspec
from prometheus_client import CollectorRegistry, Counter, Histogram

from streams.collect.delivery import Parcel

__all__ = ["Figures", "Ready"]

_SECONDS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class Ready(msgspec.Struct, frozen=True):
    """The body of `/ready` beside the metrics. `reasons`: why events are not taken now, in words; empty when they are."""

    ready: bool
    reasons: Sequence[str]


class Figures:
    """Metrics in `registry`, a new one by default. Labels are of closed sets, or named in keys.yaml: nothing that a sender chooses."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry or CollectorRegistry()
        self._requests = Counter("streams_collect_requests", "Requests answered.", ("dialect", "status"), registry=self.registry)
        self._events = Counter(
            "streams_collect_events", "Events that Kafka has acknowledged.", ("source", "verdict"), registry=self.registry
        )
        self._seconds = Histogram(
            "streams_collect_answer_seconds", "From the request to its answer.", registry=self.registry, buckets=_SECONDS
        )
        # Looked up by label once each: that takes a lock and microseconds.
        self._requests_by: dict[tuple[str, int], Counter] = {}
        self._events_by: dict[tuple[str, str], Counter] = {}

    def answered(self, dialect: str, status: int, seconds: float) -> None:
        """A request has its answer."""
        counter = self._requests_by.get((dialect, status))
        if counter is None:
            counter = self._requests_by[dialect, status] = self._requests.labels(dialect, str(status))
        counter.inc()
        self._seconds.observe(seconds)

    def kept(self, source: str, parcels: Sequence[Parcel]) -> None:
        """Kafka has `parcels`: accepted, in quarantine (why), or refused (why)."""
        verdicts = Tally(
            f"refused_{parcel.refused.reason}"
            if parcel.refused
            else f"quarantined_{parcel.quarantined}"
            if parcel.quarantined
            else "accepted"
            for parcel in parcels
        )
        for verdict, number in verdicts.items():
            counter = self._events_by.get((source, verdict))
            if counter is None:
                counter = self._events_by[source, verdict] = self._events.labels(source, verdict)
            counter.inc(number)
