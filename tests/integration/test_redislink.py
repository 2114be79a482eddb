"""What the store does when Redis is full, away, another one, silent, or forgetful."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing, suppress

import pytest
import redis as redis_py

from streams.core.record import Head, Increments
from streams.errors import ConfigError, MissingHistory, ReplyLost, StreamsError, UnknownStateVersion
from streams.shell.heads import Keys
from streams.shell.store import PartitionStore
from tests.ear import Ear, listening
from tests.integration.test_store import P, first_head, outcome, plan_of, saved, states, sums_of
from tests.proxy import Proxy
from tests.stack import Redis

pytestmark = pytest.mark.services


@pytest.fixture
async def ear() -> AsyncIterator[Ear]:
    with listening("streams.shell.redislink") as ear:
        yield ear


@pytest.fixture
def reconnects() -> list[str]:
    """One entry per call of `on_reconnect`."""
    return []


@pytest.fixture
async def open_store(reconnects: list[str]) -> AsyncIterator[Callable[..., PartitionStore]]:
    opened: list[PartitionStore] = []

    def make(url: str, app_id: str = "", timeout_s: float = 30.0) -> PartitionStore:
        name = app_id or f"test-{uuid.uuid4().hex[:12]}"
        opened.append(PartitionStore(name, url, timeout_s=timeout_s, on_reconnect=lambda: reconnects.append("again")))
        return opened[-1]

    yield make
    for store in opened:
        await store.close()


@pytest.fixture
def admin(redis: Redis) -> Iterator[redis_py.Redis]:
    with closing(redis_py.Redis.from_url(redis.url)) as client:
        yield client


# -- waited out ----------------------------------------------------------------------------------------------------


async def test_a_full_redis_is_waited_for_and_nothing_of_a_save_is_done_meanwhile(
    new_redis: Callable[..., Redis], open_store: Callable[..., PartitionStore], ear: Ear
) -> None:
    server = new_redis()
    store = open_store(server.url)
    head = await store.create(first_head())
    head = await saved(store, head, outcome({"ann": b"1", "bob": b"1"}, {"ann": 1}))
    plan = plan_of(head)
    await store.plan(head, plan, [])
    server.config_set("maxmemory", 1)
    sums = (Increments("d1", {"orders": 1}, 60, 100),)

    saving = asyncio.create_task(store.save(head, plan, outcome({"ann": None, "bob": b"2"}, {"ann": None}, sums=sums)))
    await ear.hears("waiting for Redis: OOM")
    assert _trouble(store) == "waiting for Redis: OOM command not allowed when used memory > 'maxmemory'"
    assert await store.head(P) == first_head(**{**_fields(head), "plan": plan})
    assert await sums_of(store, "d1") == {}
    assert _trouble(store), "a read that is answered does not end the trouble of a write"

    server.config_set("maxmemory", 0)
    after = await saving
    assert _trouble(store) is None
    assert await states(store, after, "ann", "bob") == {"ann": None, "bob": b"2"}
    assert await sums_of(store, "d1") == {"orders": 1}
    assert ear.said == ["waiting for Redis: OOM command not allowed when used memory > 'maxmemory'", "Redis is back"]


async def test_a_killed_redis_is_waited_for_and_holds_what_it_had(
    new_redis: Callable[..., Redis], open_store: Callable[..., PartitionStore], ear: Ear, reconnects: list[str]
) -> None:
    server = new_redis(settings={"appendfsync": "always"})
    store = open_store(server.url)
    head = await saved(store, await store.create(first_head()), outcome({"ann": b"1"}, {"ann": 9}))
    await asyncio.to_thread(server.kill)  # the loop stays free, and sees the end of the connection

    asking = asyncio.create_task(store.head(P))
    await ear.hears("waiting for Redis: ")
    assert reconnects == []
    await server.started()

    assert await asking == head
    assert reconnects == ["again"]
    assert ear.said[-1] == "Redis is back"


async def test_a_redis_that_loads_its_file_is_waited_for(
    new_redis: Callable[..., Redis], open_store: Callable[..., PartitionStore], ear: Ear
) -> None:
    # 4,000 commands at 500 us each are two seconds of loading.
    server = new_redis(settings={"appendfsync": "always", "aof-use-rdb-preamble": "no", "key-load-delay": 500})
    store = open_store(server.url)
    head = await store.create(first_head())
    with closing(redis_py.Redis.from_url(server.url)) as client, client.pipeline(transaction=False) as many:
        for n in range(4000):
            many.set(f"filler-{n}", n)
        many.execute()
    await asyncio.to_thread(server.kill)
    server.spawn()

    asking = asyncio.create_task(store.head(P))
    await ear.hears("waiting for Redis: LOADING")
    assert await asking == head


async def test_a_replica_is_waited_for_until_it_is_promoted(
    new_redis: Callable[..., Redis], open_store: Callable[..., PartitionStore], ear: Ear
) -> None:
    master, replica = new_redis(), new_redis()
    head = await open_store(master.url, "shop").create(first_head())
    await asyncio.to_thread(replica.replica, master)
    store = open_store(replica.url, "shop")

    planning = asyncio.create_task(store.plan(head, plan_of(head), ["ann"]))
    await ear.hears("waiting for Redis: READONLY")
    replica.replica(None)

    assert dict((await planning).users) == {"ann": None}


async def test_a_redis_with_too_many_clients_is_waited_for(
    new_redis: Callable[..., Redis], open_store: Callable[..., PartitionStore], ear: Ear
) -> None:
    server = new_redis()
    with closing(redis_py.Redis(port=server.port, single_connection_client=True)) as client:
        client.config_set("maxclients", 1)
        asking = asyncio.create_task(open_store(server.url).head(P))
        await ear.hears("waiting for Redis: ")
        client.config_set("maxclients", 100)
        assert await asking is None


async def test_a_wait_ends_when_its_task_is_cancelled(open_store: Callable[..., PartitionStore], proxy: Proxy, ear: Ear) -> None:
    proxy.cut()
    store = open_store(f"redis://127.0.0.1:{proxy.port}")
    asking = asyncio.create_task(store.head(P))
    await ear.hears("waiting for Redis: ")
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert _trouble(store) is None
    assert "Redis is back" not in ear.said


# -- lost replies --------------------------------------------------------------------------------------------------


async def test_a_silent_network_is_a_lost_reply_and_the_next_call_gets_a_connection_of_its_own(
    redis: Redis, open_store: Callable[..., PartitionStore], proxy: Proxy, reconnects: list[str]
) -> None:
    proxy.retarget(port=redis.port)
    store = open_store(f"redis://127.0.0.1:{proxy.port}", timeout_s=0.5)
    head = await store.create(first_head())
    plan = plan_of(head)
    await store.plan(head, plan, [])
    proxy.blackhole()

    with pytest.raises(ReplyLost, match="save"):
        await store.save(head, plan, outcome({"ann": b"x" * 3_000_000}))

    proxy.restore()
    seen = await store.head(P)
    assert seen is not None
    assert (seen.owner, seen.rev) in {("a", 0), ("a", 1)}, "it was done, or it was not"
    assert reconnects == ["again"]


@asynccontextmanager
async def hangs_up_on(word: bytes) -> AsyncIterator[int]:
    """The port of a server that says OK to everything and closes the connection as soon as it has read `word`."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while (chunk := await reader.read(65_536)) and word not in chunk:
                writer.write(b"+OK\r\n" * chunk.count(b"\r\n*") + b"+OK\r\n")
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def test_a_connection_that_breaks_after_the_request_is_a_lost_reply(open_store: Callable[..., PartitionStore]) -> None:
    async with hangs_up_on(b"EVALSHA") as port:
        store = open_store(f"redis://127.0.0.1:{port}")
        with pytest.raises(ReplyLost, match="look"):
            await store.head(P)


