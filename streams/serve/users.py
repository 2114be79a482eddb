"""One user or many, read from the store as they are this minute: what `GET /v1/users/{id}` says."""

from collections import OrderedDict
from collections.abc import Sequence
from typing import Final

import msgspec
import xxhash
from redis.asyncio import Redis

from streams.core.alert import RULES
from streams.core.identity import ANONYMOUS, home_partition
from streams.core.moved import Moved, is_moved
from streams.core.record import PRIOR
from streams.core.rules import Rules
from streams.core.user import User
from streams.core.words import Language
from streams.explanation import Explanation, Next, explain, found_by
from streams.shell.heads import Keys, clock_of
from streams.shell.parameters import parameters_key, read_current

__all__ = ["Found", "Profile", "Profiles"]

#: A profile holds for a minute, as panes do: the same state in the same minute is the same answer, to the byte.
_MINUTE_MS = 60_000
#: Answers remembered: of those who are asked for again and again within a minute. About 5 KB each.
_ANSWERS: Final = 2000


class Profile(Explanation, frozen=True):
    """Everything that is known of a user.

    partition    where the user lives
    state_bytes  size of the stored state
    next_due     the first thing that time alone will do; None when it will do nothing
    """

    partition: int
    state_bytes: int
    next_due: Next | None


class Found(msgspec.Struct, frozen=True):
    """A stored state, the partition it lies on, and what time it is for that partition. `asked`: the id that was asked for, and that was
    merged into this user at `merged_ms`."""

    key: str
    partition: int
    blob: bytes
    as_of_ms: int
    tag: str
    asked: str = ""
    merged_ms: int = 0


class Profiles:
    """Reads and tells users. One scratch user for the process: telling does not wait in between."""

    def __init__(self, rules: Rules, redis: Redis) -> None:
        self._rules, self._redis = rules, redis
        self._user = User(rules)
        self._read_by = PRIOR  # the parameters that users are read by, as in the workers
        self._answers: OrderedDict[tuple[str, str], bytes] = OrderedDict()

    async def find(self, keys: Sequence[str], now_ms: int) -> dict[str, Found]:
        """The states of those of `keys` that have one, by the key that was asked for: one round trip, however many there are, and another
        one for each name that leads on to another user."""
        found = await self._rows(keys, now_ms)
        passed: dict[str, set[str]] = {key: {key} for key in keys}
        while moved := {key: Moved.decode(each.blob) for key, each in found.items() if is_moved(each.blob)}:
            there = await self._rows(list({each.user for each in moved.values()}), now_ms)
            for key, (user, since_ms, _) in moved.items():
                before = found.pop(key)
                if user in there and user not in passed[key]:  # else the state is on its way
                    passed[key].add(user)
                    merged_ms = max(before.merged_ms, since_ms)
                    tag = f'{there[user].tag[:-1]}-{merged_ms:x}"'
                    found[key] = msgspec.structs.replace(there[user], asked=key, merged_ms=merged_ms, tag=tag)
        return found

    async def _rows(self, keys: Sequence[str], now_ms: int) -> dict[str, Found]:
        """The rows of those of `keys` that have one."""
        homes = {key: home_partition(key.removeprefix(ANONYMOUS), self._rules.partitions) for key in keys}
        by_home: dict[int, list[str]] = {}
        for key, home in homes.items():
            by_home.setdefault(home, []).append(key)
        # Everything at once: a second round trip costs half as much as the whole answer.
        pipe = self._redis.pipeline(transaction=False)
        for home, mine in by_home.items():
            place = Keys.of(self._rules.app_id, home)
            pipe.hmget(place.users.decode(), mine)
            pipe.hmget(place.head.decode(), ["v", "body"])
        pipe.hget(parameters_key(self._rules.app_id), "current")
        *rows, version = await pipe.execute()
        if version is not None and version.decode() != self._read_by:
            parameters = await read_current(self._redis, self._rules)
            self._user.use(parameters)
            self._read_by = parameters.version
        found = {}
        for (home, mine), answers, fields in zip(by_home.items(), rows[::2], rows[1::2], strict=True):
            clock_ms = clock_of(home, fields[0], fields[1], now_ms)
            for key, blob in zip(mine, answers, strict=True):
                if blob is not None:
                    found[key] = self._found(key, home, bytes(blob), clock_ms)
        return found

    def answer(self, found: Found) -> bytes:
        """The profile as JSON. The tag names the answer, so the same one is not made twice."""
        place = (found.asked or found.key, found.tag)
        told = self._answers.get(place)
        if told is None:
            told = self._answers[place] = msgspec.json.encode(self.tell(found))
            if len(self._answers) > _ANSWERS:
                self._answers.popitem(last=False)
        return told

    def tell(self, found: Found, language: Language | None = None) -> Profile:
        """The profile of a state, in `language`; by default in English, and reasons in the language of the configuration.

        Raises `UnknownStateVersion`, and `StreamsError` for a damaged state.
        """
        self._user.load(found.key, found.blob)
        # Never before anything that the state knows: an alert that began within this minute is firing.
        known_ms = max(self._user.newest_ms, *(self._user.alert(rule).starts_at_ms for rule in range(len(RULES))))
        told = explain(self._user, self._rules, max(found.as_of_ms, known_ms), language)
        if found.asked:
            told = found_by(told, found.asked, found.merged_ms)
        due = told.ahead[0] if told.ahead else None
        return Profile(**msgspec.structs.asdict(told), partition=found.partition, state_bytes=len(found.blob), next_due=due)

    def _found(self, key: str, home: int, blob: bytes, clock_ms: int) -> Found:
        as_of_ms = clock_ms - clock_ms % _MINUTE_MS
        mark = xxhash.xxh3_128_hexdigest(blob)
        return Found(key, home, blob, as_of_ms, f'"{mark}-{as_of_ms // _MINUTE_MS:x}-{self._rules.version}-{self._read_by}"')
