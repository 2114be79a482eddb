"""Who is signed in: sessions, one-time links and counts of failed tries, in Redis, so that all replicas know the same and none for ever.

{<app>:serve}:session:<hash>   JSON, for as long as the session lasts. The cookie's word itself is nowhere: only its hash
{<app>:serve}:sessions:<hash>  sorted set: the sessions of one person, by their beginning
{<app>:serve}:link:<hash>      JSON, five minutes, and gone with its first use
{<app>:serve}:tries:<hash>     a number, one minute
"""

import hashlib
import hmac
import secrets
import time
from collections import OrderedDict
from collections.abc import Iterable
from importlib import resources
from typing import Any, Final

import msgspec
from redis.asyncio import Redis
from redis.exceptions import RedisError

__all__ = ["LINK_S", "TRIES", "Session", "Sessions", "csrf_of"]

#: A one-time link is for somebody who sits before the terminal that shows it.
LINK_S: Final = 300
#: Failed tries in a minute, of a name and of an address. Then neither is listened to until the minute is over.
TRIES: Final = 10
TRIES_S: Final = 60
#: Sessions of one person: some browsers on some machines. The oldest ends.
_EACH: Final = 20
#: A session that was found is believed for so long without asking again ...
_FRESH_S: Final = 1.0
#: ... and while Redis does not answer for so long: those who look after an outage must not be shut out by it.
_STALE_S: Final = 300.0
_REMEMBERED: Final = 1000


class Session(msgspec.Struct, frozen=True):
    """Somebody who signed in. `mark` names the password or token that was used: with another one the session is over."""

    name: str
    roles: tuple[str, ...]
    mark: str


class Sessions:
    """Begins, finds and ends sessions of an application. Every method may raise `RedisError` or `OSError`."""

    def __init__(self, redis: Redis, app_id: str, session_s: float) -> None:
        self._redis, self.session_s = redis, session_s
        self._prefix = f"{{{app_id}:serve}}:"
        self._begin = redis.register_script(resources.files("streams.serve").joinpath("begin.lua").read_text(encoding="utf-8"))
        self._decode = msgspec.json.Decoder(Session).decode
        self._seen: OrderedDict[str, tuple[float, Session]] = OrderedDict()

    async def begin(self, session: Session, ended: str | None) -> str:
        """A new word for the cookie, never one that was sent to us; the session of `ended` is over."""
        word = secrets.token_urlsafe(32)
        if ended:
            await self.end(ended)
        prefix = self._prefix + "session:"
        keys = [prefix + _hash(word), f"{self._prefix}sessions:{_hash(session.name)}"]
        lifetime_ms = round(self.session_s * 1000)
        await self._begin(keys=keys, args=[msgspec.json.encode(session), time.time_ns() // 1_000_000, lifetime_ms, _EACH, prefix])
        return word

    async def find(self, word: str) -> Session | None:
        """The session whose cookie holds `word`."""
        key, now_s = _hash(word), time.monotonic()
        seen = self._seen.get(key)
        if seen is not None and now_s - seen[0] < _FRESH_S:
            return seen[1]
        try:
            raw: Any = await self._redis.get(f"{self._prefix}session:{key}")
        except (RedisError, OSError):
            if seen is not None and now_s - seen[0] < _STALE_S:
                return seen[1]
            raise
        if raw is None:
            self._seen.pop(key, None)
            return None
        session = self._decode(raw)
        self._seen[key] = (now_s, session)
        self._seen.move_to_end(key)
        if len(self._seen) > _REMEMBERED:
            self._seen.popitem(last=False)
        return session

    async def end(self, word: str) -> None:
        """Nobody is signed in by `word` any more."""
        key = _hash(word)
        self._seen.pop(key, None)
        raw: Any = await self._redis.getdel(f"{self._prefix}session:{key}")
        if raw is not None:  # else it would take one of the places of its person, and end another one in its stead
            await self._redis.zrem(f"{self._prefix}sessions:{_hash(self._decode(raw).name)}", key)

    async def link(self, session: Session) -> str:
        """A code that signs somebody in as `session`, once, within `LINK_S`."""
        code = secrets.token_urlsafe(24)
        await self._redis.set(f"{self._prefix}link:{_hash(code)}", msgspec.json.encode(session), ex=LINK_S)
        return code

    async def waits(self, code: str) -> bool:
        """Whether `code` can still be used."""
        return bool(await self._redis.exists(f"{self._prefix}link:{_hash(code)}"))

    async def redeem(self, code: str) -> Session | None:
        """The session that `code` is for; from then on it is for nothing."""
        raw: Any = await self._redis.getdel(f"{self._prefix}link:{_hash(code)}")
        return None if raw is None else self._decode(raw)

    async def attempt(self, who: Iterable[str]) -> int:
        """One more try of each of `who` is counted; how many it were within the minute. Counted first: a hundred at once are a hundred."""
        pipe = self._redis.pipeline()
        for each in who:
            key = f"{self._prefix}tries:{_hash(each)}"
            pipe.set(key, 0, ex=TRIES_S, nx=True)
            pipe.incr(key)
        return max(int(n) for n in (await pipe.execute())[1::2])

    async def forgive(self, who: Iterable[str]) -> None:
        """The last try of each of `who` was a good one."""
        pipe = self._redis.pipeline()
        for each in who:
            key = f"{self._prefix}tries:{_hash(each)}"
            pipe.set(key, 0, ex=TRIES_S, nx=True)  # the minute may have ended: a number without an end would be there for ever
            pipe.decr(key)
        await pipe.execute()


def csrf_of(word: str) -> str:
    """What the page of the session `word` repeats in a header, which no other site can know or set."""
    return hmac.new(word.encode(), b"csrf", hashlib.sha256).hexdigest()[:32]


def _hash(word: str) -> str:
    return hashlib.sha256(word.encode()).hexdigest()
