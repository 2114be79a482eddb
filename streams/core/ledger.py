"""The business sums of all partitions, added up, and what they say of a window: totals, and users without counting anybody twice."""

import datetime
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, NamedTuple

from streams.core.business_rules import GAP_DAYS
from streams.core.measures import MEASURES, Measure

__all__ = [
    "ALL",
    "WINDOWS",
    "Ledger",
    "Window",
    "day_of",
    "hour_window",
    "month_window",
    "rolling_hours",
    "rolling_window",
    "window_of",
    "windows_at",
]

#: Kinds of window.
WINDOWS: Final = ("hour", "day", "24h", "7d", "30d", "month")
#: The segment that is everything.
ALL: Final = ""
_LONG: Final = GAP_DAYS + 1
_NAMES: Final = {name: number for number, name in MEASURES.items()}
_EPOCH: Final = datetime.date(1970, 1, 1)
_NO_GAPS: Final = (0,) * (_LONG + 1)


class Window(NamedTuple):
    """Days `first` to `last`, both included; or hours since 1970, when `hours` is set.

    kind   "hour", "day", "24h", "7d", "30d", "month"
    label  what it is of: `2026-01-31`, `2026-01-31T08Z`, `2026-01`; empty for one that moves on with time
    """

    kind: str
    label: str
    first: int
    last: int
    hours: bool = False


class _Day:
    """The sums of one day (or of one of its hours), by segment."""

    def __init__(self) -> None:
        self.totals: dict[tuple[int, str], int] = {}
        self.gaps: dict[tuple[int, str], list[int]] = {}

    def add(self, text: str, n: int) -> None:
        parts = text.split("|")
        measure = _NAMES.get(parts[0])
        if measure is None:
            return  # of a newer release
        if measure >= Measure.GAPS:
            key = measure, parts[1] if len(parts) > 1 else ALL
            self.totals[key] = self.totals.get(key, 0) + n
        else:
            row = self.gaps.setdefault((measure, parts[2] if len(parts) > 2 else ALL), [0] * (_LONG + 1))
            row[int(parts[1])] += n


class Ledger:
    """Sums as they lie in the store. `put` replaces one hash of one partition; everything else reads.

    today   the day that is not over yet
    """

    def __init__(self) -> None:
        self.today = 1 << 40  # nobody is lost on a day that has not passed
        self._hashes: dict[str, dict[int, Mapping[str, int]]] = {}
        self._days: dict[int, _Day] = {}
        self._hours: dict[int, _Day] = {}
        self._named: dict[int, dict[str, int]] = {}

    def put(self, partition: int, name: str, sums: Mapping[str, int]) -> None:
        """The hash `name` (`d20500`, `h20500`, `n20500`) of a partition holds `sums`; an empty one is gone. Hashes of other names are
        somebody else's."""
        if name[0] not in "dhn" or not name[1:].isdigit():
            return
        parts = self._hashes.setdefault(name, {})
        if sums:
            parts[partition] = sums
        else:
            parts.pop(partition, None)
        day = int(name[1:])
        self._named.pop(day, None) if name[0] == "n" else self._days.pop(day, None)
        if name[0] == "h":
            for hour in range(24 * day, 24 * day + 24):
                self._hours.pop(hour, None)

    def days(self) -> list[int]:
        """Days that anything is known of, ascending."""
        return sorted({int(name[1:]) for name, parts in self._hashes.items() if parts and name[0] == "d"})

    def overflow(self, first: int, last: int) -> int:
        """Sums by name that found no room in those days: more campaigns, surveys, sources and features than `named_limit`."""
        return sum(self._names(day).get("overflow", 0) for day in range(first, last + 1))

    # -- additive ---------------------------------------------------------------------------------------------------

    def total(self, measure: int, window: Window, segment: str = ALL) -> int:
        """An additive sum over a window."""
        key = measure, segment
        at = self._hour if window.hours else self._day
        return sum(at(number).totals.get(key, 0) for number in range(window.first, window.last + 1))

    def named(self, prefix: str, window: Window) -> dict[str, int]:
        """Sums by name over the days of a window: what follows `prefix` (`clicks|campaign=`) -> sum."""
        found: dict[str, int] = {}
        for day in range(window.first, window.last + 1):
            for text, n in self._names(day).items():
                if text.startswith(prefix):
                    name = text.removeprefix(prefix)
                    found[name] = found.get(name, 0) + n
        return found

    def segments(self, window: Window) -> list[str]:
        """Segments that anything is known of in a window, or in the days before it that its figures rest on: `country=DE` ..."""
        if window.hours:
            return sorted({segment for hour in range(window.first, window.last + 1) for _, segment in self._hour(hour).totals} - {ALL})
        days = [self._day(day) for day in range(window.first - _LONG, window.last + 1)]
        return sorted({segment for day in days for sums in (day.totals, day.gaps) for _, segment in sums} - {ALL})

    # -- users ------------------------------------------------------------------------------------------------------

    def distinct(self, measure: int, first: int, last: int, segment: str = ALL) -> int:
        """Users with such a day in [first, last], at most 31 days: each is counted on the first of them, which is the one whose day
        before lies before the window."""
        return sum(sum(row[day - first + 1 :]) + row[0] for day, row in self._rows(measure, first, last, segment))

    def new(self, first: int, last: int, segment: str = ALL) -> int:
        """Users whose first active day is one of these."""
        return sum(row[0] for _, row in self._rows(Measure.ACTIVE, first, last, segment))

    def repeaters(self, first: int, last: int, segment: str = ALL) -> int:
        """Users with two orders or more in [first, last]: each is counted on the day of the second one."""
        return sum(sum(row[: day - first + 1]) for day, row in self._rows(Measure.REPEATERS, first, last, segment))

    def answers(self, measure: int, first: int, last: int, segment: str = ALL) -> int:
        """Users whose last answer in [first, last] is of this kind: each is counted on the day of it."""
        return sum(sum(row[last - day + 1 :]) for day, row in self._rows(measure, first, last, segment))

    def retained(self, first: int, last: int, after: int, segment: str = ALL) -> int:
        """Users first active in [first, last] who were active `after` days later."""
        return sum(row[after] for _, row in self._rows(Measure.RETAINED, first, last, segment))

    def lost(self, day: int, silence: int, segment: str = ALL) -> int:
        """Users whose last active day lies `silence` days before `day`: it is today that they are called lost."""
        before = day - silence
        return self.distinct(Measure.ACTIVE, before, day, segment) - self.distinct(Measure.ACTIVE, before + 1, day, segment)

    def lost_in(self, first: int, last: int, silence: int, segment: str = ALL) -> int:
        """Users lost in [first, last], as far as those days have passed."""
        return sum(self.lost(day, silence, segment) for day in range(first, min(last, self.today - 1) + 1))

    def feature_users(self, first: int, last: int) -> dict[str, int]:
        """Feature -> users of it in [first, last]."""
        found: dict[str, int] = {}
        for day in range(first, last + 1):
            for text, n in self._names(day).items():
                if text.startswith("feature|"):
                    _, gap, name = text.split("|", 2)
                    if int(gap) > day - first:
                        found[name] = found.get(name, 0) + n
        return found

    # -- hashes -----------------------------------------------------------------------------------------------------

    def _rows(self, measure: int, first: int, last: int, segment: str) -> Iterator[tuple[int, list[int] | tuple[int, ...]]]:
        key = measure, segment
        for day in range(first, last + 1):
            yield day, self._day(day).gaps.get(key, _NO_GAPS)

    def _day(self, day: int) -> _Day:
        found = self._days.get(day)
        if found is None:
            found = self._days[day] = _Day()
            for sums in self._hashes.get(f"d{day}", {}).values():
                for text, n in sums.items():
                    found.add(text, n)
        return found

    def _hour(self, hour: int) -> _Day:
        if hour not in self._hours:
            day = hour // 24
            for each in range(24 * day, 24 * day + 24):
                self._hours[each] = _Day()
            for sums in self._hashes.get(f"h{day}", {}).values():
                for text, n in sums.items():
                    at, _, rest = text.partition("|")
                    if at.isdigit():
                        self._hours[24 * day + int(at)].add(rest, n)
        return self._hours[hour]

    def _names(self, day: int) -> dict[str, int]:
        found = self._named.get(day)
        if found is None:
            found = self._named[day] = {}
            for sums in self._hashes.get(f"n{day}", {}).values():
                for text, n in sums.items():
                    found[text] = found.get(text, 0) + n
        return found


