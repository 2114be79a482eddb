"""The live stream: a frame is encoded once, and every browser is sent the same bytes, each at its own speed."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from typing import Final, NamedTuple

from streams.serve.position import TOLD, Position, to_word
from streams.serve.recall import Recall

__all__ = ["KINDS", "Hub", "event"]

#: What a frame can hold: records of the told topics, and once a second the figures of now.
KINDS: Final = (*TOLD, "now")

#: Frames that wait for slow readers: some minutes at ten frames a second, whatever their size.
_FRAMES: Final = 2048
_BYTES: Final = 16 << 20
#: Proxies close what is silent for a minute, some after 30 s.
_COMMENT_S: Final = 15.0
#: A browser waits so long before it connects again.
_RETRY_MS: Final = 1000
#: Sent at once, however far behind a reader is: a slow line should not hold megabytes in its buffers.
_BATCH_BYTES: Final = 1 << 18


class _Frame(NamedTuple):
    number: int
    kind: str
    body: bytes
    position: Position


class Hub:
    """Frames in, streams of bytes out. Nothing is queued per reader: each has a place in one bounded ring.

    Nothing is told before `open`: by then the records of the past are in `recall`, and every later one comes in a frame.
    """

    def __init__(self, recall: Recall, *, most_readers: int = 500, most_frames: int = _FRAMES, comment_s: float = _COMMENT_S) -> None:
        """`comment_s`: no reader hears nothing for longer."""
        self._recall, self._most_readers, self._most_frames, self._comment_s = recall, most_readers, most_frames, comment_s
        self._ring: deque[_Frame] = deque()
        self._bytes = self._number = self._readers = 0
        self._told: Position = recall.position
        self._waiting: list[asyncio.Future[None]] = []
        self._open = self._closed = False
        self._beats = 0
        self._alarm: asyncio.TimerHandle | None = None  # one clock for all readers
        self.frames = dict.fromkeys(KINDS, 0)

    @property
    def readers(self) -> int:
        return self._readers

    @property
    def full(self) -> bool:
        return self._readers >= self._most_readers

    @property
    def nowhere(self) -> Position:
        """A position that says nothing: whoever is there has to begin anew."""
        return tuple(tuple(-1 for _ in offsets) for offsets in self._told)

    @property
    def position(self) -> Position:
        """Behind the last record that was told."""
        return self._told

    def open(self) -> None:
        """The past is known; what comes now is told."""
        self._told, self._open = self._recall.position, True
        self._wake()

    def publish(self, kind: str, payload: bytes) -> None:
        """A frame is on its way to every reader that asked for its kind: of a told topic, all that was kept since its last frame.

        Its id moves on for that topic alone: a connection may break before the next frame.
        """
        if kind in TOLD:
            topic = TOLD.index(kind)
            self._told = (*self._told[:topic], self._recall.position[topic], *self._told[topic + 1 :])
        self._number += 1
        frame = _Frame(self._number, kind, event(kind, payload, to_word(self._told)), self._told)
        self._ring.append(frame)
        self._bytes += len(frame.body)
        self.frames[kind] += 1
        while len(self._ring) > self._most_frames or (self._bytes > _BYTES and len(self._ring) > 1):
            self._bytes -= len(self._ring.popleft().body)
        self._wake()

    def close(self) -> None:
        """Every stream ends."""
        self._closed = True
        if self._alarm is not None:
            self._alarm.cancel()
        self._wake()

    def _wake(self) -> None:
        waiting, self._waiting = self._waiting, []
        for waiter in waiting:
            if not waiter.done():  # else whoever waited has gone
                waiter.set_result(None)

    async def stream(
        self, kinds: frozenset[str], after: Position | None, opening: Callable[[], bytes] = bytes
    ) -> AsyncGenerator[bytes, None]:
        """Everything of `kinds` from `after` on (None: from now on), until the reader goes away or the hub is closed; nothing when there
        are too many readers.

        When it is no longer known what came after `after`, an event `reset` says so: ask for the history again. `opening` is the figures
        that a `now` begins with.
        """
        if self.full:
            return
        self._readers += 1
        try:
            yield f"retry: {_RETRY_MS}\n\n".encode()
            said = self._beats
            while not self._open and not self._closed:
                await self._news_or_beat()
                if said != self._beats:
                    said = self._beats
                    yield b": still reading the past\n\n"
            number, at = self._number, self._told
            if after is not None:
                for part in self._missed(kinds, after):
                    yield part
            if payload := opening():
                yield event("now", payload, to_word(at))
            while not self._closed:
                if number < self._number and self._ring[0].number > number + 1:  # the ring has left this reader behind
                    number, behind, at = self._number, at, self._told
                    for part in self._missed(kinds, behind):
                        yield part
                parts, number, at = self._next(number, at, kinds)
                if parts:
                    said = self._beats
                    yield b"".join(parts)
                elif said != self._beats:
                    said = self._beats
                    yield b": still here\n\n"
                elif number == self._number:
                    await self._news_or_beat()
        finally:
            self._readers -= 1

    async def _news_or_beat(self) -> None:
        """Waits until something is new for somebody, or `comment_s` has passed for all."""
        if self._alarm is None:
            self._alarm = asyncio.get_running_loop().call_later(self._comment_s, self._beat)
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        await waiter

    def _beat(self) -> None:
        self._alarm = None
        self._beats += 1
        self._wake()

    def _next(self, number: int, at: Position, kinds: frozenset[str]) -> tuple[list[bytes], int, Position]:
        """The next frames after `number`, as many as may leave at once; the number and the position of the last one looked at."""
        parts: list[bytes] = []
        size = 0
        first = len(self._ring) - (self._number - number)
        for index in range(first, len(self._ring)):
            frame = self._ring[index]
            number, at = frame.number, frame.position
            if frame.kind in kinds:
                parts.append(frame.body)
                size += len(frame.body)
                if size >= _BATCH_BYTES:
                    break
        return parts, number, at

    def _missed(self, kinds: frozenset[str], after: Position) -> Iterator[bytes]:
        """What was told from `after` on, as events; one `reset` when some of it is gone."""
        topics = [number for number, kind in enumerate(TOLD) if kind in kinds]
        missed, end = self._recall.since(after, topics), self._recall.position
        if missed is None:
            yield event("reset", b"{}", to_word(self._told))
            return
        at = after
        for number in topics:
            at = (*at[:number], end[number], *at[number + 1 :])
            batches = list(_batches(missed.records[number]))
            for batch in batches:
                # Only the last one is behind all of them: who is cut off before it gets them all again.
                yield event(TOLD[number], b"[" + b",".join(batch) + b"]", to_word(at) if batch is batches[-1] else None)


def event(kind: str, payload: bytes, word: str | None) -> bytes:
    """One server-sent event. JSON has no line breaks of its own; those of a foreign writer are blanks between its tokens."""
    line = payload.replace(b"\n", b" ").replace(b"\r", b" ")
    name = b"" if word is None else b"id: %b\n" % word.encode()
    return b"%bevent: %b\ndata: %b\n\n" % (name, kind.encode(), line)


def _batches(records: Sequence[bytes]) -> Iterator[list[bytes]]:
    batch: list[bytes] = []
    size = 0
    for record in records:
        batch.append(record)
        size += len(record)
        if size >= _BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
