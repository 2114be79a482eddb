"""The Faust table of users reads what the store holds, and refuses to be written."""

from collections.abc import AsyncIterator

import pytest
from redis import Redis as Client

from streams.core.identity import home_partition
from streams.shell.engine import new_app
from streams.shell.heads import Keys
from streams.shell.store import PartitionStore
from streams.shell.table import RedisStore, UserTable
from tests.stack import Redis

pytestmark = pytest.mark.services

APP_ID = "table-test"


class NoLanes:
    def open(self, sources: object) -> None: ...
    async def close(self, partitions: object) -> None: ...


@pytest.fixture
async def table(redis: Redis) -> AsyncIterator[UserTable]:
    """A table of five partitions that holds Ada, Grace (by an anonymous id) and Zoë."""
    client = Client.from_url(redis.url)
    for key, raw_id, state in (("ada", "ada", b"\x01A"), ("anon:grace", "grace", b"\x01G"), ("zoë", "zoë", b"\x01Z")):
        client.hset(Keys.of(APP_ID, home_partition(raw_id, 5)).users, key, state)
    app = new_app(APP_ID, broker="127.0.0.1:1", store=redis.url, inputs=["a"], lanes=NoLanes())
    app.finalize()
    table = app.Table("users", partitions=5)
    assert isinstance(table, UserTable)
    yield table
    await table.data.stop()
    client.delete(*(Keys.of(APP_ID, p).users for p in range(5)))
    client.close()


async def test_rows_are_read_from_the_partition_where_the_user_lives(table: UserTable) -> None:
    assert (table["ada"], table["anon:grace"], table["zoë"]) == (b"\x01A", b"\x01G", b"\x01Z")
    assert "ada" in table
    assert table.get("grace") is None  # known by an anonymous id only
    with pytest.raises(KeyError):
        table["nobody"]


async def test_all_users_can_be_listed_and_counted(table: UserTable) -> None:
    assert sorted(table) == ["ada", "anon:grace", "zoë"]
    assert len(table) == 3


async def test_rows_cannot_be_written_past_the_step_that_counts_their_events(table: UserTable) -> None:
    with pytest.raises(TypeError, match="for reading"):
        table["ada"] = b"x"
    with pytest.raises(TypeError, match="for reading"):
        del table["ada"]
    with pytest.raises(TypeError, match="for reading"):
        table.clear()
    assert table["ada"] == b"\x01A"


async def test_lanes_get_the_store_behind_the_table(table: UserTable) -> None:
    """One store per process, for the same app and the same Redis."""
    store = table.store
    assert isinstance(store, PartitionStore)
    assert store is table.store
    assert await store.head(0) is None


async def test_the_table_has_no_changelog(table: UserTable) -> None:
    assert table.app.tables.changelog_topics == set()


async def test_what_faust_logs_of_the_store_holds_no_password(table: UserTable) -> None:
    store = RedisStore("redis://:secret@127.0.0.1:1", table.app, table)
    assert "secret" not in repr(store) + store.label