async def test_a_connection_that_broke_while_idle_is_not_a_lost_reply(
    redis: Redis, open_store: Callable[..., PartitionStore], admin: redis_py.Redis, reconnects: list[str]
) -> None:
    store = open_store(f"{redis.url}?client_name=idle-one")
    head = await store.create(first_head())
    [mine] = [client for client in admin.client_list() if client["name"] == "idle-one"]
    await asyncio.to_thread(admin.client_kill, mine["addr"])  # the loop stays free, and sees the end of the connection

    loaded = await store.plan(head, plan_of(head), ["ann"])

    assert dict(loaded.users) == {"ann": None}
    assert reconnects == ["again"]


async def test_a_cancelled_call_leaves_no_reply_behind_for_the_next_one(
    redis: Redis, open_store: Callable[..., PartitionStore], proxy: Proxy
) -> None:
    proxy.retarget(port=redis.port)
    store = open_store(f"redis://127.0.0.1:{proxy.port}")
    await store.create(first_head())
    await store.create(first_head(partition=4))
    proxy.blackhole()
    first = asyncio.create_task(store.head(P))
    second = asyncio.create_task(store.head(P))
    await asyncio.wait([first, second], timeout=0)
    first.cancel()
    second.cancel()
    await asyncio.wait([first, second])
    proxy.restore()
    assert await store.head(4) == first_head(partition=4)


