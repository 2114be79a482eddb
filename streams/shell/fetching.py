"""Reads logs: one request per broker at a time, from where its owner says, and knows how far every log went when it was asked.

aiokafka's connections, metadata and record formats are used; its fetching is not. That serves callers who take record by record of
whatever has come: a queue, a position and two looks at each of them per partition, fifty times a second, in a thread of its own, which is a
sixth of what a worker costs at a steady rate. Everything here runs in the main loop.
"""

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

import aiokafka.errors as kafka
import msgspec
from aiokafka import TopicPartition
from aiokafka.client import AIOKafkaClient
from aiokafka.consumer.fetcher import READ_UNCOMMITTED
from aiokafka.record import MemoryRecords

from streams.errors import ConfigError, StreamsError
from streams.shell.fetched import LOST, LogRecords, RecordBatch
from streams.shell.fetchsession import FetchSession
from streams.shell.frames import QuickFetchRequest
from streams.shell.pauses import Pauses
from streams.shell.ports import Caught
from streams.shell.refusals import FINAL, words
from streams.shell.trouble import Trouble
from streams.tasks import ended

__all__ = ["FetchSettings", "LogReader"]

log = logging.getLogger(__name__)

#: How long one look at what has arrived may wait: whoever waits may be told to stop meanwhile.
_POLL_S: Final = 0.1
#: A request without an answer is sent again after so long, beside the time for which the broker may hold it: enough for `max_bytes` over a
#: slow line.
_REQUEST_S: Final = 30.0
#: So long for the question who leads.
_LOOK_UP_S: Final = 10.0
#: After so much has been unpacked, others get their turn.
_BREATH_BYTES: Final = 256 << 10
_CLOSE_S: Final = 2.0


class FetchSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How records are fetched.

    min_bytes, max_wait_ms   the broker answers when it has this much, or after this long: it makes the batches, which is the cheapest place
    max_bytes                of one answer; with `partition_max_bytes` it bounds what is on its way
    partition_max_bytes      of one topic-partition in one answer
    budget_bytes             unsaved keys and values of one topic-partition that stop its fetching; takes about three times the memory
    close_s                  how long lanes may take to finish their step when their partitions leave
    """

    min_bytes: int = 65_536
    max_wait_ms: int = 17
    max_bytes: int = 8 << 20
    partition_max_bytes: int = 1 << 20
    budget_bytes: int = 2 << 20
    close_s: float = 5.0


class _Cursor:
    """How far a topic-partition has been read since a seek. A new seek makes a new one, so answers to older requests find nobody."""

    __slots__ = ("epoch", "paused", "position", "tp")

    def __init__(self, tp: TopicPartition, position: int, epoch: int) -> None:
        self.tp, self.position, self.epoch = tp, position, epoch
        self.paused = False


class LogReader:
    """Fetches for all lanes of a worker, and for the live page. Nothing is connected before the first `seek`; a broker that is away is
    waited for."""

    def __init__(
        self,
        bootstrap: Sequence[str],
        access: Mapping[str, Any],
        fetch: FetchSettings,
        on_caught: Callable[[TopicPartition], None] = lambda tp: None,
    ) -> None:
        """`access` are aiokafka's security_protocol, ssl_context and sasl_*. `on_caught` is called when a topic-partition has been heard of
        for the first time since its seek."""
        self._bootstrap, self._access, self._fetch, self._on_caught = list(bootstrap), dict(access), fetch, on_caught
        #: What the last complete fetch said, since the last seek.
        self.caught: dict[TopicPartition, Caught] = {}
        self._client: AIOKafkaClient | None = None
        self._cursors: dict[TopicPartition, _Cursor] = {}
        self._arrived: dict[TopicPartition, RecordBatch] = {}
        self._busy: set[int | None] = set()
        self._sessions: dict[int, FetchSession] = {}
        self._pauses: defaultdict[int | None, Pauses] = defaultdict(Pauses)
        self._turn: asyncio.Handle | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._failure: BaseException | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._trouble = Trouble("Kafka (its logs)", log)

    @property
    def trouble(self) -> str | None:
        """What is waited for right now; None when the brokers answer."""
        return self._trouble.reason

    @property
    def waited_s(self) -> float:
        """How long a broker has been waited for since the start, all in all."""
        return self._trouble.waited_s

    # -- what is read --------------------------------------------------------------------------------------------------

    def seek(self, positions: Mapping[TopicPartition, int], epoch: int) -> None:
        """Fetching goes on at `positions`, and batches carry `epoch`."""
        for tp, position in positions.items():
            self.caught.pop(tp, None)
            self._arrived.pop(tp, None)
            self._cursors[tp] = _Cursor(tp, position, epoch)
        self._soon()

    def forget(self, tps: Iterable[TopicPartition]) -> None:
        """Nothing of `tps` is fetched until somebody seeks again."""
        for tp in tps:
            self.caught.pop(tp, None)
            self._arrived.pop(tp, None)
            self._cursors.pop(tp, None)

    def pause(self, tps: Iterable[TopicPartition]) -> None:
        """Nothing more is fetched of `tps`; what is on its way still comes."""
        for tp in tps:
            if tp in self._cursors:
                self._cursors[tp].paused = True

    def resume(self, tps: Iterable[TopicPartition]) -> None:
        for tp in tps:
            if tp in self._cursors:
                self._cursors[tp].paused = False
        self._soon()

    async def batches(self, most_s: float = _POLL_S) -> dict[TopicPartition, RecordBatch]:
        """What has arrived since the last call; waits a moment, `most_s` at the longest, when there is nothing. Raises what no waiting can
        cure."""
        if not self._arrived and self._failure is None:
            loop = asyncio.get_running_loop()
            self._waiter = loop.create_future()
            alarm = loop.call_later(most_s, self._wake)
            try:
                await self._waiter
            finally:
                alarm.cancel()
        taken, self._arrived = self._arrived, {}
        if self._failure is None:
            self._soon()
        elif not taken:  # what came with it is handed out first
            raise self._failure
        return taken

    async def close(self) -> None:
        """No connection is left."""
        self._cursors.clear()
        if self._turn is not None:
            self._turn.cancel()
        await ended(self._tasks)
        client, self._client = self._client, None
        if client is not None:
            with suppress(Exception):
                async with asyncio.timeout(_CLOSE_S):
                    await client.close()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    # -- asking --------------------------------------------------------------------------------------------------------

    def _soon(self) -> None:
        if self._turn is None:
            self._turn = asyncio.get_running_loop().call_soon(self._go_on)

    def _go_on(self) -> None:
        """One request for each leader that does not hold one. None while something lies here that nobody has taken."""
        self._turn = None
        if self._arrived or self._failure is not None:
            return
        loads: dict[int | None, list[_Cursor]] = {}
        for cursor in self._cursors.values():
            if not cursor.paused:
                loads.setdefault(self._leader(cursor.tp), []).append(cursor)
        for leader in [leader for leader in self._pauses if leader not in loads]:  # it leads nothing of ours any more
            del self._pauses[leader]
            self._trouble.over(leader, served=False)
        for leader, cursors in loads.items():
            if leader not in self._busy:
                self._busy.add(leader)
                task = asyncio.get_running_loop().create_task(self._ask(leader, cursors))
                self._tasks.add(task)
                task.add_done_callback(self._done)

    def _leader(self, tp: TopicPartition) -> int | None:
        """The broker that leads `tp`; None when nobody does, or nobody knows."""
        if self._client is None:
            return None
        leader: int | None = self._client.cluster.leader_for_partition(tp)
        return None if leader == -1 else leader

    async def _ask(self, leader: int | None, cursors: Sequence[_Cursor]) -> None:
        """One request and what came of it. The leader is free again."""
        trouble: Exception | None = None
        try:
            if leader is None:
                await self._look_up(cursors)
            else:
                trouble = await self._fetch_from(leader, cursors)
                if trouble is not None:  # it does answer: the pauses get no longer
                    self._pauses[leader].begin_again()
        except (kafka.KafkaError, OSError) as error:  # asyncio's TimeoutError is an OSError
            trouble = error
        if trouble is None:
            if self._pauses.pop(leader, None) is not None:
                self._trouble.over(leader)
        else:
            self._trouble.wait(leader, words(trouble))
            await self._rest(leader)
        self._busy.discard(leader)
        self._soon()

    async def _fetch_from(self, leader: int, cursors: Sequence[_Cursor]) -> Exception | None:
        """What `leader` holds behind the cursors has arrived. Returns why it does not answer for some of them."""
        fetch = self._fetch
        asked = {cursor.tp: (cursor, cursor.position) for cursor in cursors}
        session = self._sessions.pop(leader, None) or FetchSession()  # whatever goes wrong, another one begins
        topics, forgotten = session.news({tp: position for tp, (_, position) in asked.items()}, fetch.partition_max_bytes)
        request = QuickFetchRequest(fetch.max_wait_ms, fetch.min_bytes, fetch.max_bytes, READ_UNCOMMITTED, topics)
        request.session, request.forgotten = session.number, forgotten
        sent_ms = time.time_ns() // 1_000_000
        response = await self._connected().send(leader, request)
        if not session.goes_on(response):
            if session.new:  # then it was not the session that it refused
                raise kafka.for_code(response.error_code)
            return None
        self._sessions[leader] = session
        trouble: Exception | None = None
        mentioned: set[TopicPartition] = set()
        unpacked_bytes = 0
        for topic, answers in response.topics:
            for partition, code, high_watermark, *_, data in answers:
                tp = TopicPartition(topic, partition)
                mentioned.add(tp)
                if not code:
                    session.ends[tp] = high_watermark  # whatever becomes of the rest: it is not told again
                cursor, position = asked[tp]
                if self._cursors.get(tp) is not cursor or cursor.position != position:
                    continue  # somebody has sought meanwhile, or two brokers have answered
                if code:
                    trouble = self._refused(cursor, kafka.for_code(code)()) or trouble
                    continue
                if data:
                    self._take_in(cursor, data)
                    unpacked_bytes += len(data)
                self._hear(tp, high_watermark, sent_ms)
                if unpacked_bytes > _BREATH_BYTES:
                    unpacked_bytes = 0
                    await asyncio.sleep(0)
        if not response.throttle_time_ms:  # else it is empty, and nobody has looked at the logs
            for tp, high_watermark in session.unmentioned(asked, mentioned):
                if self._cursors.get(tp) is asked[tp][0]:
                    self._hear(tp, high_watermark, sent_ms)
        if self._arrived:
            self._wake()
        return trouble

    def _take_in(self, cursor: _Cursor, data: bytes) -> None:
        """Records. Where a position moves without any (markers, compaction), the batch is empty."""
        tp = cursor.tp
        if tp in self._arrived:  # another broker was quicker, and nobody has taken it yet: these come again
            return
        self._cursors[tp] = self._cursors.pop(tp)  # the last one to be served next time, where the answer has no room for all
        # No list of aborted transactions, as all is read; keys and values stay bytes; checksums are looked at.
        found = LogRecords(tp, MemoryRecords(data), None, cursor.position, None, None, True, READ_UNCOMMITTED)
        try:
            records, end = list(found), found.next_fetch_offset
        except kafka.KafkaError as error:  # a wrong checksum, a compression that is not known here
            at = f"{tp.topic}/{tp.partition}, offset {found.next_fetch_offset}"
            self._failure = StreamsError(f"{at}: what lies there cannot be read ({words(error)})")
            self._wake()
            return
        if end != cursor.position:
            self._arrived[tp] = RecordBatch(tp, cursor.position, end, cursor.epoch, records)
            cursor.position = end

    def _hear(self, tp: TopicPartition, high_watermark: int, sent_ms: int) -> None:
        new = tp not in self.caught
        self.caught[tp] = Caught(high_watermark, sent_ms)
        if new:
            self._on_caught(tp)

    def _refused(self, cursor: _Cursor, error: Exception) -> Exception | None:
        """What an error says of a topic-partition; returned when it is asked for again."""
        tp = cursor.tp
        if isinstance(error, kafka.OffsetOutOfRangeError):
            # The log does not hold the position any more. Whoever reads it is told, and finds out what to do about it when it begins again.
            log.warning("%s/%d does not hold offset %d", tp.topic, tp.partition, cursor.position)
            self._arrived[tp] = RecordBatch(tp, LOST, LOST, cursor.epoch, ())
            del self._cursors[tp]
        elif isinstance(error, FINAL):
            self._failure = ConfigError(f"Kafka does not let us read ({words(error)})", file=f"{tp.topic}/{tp.partition}")
            self._wake()
        else:
            return error
        return None

    # -- what goes wrong -----------------------------------------------------------------------------------------------

    def _connected(self) -> AIOKafkaClient:
        if self._client is None:
            self._client = AIOKafkaClient(
                bootstrap_servers=self._bootstrap,
                client_id="streams",
                request_timeout_ms=round(1000 * _REQUEST_S) + self._fetch.max_wait_ms,
                **self._access,
            )
        return self._client

    async def _look_up(self, cursors: Sequence[_Cursor]) -> None:
        """Asks who leads. Raises `KafkaError` or `OSError` while that is not known of all."""
        client = self._connected()
        async with asyncio.timeout(_LOOK_UP_S):
            if not client.cluster.brokers():
                await client.bootstrap()
            for topic in {cursor.tp.topic for cursor in cursors}:
                client.add_topic(topic)
            if not await client.force_metadata_update():
                raise kafka.KafkaConnectionError("no broker can be reached")
        for topic, partition in [cursor.tp for cursor in cursors if self._leader(cursor.tp) is None]:
            raise kafka.LeaderNotAvailableError(f"{topic}/{partition}")

    async def _rest(self, leader: int | None) -> None:
        """Somebody else may lead by now."""
        await self._pauses[leader].pause()
        if leader is not None:
            with suppress(kafka.KafkaError, OSError):
                async with asyncio.timeout(_LOOK_UP_S):
                    await self._connected().force_metadata_update()

    def _done(self, task: "asyncio.Task[None]") -> None:
        """What nobody has foreseen is raised where somebody waits."""
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._failure = error
            self._wake()
