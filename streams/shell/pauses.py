"""Pauses between attempts to reach what is away: short at first, longer each time."""

import asyncio
import random
from typing import Final

__all__ = ["FIRST_PAUSE_S", "LONGEST_PAUSE_S", "Pauses"]

FIRST_PAUSE_S: Final = 0.1
#: Whoever waits is back so soon after the service is, at the latest.
LONGEST_PAUSE_S: Final = 5.0


class Pauses:
    """The pauses of one who tries again: from `first_s` on each is twice the one before, up to `LONGEST_PAUSE_S`. `at_once`: there is none
    before the second attempt."""

    def __init__(self, first_s: float = FIRST_PAUSE_S, *, at_once: bool = False) -> None:
        self._first_s = first_s
        self._next_s = 0.0 if at_once else first_s

    def begin_again(self) -> None:
        """It was reached: the next pause is a short one."""
        self._next_s = self._first_s

    def next_s(self) -> float:
        """How long the next pause is: drawn from the upper half of its range, so that not all who wait come at once."""
        pause_s, self._next_s = self._next_s, min(max(2 * self._next_s, self._first_s), LONGEST_PAUSE_S)
        return pause_s * random.uniform(0.5, 1.0)  # noqa: S311 (spreads load, guards nothing)

    async def pause(self) -> None:
        await asyncio.sleep(self.next_s())
