"""A figure of the business, or of how good alerts and forecasts are, as it is told: one flat JSON record for each series
(docs/wire.md, "metric")."""

from collections.abc import Iterator

import msgspec

from streams.core.business_rules import BusinessRules
from streams.core.envelope import rfc3339
from streams.core.ledger import Ledger, Window
from streams.core.metrics import Figure, figures
from streams.core.rules import DAY_MS

__all__ = ["MetricRecord", "days_of", "metric_record", "records_at"]

_HOUR_MS = 3_600_000


class MetricRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One figure.

    series       key of the record: metric, window, what it is of, segment
    segment      `country=DE`, `channel=email`, `campaign=email/spring`, `rule=churn_risk`, ...; None for everything
    starts_at, ends_at   the window, UTC, its end left out
    value        None when there is nothing to divide by
    n            how many the value rests on: the denominator, where there is one
    definition   version of the metric's definition
    as_of        how far the events had come
    rev          revisions of all partitions, added up: of two records of a series the one with the higher `rev` is the newer
    """

    series: str
    metric: str
    window: str
    starts_at: str
    ends_at: str
    segment: str | None
    unit: str
    value: float | None
    numerator: float
    denominator: float | None
    n: float
    definition: int
    as_of: str
    rev: int
    rules_version: str


def metric_record(figure: Figure, *, time_ms: int, rev: int, rules_version: str) -> MetricRecord:
    """The record of a figure."""
    window, metric = figure.window, figure.metric
    starts_ms, ends_ms = _span_ms(window)
    return MetricRecord(
        series=figure.series,
        metric=metric.name,
        window=window.kind,
        starts_at=rfc3339(starts_ms),
        ends_at=rfc3339(ends_ms),
        segment=figure.segment or None,
        unit=metric.unit,
        value=None if figure.value is None else round(figure.value, 6),
        numerator=figure.numerator,
        denominator=figure.denominator,
        n=figure.n,
        definition=metric.version,
        as_of=rfc3339(max(0, time_ms)),
        rev=rev,
        rules_version=rules_version,
    )


def records_at(
    ledger: Ledger, windows: list[Window], rules: BusinessRules, *, time_ms: int, rev: int, rules_version: str, segments: bool = True
) -> Iterator[MetricRecord]:
    """The figures of `windows`, one at a time."""
    ledger.today = time_ms // DAY_MS
    for window in windows:
        for figure in figures(ledger, window, rules, segments=segments):
            yield metric_record(figure, time_ms=time_ms, rev=rev, rules_version=rules_version)


def days_of(windows: list[Window]) -> list[int]:
    """Days whose sums the figures of `windows` need, ascending."""
    found: set[int] = set()
    for window in windows:
        first, last = (window.first // 24, window.last // 24) if window.hours else (window.first, window.last)
        # Before it: cohorts of up to thirty days ago, and the silence of a user who is lost in the window.
        found.update(range(first - 31, last + 1) if not window.hours else range(first, last + 1))
    return sorted(day for day in found if day >= 0)


def _span_ms(window: Window) -> tuple[int, int]:
    unit_ms = _HOUR_MS if window.hours else DAY_MS
    return window.first * unit_ms, (window.last + 1) * unit_ms
