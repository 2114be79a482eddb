"""Servers in one process: they answer until a signal, or until one of them fails; then all finish what is under way."""

import asyncio
import contextlib
import signal
import socket
from collections.abc import Awaitable, Callable, Iterator
from importlib.util import find_spec

import uvicorn

__all__ = ["Quiet", "Service", "answer_until", "run_services"]

Service = Callable[[asyncio.Event], Awaitable[None]]
"""Runs until the event is set, and ends in order then."""


class Quiet(uvicorn.Server):
    """Leaves the signals to whoever runs it: uvicorn would raise them again while another server still has requests under way."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def answer_until(server: uvicorn.Server, listener: socket.socket, stop: asyncio.Event) -> None:
    """`server` answers on `listener` until `stop` is set, and has answered what was under way."""
    answering = asyncio.create_task(server.serve(sockets=[listener]))
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait([answering, stopping], return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopping.cancel()
        server.should_exit = True
        await answering


def run_services(*services: Service) -> None:
    """All of them run until Ctrl-C, SIGTERM, or the end of one of them; a second signal does not wait. Raises what one of them raises."""
    loop_factory = None
    if find_spec("uvloop") is not None:
        import uvloop

        loop_factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(_together(services))


async def _together(services: tuple[Service, ...]) -> None:
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    signals = (signal.SIGINT, signal.SIGTERM)

    def told() -> None:
        stop.set()
        for name in signals:
            loop.remove_signal_handler(name)

    for name in signals:
        loop.add_signal_handler(name, told)
    running = [asyncio.ensure_future(service(stop)) for service in services]
    try:
        await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
    finally:
        stop.set()
        ended = await asyncio.gather(*running, return_exceptions=True)
    for problem in ended:
        if isinstance(problem, BaseException):
            raise problem
