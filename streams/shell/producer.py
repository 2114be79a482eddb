"""A Kafka producer that can be given up at once: aiokafka's `stop()` waits for deliveries, which a dead broker never lets happen."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

import msgspec
from aiokafka import AIOKafkaProducer
from aiokafka.producer.message_accumulator import BatchBuilder

from streams.core.record import Output
from streams.errors import ConfigError

__all__ = ["OutputBatch", "Pace", "Producer", "new_producer"]

#: How long a connection that is given up may take to close.
_CLOSE_S: Final = 2.0


class Pace(msgspec.Struct, frozen=True, kw_only=True):
    """How records travel, and for how long we put up with it.

    batch_bytes     most bytes of one batch; a broker takes 1,048,588 by default (message.max.bytes)
    at_once         publishes under way at once: each has at most about four full batches (one per topic), and all that wait for one broker
                    leave in one request, of which a broker takes 100 MiB (socket.request.max.bytes)
    linger_ms       how long the first record of a batch waits for more; lanes hand over whole steps, so 0
    compression     gzip, snappy, lz4 or zstd (with what aiokafka[all] brings), or None
    request_s       a request without an answer is sent again after so long
    patience_s      batches without an acknowledgement are taken back after so long, and given to a new producer
    refused_s       a broker may refuse for so long what it might accept later (a topic that it does not know yet) before we give up
    """

    batch_bytes: int = 1_000_000
    at_once: int = 24
    linger_ms: int = 0
    compression: str | None = None
    request_s: float = 10.0
    patience_s: float = 30.0
    refused_s: float = 60.0


class OutputBatch(BatchBuilder):  # type: ignore[misc]
    """A batch of outputs for `send_batch`, encoded."""

    def fill(self, outputs: Sequence[Output], at: int) -> int:
        """The outputs from the place `at` on are in the batch, as many as fit; returns the place of the next. The first one always fits.

        The same as `append` for each, at half its price.
        """
        append, start = self._builder.append, at
        while at < len(outputs):
            _, _, key, value, headers, timestamp_ms = outputs[at]
            listed = headers if type(headers) is list else list(headers)
            if append(at - start, timestamp_ms, key, value, listed) is None:
                break
            at += 1
        self._relative_offset = at - start
        self.close()
        return at


class Producer(AIOKafkaProducer):  # type: ignore[misc]
    """aiokafka's producer, with batches of any size and an end that does not wait."""

    def batch(self, limit_bytes: int) -> OutputBatch:
        """An empty batch for `send_batch`."""
        return OutputBatch(limit_bytes, self._message_accumulator._compression_type)

    async def abandon(self) -> None:
        """Nothing is sent any more and no connection is left; what was not acknowledged stays so, for ever."""
        self._closed = True
        sending = self._sender.sender_task
        if sending is not None:
            sending.cancel()
        with suppress(Exception):
            async with asyncio.timeout(_CLOSE_S):
                await self.client.close()
        # Its cancellation waits for requests under way, and those for news of a cluster that never come: a second one ends that, too.
        while sending is not None and not sending.done():
            sending.cancel()
            await asyncio.wait([sending], timeout=_CLOSE_S)


def new_producer(bootstrap: str, idempotence: bool, access: Mapping[str, Any], pace: Pace) -> Producer:
    """Not started yet. Raises `ConfigError` when aiokafka does not take the settings."""
    try:
        return Producer(
            bootstrap_servers=bootstrap,
            client_id="streams",
            enable_idempotence=idempotence,
            acks="all",
            max_batch_size=pace.batch_bytes,
            linger_ms=pace.linger_ms,
            compression_type=pace.compression,
            request_timeout_ms=int(pace.request_s * 1000),
            **access,
        )
    except (ValueError, RuntimeError, TypeError) as error:
        raise ConfigError(str(error), file="streams.yaml", path="kafka") from None
