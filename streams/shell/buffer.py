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


class _Topic:
    """What is known of one topic.

    records   those that arrived and are not saved
    position  what is saved, and `end`, what has arrived
    caught    what the last complete fetch said
    as_of_ms  when the newest fetch was sent that found nothing more
    last_ms   when the last record below `position` was appended
    """

    __slots__ = ("as_of_ms", "caught", "end", "last_ms", "position", "records")

    def __init__(self, position: int) -> None:
        self.position = self.end = position
        self.records: list[Record] = []
        self.caught: Caught | None = None
        self.as_of_ms = self.last_ms = -1

    @property
    def behind(self) -> bool:
        """Whether the log holds more than has arrived, as far as we know."""
        return self.caught is None or self.end < self.caught.high_watermark


class Buffer:
    """Records of one lane between the position that is saved and the position that is fetched.

    The topics (in lane order) form one log, merged by append time; each topic's own records keep their offset order whatever their
    time stamps say,
    because guards and positions count on it.
    """

    def __init__(self, positions: Mapping[str, int], epoch: int) -> None:
        self.epoch = epoch
        self._topics = {name: _Topic(position) for name, position in positions.items()}

    def add(self, batch: Batch) -> None:
        """The batch is behind what was there. Batches from before the last seek are dropped.

        Raises `Fenced` when it does not begin where the last one ended: something between us and the log went wrong, so the lane opens
        again.
        """
        if batch.epoch != self.epoch:
            return
        topic = self._topics[batch.topic]
        if batch.start != topic.end:
            raise Fenced(f"batch of {batch.topic} starts at {batch.start}, expected {topic.end}")
        topic.records.extend(batch.records)
        topic.end = batch.end

    def note(self, caught: Mapping[str, Caught]) -> None:
        """Takes in what complete fetches said of the topics' ends."""
        for name, seen in caught.items():
            topic = self._topics[name]
            topic.caught = seen
            if topic.end >= seen.high_watermark and seen.sent_ms > topic.as_of_ms:
                topic.as_of_ms = seen.sent_ms

    def holds(self, spans: Spans) -> bool:
        """Whether everything of `spans` has arrived."""
        return all(self._topics[name].end >= to for name, (_, to) in spans.items())

    def ready(self) -> bool:
        """Whether the end of every topic has been heard of: before that nothing can be said about order."""
        return all(topic.caught is not None for topic in self._topics.values())

    @property
    def empty(self) -> bool:
        """Whether there is no record to take."""
        return not any(topic.records for topic in self._topics.values())

    def take(self, limit: int) -> Take:
        """Up to `limit` records in lane order. A topic that is behind (nothing here, but more in the log) is waited for; a caught-up
        one is not."""
        out, used = self._merge(limit, wait=True)
        spans = {}
        for name, topic in self._topics.items():
            n, records, start = used[name], topic.records, topic.position
            # A topic that is folded to its end moves to where the fetch ended: markers and holes of the log count as read.
            spans[name] = (start, start if not n else topic.end if n == len(records) else records[n - 1].offset + 1)
        return Take(out, spans)

    def exactly(self, spans: Spans) -> Sequence[Record]:
        """The records of `spans` in lane order (all have arrived): what a plan that was found in the head says to do."""
        most = {name: _below(topic.records, spans[name][1]) for name, topic in self._topics.items()}
        return self._merge(sum(most.values()), wait=False, most=most)[0]

    def time_ms(self, taken: Take, grace_ms: int) -> int:
        """Partition time after `taken`: a low watermark, up to which everything appended to any topic has been folded.

        Buffered records bound it from above (the first unfolded one is still to come), a topic that is behind by what was folded of
        it, a caught-up one by
        the moment at which a fetch that found nothing more was *sent*, less a grace for clocks that differ.
        """
        return min([_time_ms(topic, taken.spans[name][1], grace_ms) for name, topic in self._topics.items()])

    def advance(self, spans: Spans) -> None:
        """`spans` are saved: their records leave."""
        for name, (start, to) in spans.items():
            if to == start:
                continue
            topic = self._topics[name]
            records = topic.records
            n = _below(records, to)
            if n:
                topic.last_ms = records[n - 1].timestamp
                del records[:n]
            topic.position = to

    def _merge(self, limit: int, *, wait: bool, most: Mapping[str, int] | None = None) -> tuple[list[Record], dict[str, int]]:
        """Merges the topics by append time, run by run, up to `limit` records (of each topic up to `most`); how many of each topic were
        used. `wait`: not beyond a topic that is behind."""
        out: list[Record] = []
        used = dict.fromkeys(self._topics, 0)
        ends = {name: len(topic.records) for name, topic in self._topics.items()} if most is None else most
        while len(out) < limit:
            heads = []
            for rank, (name, topic) in enumerate(self._topics.items()):
                at = used[name]
                if at < ends[name]:
                    heads.append((topic.records[at].timestamp, rank, name))
                elif wait and topic.behind:
                    return out, used
            if not heads:
                break
            heads.sort()
            _, rank, name = heads[0]
            records, at = self._topics[name].records, used[name]
            stop = min(ends[name], at + limit - len(out))
            if len(heads) > 1:
                stop = _run(records, at, stop, heads[1][0], first=rank < heads[1][1])
            out += records[at:stop]
            used[name] = stop
            if len(heads) == 1:
                break  # the others have nothing here
        return out, used


def _time_ms(topic: _Topic, to: int, grace_ms: int) -> int:
    """Up to when everything that was appended to `topic` lies below `to`."""
    records = topic.records
    n = _below(records, to) if to > topic.position else 0
    if n < len(records):
        return records[n].timestamp - 1
    last_ms = (records[n - 1].timestamp if n else topic.last_ms) - 1
    return last_ms if topic.behind else max(last_ms, topic.as_of_ms - grace_ms)


def _run(records: Sequence[Record], at: int, stop: int, limit_ms: int, *, first: bool) -> int:
    """End of the run from `at` that comes before the other topic's next record; `first`: equal times go first."""
    while at < stop:
        ts = records[at].timestamp
        if ts > limit_ms or (ts == limit_ms and not first):
            break
        at += 1
    return at


def _below(records: Sequence[Record], to: int) -> int:
    """How many of `records` (by offset) lie below `to`; most often it is all of them."""
    if not records or records[-1].offset < to:
        return len(records)
    low, high = 0, len(records)
    while low < high:
        middle = (low + high) // 2
        if records[middle].offset < to:
            low = middle + 1
        else:
            high = middle
    return low