# -- forgetful, foreign, broken ------------------------------------------------------------------------------------


async def test_scripts_are_loaded_again_when_redis_forgot_them(
    redis: Redis, open_store: Callable[..., PartitionStore], admin: redis_py.Redis, ear: Ear
) -> None:
    store = open_store(redis.url)
    head = await store.create(first_head())
    admin.script_flush()
    head = await saved(store, head, outcome({"ann": b"1"}))
    assert await states(store, head, "ann") == {"ann": b"1"}
    assert ear.said == []


async def test_many_lanes_ask_at_once(redis: Redis, open_store: Callable[..., PartitionStore]) -> None:
    store = open_store(redis.url)
    made = [first_head(partition=n, rev=n) for n in range(24)]
    await asyncio.gather(*(store.create(head) for head in made))
    assert await asyncio.gather(*(store.head(n) for n in range(24))) == made


async def test_a_head_of_a_newer_release_is_left_alone(
    redis: Redis, open_store: Callable[..., PartitionStore], admin: redis_py.Redis
) -> None:
    store = open_store(redis.url, app := f"test-{uuid.uuid4().hex}")
    await store.create(first_head())
    admin.hset(Keys.of(app, P).head, "v", 2)
    with pytest.raises(UnknownStateVersion, match="partition 3 has version 2; this release reads up to version 1"):
        await store.open(P, "b")
    assert admin.hget(Keys.of(app, P).head, "owner") == b"a"


async def test_a_plan_that_another_release_wrote_is_said_again_to_the_byte(
    redis: Redis, open_store: Callable[..., PartitionStore], admin: redis_py.Redis
) -> None:
    store = open_store(redis.url, app := f"test-{uuid.uuid4().hex}")
    head = await store.create(first_head())
    await store.plan(head, plan_of(head), [])
    key = Keys.of(app, P).head
    ours: bytes = admin.hget(key, "plan")  # type: ignore[assignment]
    admin.hset(key, "plan", ours.replace(b'"rev":0', b'"new_field":1,"rev":0'))

    found = await store.open(P, "b")
    assert found is not None
    assert found.plan == plan_of(head)
    await store.plan(found, found.plan, [])
    assert (await store.save(found, found.plan, outcome({}))).rev == 1


async def test_users_without_a_head_are_not_counted_onto(
    redis: Redis, open_store: Callable[..., PartitionStore], admin: redis_py.Redis
) -> None:
    store = open_store(redis.url, app := f"test-{uuid.uuid4().hex}")
    await saved(store, await store.create(first_head()), outcome({"ann": b"1"}))
    admin.delete(Keys.of(app, P).head)
    with pytest.raises(MissingHistory, match="holds users but no head"):
        await store.create(first_head())


async def test_a_wrong_password_is_a_wrong_configuration(
    new_redis: Callable[..., Redis], open_store: Callable[..., PartitionStore]
) -> None:
    server = new_redis()
    server.config_set("requirepass", "s3cret")
    with pytest.raises(ConfigError, match="STREAMS_REDIS: Redis does not let us in") as raised:
        await open_store(f"redis://:wr0ng@127.0.0.1:{server.port}").head(P)
    assert "wr0ng" not in str(raised.value)
    with pytest.raises(ConfigError, match="STREAMS_REDIS: Redis does not let us in"):
        await open_store(f"redis://127.0.0.1:{server.port}").head(P)
    assert await open_store(f"redis://:s3cret@127.0.0.1:{server.port}").head(P) is None


async def test_a_wrong_url_is_a_wrong_configuration(open_store: Callable[..., PartitionStore]) -> None:
    with pytest.raises(ConfigError, match="STREAMS_REDIS"):
        open_store("http://127.0.0.1")


async def test_a_refusal_that_means_nothing_to_us_ends_the_call(
    redis: Redis, open_store: Callable[..., PartitionStore], admin: redis_py.Redis
) -> None:
    store = open_store(redis.url, app := f"test-{uuid.uuid4().hex}")
    admin.set(Keys.of(app, P).head, "not a hash")
    with pytest.raises(StreamsError, match="WRONGTYPE"):
        await store.head(P)


def _fields(head: Head) -> dict[str, object]:
    return {name: getattr(head, name) for name in head.__struct_fields__}


def _trouble(store: PartitionStore) -> str | None:
    """Asked anew: a type checker would think that it never changes."""
    return store.trouble
