# cython: language_level=3, annotation_typing=False
"""The third layer of a step: what accounts hear of their members, and when a day is over for all of them (docs/accounts.md)."""

from collections.abc import Sequence

import msgspec

from streams.core.account import Act, row_of
from streams.core.deadletter import origin_of
from streams.core.errands import Gone, Left, Told, day_over
from streams.core.horizon import Horizon
from streams.core.record import Record
from streams.core.step.routes import Routes

__all__ = ["Members"]


class Members(Routes):
    """What a step tells accounts, on whatever partition they live."""

    def _tell_account(self, acts: Sequence[Act], record: Record) -> None:
        """The accounts concerned hear of what the loaded user has to tell because of the record."""
        for act in acts:
            row, horizon = row_of(act.account), self._horizon()
            kind = Told if act.now is not None else Gone if act.cause == "merged" else Left
            errand = kind(row, act.at_ms, "/".join(origin_of(record)), self.partition, horizon.over, act)
            self._ask(errand, record)
            self._see(horizon.telling(errand.home(self.rules.partitions)))

    def _hear(self, sender: int, over: int) -> None:
        """A partition has told something, and which day is over there."""
        self._see(self._horizon().hearing(sender, over))

    def _end_day(self) -> None:
        """Those who have been told something hear that a day is over here, behind everything that there was to tell of it."""
        if not self.head.learned and self.learned is None:
            return
        before = self._horizon()
        after = before.passed(self.timers_ms)
        if after is not before:
            self.outputs += [day_over(self.partition, after.over, target, self.rules.topics.rerouted) for target in after.told]
            self._see(after)

    def _horizon(self) -> Horizon:
        if self.horizon is None:
            self.horizon = self._lessons().horizon
        return self.horizon

    def _see(self, horizon: Horizon) -> None:
        """Which days are over is known better, and saved with what was learned."""
        if horizon is self.horizon:
            return
        learned = self._lessons()
        self.learned, self.horizon = msgspec.structs.replace(learned, horizon=horizon), horizon
