"""The brake on bad deploys: a rule that raises for many records must be wrong, so the worker stops before it has set aside a whole
topic."""

from collections import deque

from streams.core.record import Outcome
from streams.errors import DeadRateExceeded

__all__ = ["DeadRate"]

_MINUTE_MS = 60_000


class DeadRate:
    """Watches one worker's share of records whose rule raised, over the last minute of its own clock."""

    def __init__(self, rate_max: float, count_min: int) -> None:
        self._rate_max, self._count_min = rate_max, count_min
        self._steps: deque[tuple[int, int, int]] = deque()
        self._read = self._raised = 0

    def add(self, now_ms: int, outcome: Outcome) -> None:
        """Takes a step in, before it is published. Raises `DeadRateExceeded` when rules raised for more than `rate_max` of a minute's
        records
        and at least `count_min` times: nothing of this step is said then, and a mended worker executes its plan."""
        read, raised = sum(outcome.fates), outcome.rejects.get("rule_error", 0)
        self._steps.append((now_ms, read, raised))
        self._read, self._raised = self._read + read, self._raised + raised
        while self._steps[0][0] < now_ms - _MINUTE_MS:
            _, old_read, old_raised = self._steps.popleft()
            self._read, self._raised = self._read - old_read, self._raised - old_raised
        if self._raised >= self._count_min and self._raised > self._rate_max * self._read:
            raise DeadRateExceeded(
                f"a rule raised for {self._raised} of the last {self._read} records: mend the rule (or roll the deploy back) and start "
                "again; nothing is lost, the step is taken again"
            )
