"""The Faust transport `kafka-batches://`: one event is one fetch, lanes say where to read, and the committed offset follows what
they saved.

Faust keeps what it is good at: the group, the assignment, agents, tables, start and stop. What it does per message and what it believes
about offsets is replaced here; `tests/unit/test_canaries.py` holds the version of each of its methods that this was written against.
"""

import asyncio
import itertools
import logging
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Protocol, cast

from faust.transport.drivers import aiokafka as driver
from faust.types import TP
from mode.utils.futures import notify

from streams.errors import ConfigError
from streams.shell.batches import Fetch
from streams.shell.fetching import LogReader
from streams.shell.groupthread import ConsumerThread
from streams.shell.ports import Bounds, Caught
from streams.shell.source import KafkaSource

if TYPE_CHECKING:
    from streams.shell.engine import StreamsApp

__all__ = ["Consumer", "Lanes", "Transport"]

log = logging.getLogger(__name__)

#: For the `finally` blocks of lanes that are abandoned.
_ABANDON_S: Final = 1.0


class Lanes(Protocol):
    """Whoever runs a lane per partition number. Called in the main loop."""

    def open(self, sources: Mapping[int, KafkaSource]) -> None:
        """These partitions are ours: a lane runs on each source. Returns at once (the group waits for it). Nothing is fetched for a lane
        before it has called `seek` on its source."""

    async def close(self, partitions: Collection[int]) -> None:
        """No lane of `partitions` runs any more; each has finished its step, whose `saved` still counts. Cancelled when it takes too long:
        then the lanes must be abandoned where they are (the head in the store fences them)."""


class WallClock:
    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000


