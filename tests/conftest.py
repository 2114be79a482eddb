"""What all tests share: one Kafka and one Redis per session, private ones on demand, and a loud word about what was not run.

Switches (environment):
    STREAMS_INTERPRETED=1        the core is imported from its .py files although a compiled one lies beside them (coverage)
    STREAMS_REQUIRE_SERVICES=1   a missing Java, Maven or Redis fails the tests that need it, instead of skipping them
"""

import os
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import SOURCE_SUFFIXES, FileFinder, ModuleSpec, SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, TypeVar

import hypothesis
import pytest


class _SourceOnly(MetaPathFinder):
    """Finds modules of `streams` by their source alone; a `.so` beside it is not seen."""

    def find_spec(self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        if not fullname.startswith("streams."):
            return None
        found = (FileFinder(folder, (SourceFileLoader, SOURCE_SUFFIXES)).find_spec(fullname) for folder in path or ())
        return next((spec for spec in found if spec is not None), None)


# No deadlines: how fast an example runs is the machine's affair. A failure prints the line that repeats it.
hypothesis.settings.register_profile("streams", deadline=None, print_blob=True)
# Interpreted and traced, an example costs tens of times as much, and the same properties have just held for the compiled core.
hypothesis.settings.register_profile("streams-traced", hypothesis.settings.get_profile("streams"), max_examples=25)
hypothesis.settings.load_profile("streams")

if os.environ.get("STREAMS_INTERPRETED") == "1":
    hypothesis.settings.load_profile("streams-traced")
    assert not any(name.startswith("streams.") for name in sys.modules), "streams was imported before the switch could act"
    sys.meta_path.insert(0, _SourceOnly())

from tests.proxy import Proxy  # noqa: E402  (after the switch)
from tests.stack import Kafka, NotRun, Redis, Server, Topics  # noqa: E402

if TYPE_CHECKING:
    from streams.settings import Settings
    from tests.collecting import Collected
    from tests.collecting import Topics as CollectedTopics

#: Servers that run now, for the logs of failed tests.
_running: list[Server] = []


S = TypeVar("S", bound=Server)


def _start(make: Callable[[], S]) -> S:
    """The server runs. Skips the test as NOT RUN when the machine lacks what it needs, or fails it where services are required."""
    try:
        server = make()
    except NotRun as why:
        if os.environ.get("STREAMS_REQUIRE_SERVICES") == "1":
            pytest.fail(f"services are required here (STREAMS_REQUIRE_SERVICES=1): {why}", pytrace=False)
        pytest.skip(f"NOT RUN: {why}")
    _running.append(server)
    return server.start()


def _end(server: Server) -> None:
    server.kill()
    _running.remove(server)


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kafka]:
    """The broker that all tests share: leave it running, and use `topics` for names of your own."""
    server = _start(lambda: Kafka(tmp_path_factory.mktemp("kafka")))
    yield server
    _end(server)


@pytest.fixture(scope="session")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Redis]:
    """The Redis that all tests share: leave it running and unflushed; an application id of your own keeps keys apart."""
    server = _start(lambda: Redis(tmp_path_factory.mktemp("redis")))
    yield server
    _end(server)


@pytest.fixture
def new_kafka(tmp_path: Path) -> Iterator[Callable[..., Kafka]]:
    """Starts a broker for this test alone, to be killed at will: `new_kafka(advertised_port=proxy.port)`."""
    mine: list[Kafka] = []

    def make(**options: object) -> Kafka:
        mine.append(_start(lambda: Kafka(tmp_path / f"kafka-{len(mine)}", **options)))  # type: ignore[arg-type]
        return mine[-1]

    yield make
    for server in mine:
        _end(server)


@pytest.fixture
def new_redis(tmp_path: Path) -> Iterator[Callable[..., Redis]]:
    """Starts a Redis for this test alone: `new_redis(settings={"maxmemory": "20mb"})`."""
    mine: list[Redis] = []

    def make(**options: object) -> Redis:
        mine.append(_start(lambda: Redis(tmp_path / f"redis-{len(mine)}", **options)))  # type: ignore[arg-type]
        return mine[-1]

    yield make
    for server in mine:
        _end(server)


@pytest.fixture
async def topics(kafka: Kafka, request: pytest.FixtureRequest) -> AsyncIterator[Topics]:
    """Topics of this test on the shared broker; gone when it ends."""
    mine = Topics(kafka.bootstrap, request.node.name)
    yield mine
    await mine.drop()


@pytest.fixture
async def collected(settings: "Settings", tmp_path: Path) -> AsyncIterator["Collected"]:
    """A collector on the topics of the `settings` that the module of the test has, with one key that may do everything."""
    from tests.collecting import collecting, keys

    async with collecting(settings, keys(tmp_path)) as mine:
        yield mine


@pytest.fixture
async def lying(settings: "Settings") -> AsyncIterator["CollectedTopics"]:
    """What lies on these topics since the test began."""
    from tests.collecting import reading

    async with reading(settings) as mine:
        yield mine


@pytest.fixture
async def proxy() -> AsyncIterator[Proxy]:
    """A proxy that leads nowhere yet: `proxy.retarget(port=redis.port)`."""
    async with Proxy() as mine:
        yield mine


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """A failed test shows the end of the log of each server that ran."""
    report = yield
    if report.failed:  # type: ignore[attr-defined]
        for server in _running:
            title = f"{type(server).__name__} on port {server.port}, end of its log"
            report.sections.append((title, server.tail()))  # type: ignore[attr-defined]
    return report


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> Iterator[None]:
    """Tests that lacked a server are named at the very end, by reason: a green run must not hide them."""
    yield
    reasons: dict[str, int] = {}
    for report in terminalreporter.stats.get("skipped", []):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        if "NOT RUN" in reason:
            reason = reason.removeprefix("Skipped: ").removeprefix("NOT RUN: ")
            reasons[reason] = reasons.get(reason, 0) + 1
    if reasons:
        terminalreporter.section("NOT RUN", sep="!", red=True, bold=True)
        for reason, tests in reasons.items():
            terminalreporter.write_line(f"{tests} tests NOT RUN: {reason}", red=True)
