"""What a worker has done since it started, and how fast it is now: for `stats`, the heartbeat and the metrics."""

import os
from collections import deque
from pathlib import Path

from streams.core.record import FATES, Outcome

__all__ = ["Tally", "rss_bytes"]

#: Throughput is that of the last ten seconds: short enough to see a stall, long enough to be calm.
_SPAN_MS = 10_000


class Tally:
    """Counts steps and records. Nothing here is saved: the totals that must survive live in the heads."""

    def __init__(self) -> None:
        self.steps = 0
        self.records = 0
        self.outputs = 0
        self.fates = dict.fromkeys(FATES, 0)
        self.rejects: dict[str, int] = {}
        self._recent: deque[tuple[int, int]] = deque()

    def add(self, now_ms: int, outcome: Outcome) -> None:
        """One more step."""
        records = sum(outcome.fates)
        self.steps += 1
        self.records += records
        self.outputs += len(outcome.outputs)
        for name, n in zip(FATES, outcome.fates, strict=True):
            self.fates[name] += n
        for reason, n in outcome.rejects.items():
            self.rejects[reason] = self.rejects.get(reason, 0) + n
        self._recent.append((now_ms, records))
        self._forget(now_ms)

    def per_s(self, now_ms: int) -> float:
        """Records per second over the last ten seconds."""
        self._forget(now_ms)
        return sum(n for _, n in self._recent) * 1000 / _SPAN_MS

    def _forget(self, now_ms: int) -> None:
        while self._recent and self._recent[0][0] < now_ms - _SPAN_MS:
            self._recent.popleft()


def rss_bytes() -> int:
    """Resident memory of this process; 0 where /proc does not exist."""
    try:
        return int(Path("/proc/self/statm").read_text("ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0
