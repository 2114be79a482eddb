"""An account, read from the store as it is this minute: for the command line and the API."""

from typing import Any, NamedTuple

from streams.core.account import Account, account_home, decode_account, row_of
from streams.core.rules import Rules
from streams.shell.heads import Keys, clock_of
from streams.shell.parameters import read_current

__all__ = ["StoredAccount", "read_account"]


class StoredAccount(NamedTuple):
    """a_ref: of the parameters in force; as_of_ms: what time it is for its partition (in a replay that of the events)."""

    account: Account
    a_ref: float
    as_of_ms: int


async def read_account(redis: Any, rules: Rules, ident: str, now_ms: int) -> StoredAccount | None:
    """The account `ident`; None when no member has told it anything."""
    home = account_home(ident, rules)
    place = Keys.of(rules.app_id, home)
    pipe = redis.pipeline(transaction=False)
    pipe.hget(place.users.decode(), row_of(ident))
    pipe.hmget(place.head.decode(), ["v", "body"])
    blob, (version, body) = await pipe.execute()
    if blob is None:
        return None
    parameters = await read_current(redis, rules)
    return StoredAccount(decode_account(bytes(blob)), parameters.a_ref, clock_of(home, version, body, now_ms))
