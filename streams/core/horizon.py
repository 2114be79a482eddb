"""Until when accounts can be judged: which days are over for everybody who has members of them.

An account may be judged by a day only when nobody who has a member of it can still say something of that day: a partition that is behind is
no silence. So a partition tells each one that it has ever told something when its partition time has passed the end of a UTC day, behind
everything that it had to say of it: what comes first in a log is read first.
"""

import msgspec

from streams.core.rules import DAY_MS

__all__ = ["Horizon"]


class Horizon(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """What a partition knows of days; kept with what it has learned, and saved with each step.

    told    partitions that it has told something, ascending
    over    the last day of which these know that it is over here
    heard   (partition that has told something, the last day that is over there), ascending
    """

    told: tuple[int, ...] = ()
    over: int = -1
    heard: tuple[tuple[int, int], ...] = ()

    def telling(self, target: int) -> "Horizon":
        """`target` is told something from now on."""
        return self if target in self.told else Horizon(tuple(sorted((*self.told, target))), self.over, self.heard)

    def passed(self, timers_ms: int) -> "Horizon":
        """Partition time has come so far. Another horizon when a day is over that others must be told of."""
        day = timers_ms // DAY_MS - 1
        return Horizon(self.told, day, self.heard) if self.told and day > self.over else self

    def hearing(self, sender: int, over: int) -> "Horizon":
        """`sender` has told something, and that `over` is the last day that is over there."""
        heard = dict(self.heard)
        if over <= heard.get(sender, -2):
            return self
        heard[sender] = over
        return Horizon(self.told, self.over, tuple(sorted(heard.items())))

    def all_over(self) -> int:
        """The last day that is over for everybody who has told something; -1 when nobody has."""
        return min((over for _, over in self.heard), default=-1)
