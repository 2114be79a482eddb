"""What a user is in the middle of, and how their device sends it."""

from random import Random
from typing import Final

from streams.core.rules import DAY_MS
from streams.sim.config import Quality
from streams.sim.personas import Shopper
from streams.sim.wording import Act, Who

__all__ = ["RESENT_MS", "Thread", "sent_by"]

#: Resent events follow within two minutes at the most.
RESENT_MS: Final = 120_000
#: Offline phones: from two minutes to two days, short ones more often.
_LATE_MS: Final = 120_000
_LATE_RATIO: Final = 1440
#: Older than the longest window of 30 days.
_ANCIENT_MS: Final = 31 * DAY_MS
_ANCIENT_SPREAD_MS: Final = 10 * DAY_MS


class Thread:
    """The acts to come, last one first, so that the next one is popped. `late_ms`: how long after each act its event is sent."""

    __slots__ = ("acts", "late_ms", "phone")

    def __init__(self, acts: list[tuple[Act, Who]], phone: bool = False, late_ms: int = 0) -> None:
        acts.reverse()
        self.acts, self.phone, self.late_ms = acts, phone, late_ms


def sent_by(shopper: Shopper, acts: list[tuple[Act, Who]], quality: Quality, rng: Random) -> Thread:
    """A visit as the shopper's device sends it: at once, or after a phone was offline."""
    drawn = rng.random()
    if drawn < quality.ancient:
        return Thread(acts, True, _ANCIENT_MS + int(rng.random() * _ANCIENT_SPREAD_MS))
    if drawn < quality.ancient + quality.late:
        return Thread(acts, True, int(_LATE_MS * _LATE_RATIO ** rng.random()))
    return Thread(acts, rng.random() < shopper.persona.mobile)
