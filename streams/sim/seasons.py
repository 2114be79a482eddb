"""When people come: weights by hour of day and day of week, in local time."""

from bisect import bisect_right
from datetime import UTC, datetime
from functools import lru_cache
from itertools import accumulate
from random import Random
from zoneinfo import ZoneInfo

from streams.core.rules import DAY_MS
from streams.sim.config import Seasons

__all__ = ["Calendar"]

_HOUR_MS = 3_600_000


class Calendar:
    """Says how busy a day is, and at which time of a day somebody comes. Days are UTC days, since active days are."""

    def __init__(self, seasons: Seasons, time_zone: str) -> None:
        self._zone = ZoneInfo(time_zone)
        self._weights = seasons.hours
        self._hours = list(accumulate(seasons.hours))
        mean = sum(seasons.weekdays) / 7
        self._weekdays = [weight / mean for weight in seasons.weekdays]
        self._busiest = max(seasons.hours) * max(self._weekdays)
        self._day = lru_cache(512)(self._look_up)

    def _look_up(self, day: int) -> tuple[int, int]:
        noon = datetime.fromtimestamp(day * 86_400 + 43_200, UTC).astimezone(self._zone)
        offset = noon.utcoffset()
        return noon.weekday(), int(offset.total_seconds() * 1000) if offset is not None else 0

    def weekday(self, day: int) -> int:
        """Local day of week of UTC day `day`, 0 = Monday."""
        return self._day(day)[0]

    def busyness(self, day: int) -> float:
        """Traffic of the day against the mean day, which is 1."""
        return self._weekdays[self._day(day)[0]]

    def intensity(self, at_ms: int) -> float:
        """Traffic at an instant against the busiest hour of the week, which is 1."""
        weekday, offset_ms = self._day(at_ms // DAY_MS)
        return self._weights[(at_ms + offset_ms) % DAY_MS // _HOUR_MS] * self._weekdays[weekday] / self._busiest

    def time_ms(self, rng: Random, day: int) -> int:
        """An instant of UTC day `day`, drawn by the weight of its local hour."""
        hour = bisect_right(self._hours, rng.random() * self._hours[-1])
        return self.at_ms(day, hour + rng.random())

    def at_ms(self, day: int, hour: float) -> int:
        """The local time of day `hour`, folded into UTC day `day`."""
        return day * DAY_MS + (int(hour * _HOUR_MS) - self._day(day)[1]) % DAY_MS
