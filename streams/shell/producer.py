"""A Kafka producer that can be given up at once: aiokafka's `stop()` waits for deliveries, which a dead broker never lets happen.

And its batches of outputs, which arrive encoded.
"""

import asyncio
import struct
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

import google_crc32c
import msgspec
from aiokafka import AIOKafkaProducer
from aiokafka.producer.message_accumulator import BatchBuilder

from streams.core.record import Outgoing
from streams.core.recordbatch import HEADER_BYTES, Encoded, encode
from streams.errors import ConfigError

__all__ = ["OutputBatch", "Pace", "Producer", "new_producer"]

#: How long a connection that is given up may take to close.
_CLOSE_S: Final = 2.0

#: Header of a record batch (https://kafka.apache.org/documentation/#recordbatch): base offset, length of what follows, leader epoch, magic,
#: CRC of what follows, attributes, last offset delta, first and newest timestamp, producer id, its epoch, base sequence, records.
_HEADER: Final = struct.Struct(">qiibIhiqqqhii")
assert _HEADER.size == HEADER_BYTES
_LENGTH_END: Final = 12
_MAGIC: Final = 2
_CRC: Final = struct.Struct(">I")
_CRC_AT: Final = 17
_UNCOMPRESSED: Final = 0
#: Producer id, epoch and sequence of one who does not ask for idempotence.
_NOBODY: Final = (-1, -1, 0)


class Pace(msgspec.Struct, frozen=True, kw_only=True):
    """How records travel, and for how long we put up with it.

    batch_bytes     most bytes of one batch; a broker takes 1,048,588 by default (message.max.bytes)
    at_once         publishes under way at once: each has at most about four full batches (one per topic), and all that wait for one broker
                    leave in one request, of which a broker takes 100 MiB (socket.request.max.bytes)
    linger_ms       how long the first record of a batch waits for more; lanes hand over whole steps, so 0
    request_s       a request without an answer is sent again after so long
    patience_s      batches without an acknowledgement are taken back after so long, and given to a new producer
    refused_s       a broker may refuse for so long what it might accept later (a topic that it does not know yet) before we give up
    """

    batch_bytes: int = 1_000_000
    at_once: int = 24
    linger_ms: int = 0
    request_s: float = 10.0
    patience_s: float = 30.0
    refused_s: float = 60.0


class OutputBatch(BatchBuilder):  # type: ignore[misc]
    """A batch of outputs for `send_batch`: the same bytes as `append` makes, out of what is encoded already."""

    def __init__(self, limit_bytes: int, outputs: Sequence[Outgoing], at: int) -> None:
        """The outputs from the place `at` on are in the batch, as many as fit. The first one always fits."""
        super().__init__(limit_bytes, _UNCOMPRESSED)
        self._encoded: Encoded = encode(outputs, at, limit_bytes, time.time_ns() // 1_000_000)
        self._relative_offset = self._encoded.count
        self._sender, self._sealed = _NOBODY, False
        self.close()

    def size(self) -> int:
        """Bytes of the batch."""
        return len(self._encoded.text)

    def _set_producer_state(self, producer_id: int, producer_epoch: int, base_sequence: int) -> None:
        assert not self._sealed
        self._sender = (producer_id, producer_epoch, base_sequence)

    def _build(self) -> bytearray:
        """The batch as it travels; asked for once, and for every attempt after that."""
        batch, text = self._encoded, self._encoded.text
        if not self._sealed:
            length, count = len(text) - _LENGTH_END, batch.count
            _HEADER.pack_into(text, 0, 0, length, -1, _MAGIC, 0, 0, count - 1, batch.first_ms, batch.newest_ms, *self._sender, count)
            _CRC.pack_into(text, _CRC_AT, google_crc32c.value(bytes(memoryview(text)[_CRC_AT + _CRC.size :])))
            self._sealed = True
        return text


class Producer(AIOKafkaProducer):  # type: ignore[misc]
    """aiokafka's producer, with batches of any size and an end that does not wait."""

    def batch(self, limit_bytes: int) -> BatchBuilder:
        """An empty batch for `send_batch`."""
        return BatchBuilder(limit_bytes, _UNCOMPRESSED)

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
            request_timeout_ms=int(pace.request_s * 1000),
            **access,
        )
    except (ValueError, RuntimeError, TypeError) as error:
        raise ConfigError(str(error), file="streams.yaml", path="kafka") from None
