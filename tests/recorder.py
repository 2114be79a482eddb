"""A worker for the tests of the transport: lanes that do nothing but write down what they are given. Runs as `python -m tests.recorder
<json>`.

Each lane keeps its head as a file in `folder`, which all workers of a test share as they would share Redis. What happened is a line of JSON
in `<folder>/<worker>.log`: {"what": "batch"|"open"|"close"|"caught"|"paused"...}.
"""

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TextIO

import msgspec

from streams.shell.engine import StreamsApp, new_app
from streams.shell.fetching import FetchSettings
from streams.shell.hosting import Host, run
from streams.shell.source import KafkaSource
from streams.shell.table import UserTable
from streams.shell.transport import WallClock


class Settings(msgspec.Struct, kw_only=True):
    """What one worker is to do.

    reseek_after   batches after which a lane seeks back to where it began, once
    lose_after     batches after which a lane asks for an offset that the log does not hold
    crash_after    batches after which a lane raises
    close_raises   closing the lanes fails
    ignore_stop    lanes do not end when they are told to
    count_only     lanes count records and do nothing else; the worker ends after so many
    """

    folder: str
    worker: str
    app_id: str
    broker: str
    inputs: list[str]
    redis: str = ""
    instance: str | None = None
    session_s: float = 6.0
    fetch: FetchSettings = FetchSettings()
    reseek_after: int = 0
    lose_after: int = 0
    ignore_stop: bool = False
    close_raises: bool = False
    deaf: bool = False
    crash_after: int = 0
    stop_s: float = 10.0
    count_only: int = 0
    partitions: int = 4


class RecordingLane:
    def __init__(self, source: KafkaSource, settings: Settings, out: TextIO) -> None:
        self.source, self.settings, self.out = source, settings, out
        self.stopping = False
        self.batches = 0
        self.heard: set[str] = set()
        self.head = Path(settings.folder) / f"head-{source.partition}.json"

    def write(self, what: str, **fields: Any) -> None:
        line = {"what": what, "p": self.source.partition, "at": time.monotonic(), **fields}
        self.out.write(msgspec.json.encode(line).decode() + "\n")
        self.out.flush()

    async def run(self) -> None:
        bounds = await self.source.bounds({})
        start = msgspec.json.decode(self.head.read_bytes()) if self.head.exists() else dict.fromkeys(self.settings.inputs, 0)
        self.write("open", positions=start, bounds={topic: list(bound) for topic, bound in bounds.items()})
        epoch = await self.source.seek(start)
        self.write("seek", epoch=epoch)
        at = dict(start)
        while not self.stopping or self.settings.ignore_stop:
            for batch in self.source.take():
                self.batches += 1
                self.write(
                    "batch",
                    topic=batch.topic,
                    start=batch.start,
                    end=batch.end,
                    epoch=batch.epoch,
                    offsets=[record.offset for record in batch.records],
                    keys=[(record.key or b"").decode() for record in batch.records],
                )
                if batch.start != at[batch.topic]:
                    self.write("gap", topic=batch.topic, start=batch.start, expected=at[batch.topic])
                    epoch = await self.source.seek(at)
                    self.write("seek", epoch=epoch)
                    break
                at[batch.topic] = batch.end
                if self.batches == self.settings.reseek_after:
                    at = dict(start)
                    epoch = await self.source.seek(at)
                    self.write("seek", epoch=epoch)
                    break
                if self.batches == self.settings.lose_after:
                    await self.source.seek(dict.fromkeys(at, 1 << 40))
                    break
                if self.batches == self.settings.crash_after:
                    raise RuntimeError("planted\nin two lines")
            else:
                part = self.head.with_suffix(".part")
                part.write_bytes(msgspec.json.encode(at))
                part.rename(self.head)
                self.source.saved(at)
            for topic, caught in self.source.caught().items():
                if topic not in self.heard or caught.high_watermark:
                    self.heard.add(topic)
                    self.write("caught", topic=topic, hw=caught.high_watermark, sent_ms=caught.sent_ms)
            await self.source.wait(WallClock().now_ms() + 200)


class CountingLane(RecordingLane):
    """Takes records and nothing else: for measuring the empty path."""

    async def run(self) -> None:
        at = dict.fromkeys(self.settings.inputs, 0)
        await self.source.bounds({})
        await self.source.seek(at)
        while not self.stopping:
            for batch in self.source.take():
                at[batch.topic] = batch.end
                self.batches += len(batch.records)
            self.source.saved(at)
            await self.source.wait(WallClock().now_ms() + 200)


class RecordingLanes:
    def __init__(self, settings: Settings, host: Host) -> None:
        self.settings, self.host = settings, host
        self.out = (Path(settings.folder) / f"{settings.worker}.log").open("a")
        self.lanes: dict[int, tuple[RecordingLane, asyncio.Task[None]]] = {}

    def open(self, sources: Mapping[int, KafkaSource]) -> None:
        for number, source in sources.items():
            lane = (CountingLane if self.settings.count_only else RecordingLane)(source, self.settings, self.out)
            task = asyncio.create_task(lane.run())
            task.add_done_callback(self.ended)
            self.lanes[number] = lane, task

    def ended(self, task: "asyncio.Task[None]") -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self.host.fatal(error)

    async def close(self, partitions: Collection[int]) -> None:
        if self.settings.close_raises:
            raise RuntimeError("planted")
        leaving = [self.lanes.pop(number) for number in list(partitions)]
        try:
            for lane, _ in leaving:
                lane.stopping = True
            for lane, task in leaving:
                await asyncio.wait({task})
                lane.write("close")
        finally:
            for _, task in leaving:
                task.cancel()


@asynccontextmanager
async def worker(host: Host, settings: Settings) -> AsyncIterator[StreamsApp]:
    lanes = RecordingLanes(settings, host)
    app = new_app(
        settings.app_id,
        broker=settings.broker,
        store=settings.redis or "memory://",
        inputs=settings.inputs,
        lanes=lanes,
        fetch=settings.fetch,
        instance=settings.instance,
        session_s=settings.session_s,
        commit_interval_s=0.5,
    )
    if settings.redis:
        table = app.Table("users", partitions=settings.partitions)
        assert isinstance(table, UserTable)
    if settings.deaf:
        asyncio.get_running_loop().call_later(2, time.sleep, 3600)
    if settings.count_only:
        counting = asyncio.create_task(count(app, lanes, settings.count_only, host))
    yield app
    if settings.count_only:
        counting.cancel()


async def count(app: StreamsApp, lanes: RecordingLanes, limit: int, host: Host) -> None:
    while not (read := sum(lane.batches for lane, _ in lanes.lanes.values())):
        await asyncio.sleep(0.01)
    first, began_s, cpu_s = read, time.monotonic(), time.process_time()
    while (read := sum(lane.batches for lane, _ in lanes.lanes.values())) < limit:
        await asyncio.sleep(0.05)
    spent = time.process_time() - cpu_s
    rate = (read - first) / spent
    print(f"{read - first} records, {time.monotonic() - began_s:.2f} s, {spent:.2f} CPU-s: {rate:,.0f} records per CPU-second", flush=True)
    host.stop()


if __name__ == "__main__":
    chosen = msgspec.json.decode(sys.argv[1], type=Settings)
    sys.exit(run(lambda host: worker(host, chosen), stop_s=chosen.stop_s))
