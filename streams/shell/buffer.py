"""What a lane has been given and has not folded yet: three topics, read as one log in append order."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from streams.core.record import Record
from streams.errors import Fenced
from streams.shell.ports import Batch, Caught

__all__ = ["Buffer", "Spans"]

Spans = dict[str, tuple[int, int]]


class Take(NamedTuple):
    """Records for one step, in lane order, with the offsets [from, to) that they cover per topic."""

    records: Sequence[Record]
    spans: Spans


class Buffer:
    """Records of one lane between the position that is saved and the position that is fetched.

    The topics (in lane order) form one log, merged by append time; each topic's own records keep their offset order whatever their
    time stamps say,
    because guards and positions count on it.
    """

    def __init__(self, positions: Mapping[str, int], epoch: int) -> None:
        self.epoch = epoch
        self._topics = list(positions)
        self._position = dict(positions)
        self._end = dict(positions)
        self._records: dict[str, list[Record]] = {topic: [] for topic in positions}
        self._caught: dict[str, Caught] = {}
        self._as_of_ms = dict.fromkeys(positions, -1)
        self._last_ms = dict.fromkeys(positions, -1)

    def add(self, batch: Batch) -> None:
        """The batch is behind what was there. Batches from before the last seek are dropped.

        Raises `Fenced` when it does not begin where the last one ended: something between us and the log went wrong, so the lane opens
        again.
        """
        if batch.epoch != self.epoch:
            return
        if batch.start != self._end[batch.topic]:
            raise Fenced(f"batch of {batch.topic} starts at {batch.start}, expected {self._end[batch.topic]}")
        self._records[batch.topic].extend(batch.records)
        self._end[batch.topic] = batch.end

    def note(self, caught: Mapping[str, Caught]) -> None:
        """Takes in what complete fetches said of the topics' ends."""
        for topic, seen in caught.items():
            self._caught[topic] = seen
            if self._end[topic] >= seen.high_watermark:
                self._as_of_ms[topic] = max(self._as_of_ms[topic], seen.sent_ms)

    def holds(self, spans: Spans) -> bool:
        """Whether everything of `spans` has arrived."""
        return all(self._end[topic] >= to for topic, (_, to) in spans.items())

    def ready(self) -> bool:
        """Whether the end of every topic has been heard of: before that nothing can be said about order."""
        return all(topic in self._caught for topic in self._topics)

    def take(self, limit: int) -> Take:
        """Up to `limit` records in lane order. A topic that is behind (nothing here, but more in the log) is waited for; a caught-up
        one is not."""
        out, used = self._merge(self._records, limit, wait=True)
        spans = {}
        for topic in self._topics:
            n, records, start = used[topic], self._records[topic], self._position[topic]
            # A topic that is folded to its end moves to where the fetch ended: markers and holes of the log count as read.
            spans[topic] = (start, start if not n else self._end[topic] if n == len(records) else records[n - 1].offset + 1)
        return Take(out, spans)

    def exactly(self, spans: Spans) -> Sequence[Record]:
        """The records of `spans` in lane order (all have arrived): what a plan that was found in the head says to do."""
        parts = {topic: self._records[topic][: _below(self._records[topic], spans[topic][1])] for topic in self._topics}
        return self._merge(parts, sum(map(len, parts.values())), wait=False)[0]

    def time_ms(self, taken: Take, grace_ms: int) -> int:
        """Partition time after `taken`: a low watermark, up to which everything appended to any topic has been folded.

        Buffered records bound it from above (the first unfolded one is still to come), a topic that is behind by what was folded of
        it, a caught-up one by
        the moment at which a fetch that found nothing more was *sent*, less a grace for clocks that differ.
        """
        return min([self._topic_time_ms(topic, taken, grace_ms) for topic in self._topics])

    def advance(self, spans: Spans) -> None:
        """`spans` are saved: their records leave."""
        for topic, (start, to) in spans.items():
            if to == start:
                continue
            records = self._records[topic]
            n = _below(records, to)
            if n:
                self._last_ms[topic] = records[n - 1].timestamp
                del records[:n]
            self._position[topic] = to

    def _topic_time_ms(self, topic: str, taken: Take, grace_ms: int) -> int:
        records, to = self._records[topic], taken.spans[topic][1]
        n = _below(records, to) if to > self._position[topic] else 0
        if n < len(records):
            return records[n].timestamp - 1
        last_ms = (records[n - 1].timestamp if n else self._last_ms[topic]) - 1
        return last_ms if self._behind(topic) else max(last_ms, self._as_of_ms[topic] - grace_ms)

    def _behind(self, topic: str) -> bool:
        return topic not in self._caught or self._end[topic] < self._caught[topic].high_watermark

    def _merge(self, parts: Mapping[str, Sequence[Record]], limit: int, *, wait: bool) -> tuple[list[Record], dict[str, int]]:
        """Merges the topics by append time, run by run, up to `limit` records; how many of each topic were used."""
        out: list[Record] = []
        used = dict.fromkeys(self._topics, 0)
        while len(out) < limit:
            heads = []
            for rank, topic in enumerate(self._topics):
                if used[topic] < len(parts[topic]):
                    heads.append((parts[topic][used[topic]].timestamp, rank, topic))
                elif wait and self._behind(topic):
                    return out, used
            if not heads:
                break
            heads.sort()
            _, rank, topic = heads[0]
            records, at = parts[topic], used[topic]
            stop = min(len(records), at + limit - len(out))
            if len(heads) > 1:
                stop = _run(records, at, stop, heads[1][0], first=rank < heads[1][1])
            out.extend(records[at:stop])
            used[topic] = stop
        return out, used


def _run(records: Sequence[Record], at: int, stop: int, limit_ms: int, *, first: bool) -> int:
    """End of the run from `at` that comes before the other topic's next record; `first`: equal times go first."""
    while at < stop:
        ts = records[at].timestamp
        if ts > limit_ms or (ts == limit_ms and not first):
            break
        at += 1
    return at


def _below(records: Sequence[Record], to: int) -> int:
    """How many of `records` (by offset) lie below `to`."""
    low, high = 0, len(records)
    while low < high:
        middle = (low + high) // 2
        if records[middle].offset < to:
            low = middle + 1
        else:
            high = middle
    return low
