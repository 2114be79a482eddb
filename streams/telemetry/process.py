"""What every process says of itself: release, rules, CPU, memory, open files."""

import platform

from prometheus_client import CollectorRegistry, GCCollector, ProcessCollector
from prometheus_client.core import InfoMetricFamily, Metric

from streams import __version__
from streams.core.user import COMPILED

__all__ = ["build_info", "process_registry"]


def process_registry() -> CollectorRegistry:
    """A registry with what every process says of itself: CPU, memory, open files, garbage collections."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    GCCollector(registry=registry)
    return registry


def build_info(rules_version: str) -> Metric:
    """Which release runs on what, under which rules."""
    info = InfoMetricFamily("streams_build", "Release, rules and runtime of this process.")
    core = "compiled" if COMPILED else "interpreted"
    info.add_metric([], {"version": __version__, "rules_version": rules_version, "core": core, "python": platform.python_version()})
    return info
