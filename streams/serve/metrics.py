"""What Prometheus reads of a server: its requests and readers, and under `streams_app_` how all workers stand together.

No user ids, and no label without a bound. Every replica says the same of the workers: rules take the maximum, not the sum.
"""

import time
from collections.abc import Callable, Iterable
from typing import Final

from prometheus_client import Counter, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from streams.serve.hub import Hub
from streams.serve.now import Now
from streams.stats import Stats
from streams.telemetry.process import build_info, process_registry

__all__ = ["Metrics", "Timed"]

_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0)


class Metrics:
    """The registry, and the two metrics that requests write."""

    def __init__(self, rules_version: str, hub: Hub, now: Callable[[], Now], stats: Callable[[], Stats], ready: Callable[[], bool]) -> None:
        self.registry = process_registry()
        self.registry.register(_Standing(rules_version, hub, now, stats, ready))
        self.requests = Counter("streams_serve_requests_total", "Requests answered.", ["route", "method", "status"], registry=self.registry)
        self.seconds = Histogram(
            "streams_serve_request_duration_seconds", "Until an answer began.", ["route"], buckets=_SECONDS, registry=self.registry
        )


class _Standing(Collector):
    """Figures that are read when they are asked for."""

    def __init__(self, rules_version: str, hub: Hub, now: Callable[[], Now], stats: Callable[[], Stats], ready: Callable[[], bool]) -> None:
        self._rules_version, self._hub, self._now, self._stats, self._ready = rules_version, hub, now, stats, ready

    def describe(self) -> Iterable[Metric]:
        return ()  # names are known without collecting

    def collect(self) -> Iterable[Metric]:
        now, stats, hub = self._now(), self._stats(), self._hub
        fates = CounterMetricFamily("streams_app_records", "Records read from the input topics, by their fate.", labels=["fate"])
        for fate, n in stats.fates.items():
            fates.add_metric([fate], n)
        lag = GaugeMetricFamily("streams_app_lag_records", "Records appended and not counted yet.", labels=["topic"])
        for topic, n in stats.lag.items():
            lag.add_metric([topic], n)
        firing = GaugeMetricFamily("streams_alerts_firing", "Alerts that are firing.", labels=["rule"])
        for rule, n in now.alerts.by_rule.items():
            firing.add_metric([rule], n)
        users = GaugeMetricFamily("streams_users_scored", "Users whose score is known here, by band.", labels=["band"])
        for band in now.bands:
            users.add_metric([band.name], band.users)
        frames = CounterMetricFamily("streams_serve_frames", "Frames of the live stream.", labels=["kind"])
        for kind, n in hub.frames.items():
            frames.add_metric([kind], n)
        yield build_info(self._rules_version)
        yield from (fates, lag, firing, users, frames)
        yield _gauge("streams_ready", "1 when /ready says yes.", self._ready())
        begun = sum(it.step_begun for it in stats.partitions)
        yield _gauge("streams_app_begun_steps", "Partitions with a step that was begun and not saved yet.", begun)
        owned = {partition for worker in stats.workers for partition in worker.partitions}
        yield _gauge("streams_app_owned_partitions", "Partitions that a worker works on.", len(owned))
        yield _gauge("streams_app_partitions", "Partitions that hold users.", len(stats.partitions))
        yield _gauge("streams_app_events_per_second", "Records counted per second.", now.events_per_s)
        yield _gauge("streams_users_active", f"Users scored for something of their own within {now.active_s} s.", now.active_users)
        yield _gauge("streams_app_workers", "Workers heard within the last ten seconds.", len(stats.workers))
        yield _gauge("streams_app_troubles", "Reasons why things do not go on.", len(now.trouble))
        yield _gauge("streams_serve_readers", "Readers of the live stream.", hub.readers)
        if stats.letters is not None:
            yield _gauge("streams_app_dead_letters", "Records on the dead-letter topic.", stats.letters)
        latency = GaugeMetricFamily(
            "streams_event_to_score_seconds", "From the time of an event to its score being read, over a minute.", labels=["quantile"]
        )
        for quantile, ms in (("0.5", now.latency.p50_ms), ("0.99", now.latency.p99_ms)):
            if ms is not None:
                latency.add_metric([quantile], ms / 1000)
        yield latency


class Timed:
    """Counts and times every request to `app`, under the pattern of its route."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began_s = time.perf_counter()

        async def timed(message: Message) -> None:
            if message["type"] == "http.response.start":
                route = getattr(scope.get("route"), "path", "none")
                self._metrics.requests.labels(route, _method(scope["method"]), message["status"]).inc()
                self._metrics.seconds.labels(route).observe(time.perf_counter() - began_s)
            await send(message)

        await self._app(scope, receive, timed)


def _method(method: str) -> str:
    """A label must not be the asker's to choose."""
    return method if method in ("GET", "HEAD", "POST", "OPTIONS") else "other"


def _gauge(name: str, text: str, value: float) -> Metric:
    metric = GaugeMetricFamily(name, text)
    metric.add_metric([], value)
    return metric
