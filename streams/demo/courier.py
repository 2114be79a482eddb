"""A part of the shop's live events takes the way that a real tracker takes: over HTTP, through the collector."""

import asyncio
import time
import zlib
from collections import deque
from collections.abc import Callable
from typing import Final

import aiohttp
import msgspec

from streams.sim.emission import Emission

__all__ = ["Courier"]

#: One shopper in so many has a browser that speaks to the collector; the others' events come as from another system.
_ONE_IN: Final = 5
_SLICE_S: Final = 0.1
#: As libraries do: no larger batches than this.
_BATCH: Final = 100
_ANSWER: Final = aiohttp.ClientTimeout(total=15)


class Courier:
    """Takes emissions and posts each when its time has come.

    url   where the collector is; "" while there is none
    """

    def __init__(self, url: Callable[[], str]) -> None:
        self._url = url
        self._waiting: deque[Emission] = deque()

    def takes(self, emission: Emission) -> bool:
        """Whether the emission goes this way: then it is in good hands. All events of one shopper do, so that they keep their order."""
        if not self._url() or emission.topic != "clickstream" or emission.headers or zlib.crc32(emission.key) % _ONE_IN:
            return False
        try:
            msgspec.json.decode(emission.value)  # a broken tracker's bytes would spoil the batch, and no library sends such
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return False
        self._waiting.append(emission)
        return True

    async def run(self) -> None:
        """Posts until it is cancelled, and then what is due yet."""
        async with aiohttp.ClientSession(timeout=_ANSWER) as client:
            try:
                while True:
                    await asyncio.sleep(_SLICE_S)
                    await self._post_due(client)
            finally:
                await self._post_due(client)

    async def _post_due(self, client: aiohttp.ClientSession) -> None:
        now_ms = time.time_ns() // 1_000_000
        while self._url() and self._waiting and self._waiting[0].at_ms <= now_ms:
            batch = [self._waiting.popleft() for _ in range(min(_BATCH, len(self._waiting)))]
            while batch[-1].at_ms > now_ms:
                self._waiting.appendleft(batch.pop())
            if not await self._posted(client, b'{"batch":[%b]}' % b",".join(emission.value for emission in batch)):
                self._waiting.extendleft(reversed(batch))
                return

    async def _posted(self, client: aiohttp.ClientSession, body: bytes) -> bool:
        """Whether Kafka has it all. The next slice tries again what it has not: every event has an id, so none counts twice."""
        try:
            async with client.post(f"{self._url()}v1/batch", data=body) as answer:
                return answer.status == 200
        except (aiohttp.ClientError, TimeoutError):
            return False
