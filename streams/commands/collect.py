"""`streams collect`: the collector, until it is told to stop."""

import asyncio
import ipaddress
import logging
import math
import os
import socket
from contextlib import closing
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING

from streams.commands.configured import configured, logged
from streams.commands.console import console
from streams.commands.serve import listen, url_of
from streams.errors import ConfigError

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

    from streams.collect.app import Collector
    from streams.settings import Settings

__all__ = ["collector_of", "installed", "run", "serve_collector"]

#: Requests under way get so much longer than one may wait for Kafka, when the collector is told to stop.
_GRACE_S = 2
#: Longer than the idle time of the trackers' connection pools, so that none sends into a connection that is about to close.
_KEEP_ALIVE_S = 75
#: Each holds half a megabyte at the worst.
_REQUESTS_AT_ONCE = 1000


def installed() -> bool:
    """Whether the packages of the extra `serve` are here, as far as the collector needs them."""
    return all(find_spec(name) is not None for name in ("uvicorn", "httptools", "crawleruseragents"))


def run(*, host: str, port: int, log_format: str | None = None) -> int:
    """0, once it was told to stop. Raises `ConfigError` for a missing extra, wrong keys, a port that is taken, or a Kafka that does
    not let us in."""
    if not installed():
        raise ConfigError("its packages are not installed: pip install 'streams[serve]'", file="collect")
    from streams.commands.listening import run_services
    from streams.shell.refusals import require_welcome
    from streams.telemetry.endpoint import endpoint

    logged(log_format)
    settings = configured()
    collector = collector_of(settings, host)
    # It says in words what it waits for; the client's own lines would only repeat it.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)

    async def watched(listener: socket.socket, stop: asyncio.Event) -> None:
        async with endpoint(settings.observe.metrics, collector.figures.registry, collector.ready):
            await serve_collector(collector, listener, stop)

    asyncio.run(require_welcome(settings.broker.split(","), settings.kafka.client()))
    with closing(listen(host, port)) as listener:
        console().print(url_of(host, listener.getsockname()[1]), soft_wrap=True)
        run_services(partial(watched, listener))
    return 0


def collector_of(settings: "Settings", host: str, registry: "CollectorRegistry | None" = None) -> "Collector":
    """The collector for a server that listens on `host`; its figures are in `registry`. Raises `ConfigError` for a wrong keys.yaml."""
    from streams.collect.app import Collector
    from streams.collect.figures import Figures
    from streams.collect.keys import keys_file
    from streams.telemetry.process import process_registry
    from streams.telemetry.tracing import traces_from

    traces = traces_from(os.environ, "streams-collector", settings.instance)
    file, loopback = keys_file(settings.folder, os.environ), _is_loopback(host)
    collector = Collector(settings, file, loopback=loopback, figures=Figures(registry or process_registry()), traces=traces)
    if collector.keyring.empty and not loopback:
        logging.getLogger(__name__).warning("no event is taken before there is a write key in %s", file.name)
    return collector


async def serve_collector(collector: "Collector", listener: socket.socket, stop: asyncio.Event) -> None:
    """The collector answers on `listener` until `stop` is set, and has answered what was under way. Raises `ConfigError`."""
    import uvicorn

    from streams.commands.listening import Quiet, answer_until

    config = uvicorn.Config(
        collector,
        http="httptools",
        ws="none",
        lifespan="off",
        log_level="warning",
        access_log=False,
        server_header=False,
        date_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=math.ceil(collector.answer_s) + _GRACE_S,
        timeout_keep_alive=_KEEP_ALIVE_S,
        limit_concurrency=_REQUESTS_AT_ONCE,
        log_config=None,  # its lines leave like ours
    )
    keeping = asyncio.create_task(collector.run())
    done = asyncio.Event()
    keeping.add_done_callback(lambda _: done.set())
    told = asyncio.create_task(stop.wait())
    told.add_done_callback(lambda _: done.set())
    try:
        await answer_until(Quiet(config), listener, done)
    finally:
        told.cancel()
        failed = keeping.done()
        keeping.cancel()
        ended = await asyncio.gather(keeping, return_exceptions=True)
    problem: object = ended[0]
    while isinstance(problem, BaseExceptionGroup):  # of the tasks that it runs
        problem = problem.exceptions[0]
    if failed and isinstance(problem, BaseException):
        raise problem


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
