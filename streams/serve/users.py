"""One user or many, read from the store as they are this minute: what `GET /v1/users/{id}` says."""

from collections.abc import Sequence

import msgspec
import xxhash
from redis.asyncio import Redis

from streams.core.alert import RULES
from streams.core.identity import ANONYMOUS, home_partition
from streams.core.rules import Rules
from streams.core.user import User
from streams.explanation import Explanation, Next, explain
from streams.shell.heads import Keys
from streams.shell.status import read_heads

__all__ = ["Found", "Profile", "Profiles", "Why"]

#: A profile holds for a minute, as panes do: the same state in the same minute is the same answer, to the byte.
_MINUTE_MS = 60_000


class Profile(Explanation, frozen=True):
    """Everything that is known of a user.

    partition    where the user lives
    state_bytes  size of the stored state
    next_due     the first thing that time alone will do; None when it will do nothing
    """

    partition: int
    state_bytes: int
    next_due: Next | None


class Why(msgspec.Struct, frozen=True):
    """Why the figures are what they are, in words. `score`, `churn`, `drop`: one line each, the weightiest first."""

    user_id: str
    as_of: str
    summary: str
    score: Sequence[str]
    churn: Sequence[str]
    drop: Sequence[str]
    alerts: Sequence[str]
    ahead: Sequence[str]


class Found(msgspec.Struct, frozen=True):
    """A stored state, the partition it lies on, and what time it is for that partition."""

    key: str
    partition: int
    blob: bytes
    as_of_ms: int
    tag: str


class Profiles:
    """Reads and tells users. One scratch user for the process: telling does not wait in between."""

    def __init__(self, rules: Rules, redis: Redis) -> None:
        self._rules, self._redis = rules, redis
        self._user = User(rules)

    async def find(self, keys: Sequence[str], now_ms: int) -> dict[str, Found]:
        """The states of those of `keys` that have one: one round trip, however many there are."""
        homes = {key: home_partition(key.removeprefix(ANONYMOUS), self._rules.partitions) for key in keys}
        by_home: dict[int, list[str]] = {}
        for key, home in homes.items():
            by_home.setdefault(home, []).append(key)
        pipe = self._redis.pipeline(transaction=False)
        for home, mine in by_home.items():
            pipe.hmget(Keys.of(self._rules.app_id, home).users.decode(), mine)
        rows = await pipe.execute()
        heads = {head.partition: head for head in await read_heads(self._redis, self._rules.app_id, by_home)}
        # A replay of old events lives in the time of the events.
        clocks = {home: head.time_ms if head.clock == "event" else now_ms for home, head in heads.items()}
        found = {}
        for (home, mine), answers in zip(by_home.items(), rows, strict=True):
            for key, blob in zip(mine, answers, strict=True):
                if blob is not None:
                    found[key] = self._found(key, home, bytes(blob), clocks.get(home, now_ms))
        return found

    def tell(self, found: Found) -> Profile:
        """The profile of a state. Raises `UnknownStateVersion`, `StreamsError` for a damaged one."""
        self._user.load(found.key, found.blob)
        # Never before anything that the state knows: an alert that began within this minute is firing.
        known_ms = max(self._user.newest_ms, *(self._user.alert(rule).starts_at_ms for rule in range(len(RULES))))
        told = explain(self._user, self._rules, max(found.as_of_ms, known_ms))
        due = told.ahead[0] if told.ahead else None
        return Profile(**msgspec.structs.asdict(told), partition=found.partition, state_bytes=len(found.blob), next_due=due)

    def why(self, found: Found) -> Why:
        """The same in words."""
        told = self.tell(found)
        return Why(
            user_id=told.user_id,
            as_of=told.as_of,
            summary=told.summary,
            score=(f"{told.score.engagement_score} of 100, {told.score.band}", told.made_of),
            churn=tuple(reason.text for reason in told.churn.reasons),
            drop=tuple(reason.text for reason in told.drop.reasons),
            alerts=tuple(f"{_said(alert.rule)} since {alert.starts_at}: {alert.clears_when} would clear it" for alert in told.alerts),
            ahead=tuple(f"{step.at}: {step.what}" for step in told.ahead),
        )

    def _found(self, key: str, home: int, blob: bytes, clock_ms: int) -> Found:
        as_of_ms = clock_ms - clock_ms % _MINUTE_MS
        mark = xxhash.xxh3_128_hexdigest(blob)
        return Found(key, home, blob, as_of_ms, f'"{mark}-{as_of_ms // _MINUTE_MS:x}-{self._rules.version}"')


def _said(rule: str) -> str:
    return rule.replace("_", " ")
