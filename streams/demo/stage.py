"""What the demo runs on: servers of its own, the configuration that suits them, the topics, and one worker in a process of its own."""

import asyncio
import contextlib
import ctypes
import os
import shlex
import shutil
import signal
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

import yaml

import streams
from streams.demo.folder import own_folder
from streams.errors import StreamsError
from streams.settings import Settings, load
from streams.shell.embedded import Services, embedded
from streams.shell.topics import create_topics
from streams.sim.config import load_world

__all__ = ["INSTANCE", "Stage", "Worker", "spawn", "stage"]

INSTANCE: Final = "demo"
_PARTITIONS: Final = 4
#: As long as a state lives, so that nothing of 90 days of history is ever too old to be kept.
_RETENTION_DAYS: Final = 400
#: The embedded broker lets a group's first member wait for half of this.
_SESSION_TIMEOUT_S: Final = 6
_STOP_TIMEOUT_S: Final = 5
#: The embedded broker looks through its whole memory for each request: few large ones keep it going for hours, many small ones for minutes.
_FETCH_WAIT_MS: Final = 250
#: A worker finishes its step and says good-bye within `stop_timeout_s`; after that it is ended by force.
_GRACE_S: Final = 5.0
_PR_SET_PDEATHSIG: Final = 1


class Stage(NamedTuple):
    """The settings that everybody in the demo uses, the environment that gives them to another process, and a folder that will go."""

    settings: Settings
    env: Mapping[str, str]
    folder: Path


class WorkerEnded(StreamsError):
    """The worker ended by itself; its exit code is ours."""

    def __init__(self, code: int, said: str) -> None:
        self.exit_code = code if code > 0 else 1
        super().__init__(f"the worker ended (exit code {code}){': ' + said if said else ''}")


class Worker:
    """`streams worker` in a process of its own, which ends when this one does, however it ends."""

    def __init__(self, process: asyncio.subprocess.Process, log: Path) -> None:
        self._process, self._log = process, log

    @classmethod
    async def start(cls, env: Mapping[str, str], log: Path) -> "Worker":
        return cls(await spawn(env, log, "worker"), log)

    async def ended(self) -> None:
        """Waits for the worker to end by itself. Raises `WorkerEnded` then."""
        code = await self._process.wait()
        raise WorkerEnded(code, self.said())

    def said(self) -> str:
        """The last line of its log."""
        lines = self._log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return lines[-1].removeprefix("error: ") if lines else ""

    async def stop(self, timeout_s: float) -> int:
        """The worker has ended: by itself within `timeout_s`, or by force. Returns its exit code."""
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(timeout_s + _GRACE_S):
                return await self._process.wait()
        except TimeoutError:
            self.kill()
            return await self._process.wait()

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()


async def spawn(env: Mapping[str, str], log: Path, *arguments: str) -> asyncio.subprocess.Process:
    """`streams` with `arguments` runs, and ends when this process does, however it ends. What it says is in `log`."""
    with log.open("wb") as out:
        # A session of its own: Ctrl-C in the terminal is for the demo, which then stops what it started in order.
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "streams",
            *arguments,
            env=dict(env),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
            preexec_fn=_die_with_parent,
        )


@asynccontextmanager
async def stage() -> AsyncIterator[Stage]:
    """Servers and topics are there inside the block; nothing of them is left after it.

    The rules are those that the environment names (STREAMS_CONFIG), so the demo shows what an edited rule does.
    """
    base = load(None, os.environ)
    with own_folder("streams-demo-") as folder:
        async with embedded() as services:
            env = {**os.environ, **_places(services, _configuration(base.folder, folder / "config"))}
            settings = load(None, env)
            await create_topics(settings)
            _sourceable(folder / "env", env)
            yield Stage(settings, env, folder)


def _places(services: Services, folder: Path) -> dict[str, str]:
    return {
        "STREAMS_BROKER": services.broker,
        "STREAMS_REDIS": services.redis_url,
        "STREAMS_CONFIG": str(folder),
        "STREAMS_INSTANCE": INSTANCE,
        "STREAMS_KEYS": "",
        "STREAMS_REDIS_PASSWORD": "",
        "STREAMS_KAFKA_PASSWORD": "",
        # One port for two processes would keep the second from starting.
        "STREAMS_METRICS": "",
    }


def _configuration(rules: Path, folder: Path) -> Path:
    """The files of `rules`, those it lacks as shipped, with what the embedded servers need otherwise."""
    folder.mkdir()
    for source in (Path(streams.__file__).parent / "_config", rules):
        for file in source.glob("*.yaml"):
            shutil.copyfile(file, folder / file.name)
    # For this machine alone: nobody needs a key to try it.
    (folder / "keys.yaml").write_text("keys: []\n", encoding="utf-8")
    with _edited(folder / "streams.yaml") as content:
        # It has no idempotent producer, and nothing to log in to.
        content["kafka"] = {"idempotence": False}
        changed = {"session_timeout_s": _SESSION_TIMEOUT_S, "stop_timeout_s": _STOP_TIMEOUT_S, "fetch_max_wait_ms": _FETCH_WAIT_MS}
        content["worker"] = {**(content.get("worker") or {}), **changed}
    # Hours and days are those of the shop: by another clock its mornings would look like drops for weeks after the clocks have changed.
    with _edited(folder / "risk.yaml") as content:
        content["site"] = {**(content.get("site") or {}), "time_zone": load_world().time_zone}
    with _edited(folder / "topics.yaml") as content:
        content["partitions"], content["replication"] = _PARTITIONS, 1
        for spec in content["topics"].values():
            if "retention_days" in spec:
                spec["retention_days"] = _RETENTION_DAYS
    return folder


def _sourceable(file: Path, env: Mapping[str, str]) -> None:
    """A shell that reads `file` (`. file`) speaks to the demo: `streams explain`, `streams stats` and all the others."""
    names = ("STREAMS_BROKER", "STREAMS_REDIS", "STREAMS_CONFIG")
    file.write_text("".join(f"export {name}={shlex.quote(env[name])}\n" for name in names), encoding="utf-8")


@contextlib.contextmanager
def _edited(file: Path) -> Iterator[dict[str, Any]]:
    content = yaml.safe_load(file.read_text(encoding="utf-8"))
    yield content
    file.write_text(yaml.safe_dump(content, allow_unicode=True), encoding="utf-8")


def _die_with_parent() -> None:
    """The kernel ends this child when the demo is killed; elsewhere than on Linux nothing does."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
