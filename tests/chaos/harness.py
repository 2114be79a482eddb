"""One scenario's stage: topics, keys and configuration of its own, worker processes that can be killed, and the verdict at the end."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, Self

import redis.asyncio as aioredis
import yaml
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from streams.core.record import Head
from streams.settings import Settings, load
from streams.shell.heads import Keys
from streams.shell.status import read_heads
from streams.shell.topics import create_topics
from tests.check import HeadView, Report, Run, check
from tests.feed import Sender, Sent
from tests.logs import read_logs
from tests.scrape import Scrape, free_port, get

__all__ = ["ROOT", "Stage", "Worker", "until", "write_config"]

ROOT: Final = Path(__file__).resolve().parent.parent.parent
#: Only ends hangs: five times what the slowest wait takes on an idle machine.
DEADLINE_S: Final = 150.0

#: Fast enough for tests that last seconds: few partitions, a dead worker is noticed soon, silence too.
OVERRIDES: Final[dict[str, dict[str, Any]]] = {
    "topics.yaml": {"partitions": 4},
    "catalogue.yaml": {"counters": [{"id": 240, "name": "big_order", "event": "order_completed", "where": {"revenue": {"at_least": 20}}}]},
    # The verdict wants to see each alert, and reads users by the constants: lessons are learned, and never enough to be published.
    "risk.yaml": {"alerts": {"group_from": 0}, "learning": {"min_labels": 1_000_000}},
    "streams.yaml": {"worker": {"session_timeout_s": 6.0, "stop_timeout_s": 5.0, "timer_grace_s": 1.0, "max_batch_records": 1000}},
}


async def until(what: str, true: Any, *, deadline_s: float = DEADLINE_S, every_s: float = 0.05) -> float:
    """Waits for `true()` (may be a coroutine) to hold; how long that took. AssertionError at the deadline."""
    start_s = time.monotonic()
    while True:
        answer = true()
        if asyncio.iscoroutine(answer):
            answer = await answer
        took_s = time.monotonic() - start_s
        if answer:
            return took_s
        assert took_s < deadline_s, f"not in {deadline_s} s: {what}"
        await asyncio.sleep(every_s)


class Worker:
    """`python -m streams worker` as a process of its own; its log is a file."""

    def __init__(self, env: Mapping[str, str], log: Path) -> None:
        self._env, self.log = dict(env), log
        self._process: asyncio.subprocess.Process | None = None
        #: Where it answers /metrics, /health and /ready.
        self.url = f"http://127.0.0.1:{free_port()}"
        self._env["STREAMS_METRICS"] = self.url.removeprefix("http://")

    async def start(self, **env: str) -> Self:
        """The process runs. `env` adds switches for this life only (`STREAMS_CRASH_AT`, ...)."""
        with self.log.open("ab") as out:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "streams",
                "worker",
                cwd=ROOT,
                env={**os.environ, **self._env, **env},
                stdout=out,
                stderr=out,
                start_new_session=True,
            )
        return self

    @property
    def process(self) -> asyncio.subprocess.Process:
        assert self._process is not None, "not started"
        return self._process

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.returncode is None

    @property
    def stopped(self) -> bool:
        """Whether the process was stopped by SIGSTOP."""
        with suppress(OSError):
            return Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()[0] in "Tt"
        return False

    @property
    def rss_bytes(self) -> int:
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        return 0

    async def metrics(self) -> Scrape:
        """What it says of itself right now."""
        return Scrape((await get(f"{self.url}/metrics"))[1])

    async def ready(self) -> bool:
        """Whether it says that it is ready; False too while it does not answer."""
        with suppress(OSError):
            return (await get(f"{self.url}/ready"))[0] == 200
        return False

    async def fresh(self) -> bool:
        """Whether it is ready and no partition of it is two seconds behind."""
        return await self.ready() and (await self.metrics()).highest("streams_delay_seconds") < 2.0

    def signal(self, what: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            self.process.send_signal(what)

    async def kill(self) -> None:
        """Gone at once, as by a power cut."""
        if self.alive:
            self.signal(signal.SIGKILL)
            await self.process.wait()

    async def stop(self) -> int:
        """Asked to stop; its exit code."""
        self.signal(signal.SIGTERM)
        return await self.ended()

    async def ended(self, deadline_s: float = DEADLINE_S) -> int:
        """The exit code, once the process has ended by itself (a death by signal is negative)."""
        try:
            return await asyncio.wait_for(self.process.wait(), deadline_s)
        except TimeoutError:
            raise AssertionError(f"the worker did not end in {deadline_s} s:\n{self.tail()}") from None

    def text(self) -> str:
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def tail(self, characters: int = 3000) -> str:
        return self.text()[-characters:]


class Stage:
    """Topics, keys and configuration of one scenario, and the workers on it.

    `broker` and `redis_url` are what workers are told (perhaps proxies); `direct` and `direct_redis` is where feeder and oracle go.
    """

    def __init__(
        self,
        name: str,
        folder: Path,
        *,
        broker: str,
        redis_url: str,
        direct: str | None = None,
        direct_redis: str | None = None,
        overrides: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        self.name, self.folder = f"{name}-{os.getpid()}-{time.monotonic_ns() % 1_000_000}", folder / name
        self.broker, self.direct = broker, direct or broker
        self.redis_url, self.direct_redis = redis_url, direct_redis or redis_url
        self.config = self.folder / "config"
        self.workers: list[Worker] = []
        write_config(self.config, self.name, overrides or {})
        self.settings: Settings = load(self.config, {"STREAMS_BROKER": self.direct, "STREAMS_REDIS": self.direct_redis})
        self.rules = self.settings.rules

    async def __aenter__(self) -> Self:
        await create_topics(self.settings)
        await self._prepare_topics()
        return self

    async def _prepare_topics(self) -> None:
        """Every partition has a leader, and scores are not compacted: the checker reads every copy."""
        admin: Any = AIOKafkaAdminClient(bootstrap_servers=self.direct)
        await admin.start()
        try:
            names = [spec.name for spec in self.settings.topics.values()]

            async def led() -> bool:
                return all(part["leader"] >= 0 for topic in await admin.describe_topics(names) for part in topic["partitions"])

            await until("every partition has a leader", led)
            keep = {"cleanup.policy": "delete", "retention.ms": "-1"}
            await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, self.rules.topics.scores, keep)])
        finally:
            await admin.close()

    async def __aexit__(self, *_: object) -> None:
        for worker in self.workers:
            await worker.kill()

    def worker(self, number: int = 1) -> Worker:
        """Worker `number`: the same instance whenever it is started again."""
        env = {
            "STREAMS_BROKER": self.broker,
            "STREAMS_REDIS": self.redis_url,
            "STREAMS_CONFIG": str(self.config),
            "STREAMS_INSTANCE": f"w{number}",
        }
        worker = Worker(env, self.folder / f"worker-{number}.log")
        self.workers.append(worker)
        return worker

    async def feed(self, records: Sequence[Sent], per_s: float | None = None) -> int:
        """The broker holds `records`."""
        async with Sender(self.direct) as sender:
            return await sender.send(records, per_s=per_s)

    # -- where it stands ----------------------------------------------------------------------------------------------

    async def heads(self) -> dict[int, Head]:
        client: Any = aioredis.from_url(self.direct_redis)
        try:
            return {head.partition: head for head in await read_heads(client, self.rules.app_id, range(self.rules.partitions))}
        finally:
            await client.aclose()

    async def ends(self) -> dict[tuple[str, int], int]:
        consumer: Any = AIOKafkaConsumer(bootstrap_servers=self.direct, enable_auto_commit=False)
        await consumer.start()
        try:
            places = [TopicPartition(topic, p) for topic in self.rules.topics.inputs for p in range(self.rules.partitions)]
            return {(place.topic, place.partition): end for place, end in (await consumer.end_offsets(places)).items()}
        finally:
            await consumer.stop()

    async def caught_up(self, deadline_s: float = DEADLINE_S) -> float:
        """Every head is at the end of every log, rerouted records too, with no plan open; how long that took."""

        async def at_end() -> bool:
            self.assert_alive()
            try:
                heads = await self.heads()
            except (aioredis.RedisError, OSError):
                return False
            if len(heads) < self.rules.partitions or any(head.plan is not None for head in heads.values()):
                return False
            return all(heads[p].positions.get(topic) == end for (topic, p), end in (await self.ends()).items())

        return await until(f"{self.name} has caught up", at_end, deadline_s=deadline_s, every_s=0.2)

    def assert_alive(self) -> None:
        """A worker that ended by itself, when nobody asked it to, is a failure worth reading."""
        if self.workers and not any(worker.alive for worker in self.workers):
            raise AssertionError("every worker has ended:\n" + "\n".join(worker.tail() for worker in self.workers))

    # -- the verdict --------------------------------------------------------------------------------------------------

    async def stop(self) -> None:
        """Every worker has ended in order."""
        for worker in self.workers:
            if worker.alive:
                code = await worker.stop()
                assert code == 0, f"exit {code}:\n{worker.tail()}"

    async def result(self) -> Run:
        """What the stopped workers left behind."""
        topics = self.rules.topics
        logs = await read_logs(self.direct, (*topics.inputs, topics.scores, topics.alerts, topics.dead, topics.journal, topics.identity))
        client: Any = aioredis.from_url(self.direct_redis)
        try:
            rows, sums = {}, {}
            for p in range(self.rules.partitions):
                keys = Keys.of(self.rules.app_id, p)
                rows[p] = {key.decode(): row for key, row in (await client.hgetall(keys.users)).items()}
                names = [name.decode() for name in await client.hkeys(keys.sums) if name[:1] == b"d" and name[1:].isdigit()]
                sums[p] = {name: await _sums(client, keys.sums + b":" + name.encode()) for name in names}
        finally:
            await client.aclose()
        heads = {p: HeadView(head.rev, head.positions, head.fates, head.plan is not None) for p, head in (await self.heads()).items()}
        return Run(logs, heads, rows, sums)

    async def exact(self, *, rewound: bool = False) -> tuple[Run, Report]:
        """Caught up and stopped, nothing lost, doubled or wrong: what is left, and its figures. AssertionError with the differences."""
        await self.caught_up()
        await self.stop()
        left = await self.result()
        report = check(left, self.rules, rewound=rewound)
        assert report.ok, str(report)
        return left, report


async def _sums(client: Any, key: bytes) -> dict[str, int]:
    return {name.decode(): int(n) for name, n in (await client.hgetall(key)).items()}


def write_config(folder: Path, name: str, overrides: Mapping[str, Mapping[str, Any]]) -> None:
    """The shipped files, under names that begin with `name`, with what the scenario changes."""
    folder.mkdir(parents=True, exist_ok=True)
    for source in sorted((ROOT / "config").glob("*.yaml")):
        content = yaml.safe_load(source.read_text())
        if source.name == "streams.yaml":
            content["app_id"] = name
        if source.name == "topics.yaml":
            for spec in content["topics"].values():
                spec["name"] = f"{name}.{spec['name']}"
        for changes in (OVERRIDES, overrides):
            _merge(content, changes.get(source.name, {}))
        (folder / source.name).write_text(yaml.safe_dump(content))


def _merge(into: dict[str, Any], changes: Mapping[str, Any]) -> None:
    for name, value in changes.items():
        if isinstance(value, Mapping) and isinstance(into.get(name), dict):
            _merge(into[name], value)
        else:
            into[name] = value
