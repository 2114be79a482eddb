"""What Prometheus reads of a worker: names, units and help of every figure. No user ids, and no label without a bound."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, Protocol

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from streams.settings import Settings
from streams.shell.flight import Flight
from streams.shell.letters import REASONS
from streams.shell.tally import Tally
from streams.telemetry.buckets import Buckets
from streams.telemetry.lanewatch import LaneWatch, Seen
from streams.telemetry.process import build_info

__all__ = ["Service", "WorkerFigures"]

#: Figures of `core.calibration.figures`, over the last lessons (some 700 weigh half).
_FORECASTS: Final = {
    "brier": "Mean squared error of churn forecasts.",
    "ece": "Mean distance of churn forecast and outcome, over tenths of probability (expected calibration error).",
    "forecast": "Mean churn probability that was told.",
    "outcome": "Share of these users that was lost.",
    "drift": "Greatest distance of a feature's recent mean from that of all time, in standard deviations.",
}


class Service(Protocol):
    """Kafka or Redis, as one of those who need it sees it."""

    @property
    def trouble(self) -> str | None: ...
    @property
    def waited_s(self) -> float: ...


class WorkerFigures(Collector):
    """Figures of a worker, read when they are asked for."""

    def __init__(
        self,
        settings: Settings,
        *,
        tally: Tally,
        seen: Seen,
        flight: Flight,
        lanes: Callable[[], Sequence[LaneWatch]],
        services: Callable[[], Mapping[str, Sequence[Service]]],
        ready: Callable[[], bool],
        learning: Callable[[], Mapping[str, float]],
    ) -> None:
        """`services`: by name, those who need it. `learning`: what `core.calibration.figures` says of the partitions of this process."""
        self._settings, self._tally, self._seen, self._flight = settings, tally, seen, flight
        self._lanes, self._services, self._ready, self._learning = lanes, services, ready, learning

    def describe(self) -> Iterable[Metric]:
        return ()  # names are known without collecting

    def collect(self) -> Iterable[Metric]:
        yield build_info(self._settings.rules.version)
        yield from self._steps()
        yield from self._records()
        yield from self._now()
        yield from self._publishing()
        yield from self._forecasts()

    def _records(self) -> Iterable[Metric]:
        tally, seen = self._tally, self._seen
        yield _counters("streams_records", "Records whose step was computed by this process, by their fate.", "fate", dict(tally.fates))
        letters = {**dict.fromkeys(REASONS, 0), **tally.rejects}
        yield _counters("streams_dead_letters", "Records set aside by this process, by the reason.", "reason", letters)
        topics = {**dict.fromkeys(self._outputs(), 0), **seen.outputs}
        yield _counters("streams_outputs", "Records to publish, by topic; a step that is executed again says them again.", "topic", topics)
        yield _histogram(
            "streams_freshness_seconds", "From a record's append to the acknowledgement of what follows from it.", seen.freshness
        )

    def _steps(self) -> Iterable[Metric]:
        tally, seen = self._tally, self._seen
        yield _counter("streams_steps", "Steps computed by this process.", tally.steps)
        yield _counter("streams_found_steps", "Steps that were begun by somebody else, or before a crash, and executed again.", seen.found)
        yield _counter("streams_lanes_opened", "Times a partition was opened.", seen.opened)
        yield _counter("streams_fenced", "Times a lane was overtaken or lost its place, and had to open again.", seen.fenced)
        yield _counter("streams_rewinds", "Times the head of a partition went back: the store had lost what it acknowledged.", seen.rewinds)
        phases = HistogramMetricFamily("streams_step_seconds", "Duration of the parts of a step.", labels=["phase"])
        for phase, buckets in seen.phases.items():
            phases.add_metric([phase], buckets.cumulative(), buckets.sum)
        yield phases
        lookups = {"hit": seen.cache_hits, "miss": seen.cache_misses}
        yield _counters("streams_cache_lookups", "States that a step needed, by whether they were in memory.", "result", lookups)
        yield _counter("streams_timers", "Users looked at because they were due.", seen.timers)
        yield _histogram("streams_timer_lateness_seconds", "How late the earliest due user of a step was looked at.", seen.timer_lateness)

    def _now(self) -> Iterable[Metric]:
        lanes, promised = self._lanes(), self._settings.observe
        lag = GaugeMetricFamily("streams_lag_records", "Records appended and not counted yet.", labels=["partition"])
        delay = GaugeMetricFamily("streams_delay_seconds", "How far behind a partition is in time; 0 when it is not.", labels=["partition"])
        for lane in lanes:
            lag.add_metric([str(lane.partition)], lane.lag())
            delay.add_metric([str(lane.partition)], lane.delay_ms() / 1000)
        yield from (lag, delay)
        yield _gauge("streams_ready", "1 when /ready says yes.", self._ready())
        yield _gauge("streams_partitions", "Partitions that this process works on.", len(lanes))
        recovering = sum(lane.recovering for lane in lanes)
        yield _gauge("streams_recovering_partitions", "Of them, those that are not open yet or finish an earlier step.", recovering)
        overdue_s = max((lane.overdue_ms() for lane in lanes), default=0) / 1000
        yield _gauge("streams_timers_overdue_seconds", "How long the earliest timer has been due.", overdue_s)
        yield _gauge(
            "streams_buffered_bytes", "Keys and values that were fetched and are not saved yet.", sum(it.buffered_bytes for it in lanes)
        )
        yield _gauge("streams_slo_freshness_seconds", "observe.freshness_slo_s of streams.yaml.", promised.freshness_slo_s)
        yield _gauge("streams_slo_lag_records", "observe.lag_slo_records of streams.yaml.", promised.lag_slo_records)
        waiting = GaugeMetricFamily("streams_waiting", "1 while something waits for that service.", labels=["service"])
        services = self._services()
        for name, users in services.items():
            waiting.add_metric([name], any(user.trouble is not None for user in users))
        yield waiting
        waited = {name: max(user.waited_s for user in users) for name, users in services.items()}
        yield _counters("streams_waiting_seconds", "How long something has waited for that service.", "service", waited)

    def _publishing(self) -> Iterable[Metric]:
        flight = self._flight
        yield _counter("streams_published_records", "Records handed to the producer, repetitions counted again.", flight.records)
        yield _counter("streams_published_batches", "Batches handed to the producer.", flight.batches)
        yield _counter("streams_published_bytes", "Bytes of these batches.", flight.bytes)
        yield _counter("streams_publish_retries", "Records sent again because nobody acknowledged them.", flight.retries)
        yield _counter("streams_producer_replacements", "Producers given up after an error.", flight.replaced)
        yield _gauge("streams_unacknowledged_records", "Records sent and not acknowledged yet.", flight.waiting)

    def _forecasts(self) -> Iterable[Metric]:
        """Absent before there was a lesson."""
        found = self._learning()
        labels = GaugeMetricFamily("streams_churn_labels", "Users whose forecast has met its outcome.", labels=["outcome"])
        for outcome in ("lost", "stayed"):
            labels.add_metric([outcome], found.get(f"labels_{outcome}", 0.0))
        yield labels
        for figure, text in _FORECASTS.items():
            metric = GaugeMetricFamily(f"streams_churn_{figure}", text)
            if figure in found:
                metric.add_metric([], found[figure])
            yield metric

    def _outputs(self) -> Iterable[str]:
        topics = self._settings.rules.topics
        return [getattr(topics, role) for role in topics.__struct_fields__ if role not in ("clickstream", "campaigns")]


def _counter(name: str, text: str, value: float) -> Metric:
    metric = CounterMetricFamily(name, text)
    metric.add_metric([], value)
    return metric


def _counters(name: str, text: str, label: str, values: dict[str, int] | dict[str, float]) -> Metric:
    metric = CounterMetricFamily(name, text, labels=[label])
    for key, value in values.items():
        metric.add_metric([key], value)
    return metric


def _gauge(name: str, text: str, value: float) -> Metric:
    metric = GaugeMetricFamily(name, text)
    metric.add_metric([], value)
    return metric


def _histogram(name: str, text: str, buckets: Buckets) -> Metric:
    metric = HistogramMetricFamily(name, text)
    metric.add_metric([], buckets.cumulative(), buckets.sum)
    return metric