# -- windows -----------------------------------------------------------------------------------------------------------


def day_of(label: str) -> int:
    """Day since 1970 of `2026-01-31`. Raises `ValueError`."""
    return (datetime.date.fromisoformat(label) - _EPOCH).days


def _label(day: int) -> str:
    return (_EPOCH + datetime.timedelta(days=day)).isoformat()


def rolling_window(kind: str, last: int) -> Window:
    """The `7d` or `30d` (any number of days up to 31) that end with the day `last`; a `day` is one."""
    return Window("day", _label(last), last, last) if kind == "day" else Window(kind, "", last - int(kind[:-1]) + 1, last)


def hour_window(hour: int) -> Window:
    """One hour, by its number since 1970."""
    return Window("hour", f"{_label(hour // 24)}T{hour % 24:02d}Z", hour, hour, True)


def rolling_hours(hour: int) -> Window:
    """The 24 hours that end with `hour`: it is in them, as far as it has come."""
    return Window("24h", "", hour - 23, hour, True)


def month_window(day: int) -> Window:
    """The calendar month that `day` lies in, UTC."""
    date = _EPOCH + datetime.timedelta(days=day)
    first = date.replace(day=1)
    following = (first + datetime.timedelta(days=31)).replace(day=1)
    return Window("month", first.strftime("%Y-%m"), (first - _EPOCH).days, (following - _EPOCH).days - 1)


def windows_at(now_ms: int, changed: Iterable[int] = ()) -> list[Window]:
    """What is told at a moment: the hour before and this one, the last 24 hours, this day and those that have `changed`, the last 7 and 30
    days, this month and the one before."""
    hour, day = now_ms // 3_600_000, now_ms // 86_400_000
    days = sorted({*changed, day - 1, day})
    month = month_window(day)
    return [
        hour_window(hour - 1),
        hour_window(hour),
        rolling_hours(hour),
        *(rolling_window("day", each) for each in days),
        rolling_window("7d", day),
        rolling_window("30d", day),
        month_window(month.first - 1),
        month,
    ]


def window_of(kind: str, day: int | None, time_ms: int) -> Window:
    """The window of that kind that ends with the day, else the one that `time_ms` lies in. Raises `ValueError` in words for the one who
    asked."""
    if kind not in WINDOWS:
        raise ValueError(f"a window is one of {', '.join(WINDOWS)}")
    if day is not None and kind in ("hour", "24h"):
        raise ValueError("hours are kept for a short while only: ask without a day, or for another window")
    if day is None:
        return [window for window in windows_at(time_ms) if window.kind == kind][-1]
    return month_window(day) if kind == "month" else rolling_window(kind, day)
