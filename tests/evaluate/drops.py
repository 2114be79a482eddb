"""Drops of a whole site: the detector on real hourly counts, as they were, and with half of them taken away at times."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from streams.core.sitedrop import Series, observe
from tests.evaluate.datasets import Absent
from tests.evaluate.metrics import median

__all__ = ["HOLIDAYS", "SeriesResult", "Tick", "calibrate", "evaluate", "false_per_14d", "found_holidays", "median_hours", "read"]

#: Weeks that a slot needs to be judged (3), and one more: before that nothing can be found.
WARM_UP_H = 4 * 168
#: A drop lasts two days; one that begins every `STEP_H` hours is tried, so that every hour of the week has its turn.
DROP_H = 48
STEP_H = 11
#: What one alarm may cost: one false episode in two weeks.
FALSE_PER_14D = 1.0

#: The four labelled drops of the taxi series (Numenta Anomaly Benchmark): hours in which an alarm must begin. The fifth label, of
#: 2014-11-01, is a rise: the marathon, and an hour that the clock gave twice.
HOLIDAYS = (
    ("Thanksgiving", "2014-11-27", "2014-11-29"),
    ("Christmas", "2014-12-24", "2014-12-27"),
    ("New Year", "2014-12-31", "2015-01-03"),
    ("Blizzard", "2015-01-26", "2015-01-29"),
)


class Tick(NamedTuple):
    """One hour and its count."""

    at: datetime
    y: float

    @property
    def slot(self) -> int:
        return self.at.weekday() * 24 + self.at.hour


class SeriesResult(NamedTuple):
    """What came of one series. `delays_h`: hours until the alarm, 1 in the very hour, of the injected drops that were found."""

    name: str
    theta: float
    false_per_14d: float
    tried: int
    delays_h: tuple[int, ...]

    def found(self, within_h: int) -> float:
        """Share of the injected drops that were found within so many hours."""
        return sum(delay <= within_h for delay in self.delays_h) / self.tried


def read(folder: Path) -> dict[str, list[Tick]]:
    """Series name -> ticks, of the series long enough to be judged; hours that lack are filled as zeros."""
    path = folder / "aggregate_hourly.parquet"
    if not path.is_file():
        raise Absent(f"{path.name} is not in {path.parent}")
    try:
        import pyarrow.parquet
    except ImportError:
        raise Absent("pyarrow is needed: pip install 'streams[evaluate]'") from None
    table = pyarrow.parquet.read_table(path).to_pydict()
    found: dict[str, dict[int, float]] = {}
    for at, value, name in zip(table["ts"], table["value"], table["series"], strict=True):
        found.setdefault(name, {})[int(at.replace(tzinfo=UTC).timestamp()) // 3600] = value
    return {
        name: [Tick(datetime.fromtimestamp(hour * 3600, UTC), by_hour.get(hour, 0.0)) for hour in range(min(by_hour), max(by_hour) + 1)]
        for name, by_hour in found.items()
        if max(by_hour) - min(by_hour) > 2 * WARM_UP_H - 168
    }


def evaluate(name: str, ticks: Sequence[Tick], theta: float) -> SeriesResult:
    """False episodes of the series as it was, and what becomes of a drop to half that begins at any of many hours.

    A series is a value, so every injected drop branches off from the real past. A drop that begins during an alarm is not tried.
    """
    series, tried, delays = Series(), 0, []
    for i, tick in enumerate(ticks):
        if i >= WARM_UP_H and (i - WARM_UP_H) % STEP_H == 0 and i + DROP_H <= len(ticks) and not series.firing:
            tried += 1
            delay = _delay(series, ticks[i : i + DROP_H], theta)
            if delay:
                delays.append(delay)
        series, _ = observe(series, tick.slot, tick.y, theta)
    return SeriesResult(name, theta, false_per_14d(ticks, theta), tried, tuple(delays))


def _delay(series: Series, ticks: Iterable[Tick], theta: float) -> int:
    """Hours until the halved ticks raise the alarm; 0 when they do not."""
    for hours, tick in enumerate(ticks, 1):
        series, reading = observe(series, tick.slot, tick.y / 2, theta)
        if reading.turn == "began":
            return hours
    return 0


def _alarms(ticks: Sequence[Tick], theta: float) -> list[datetime]:
    """When alarms began, after the warm-up."""
    series, began = Series(), []
    for i, tick in enumerate(ticks):
        series, reading = observe(series, tick.slot, tick.y, theta)
        if reading.turn == "began" and i >= WARM_UP_H:
            began.append(tick.at)
    return began


def false_per_14d(ticks: Sequence[Tick], theta: float) -> float:
    """Alarms of a series in which nothing is known to have been wrong."""
    return len(_alarms(ticks, theta)) * 14 * 24 / (len(ticks) - WARM_UP_H)


def calibrate(ticks: Sequence[Tick]) -> float:
    """The least theta, to a hundredth, with at most one false episode in 14 days: by twentieths up, and by hundredths within the last."""
    theta = 0.5
    while false_per_14d(ticks, theta) > FALSE_PER_14D:
        theta = round(theta + 0.05, 2)
    finer = (round(theta - hundredths / 100, 2) for hundredths in (4, 3, 2, 1))
    return next((each for each in finer if each > 0.5 and false_per_14d(ticks, each) <= FALSE_PER_14D), theta)


def found_holidays(ticks: Sequence[Tick], theta: float) -> dict[str, bool]:
    """Which of the labelled drops of the taxi series raised an alarm."""
    began = [f"{at:%Y-%m-%d}" for at in _alarms(ticks, theta)]
    return {name: any(begin <= day < end for day in began) for name, begin, end in HOLIDAYS}


def median_hours(results: Iterable[SeriesResult], within_h: int) -> float:
    """Hours until the alarm: the median over series of each one's median over the drops it found in time."""
    found = [[delay for delay in result.delays_h if delay <= within_h] for result in results]
    return median([median(delays) for delays in found if delays])
