"""The Faust table of users: rows lie in Redis and are read through; they are written by plan and save only, together with the offsets they
stand for.

There is no changelog: Redis holds states and positions in one atomic write, which a changelog could only contradict. So no topic is needed
or created.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, NoReturn, cast

import faust
from faust.stores.base import Store
from faust.tables import TableManager
from faust.types import TP, EventT
from faust.types.tables import CollectionT
from redis import Redis

from streams.core.identity import ANONYMOUS, home_partition
from streams.shell.heads import Keys
from streams.shell.store import PartitionStore

__all__ = ["RedisStore", "Tables", "UserTable"]

_READ_S: Final = 5.0
_PAGE: Final = 1000
_READ_ONLY: Final = "this table is for reading: its rows are written by the step that counts their events, together with its offsets"


class RedisStore(Store[str, bytes]):
    """`faust.stores` entry point "redis". `partitions` is what lanes plan and save with; the mapping is what `table[...]` reads.

    The mapping blocks the loop for a round trip, as every store of Faust does: it is for agents that look a user up now and then, and for
    the shell.
    """

    def __post_init__(self) -> None:
        self._reader: Redis | None = None
        self.partitions: PartitionStore | None = None

    def open_partitions(self, *, on_reconnect: Callable[[], None] | None = None, timeout_s: float = _READ_S) -> PartitionStore:
        """The store of all partitions of this app; one per process, made as the first caller asks. See `PartitionStore`."""
        if self.partitions is None:
            self.partitions = PartitionStore(self.app.conf.id, str(self.url), on_reconnect=on_reconnect, timeout_s=timeout_s)
        return self.partitions

    async def on_stop(self) -> None:
        if self.partitions is not None:
            await self.partitions.close()
        if self._reader is not None:
            self._reader.close()
        await super().on_stop()

    # Reading.

    def __getitem__(self, key: str) -> bytes:
        raw_id = key.removeprefix(ANONYMOUS)
        state = self._redis().hget(self._users(home_partition(raw_id, self._count())), key)
        if state is None:
            raise KeyError(key)
        return cast(bytes, state)

    def __contains__(self, key: object) -> bool:
        try:
            self[cast(str, key)]
        except KeyError:
            return False
        return True

    def __iter__(self) -> Iterator[str]:
        """Keys of all users, in no order; some may come twice when users come and go meanwhile."""
        for partition in range(self._count()):
            for key, _ in self._redis().hscan_iter(self._users(partition), count=_PAGE):
                yield key.decode()

    def __len__(self) -> int:
        return sum(int(self._redis().hlen(self._users(partition))) for partition in range(self._count()))

    def __setitem__(self, key: str, value: bytes) -> NoReturn:
        raise TypeError(_READ_ONLY)

    def __delitem__(self, key: str) -> NoReturn:
        raise TypeError(_READ_ONLY)

    def clear(self) -> NoReturn:
        raise TypeError(_READ_ONLY)

    def __repr__(self) -> str:
        return f"<{self.label}>"

    @property
    def label(self) -> str:
        """Without the URL: it may hold a password, and Faust logs labels."""
        return f"{type(self).__name__}: {self.table_name}"

    # What Faust asks every store.

    def persisted_offset(self, tp: TP) -> None:
        return None

    async def need_active_standby_for(self, tp: TP) -> bool:
        return False

    def apply_changelog_batch(self, batch: Iterable[EventT[Any]], to_key: Callable[[Any], str], to_value: Callable[[Any], bytes]) -> None:
        raise TypeError("there is no changelog")

    def reset_state(self) -> None:
        """Nothing is kept here that could be out of date."""

    async def backup_partition(self, tp: TP | int, flush: bool = True, purge: bool = False, keep: int = 1) -> NoReturn:
        raise NotImplementedError("back up Redis instead: its snapshot holds states and offsets of one moment")

    def restore_backup(self, tp: TP | int, latest: bool = True, backup_id: int = 0) -> NoReturn:
        raise NotImplementedError("restore Redis instead; workers go on where its heads say")

    # Helpers.

    def _redis(self) -> Redis:
        if self._reader is None:
            self._reader = Redis.from_url(str(self.url), socket_timeout=_READ_S, socket_connect_timeout=_READ_S)
        return self._reader

    def _users(self, partition: int) -> bytes:
        return Keys.of(self.app.conf.id, partition).users

    def _count(self) -> int:
        return int(self.table.partitions or self.app.conf.topic_partitions)


class UserTable(faust.Table[str, bytes]):
    """User key -> encoded state. `app.Table("users", partitions=12)`; `table.store` is what lanes plan and save with."""

    @property
    def store(self) -> PartitionStore:
        """The store behind all partitions."""
        return cast(RedisStore, self.data).open_partitions()

    async def on_start(self) -> None:
        """The store runs. No changelog topic is declared."""
        await self.add_runtime_dependency(self.data)

    def on_key_set(self, key: str, value: bytes) -> NoReturn:
        raise TypeError(_READ_ONLY)

    def on_key_del(self, key: str) -> NoReturn:
        raise TypeError(_READ_ONLY)


class Tables(TableManager):
    """Faust's tables, of which a `UserTable` is one without a changelog to subscribe to, to recover from, or to assign."""

    def add(self, table: CollectionT) -> CollectionT:
        added = super().add(table)
        if isinstance(table, UserTable):
            del self._changelogs[table.changelog_topic.get_topic_name()]
            self._channels[table] = table.changelog_topic  # Faust subscribes to the changelogs of tables that have no channel yet
        return added
