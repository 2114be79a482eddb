"""Faust's consumer thread: our place in the group, the ends of the logs, and the offsets that Kafka is told.

It is a thread of its own so that heartbeats leave while the main loop is in a long step. Records are read elsewhere (`fetching`): here
every partition is paused for ever. Everything runs in the thread's own loop unless it says otherwise.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Coroutine, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeVar

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread
from faust.types import TP

from streams.shell.ports import Bounds

if TYPE_CHECKING:
    from streams.shell.engine import StreamsApp

__all__ = ["ConsumerThread"]

log = logging.getLogger(__name__)

T = TypeVar("T")

_COMMIT_S: Final = 2.0
#: After an offset that Kafka did not take, none is offered for so long: it is a hint, and a worker that shall stop has no time for it.
_COMMIT_REST_S: Final = 10.0
_RETRY_S: Final = 0.5


class ConsumerThread(AIOKafkaConsumerThread):
    """The consumer thread of the `kafka-batches` transport."""

    app: "StreamsApp"

    def __post_init__(self) -> None:
        super().__post_init__()
        self._commits_rest_until_s = 0.0

    # Called by Faust.

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        """Nothing is fetched here. Partitions get a position at once, so that nobody asks for a committed one."""
        consumer = self._ensure_consumer()
        for tp in assigned:
            consumer.seek(_aiokafka(tp), 0)
            consumer.pause(_aiokafka(tp))
        await super().on_partitions_assigned(assigned, generation_id)

    # Called in the main thread.

    async def bounds(self, tps: Sequence[TP]) -> dict[TP, Bounds]:
        """First and next offset of the logs. Waits until the brokers answer."""
        return await self._in_thread(self._bounds([_aiokafka(tp) for tp in tps]))

    async def commit(self, offsets: Mapping[TP, int]) -> bool:
        """Whether Kafka holds `offsets` now. They are a hint, so no failure matters: the next commit carries all that this one did."""
        if self.crashed or self.should_stop or time.monotonic() < self._commits_rest_until_s:
            return False
        try:
            async with asyncio.timeout(2 * _COMMIT_S):  # the thread may end right now and leave us without an answer
                return await self._in_thread(self._commit_hint(offsets))
        except TimeoutError:
            return False

    def _in_thread(self, job: Coroutine[Any, Any, T]) -> Awaitable[T]:
        """Faust's own queue into the thread has two workers, which slow brokers would block."""
        return asyncio.wrap_future(asyncio.run_coroutine_threadsafe(job, self.thread_loop))

    # The jobs.

    async def _bounds(self, tps: Sequence[TopicPartition]) -> dict[TP, Bounds]:
        consumer = self._ensure_consumer()
        waiting = False
        while True:
            try:
                starts = await consumer.beginning_offsets(tps)
                ends = await consumer.end_offsets(tps)
                return {TP(tp.topic, tp.partition): Bounds(starts[tp], ends[tp]) for tp in tps}
            except KafkaError as error:
                if not waiting:
                    log.warning("waiting for Kafka: the ends of the log are not known (%s)", type(error).__name__)
                waiting = True
            await asyncio.sleep(_RETRY_S)

    async def _commit_hint(self, offsets: Mapping[TP, int]) -> bool:
        consumer = self._ensure_consumer()
        assigned = consumer.assignment()
        try:
            async with asyncio.timeout(_COMMIT_S):
                await consumer.commit({_aiokafka(tp): offset for tp, offset in offsets.items() if tp in assigned})
        except (KafkaError, TimeoutError) as error:
            log.info("offsets not committed for now (%s)", type(error).__name__)
            self._commits_rest_until_s = time.monotonic() + _COMMIT_REST_S
            return False
        return True


def _aiokafka(tp: TP) -> TopicPartition:
    return TopicPartition(tp.topic, tp.partition)
