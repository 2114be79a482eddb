# cython: language_level=3, annotation_typing=False, wraparound=False
"""Distinct users in the business sums: each set day of a user's ring is one, filed under the days to the set day before it.

Of the users who were active in a window, each is counted once on the first of his days in it, which is the one whose day before lies before
the window: so the sums of the days of any window up to 31 days give its distinct users (docs/scoring.md). A late event takes the user's
open days out of the sums and puts them in again as they are now.
"""

from typing import Final

from streams.core.activity import Activity
from streams.core.sums import Sums

__all__ = ["OPEN_DAYS", "Audience"]

#: Days back for which an event may still come; what lies further back is settled.
OPEN_DAYS: Final = 30

# Measures and rings as C has them.
_M_ACTIVE, _M_RETAINED, _M_BUYERS, _M_REPEATERS, _M_CONVERTERS, _M_PROMOTERS, _M_PASSIVES, _M_DETRACTORS = range(1, 9)
_ACTIVE, _ORDERED, _REORDERED, _CONVERTED, _ANSWERED, _PROMOTED, _DETRACTED = range(7)
_OPEN_DAYS: Final = OPEN_DAYS
_DAYS: Final = 62
_LONG: Final = 31


class Audience:
    """Writes the rings of users, and keeps `sums` in step with them."""

    def __init__(self, sums: Sums) -> None:
        self._sums = sums
        self._activity = Activity()

    def set(self, activity: Activity, day: int, ring: int) -> None:
        """The day is in a ring of the user, and the sums know."""
        self._activity = activity
        back = activity.base - day
        there = activity.rings[ring] >> back & 1
        if there and ring != _ORDERED:
            return
        # A new day that is the newest one changes nothing for the others; that is the usual case, and the others are many.
        alone = not back and not there
        if not alone:
            self._spread(ring, -1)
        if ring == _ACTIVE and (activity.first_day < 0 or day < activity.first_day):
            activity.first_day = day
        if there:
            self._write(_REORDERED, back, True)
        self._write(ring, back, True)
        if alone:
            self._spread_day(ring, 0, -1, 1)
        else:
            self._spread(ring, 1)

    def answer(self, activity: Activity, day: int, kind: int) -> None:
        """The user's answer of the day is this one: 1 a promoter's, -1 a detractor's, 0 in between."""
        self._activity = activity
        back = activity.base - day
        self._spread(_ANSWERED, -1)
        self._write(_ANSWERED, back, True)
        self._write(_PROMOTED, back, kind > 0)
        self._write(_DETRACTED, back, kind < 0)
        self._spread(_ANSWERED, 1)

    def _write(self, ring: int, back: int, there: bool) -> None:
        """A bit of a ring is set, or not."""
        bit: int = 1
        bit <<= back
        rings = self._activity.rings
        rings[ring] = rings[ring] | bit if there else rings[ring] & ~bit

    def settle(self, activity: Activity, sign: int) -> None:
        """All that the user's open days are in the sums for is taken out of them (-1), or put in (1)."""
        self._activity = activity
        self._spread(_ACTIVE, sign)
        self._spread(_ORDERED, sign)
        self._spread(_CONVERTED, sign)
        self._spread(_ANSWERED, sign)

    def _spread(self, ring: int, sign: int) -> None:
        """What a ring is in the sums for: one for each of its open days."""
        activity = self._activity
        word = activity.rings[ring]
        if not word:
            return
        later = -1
        # An answer is filed under the days to the next one, which a late one may come before: those stay open as long as they are kept.
        for back in range(_DAYS if ring == _ANSWERED else _OPEN_DAYS + 1):
            if word >> back & 1:
                self._spread_day(ring, back, later, sign)
                later = back

    def _spread_day(self, ring: int, back: int, later: int, sign: int) -> None:
        """What one set day of a ring is in the sums for; `later` is the next set day after it, -1 for none."""
        activity = self._activity
        day = activity.base - back
        gap = activity.gap(activity.rings[ring], back)
        if ring == _ACTIVE:
            age = day - activity.first_day
            self._users(_M_ACTIVE, day, gap if age else 0, sign)
            if age == 1 or age == 7 or age == 30:
                self._users(_M_RETAINED, activity.first_day, age, sign)
        elif ring == _ORDERED:
            self._users(_M_BUYERS, day, gap, sign)
            self._repeat(back, sign)
        elif ring == _CONVERTED:
            self._users(_M_CONVERTERS, day, gap, sign)
        else:
            kind = _M_PASSIVES
            if activity.rings[_PROMOTED] >> back & 1:
                kind = _M_PROMOTERS
            elif activity.rings[_DETRACTED] >> back & 1:
                kind = _M_DETRACTORS
            self._users(kind, day, min(back - later, _LONG) if later >= 0 else _LONG, sign)

    def _repeat(self, back: int, sign: int) -> None:
        """Windows in which this order day brings the second order begin after `low` days back, and at `high` days back at the latest."""
        activity = self._activity
        twice = activity.rings[_REORDERED]
        before = activity.before(activity.rings[_ORDERED], back)
        high = back if twice >> back & 1 else before
        low = before
        if before >= 0 and not twice >> before & 1:
            low = activity.before(activity.rings[_ORDERED], before)
        if high == low:
            return
        day = activity.base - back
        if high >= 0 and high - back <= _OPEN_DAYS:
            self._users(_M_REPEATERS, day, high - back, sign)
        if low >= 0 and low - back <= _OPEN_DAYS:
            self._users(_M_REPEATERS, day, low - back, -sign)

    def _users(self, measure: int, day: int, part: int, n: int) -> None:
        """A sum of users has grown, over all and in each segment of the user."""
        activity = self._activity
        self._sums.add(measure, day, part, 0, 0, n)
        self._sums.add(measure, day, part, 1, activity.country, n)
        self._sums.add(measure, day, part, 2, activity.device, n)
        self._sums.add(measure, day, part, 3, activity.channel, n)
