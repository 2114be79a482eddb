"""What Redis knows of the quality of events, alerts and forecasts: sums of days, their figures, and rates of some users."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, Final

from redis.asyncio import Redis

from streams.core.calibration import figures
from streams.core.ledger import rolling_window
from streams.core.metrics import Figure
from streams.core.quality import sums_of
from streams.core.quality_metrics import drift_figure, quality_figures
from streams.core.rules import DAY_MS, Rules
from streams.core.trackingplan import MARKS
from streams.core.user import User
from streams.shell.heads import Keys, is_user
from streams.shell.parameters import read_learned
from streams.shell.status import redis_now_ms
from streams.shell.sums import SumsReader, added_up

__all__ = ["QualityFollower", "read_alert_sums", "read_marks", "read_rates"]

#: Days that the longest window holds.
_DAYS: Final = 30


async def read_alert_sums(redis: Any, rules: Rules, first_day: int, last_day: int) -> Counter[str]:
    """The counts of these days (both included, days since 1970), over all partitions."""
    return await added_up(redis, rules, [sums_of(day) for day in range(first_day, last_day + 1)])


async def read_marks(redis: Any, rules: Rules) -> dict[str, int]:
    """Events that the tracking plan marked today and yesterday (UTC): name and path with a space between -> how many, most first."""
    if rules.tracking_plan is None:
        return {}
    today = await redis_now_ms(redis) // DAY_MS
    marks = await added_up(redis, rules, [f"{MARKS}{day}" for day in (today - 1, today)])
    return {mark.replace("\t", " "): n for mark, n in sorted(marks.items(), key=lambda mark: (-mark[1], mark[0]))}


async def read_rates(redis: Any, rules: Rules, most: int) -> dict[str, float]:
    """Active days per day of users that a drop is looked for in; about `most` of them, drawn by Redis."""
    user, found = User(rules), dict[str, float]()
    for partition in range(rules.partitions):
        users = Keys.of(rules.app_id, partition).users
        drawn = await redis.hrandfield(users, max(1, 4 * most // rules.partitions), True) or []
        for key, blob in zip(drawn[::2], drawn[1::2], strict=True):
            if not is_user(key, blob):
                continue
            user.load(key.decode(), blob)
            if user.rhythm.x >= rules.drop.min_active_days:
                found[key.decode()] = user.rhythm.rate()
    return dict(list(found.items())[:most])


class QualityFollower:
    """Follows the counts of alerts and forecasts of the last 30 days, and asks for them again only where they have changed."""

    def __init__(self, redis: Redis, rules: Rules) -> None:
        """`redis` answers with bytes."""
        self._redis, self._rules = redis, rules
        self._days: dict[int, tuple[int, Mapping[str, int]]] = {}
        self._drift: tuple[float, int] | None = None

    async def figures(self, reader: SumsReader, today: int) -> list[Figure]:
        """The figures of each of those days, of the last 7 and of all of them, as of the reader's last look."""
        changed = {
            day: revision
            for day in range(today - _DAYS + 1, today + 1)
            if (revision := reader.revision(sums_of(day))) != (self._days[day][0] if day in self._days else 0)
        }
        for day, revision in changed.items():
            self._days[day] = (revision, await read_alert_sums(self._redis, self._rules, day, day))
        for day in [day for day in self._days if day <= today - _DAYS]:
            del self._days[day]
        if changed:  # every lesson is counted, too
            parts = await read_learned(self._redis, self._rules)
            says = figures([(part.churn, part.calibration) for part in parts])
            self._drift = (says["drift"], sum(part.churn.labels for part in parts)) if "drift" in says else None
        return list(self._figures(today))

    def _figures(self, today: int) -> Iterator[Figure]:
        for kind, lasts in (("day", (*sorted(self._days), today)), ("7d", (today,)), ("30d", (today,))):
            for last in dict.fromkeys(lasts):
                window = rolling_window(kind, last)
                sums: Counter[str] = Counter()
                for day in range(window.first, window.last + 1):
                    sums.update(self._days[day][1] if day in self._days else {})
                yield from quality_figures(window, sums)
        if self._drift is not None:
            yield drift_figure(rolling_window("day", today), *self._drift)
