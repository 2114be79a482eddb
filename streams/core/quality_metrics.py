"""How good alerts and forecasts have been, as metrics: told on the topic of the business metrics, each with what it is divided by."""

from collections.abc import Iterator, Mapping
from typing import Final

from streams.core.alert import RULES
from streams.core.calibration import BINS, scored
from streams.core.ledger import Window
from streams.core.metrics import Figure, Metric, figure_of
from streams.core.quality import MILLIONTHS, RATIOS, terms

__all__ = ["DRIFT", "QUALITY_METRICS", "drift_figure", "quality_figures"]

_WINDOWS: Final = ("day", "7d", "30d")


def _of_alerts(figure: str, text: str, unit: str) -> Metric:
    return _metric(f"alert_{figure}", text, unit, *RATIOS[figure], by="rule")


def _metric(name: str, text: str, unit: str, numerator: str, denominator: str = "", **more: object) -> Metric:
    bottom = {denominator: 1.0} if denominator else {}
    settings = {"windows": _WINDOWS, "segments": False, **more}
    return Metric(name=name, ids="", text=text, unit=unit, numerator={numerator: 1.0}, denominator=bottom, **settings)  # type: ignore[arg-type]


#: Of alerts, by rule. Terms are fields of `core/quality.py`.
_ALERTS: Final = (
    _metric("alerts_fired", "alerts that began", "count", "fired", by="rule"),
    _of_alerts("precision", "of the alerts judged, those after which no visit came for the horizon", "percent"),
    _of_alerts("recall", "of the engaged users lost, those who had been alerted before", "percent"),
    _of_alerts("lead_days", "days between the alert and the end of the horizon, of who was caught", "days"),
    _of_alerts("returned_share", "of the alerts that ended, those that a return ended", "percent"),
)
#: Of forecasts of churn, each judged when its horizon has ended.
_FORECASTS: Final = (
    _metric("forecasts_judged", "forecasts whose outcome became known", "count", "n"),
    _metric("forecast_mean", "mean probability of leaving that had been said", "percent", "p", "n"),
    _metric("forecast_outcome", "share that was lost", "percent", "lost", "n"),
    _metric("forecast_brier", "mean squared error", "ratio", "squares", "n"),
    _metric("forecast_ece", "mean distance of forecast and outcome over tenths of probability", "percent", "apart", "n"),
)
#: Of the population that is learned from, as of now.
DRIFT: Final = _metric(
    "model_drift",
    "greatest distance of a feature's mean over the last lessons from its mean of all time, in standard deviations; n: lessons",
    "ratio",
    "drift",
    windows=("day",),
)

#: In the order in which they are told.
QUALITY_METRICS: Final = (*_ALERTS, *_FORECASTS, DRIFT)


def quality_figures(window: Window, sums: Mapping[str, int]) -> Iterator[Figure]:
    """The figures of alerts and forecasts; `sums` are those of the days of the window, over all partitions (`core/quality.py`)."""
    for rule in RULES:
        of = terms(rule, sums)
        for metric in _ALERTS:
            yield figure_of(metric, window, f"rule={rule}", *_pair(metric, of))
    n, p, lost = ([sums.get(f"forecast.{what}.{at}", 0) for at in range(BINS)] for what in ("n", "p", "lost"))
    of = scored(n, [each / MILLIONTHS for each in p], lost, sums.get("forecast.squares", 0) / MILLIONTHS)
    for metric in _FORECASTS:
        yield figure_of(metric, window, "", *_pair(metric, of))


def drift_figure(window: Window, drift: float, lessons: int) -> Figure:
    """How far the population has moved, as of the day that is `window`."""
    return Figure(metric=DRIFT, window=window, segment="", value=drift, numerator=drift, denominator=None, n=lessons)


def _pair(metric: Metric, of: Mapping[str, float]) -> tuple[float, float]:
    top, bottom = (sum(factor * of[term] for term, factor in each.items()) for each in (metric.numerator, metric.denominator))
    return top, bottom
