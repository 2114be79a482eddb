# cython: language_level=3, annotation_typing=False, wraparound=False
"""What is kept of one user for the metrics beside counters and rhythm: features, order days, stage, streaks, aggregates. Bounded.

- **Features**: the last `features_max` different ones, each with the last day it was used. When full, the one unused longest gives way.
- **Order days**: how many days had an order, and their decayed sum (the purchase probability rests on it). An order of an earlier day
  than the last one is counted in the panes, and is no order day of its own.
- **Stage**: whether the user is one of power (two thresholds), and the day of the last return from dormancy.
- **Streaks**: of each rule, which of the last 32 local days had a matching event: late ones fill their gap.

One section of a state; every part takes words only where there is something in it.
"""

from array import array
from typing import Final

import cython

from streams.core.rules import Rules

if not cython.compiled:
    from math import pow

__all__ = ["EVENT_MAX", "FEATURES_MAX", "SIZE_MAX", "STREAKS_MAX", "Profile"]

FEATURES_MAX: Final = 64
STREAKS_MAX: Final = 4
_FEATURES, _STREAKS = FEATURES_MAX, STREAKS_MAX
#: Words of orders, and of a streak.
_ORDERS: Final = 2
_RUN: Final = 2
#: Words of the section: header, orders, time zone, features, streaks.
SIZE_MAX: Final = 1 + _ORDERS + 1 + FEATURES_MAX + _RUN * STREAKS_MAX
#: Words that an event may add: orders, time zone, a feature, streaks.
EVENT_MAX: Final = _ORDERS + 1 + 1 + _RUN * STREAKS_MAX

#: Of a feature's word: hash above, day below. 16 bits of days since 1970 last until 2149.
_DAY_BITS: Final = 16
_DAY: Final = 0xFFFF
_DAYS_KEPT: Final = 32

# Words: 0 header: streaks (8), features (8), has orders (8), power (8), day of the last return (16), time zone follows (8); then by part:
# orders (2), time zone (1), features, streaks (2 each). A streak: last local day (16), run before the 32 days (16), the 32 days (32);
# longest ever (16), number of the rule (8).


