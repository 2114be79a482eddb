"""The lanes of one worker: one task per assigned partition number, from its assignment to its revocation."""

import asyncio
import logging
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Generic, Protocol, TypeVar

__all__ = ["Runnable", "WorkerLanes"]

log = logging.getLogger(__name__)


class Runnable(Protocol):
    """What is asked of a lane here; `shell.lane.Lane` is one."""

    def stop(self) -> None: ...
    def drop(self) -> None: ...
    async def run(self) -> None: ...


S = TypeVar("S")
L = TypeVar("L", bound=Runnable)


class WorkerLanes(Generic[S, L]):
    """Starts a lane for each partition that comes, ends it when the partition goes. A lane that fails ends the process: a worker that
    looks
    alive and does nothing is the worst of all failures."""

    def __init__(self, build: Callable[[int, S], L], fatal: Callable[[BaseException], None]) -> None:
        self._build, self._fatal = build, fatal
        self._running: dict[int, tuple[L, asyncio.Task[None]]] = {}

    def open(self, sources: Mapping[int, S]) -> None:
        """A lane runs on each of `sources`."""
        for partition, source in sources.items():
            lane = self._build(partition, source)
            task = asyncio.get_running_loop().create_task(lane.run(), name=f"lane {partition}")
            task.add_done_callback(self._ended)
            self._running[partition] = (lane, task)

    async def close(self, partitions: Collection[int]) -> None:
        """The lanes of `partitions` have ended after the step they were in. Cancelled: they are left where they are, and fenced by
        whoever
        comes next."""
        leaving = [self._running.pop(p) for p in list(partitions) if p in self._running]
        for lane, _ in leaving:
            lane.stop()
        tasks = [task for _, task in leaving]
        try:
            if tasks:
                await asyncio.wait(tasks)
        finally:
            for task in tasks:
                task.cancel()

    def compare(self) -> None:
        """Every lane compares its head with the store's as soon as it can: the connection was lost, and the store may have gone back
        in time."""
        for lane in self.lanes():
            lane.drop()

    def lanes(self) -> Iterable[L]:
        """The lanes that are running."""
        return [lane for lane, _ in self._running.values()]

    def partitions(self) -> list[int]:
        """Their partition numbers."""
        return sorted(self._running)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self._fatal(error)
