"""Parcels on their way to Kafka: what the collector says of itself while they are, and afterwards."""

import asyncio
from typing import Any

from aiokafka.errors import NotLeaderForPartitionError

from streams.collect.delivery import Delivery, Parcel


class Batch:
    def append(self, **_: Any) -> object:
        return object()


class FakeProducer:
    """A connection to a broker that has every topic with two partitions; it is there once `reached`, and fails each batch when `broken`."""

    def __init__(self, reached: asyncio.Event, *, broken: bool) -> None:
        self._reached, self._broken, self.client = reached, broken, self

    async def start(self) -> None:
        await self._reached.wait()

    async def abandon(self) -> None: ...

    async def fetch_all_metadata(self) -> "FakeProducer":
        return self

    def partitions_for_topic(self, _: str) -> set[int]:
        return {0, 1}

    def batch(self, _: int) -> Batch:
        return Batch()

    async def send_batch(self, _: Batch, topic: str, *, partition: int) -> "asyncio.Future[None]":
        answer = asyncio.get_running_loop().create_future()
        if self._broken:
            answer.set_exception(NotLeaderForPartitionError())
        else:
            answer.set_result(None)
        return answer


async def test_a_batch_that_was_lost_is_no_trouble_once_kafka_is_reached_again() -> None:
    """Nothing may ever come for that partition again, and a balancer sends nothing to a collector that is not ready."""
    there, back = asyncio.Event(), asyncio.Event()
    there.set()
    producers = [FakeProducer(there, broken=True), FakeProducer(back, broken=False)]
    delivery = Delivery(
        lambda: producers.pop(0),  # type: ignore[arg-type,return-value]
        ("clicks",),
        2,
        batch_bytes=1000,
        buffer_bytes=1000,
        linger_s=0,
    )
    running = asyncio.create_task(delivery.run())
    try:
        async with asyncio.timeout(5):
            assert not await delivery.deliver([Parcel("clicks", 1, b"u1", b"{}", [])], 5)
            assert delivery.trouble == "waiting for Kafka: NotLeaderForPartitionError"
            back.set()
            while delivery.trouble:
                await asyncio.sleep(0)
            assert await delivery.deliver([Parcel("clicks", 0, b"u2", b"{}", [])], 5)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