class Profile:
    """The section of one user; `clear` or `restore` begins another.

    order_first, order_last   days of the first and the last order, -1 before
    order_days                days with an order
    order_sum                 their decayed sum, as of `order_last`
    power                     whether the user counts as one of power
    returned                  day of the last return from dormancy, 0 when there was none
    zone                      code of the time zone the user was last seen in, 0 when it is not known
    """

    order_first: int
    order_last: int
    order_days: int
    order_sum: float
    power: bool
    returned: int
    zone: int
    features: int
    streaks: int

    def __init__(self, rules: Rules) -> None:
        metrics = rules.metrics
        self._order_half_life = metrics.purchase.half_life_days
        self._power_on, self._power_off = metrics.stages.power_from, metrics.stages.power_below
        self._dormant_days = metrics.stages.dormant_days
        self._used = array("Q", bytes(8 * _FEATURES))
        self._runs = array("Q", bytes(8 * 2 * _STREAKS))
        self.clear()

    def clear(self) -> None:
        """Nothing is known."""
        self.order_first = self.order_last = -1
        self.order_days = 0
        self.order_sum = 0.0
        self.power = False
        self.returned = self.zone = 0
        self.features = self.streaks = 0

    # -- events ---------------------------------------------------------------------------------------------------------

    def order(self, day: int) -> None:
        """There was an order on `day`."""
        if self.order_days == 0:
            self.order_first = self.order_last = day
            self.order_days = 1
            self.order_sum = 1.0
        elif day > self.order_last:
            self.order_sum = self.order_sum * pow(2.0, -(day - self.order_last) / self._order_half_life) + 1.0
            self.order_days += 1
            self.order_last = day

    def use(self, feature: int, day: int) -> None:
        """A feature (48 bits of a hash) was used on `day`."""
        oldest = 0
        for i in range(self.features):
            if self._used[i] >> _DAY_BITS == feature:
                if self._used[i] & _DAY < day:
                    self._used[i] = feature << _DAY_BITS | day
                return
            if self._used[i] & _DAY < self._used[oldest] & _DAY:
                oldest = i
        if self.features < _FEATURES:
            oldest = self.features
            self.features += 1
        elif self._used[oldest] & _DAY > day:
            return
        self._used[oldest] = feature << _DAY_BITS | day

    def merge(self, other: "Profile", common: list[int], later: bool) -> None:
        """What is known of the same person under another id is known here. `common`: days on which both had an order; `later`: this id
        has the newer event, so that its time zone holds."""
        if other.zone and not (later and self.zone):
            self.zone = other.zone
        if other.order_days:
            last = max(self.order_last, other.order_last)
            twice = float(sum([2.0 ** (-(last - day) / self._order_half_life) for day in common]))
            mine, theirs = [each.order_sum * 2.0 ** (-(last - each.order_last) / self._order_half_life) for each in (self, other)]
            self.order_first = min(self.order_first, other.order_first) if self.order_days else other.order_first
            # Orders that came late are in no sum, but may be on common days: what either has had is there in any case.
            self.order_days = max(self.order_days, other.order_days, self.order_days + other.order_days - len(common))
            self.order_last, self.order_sum = last, max(mine, theirs, mine + theirs - twice)
        self.power = self.power or other.power
        self.returned = max(self.returned, other.returned)
        for feature, day in other.feature_days().items():
            self.use(feature, day)
        for i in range(other.streaks):
            self._merge_streak(int(other._runs[2 * i]), int(other._runs[2 * i + 1]))

    def _merge_streak(self, word: int, tail: int) -> None:
        """The days of a streak of the other id are in that of the same rule."""
        rule = tail >> 16 & 255
        at = 0
        while at < self.streaks and self._runs[2 * at + 1] >> 16 & 255 != rule:
            at += 1
        if at == self.streaks:
            if at < _STREAKS:
                self._runs[2 * at], self._runs[2 * at + 1] = word, tail
                self.streaks += 1
            return
        mine = int(self._runs[2 * at])
        last = max(mine & 0xFFFF, word & 0xFFFF)
        days = run = 0
        for each in (mine, word):
            shift = last - (each & 0xFFFF)
            days |= (each >> 32) << shift & 0xFFFFFFFF
            run = max(run, (each >> 16 & 0xFFFF) if shift == 0 else 0)
        longest = max(tail & 0xFFFF, int(self._runs[2 * at + 1]) & 0xFFFF, int(self._longest(run, days)))
        self._runs[2 * at] = last | run << 16 | days << 32
        self._runs[2 * at + 1] = longest | rule << 16

    def score_moved(self, before: float, after: float) -> None:
        """A scored event took the engagement score from `before` to `after`."""
        if self.power and before < self._power_off:
            self.power = False
        if after >= self._power_on:
            self.power = True

    def came(self, day: int, last_day: int) -> None:
        """A new active day began, `last_day` was the one before."""
        if day - last_day >= self._dormant_days:
            self.returned = day

    def match(self, rule: int, day: int) -> None:
        """An event matched the streak rule on a local day."""
        at = 0
        while at < self.streaks and self._runs[2 * at + 1] >> 16 & 255 != rule:
            at += 1
        if at == self.streaks:
            if at == _STREAKS:
                return
            self.streaks += 1
            self._runs[2 * at] = day | 1 << 32
            self._runs[2 * at + 1] = 1 | rule << 16
            return
        word = self._runs[2 * at]
        last = word & _DAY
        run = word >> 16 & _DAY
        days = word >> 32
        if day > last:
            for _ in range(min(day - last, _DAYS_KEPT)):
                run = min(run + 1, _DAY) if days >> 31 else 0
                days = days << 1 & 0xFFFFFFFF
            if day - last > _DAYS_KEPT:
                run = 0
            last = day
        if last - day >= _DAYS_KEPT:
            return
        today = 1  # a word of its own, so that C shifts 64 bits
        days = days | today << (last - day)
        self._runs[2 * at] = last | run << 16 | days << 32
        longest = max(self._runs[2 * at + 1] & _DAY, self._longest(run, days))
        self._runs[2 * at + 1] = longest | rule << 16

    def _longest(self, run: int, days: int) -> int:
        """The longest run that ends within the days kept."""
        longest = run
        for i in range(_DAYS_KEPT):
            run = min(run + 1, _DAY) if days >> (_DAYS_KEPT - 1 - i) & 1 else 0
            longest = max(longest, run)
        return longest

    # -- reading --------------------------------------------------------------------------------------------------------

    def used_since(self, day: int) -> int:
        """How many different features were used on `day` or later."""
        n = 0
        for i in range(self.features):
            n += self._used[i] & _DAY >= day
        return n

    def feature_days(self) -> dict[int, int]:
        """Feature -> last day of use."""
        return {int(self._used[i] >> _DAY_BITS): int(self._used[i] & _DAY) for i in range(self.features)}

    def streak(self, rule: int) -> tuple[int, int, int]:
        """Last local day, days in a row that end there, and the most ever; zeros when there is none."""
        for at in range(self.streaks):
            if self._runs[2 * at + 1] >> 16 & 255 == rule:
                run = self._runs[2 * at] >> 16 & _DAY
                days = self._runs[2 * at] >> 32
                for i in range(_DAYS_KEPT):
                    run = run + 1 if days >> (_DAYS_KEPT - 1 - i) & 1 else 0
                return int(self._runs[2 * at] & _DAY), int(run), int(self._runs[2 * at + 1] & _DAY)
        return 0, 0, 0

    # -- words ----------------------------------------------------------------------------------------------------------

    def size(self) -> int:
        """Words of the section."""
        return 1 + (2 if self.order_days else 0) + (1 if self.zone else 0) + self.features + 2 * self.streaks

    def write(self, image: "array[int]", reals: "memoryview[float]", at: int) -> int:
        """The section is in the image from word `at` on; returns the word after it. `reals` is the image, seen as doubles."""
        power = self.power
        returned = self.returned
        features = self.features
        orders = 1 if self.order_days else 0  # words of their own, so that C shifts 64 bits
        zoned = 1 if self.zone else 0
        image[at] = self.streaks | features << 8 | orders << 16 | power << 24 | returned << 32 | zoned << 48
        at += 1
        if self.order_days:
            order_days = self.order_days
            first = self.order_first
            last = self.order_last
            image[at] = first | last << 16 | order_days << 32
            reals[at + 1] = self.order_sum
            at += 2
        if self.zone:
            image[at] = self.zone
            at += 1
        for i in range(self.features):
            image[at + i] = self._used[i]
        at += self.features
        for i in range(2 * self.streaks):
            image[at + i] = self._runs[i]
        return at + 2 * self.streaks

    def read(self, image: "array[int]", reals: "memoryview[float]", at: int, end: int) -> int:
        """The section that begins with word `at` is here; returns the word after it, -1 when the image ends before it, or holds none."""
        if at >= end:
            return -1
        head = image[at]
        self.clear()
        self.streaks, self.features = head & 255, head >> 8 & 255
        self.power = bool(head >> 24 & 1)
        self.returned = head >> 32 & _DAY
        orders = head >> 16 & 1
        zoned = head >> 48 & 1
        at += 1
        if self.streaks > _STREAKS or self.features > _FEATURES or at + 2 * orders + zoned + self.features + 2 * self.streaks > end:
            return -1
        if orders:
            self.order_first, self.order_last = image[at] & _DAY, image[at] >> 16 & _DAY
            self.order_days = image[at] >> 32
            self.order_sum = reals[at + 1]
            at += 2
        if zoned:
            self.zone = image[at]
            at += 1
        for i in range(self.features):
            self._used[i] = image[at + i]
        at += self.features
        for i in range(2 * self.streaks):
            self._runs[i] = image[at + i]
        return at + 2 * self.streaks