class Consumer(driver.Consumer):
    """The main loop's side of the consumer; a `Feed` for the sources of all lanes."""

    app: "StreamsApp"
    _thread: ConsumerThread

    def __init__(self, *args: Any, **options: Any) -> None:
        self.sources: dict[int, KafkaSource] = {}
        self._saved: dict[TP, int] = {}
        self._epochs = itertools.count(1)
        super().__init__(*args, **options)
        conf = self.app.conf
        self._reader = LogReader(
            driver.server_list(self.transport.url, cast(Transport, self.transport).default_port),
            driver.credentials_to_aiokafka_auth(conf.broker_credentials, conf.ssl_context),
            self.app.fetch,
            self._on_caught,
        )

    def offer(self, fetch: Fetch) -> None:
        """Each batch is with the lane of its partition, if there is one. Never raises: the agent has nothing to decide."""
        for batch in fetch.batches:
            source = self.sources.get(batch.partition)
            if source is not None:
                source.offer(batch)

    # Partitions come and go.

    async def perform_seek(self) -> None:
        """Every assigned partition number has a lane. Where to read is not Kafka's committed offset: each lane seeks by itself when it
        knows."""
        assigned = self.assignment()
        topics = self.app.inputs
        numbers = {tp.partition for tp in assigned if tp.topic in topics}
        for number in numbers:
            missing = [topic for topic in topics if TP(topic, number) not in assigned]
            if missing:
                raise ConfigError(
                    f"{missing[0]} has no partition {number}: input topics need equal numbers of partitions", file="topics.yaml"
                )
        budget_bytes = self.app.fetch.budget_bytes
        opened = {n: KafkaSource(n, topics, self, WallClock(), budget_bytes=budget_bytes) for n in sorted(numbers - self.sources.keys())}
        self.sources.update(opened)
        self.app.lanes.open(opened)

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """The lanes of `revoked` have ended, Kafka knows what they saved, and nothing of theirs is committed from here on."""
        await self.close_lanes({tp.partition for tp in revoked})
        await self.force_commit()
        self._reader.forget(revoked)
        for tp in revoked:
            self._saved.pop(tp, None)
        await super().on_partitions_revoked(revoked)

    async def on_stop(self) -> None:
        """Nothing is read any more."""
        try:
            await super().on_stop()
        finally:
            await self._reader.close()

    async def close_lanes(self, partitions: Collection[int] | None = None) -> None:
        """The lanes of `partitions` (all of them when None) have ended, or `close_s` has passed."""
        leaving = {n: source for n, source in self.sources.items() if partitions is None or n in partitions}
        if not leaving:
            return
        closing = asyncio.ensure_future(self.app.lanes.close(leaving.keys()))
        await asyncio.sleep(0)  # the lanes have been told
        for source in leaving.values():
            source.wake()
        await asyncio.wait({closing}, timeout=self.app.fetch.close_s)
        if not closing.done():
            log.warning("lanes %s did not end in time; they are left to the fence", sorted(leaving))
            closing.cancel()
            await asyncio.wait({closing}, timeout=_ABANDON_S)
        elif (error := closing.exception()) is not None:
            await self.crash(error)  # raised from here, it would keep Faust from stopping the flow
        for number, source in leaving.items():
            source.close()
            self.sources.pop(number, None)

    # Records.

    async def _drain_messages(self, fetcher: Any) -> None:
        """Fetches flow to the agents until somebody stops. Faust's own loop starts four tasks per message, drops what lies below an offset
        it remembers, and counts gaps; batches carry their positions, so the lanes see for themselves."""
        try:
            while not (self.should_stop or fetcher.should_stop):
                if not self.flow_active:
                    await self.wait(self.can_resume_flow.wait())
                batches: Mapping[TP, Any] = await self._reader.batches()
                for tp, fetch in self.scheduler.iterate(batches):
                    await self.callback(self._to_message(tp, fetch))
        except self.consumer_stopped_errors:
            if not self.app.should_stop:
                raise

    def ack(self, message: Any) -> bool:
        """The message has been handed on. That says nothing about offsets: `saved` does."""
        first = not message.acked
        message.acked = True
        self._unacked_messages.discard(message)
        notify(self._waiting_for_ack)
        return first

    # Offsets.

    def _filter_committable_offsets(self, tps: Iterable[TP]) -> dict[TP, int]:
        """What the lanes have saved since the last commit. Backwards too: a store that was rolled back makes lag, and it should be seen."""
        return {tp: offset for tp, offset in self._saved.items() if self._committed_offset[tp] != offset}

    async def _commit(self, offsets: Mapping[TP, int]) -> bool:
        return await self._thread.commit(offsets)

    def verify_event_path(self, now: float, tp: TP) -> None:
        """Faust would complain of streams that are quiet. Whether lanes get on is watched by `stalled`."""

    def stalled(self, limit_s: float) -> str | None:
        """Which lane has had records (or no position) for longer than `limit_s` without saving anything; None when all get on."""
        now_ms = WallClock().now_ms()
        for number, source in self.sources.items():
            since_ms = source.waiting_since_ms
            if since_ms is not None and now_ms - since_ms > 1000 * limit_s:
                return f"lane {number} has not saved anything for {(now_ms - since_ms) // 1000} s, {source.size_bytes} bytes wait"
        return None

    def waiting_ms(self, now_ms: int) -> int:
        """How long records have waited in the lane that waits longest, without any being saved."""
        return max((now_ms - it.waiting_since_ms for it in self.sources.values() if it.waiting_since_ms is not None), default=0)

    @property
    def trouble(self) -> str | None:
        """What is waited for in order to read; None when the brokers answer."""
        return self._reader.trouble

    @property
    def waited_s(self) -> float:
        """How long that has been waited for since the start, all in all."""
        return self._reader.waited_s

    # The `Feed` of the sources.

    @property
    def caught(self) -> Mapping[TP, Caught]:
        return self._reader.caught

    async def bounds(self, tps: Sequence[TP]) -> Mapping[TP, Bounds]:
        return await self._thread.bounds(tps)

    def new_epoch(self) -> int:
        return next(self._epochs)

    def seek_to(self, positions: Mapping[TP, int], epoch: int) -> None:
        self._reader.seek(positions, epoch)

    def pause(self, tps: Iterable[TP]) -> None:
        self._reader.pause(tps)

    def resume(self, tps: Iterable[TP]) -> None:
        self._reader.resume(tps)

    def saved(self, positions: Mapping[TP, int]) -> None:
        self._saved.update(positions)

    # Helpers.

    def _new_consumer_thread(self) -> ConsumerThread:
        return ConsumerThread(self, loop=self.loop, beacon=self.beacon)

    def _on_caught(self, tp: TP) -> None:
        if tp.partition in self.sources:
            self.sources[tp.partition].wake()


class Transport(driver.Transport):
    """What `broker="kafka-batches://host:port"` means to Faust."""

    Consumer = Consumer
