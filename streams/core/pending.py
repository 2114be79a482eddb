# cython: language_level=3, wraparound=False, annotation_typing=False
"""One user's pending lesson: how the user looked at the end of a day drawn by lot, waiting for what comes of it `H` days later.

The draw depends on nothing but user and week, so that it is the same on every machine. Looking costs nothing while the user stays away,
because then the state does not change: the look is taken when the user returns, or when the lesson is due.
"""

from array import array
from typing import Final, NamedTuple

import cython
import xxhash

from streams.core.churnmodel import FEATURES, Label
from streams.core.correction import Correction
from streams.core.record import NEVER_MS
from streams.core.rhythm import Rhythm
from streams.core.rules import DAY_MS, Rules

__all__ = ["SIZE_MAX", "Lesson", "Pending", "sampled"]

_FEATURES: Final = len(FEATURES)
_LOOK: Final = 4 + _FEATURES  # p0, A, gap, alertable, x
#: Words of a lesson, with its look.
SIZE_MAX: Final = 1 + _LOOK
_DAY_MS: Final = DAY_MS
_NEVER_MS: Final = NEVER_MS
_MINUTE_MS: Final = 60_000
_WEEK: Final = 7
_MINUTES: Final = 1440
#: The user left in so many words: not back, whatever comes.
_LEFT: Final = (1 << 23) - 1


class Lesson(NamedTuple):
    """What is learned from a user: how things were at the end of the day, and whether the user was lost.

    points     engagement points A
    gap        smoothed days between active days, of this user alone
    alertable  an engaged user, whose leaving would have been worth an alert
    """

    label: Label
    points: float
    gap: float
    alertable: bool


def sampled(user: bytes, week: int, one_in: int) -> bool:
    """Whether this user is looked at in this week: one in `one_in` is, by the same draw on every machine."""
    lot: int = cython.cast(cython.ulonglong, xxhash.xxh3_64_intdigest(user + b"\x00%d" % week))
    return lot % one_in == 0


class Pending:
    """The pending lesson of the user that is loaded.

    day    end of which the user is looked at, -1 when no lesson is pending
    back   day of the first visit after `day`, 0 when there was none: the look is taken once there was one
    """

    day: int
    back: int
    _minute: int

    def __init__(self, rules: Rules) -> None:
        self._enabled, self._one_in, self._least = rules.learning.enabled, rules.learning.sample_one_in, rules.learning.min_active_days
        self._whole = int(rules.churn.horizon_days)
        self._look = array("d", bytes(8 * _LOOK))
        self.clear()

    def clear(self) -> None:
        """No lesson is pending."""
        self.day, self.back, self._minute = -1, 0, 0

    def draw(self, key: str, rhythm: Rhythm, from_day: int) -> None:
        """The next day from `from_day` on that user and week draw, if the user will still count as active then; else none."""
        self.clear()
        if not self._enabled or rhythm.x < self._least:
            return
        from_day = max(from_day, rhythm.last_day)  # how the user looked before that is not known any more
        last = rhythm.last_day + self._whole
        if from_day > last:
            return
        user = key.encode()
        lot: int = cython.cast(cython.ulonglong, xxhash.xxh3_64_intdigest(user))
        weekday = lot % _WEEK  # everybody's week begins on another day, and lessons are due at any minute: no rush at midnight
        week = (from_day - weekday + _WEEK - 1) // _WEEK
        while week * _WEEK + weekday <= last:
            if sampled(user, week, self._one_in):
                self.day = week * _WEEK + weekday
                self._minute = (lot // _WEEK) % _MINUTES
                return
            week += 1

    def due_ms(self) -> int:
        """When the outcome is known: the day after the horizon has begun."""
        if self.day < 0:
            return _NEVER_MS
        return (self.day + self._whole + 1) * _DAY_MS + self._minute * _MINUTE_MS

    def awaits(self, day: int) -> bool:
        """Whether a first visit on `day` changes how the user looked."""
        return 0 <= self.day < day and self.back == 0

    def returned(self, day: int, rhythm: Rhythm, correction: Correction) -> None:
        """The first visit after the day is about to be folded: the look is taken, and the return remembered."""
        self._take(rhythm, correction)
        self.back = day

    def left(self, day: int, rhythm: Rhythm, correction: Correction) -> None:
        """The user has left in so many words on `day`."""
        if 0 <= self.day < day:
            if self.back == 0:
                self._take(rhythm, correction)
            if self.back == 0 or day <= self.day + self._whole:
                self.back = _LEFT

    def lesson(self, rhythm: Rhythm, correction: Correction) -> Lesson:
        """The look with its outcome. The caller draws the next one."""
        if self.back == 0:
            self._take(rhythm, correction)
        churned = self.back == 0 or self.back > self.day + self._whole
        look = self._look
        x = tuple([look[i] for i in range(_LOOK - _FEATURES, _LOOK)])
        return Lesson(Label(look[0], x, churned), look[1], look[2], look[3] > 0.0)

    def _take(self, rhythm: Rhythm, correction: Correction) -> None:
        r = self.day - rhythm.last_day
        look = self._look
        look[0] = rhythm.churn(r)
        look[1] = rhythm.decayed(self.day * _DAY_MS)
        look[2] = rhythm.gm / rhythm.gw if rhythm.gw > 0.0 else 0.0
        look[3] = 1.0 if rhythm.alertable() else 0.0
        correction.look(rhythm, r)
        for i in range(_FEATURES):
            look[4 + i] = correction.x[i]

    # -- words: day (24 bits), minute (16), back (24); then the look, if it was taken ---------------------------------------

    def size(self) -> int:
        """Words that the lesson takes in a state."""
        if self.day < 0:
            return 0
        return 1 + _LOOK if self.back else 1

    def write(self, signed: memoryview, reals: "memoryview[float]", at: int) -> int:
        """The lesson is in the words from `at` on; returns the word after it."""
        if self.day < 0:
            return at
        signed[at] = self.day | self._minute << 24 | self.back << 40
        if not self.back:
            return at + 1
        for i in range(_LOOK):
            reals[at + 1 + i] = self._look[i]
        return at + 1 + _LOOK

    def read(self, signed: memoryview, reals: "memoryview[float]", at: int) -> int:
        """The lesson in the words from `at` on is here; returns the word after it."""
        word = signed[at]
        self.day, self._minute, self.back = word & 0xFFFFFF, word >> 24 & 0xFFFF, word >> 40 & 0xFFFFFF
        if not self.back:
            return at + 1
        for i in range(_LOOK):
            self._look[i] = reals[at + 1 + i]
        return at + 1 + _LOOK
