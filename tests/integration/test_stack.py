"""The harness itself: what a broken server or a broken network test would blame on the engine must hold here first."""

import asyncio
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import redis.asyncio as redis_py
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from redis.exceptions import OutOfMemoryError

from tests.proxy import Proxy
from tests.server import ended
from tests.stack import Kafka, Redis, Topics, redis_binary

pytestmark = pytest.mark.services

ROOT = Path(__file__).resolve().parents[2]


@asynccontextmanager
async def producing(bootstrap: str) -> AsyncIterator[AIOKafkaProducer]:
    async with AIOKafkaProducer(bootstrap_servers=bootstrap, enable_idempotence=True) as producer:
        yield producer


async def read(bootstrap: str, topic: str, count: int) -> list[bytes]:
    """The first `count` values of partition 0."""
    async with AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False) as consumer:
        consumer.assign([TopicPartition(topic, 0)])
        await consumer.seek_to_beginning()
        return [(await consumer.getone()).value for _ in range(count)]


async def test_topics_have_their_partitions_and_configuration(kafka: Kafka, topics: Topics) -> None:
    """A topic is made as asked, under the test's own prefix, and carries an idempotent producer's records."""
    (name,) = await topics.create("events", partitions=5, config={"message.timestamp.type": "LogAppendTime"})
    async with producing(kafka.bootstrap) as producer:
        sent = await producer.send_and_wait(name, b"hello", partition=0, timestamp_ms=1)
        assert len(await producer.partitions_for(name)) == 5
    assert sent.timestamp_type == 1
    assert sent.timestamp > 1
    assert await read(kafka.bootstrap, name, 1) == [b"hello"]


async def test_two_tests_never_share_a_topic(kafka: Kafka) -> None:
    """Prefixes differ, even for one test name."""
    assert Topics(kafka.bootstrap, "same").name("a") != Topics(kafka.bootstrap, "same").name("a")


async def test_unknown_topics_are_not_created(kafka: Kafka) -> None:
    """auto.create.topics.enable is off: a misspelt name stays an error."""
    async with AIOKafkaConsumer(bootstrap_servers=kafka.bootstrap) as consumer:
        assert "misspelt" not in await consumer.topics()
        await consumer._client.force_metadata_update()
        assert "misspelt" not in await consumer.topics()


async def test_a_killed_broker_keeps_what_it_acknowledged(new_kafka: Callable[..., Kafka]) -> None:
    """After SIGKILL and a start on the same folder and port, old records are there and old clients go on."""
    kafka = new_kafka()
    topics = Topics(kafka.bootstrap)
    (name,) = await topics.create("events")
    async with producing(kafka.bootstrap) as producer:
        await producer.send_and_wait(name, b"before", partition=0)
        kafka.kill(signal.SIGKILL)
        assert not kafka.alive
        await kafka.started()
        await producer.send_and_wait(name, b"after", partition=0)
    assert await read(kafka.bootstrap, name, 2) == [b"before", b"after"]


async def test_all_client_traffic_takes_the_proxy_and_observers_do_not(new_kafka: Callable[..., Kafka], proxy: Proxy) -> None:
    """`advertised_port` leads every client through the proxy; `direct` still sees the broker while the proxy is cut."""
    kafka = await asyncio.to_thread(new_kafka, advertised_port=proxy.port)
    proxy.retarget(port=kafka.port)
    (name,) = await Topics(kafka.direct).create("events")
    async with producing(kafka.bootstrap) as through:
        await through.send_and_wait(name, b"1", partition=0)
        proxy.cut()
        held = await through.send(name, b"2", partition=0)
        assert await read(kafka.direct, name, 1) == [b"1"]
        assert not held.done()
        proxy.restore()
        await held
    assert await read(kafka.direct, name, 2) == [b"1", b"2"]
    assert proxy.accepted >= 2


async def test_redis_never_evicts_and_survives_a_kill(new_redis: Callable[..., Redis]) -> None:
    """What was written and flushed before SIGKILL is there after a start on the same folder and port."""
    server = new_redis(settings={"appendfsync": "always"})
    async with redis_py.from_url(server.url) as client:
        assert (await client.config_get("maxmemory-policy"))["maxmemory-policy"] == "noeviction"
        await client.set("a", 1)
        server.kill()
        await server.started()
        await client.connection_pool.disconnect()
        assert await client.get("a") == b"1"


async def test_full_redis_refuses_and_takes_again(new_redis: Callable[..., Redis]) -> None:
    """`config_set` moves the memory bound of a running server."""
    server = new_redis()
    async with redis_py.from_url(server.url) as client:
        server.config_set("maxmemory", 1)
        with pytest.raises(OutOfMemoryError):
            await client.set("a", 1)
        server.config_set("maxmemory", 0)
        assert await client.set("a", 1)


async def test_a_replica_has_the_data_and_can_be_promoted(new_redis: Callable[..., Redis], proxy: Proxy) -> None:
    """Failover: the replica follows through a proxy, is promoted, and clients are led to it."""
    first, second = new_redis(), new_redis()
    async with redis_py.from_url(f"redis://127.0.0.1:{proxy.port}/0", retry=None) as client:
        proxy.retarget(port=first.port)
        await client.set("a", 1)
        second.replica(first)
        first.kill()
        second.replica(None)
        proxy.retarget(port=second.port)
        await client.connection_pool.disconnect()
        assert await client.get("a") == b"1"
        assert await client.set("b", 2)


@pytest.mark.long
async def test_a_cluster_of_three_goes_on_without_its_leader(tmp_path: Path) -> None:
    """What three nodes acknowledged is there, and writes go on, after the leader of its partition was killed."""
    nodes = Kafka.cluster(tmp_path)
    try:
        for node in nodes:
            node.spawn()
        for node in nodes:
            await asyncio.to_thread(node.wait)
        everyone = [node.bootstrap for node in nodes]
        topics = Topics(nodes[0].bootstrap)
        (name,) = await topics.create("events", replication=3)
        async with producing(",".join(everyone)) as producer:
            await producer.send_and_wait(name, b"before", partition=0)
            leader = producer.client.cluster.leader_for_partition(TopicPartition(name, 0))
            nodes[leader - 1].kill()
            await producer.send_and_wait(name, b"after", partition=0)
        alive = next(node for node in nodes if node.alive)
        assert await read(alive.bootstrap, name, 2) == [b"before", b"after"]
    finally:
        for node in nodes:
            node.kill()


@pytest.mark.parametrize("hard", [False, True], ids=["exit", "killed"])
def test_servers_die_with_the_process_that_started_them(tmp_path: Path, hard: bool) -> None:
    """A test run that ends in the middle, even by SIGKILL, leaves no server behind."""
    redis_binary()
    program = f"""
import sys; from pathlib import Path; from tests.stack import Redis
server = Redis(Path({str(tmp_path)!r})).start(); print(server.pid, flush=True); sys.stdin.read()
"""
    child = subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert child.stdin is not None
    assert child.stdout is not None
    with child.stdin, child.stdout:
        server = int(child.stdout.readline())
        if hard:
            child.kill()
        else:
            child.stdin.close()
        child.wait()
    assert ended(server)
