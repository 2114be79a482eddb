"""What the output topics have said so far, added up: scores by band, alerts and their ends, and how long a score took to be told.

Pure: records and times in, numbers out. Alerts count once by their id, however often they are told.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from streams.core.sitewords import series_text

__all__ = ["ActiveAlert", "Latencies", "Resolved", "Tally"]

#: A latency beyond a minute is an outage; its exact length does not matter to a quantile.
_LATENCY_MAX_MS: Final = 60_000
#: The view shows a handful of ended alerts.
_RESOLVED_KEPT: Final = 20


class _Score(msgspec.Struct, frozen=True, gc=False):
    """The fields of a score that are looked at."""

    score_id: str
    band: str
    rev: int
    cause: str


class _Reason(msgspec.Struct, frozen=True):
    text: str


class _Alert(msgspec.Struct, frozen=True):
    """The fields of an alert that are looked at."""

    alert_id: str
    user_id: str
    rule: str
    status: str
    cause: str
    severity: str
    reasons: tuple[_Reason, ...]
    clears_when: str
    starts_at: str
    series: str = ""

    @property
    def about(self) -> str:
        return self.user_id or series_text(self.series, "en")


class ActiveAlert(msgspec.Struct, frozen=True):
    """An alert that is firing, and has done so since `at_ms` if it is a live one. `about`: its user, or what else it is about, for people;
    `user_id` is empty then."""

    about: str
    user_id: str
    rule: str
    severity: str
    reason: str
    clears_when: str
    starts_at: str
    at_ms: int
    live: bool


class Resolved(msgspec.Struct, frozen=True):
    """An alert that has ended, why, and when."""

    about: str
    rule: str
    cause: str
    at_ms: int
    live: bool


class Latencies:
    """Milliseconds, counted in steps of one: quantiles of any number of them in constant memory."""

    def __init__(self) -> None:
        self._counts = [0] * (_LATENCY_MAX_MS + 1)
        self.n = 0

    def add(self, ms: float) -> None:
        self._counts[min(max(round(ms), 0), _LATENCY_MAX_MS)] += 1
        self.n += 1

    def quantile(self, q: float) -> float | None:
        """The smallest value that at least `q` of all do not exceed; None when there are none."""
        if not self.n:
            return None
        left = max(1.0, q * self.n)
        for ms, count in enumerate(self._counts):
            left -= count
            if left <= 0:
                return float(ms)
        return float(_LATENCY_MAX_MS)


class Tally:
    """Everything the output topics have said.

    Alerts count as live by when they began or ended, not by when they are read: what is said of the history may come late.
    """

    def __init__(self, band_names: Sequence[str]) -> None:
        self.bands: dict[str, int] = dict.fromkeys(band_names, 0)
        self.active: dict[str, ActiveAlert] = {}
        self.resolved: deque[Resolved] = deque(maxlen=_RESOLVED_KEPT)
        self.latencies = Latencies()
        self._live_from_ms: int | None = None
        self._users: dict[bytes, tuple[int, str]] = {}
        self._fired: set[str] = set()
        self._ended: set[str] = set()
        self._fired_live: set[str] = set()
        self._ended_live: set[str] = set()
        self._score = msgspec.json.Decoder(_Score)
        self._alert = msgspec.json.Decoder(_Alert)

    @property
    def live(self) -> bool:
        """Whether live time has begun."""
        return self._live_from_ms is not None

    def go_live(self, now_ms: int) -> None:
        """What happens from `now_ms` on is live."""
        self._live_from_ms = now_ms

    @property
    def users(self) -> int:
        """Users who have a score."""
        return len(self._users)

    @property
    def fired(self) -> int:
        """Alerts that began while the demo was live, each once."""
        return len(self._fired_live)

    @property
    def ended(self) -> int:
        """Alerts that ended while the demo was live, each once."""
        return len(self._ended_live)

    def score(self, key: bytes, value: bytes | None) -> _Score | None:
        """Takes a score in; None when it is a tombstone or older than what was read."""
        before = self._users.get(key)
        if value is None:
            if before is not None:
                del self._users[key]
                self.bands[before[1]] -= 1
            return None
        score = self._score.decode(value)
        if before is not None:
            if score.rev < before[0]:
                return None
            self.bands[before[1]] -= 1
        self._users[key] = (score.rev, score.band)
        self.bands[score.band] = self.bands.get(score.band, 0) + 1
        return score

    def alert(self, value: bytes, at_ms: int) -> ActiveAlert | Resolved | None:
        """Takes an alert in, which began or ended at `at_ms` (or long ago, for one of the history); None when it was told before."""
        alert, live = self._alert.decode(value), self._live_from_ms is not None and at_ms >= self._live_from_ms
        if alert.status == "firing":
            if alert.alert_id in self._fired:
                return None
            self._fired.add(alert.alert_id)
            if live:
                self._fired_live.add(alert.alert_id)
            reason = alert.reasons[0].text if alert.reasons else ""
            active = ActiveAlert(
                alert.about, alert.user_id, alert.rule, alert.severity, reason, alert.clears_when, alert.starts_at, at_ms, live
            )
            if alert.alert_id not in self._ended:
                self.active[alert.alert_id] = active
            return active
        if alert.alert_id in self._ended:
            return None
        self._ended.add(alert.alert_id)
        self.active.pop(alert.alert_id, None)
        resolved = Resolved(alert.about, alert.rule, alert.cause, at_ms, live)
        if live:
            self._ended_live.add(alert.alert_id)
            self.resolved.append(resolved)
        return resolved

    def newest(self, n: int) -> list[ActiveAlert]:
        """The `n` alerts that began last and are firing, newest first; those of the history come after all live ones."""
        return sorted(self.active.values(), key=lambda alert: (alert.live, alert.starts_at), reverse=True)[:n]

    def totals(self) -> Mapping[str, int]:
        """`firing` and `resolved` of the live part, as the last line of the demo says them."""
        return {"firing": self.fired, "resolved": self.ended}
