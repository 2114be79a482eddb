"""A Kafka producer that can be given up at once: aiokafka's `stop()` waits for deliveries, which a dead broker never lets happen.

And its batches of outputs, which arrive encoded, and leave in one request per broker.
"""

import asyncio
import struct
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

import aiokafka.errors as kafka
import google_crc32c
import msgspec
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.producer.message_accumulator import BatchBuilder

from streams.core.record import Outgoing
from streams.core.recordbatch import HEADER_BYTES, Encoded, encode
from streams.errors import ConfigError
from streams.shell.frames import QuickProduceRequest

__all__ = ["OutputBatch", "Pace", "Place", "Producer", "new_producer"]

Place = tuple[str, int]
"""Topic and partition."""

#: How long a connection that is given up may take to close.
_CLOSE_S: Final = 2.0
#: Acknowledged by all replicas that are in sync.
_ALL: Final = -1

#: Header of a record batch (https://kafka.apache.org/documentation/#recordbatch): base offset, length of what follows, leader epoch, magic,
#: CRC of what follows, attributes, last offset delta, first and newest timestamp, producer id, its epoch, base sequence, records.
_HEADER: Final = struct.Struct(">qiibIhiqqqhii")
assert _HEADER.size == HEADER_BYTES
_LENGTH_END: Final = 12
_MAGIC: Final = 2
_CRC: Final = struct.Struct(">I")
_CRC_AT: Final = 17
_UNCOMPRESSED: Final = 0
#: Producer id and epoch of one who does not ask for idempotence.
_NOBODY: Final = (-1, -1)
#: Sequence numbers have 31 bits, and begin again.
_SEQUENCES: Final = 1 << 31


class Pace(msgspec.Struct, frozen=True, kw_only=True):
    """How records travel, and for how long we put up with it.

    batch_bytes     most bytes of one batch; a broker takes 1,048,588 by default (message.max.bytes)
    request_bytes   a request takes no further batch from here on; a broker takes 100 MiB (socket.request.max.bytes)
    linger_ms       how long the first record of a batch waits for more; lanes hand over whole steps, so 0
    request_s       a request without an answer is sent again after so long
    patience_s      a broker that has not answered for so long is looked for anew, by another producer
    refused_s       a broker may refuse for so long what it might accept later (a topic that it does not know yet) before we give up
    """

    batch_bytes: int = 1_000_000
    request_bytes: int = 32_000_000
    linger_ms: int = 0
    request_s: float = 10.0
    patience_s: float = 30.0
    refused_s: float = 60.0


class OutputBatch:
    """A batch of outputs, out of what is encoded already: the same bytes as aiokafka's builder makes. `count` records, `size` bytes."""

    __slots__ = ("_encoded", "_sealed", "count", "size")

    def __init__(self, limit_bytes: int, outputs: Sequence[Outgoing], at: int) -> None:
        """The outputs from the place `at` on are in the batch, as many as fit. The first one always fits."""
        self._encoded: Encoded = encode(outputs, at, limit_bytes, time.time_ns() // 1_000_000)
        self.count, self.size = self._encoded.count, len(self._encoded.text)
        self._sealed = False

    def sealed(self, producer_id: int, epoch: int, sequence: int) -> bytearray:
        """The batch as it travels. Who sends it is said the first time; after that it is the same batch again."""
        batch, text = self._encoded, self._encoded.text
        if not self._sealed:
            sender = (producer_id, epoch, sequence)
            length, count = len(text) - _LENGTH_END, batch.count
            _HEADER.pack_into(text, 0, 0, length, -1, _MAGIC, 0, 0, count - 1, batch.first_ms, batch.newest_ms, *sender, count)
            _CRC.pack_into(text, _CRC_AT, google_crc32c.value(bytes(memoryview(text)[_CRC_AT + _CRC.size :])))
            self._sealed = True
        return text


class Producer(AIOKafkaProducer):  # type: ignore[misc]
    """aiokafka's producer: its connections, metadata and producer id. It ends without waiting.

    The collector and replays send by its `send_batch`. A worker hands over whole requests: its lanes speak at once, many times a second,
    and what aiokafka does for each batch (two futures, three queues) would cost more than the batch.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._sequences: dict[Place, int] = {}

    def batch(self, limit_bytes: int) -> BatchBuilder:
        """An empty batch for `send_batch`."""
        return BatchBuilder(limit_bytes, _UNCOMPRESSED)

    def leader(self, place: Place) -> int | None:
        """The broker that leads `place`; None when nobody does, or nobody knows."""
        leader: int | None = self.client.cluster.leader_for_partition(TopicPartition(*place))
        return None if leader == -1 else leader

    async def look_up(self, places: Sequence[Place]) -> dict[Place, Exception]:
        """Asks who leads `places`. Returns why of some of them it is not known still."""
        for topic, _ in places:
            self.client.add_topic(topic)
        if not await self.client.force_metadata_update():
            raise kafka.KafkaConnectionError("no broker can be reached")
        cluster, missing = self.client.cluster, dict[Place, Exception]()
        for place in places:
            if self.leader(place) is None:
                topic, partition = place
                if topic in cluster.unauthorized_topics:
                    missing[place] = kafka.TopicAuthorizationFailedError(topic)
                elif partition not in (cluster.partitions_for_topic(topic) or ()):
                    missing[place] = kafka.UnknownTopicOrPartitionError()
                else:
                    missing[place] = kafka.LeaderNotAvailableError()
        return missing

    async def produce(self, leader: int, batches: Mapping[Place, OutputBatch]) -> dict[Place, Exception]:
        """One request. Returns which batches the broker did not take, and why; the others are acknowledged.

        One request per place at a time: sequence numbers count on it. Raises `KafkaError` or `OSError` when no answer came.
        """
        known, sequences = self._txn_manager, self._sequences
        ident, epoch = _NOBODY if known is None else (known.producer_id, known.producer_epoch)
        topics: dict[str, list[tuple[int, bytearray]]] = {}
        for place, batch in batches.items():
            sequence = 0 if known is None else sequences.get(place, 0)
            topics.setdefault(place[0], []).append((place[1], batch.sealed(ident, epoch, sequence)))
        request = QuickProduceRequest(None, _ALL, self._request_timeout_ms, list(topics.items()))
        response = await self.client.send(leader, request)
        codes = {(topic, answer[0]): answer[1] for topic, answers in response.topics for answer in answers}
        refused: dict[Place, Exception] = {}
        for place, batch in batches.items():
            error = kafka.for_code(codes.get(place, kafka.UnknownError.errno))
            if error is kafka.NoError or error is kafka.DuplicateSequenceNumber:  # it is there, from an attempt before
                sequences[place] = (sequences.get(place, 0) + batch.count) % _SEQUENCES
            else:
                refused[place] = error()
        return refused

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
