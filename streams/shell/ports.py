"""What a lane needs from the world, as four small ports. The engine plugs in Kafka and Redis, the model test plugs in fakes."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from streams.core.record import Head, Outcome, Outgoing, Plan, Record

__all__ = ["Batch", "Bounds", "Caught", "Clock", "Loaded", "Published", "Publisher", "Source", "Store"]


class Batch(NamedTuple):
    """Records of one topic-partition, fetched together. `start` is the position they were fetched from, `end` the position after;
    `epoch` counts the seeks of the lane, so that a batch fetched before a seek can be told from one after."""

    topic: str
    start: int
    end: int
    epoch: int
    records: Sequence[Record]


class Caught(NamedTuple):
    """What a complete fetch said of a topic: the log ended at `high_watermark` when the request of `sent_ms` (wall clock) was sent or
    later."""

    high_watermark: int
    sent_ms: int


class Bounds(NamedTuple):
    """First offset the log still holds, and the offset the next record will get."""

    start: int
    end: int


class Loaded(NamedTuple):
    """The answer of a plan: states of the users asked for and of the due users; `due` in the order of their due times."""

    users: Mapping[str, bytes | None]
    due: Sequence[str]


class Source(Protocol):
    """The records of one lane (all input topics, one partition number)."""

    async def bounds(self, at_least: Mapping[str, int]) -> Mapping[str, Bounds]:
        """How far the logs go. Ends below `at_least` are asked for again for a while: a broker may know its own end late."""

    async def seek(self, positions: Mapping[str, int]) -> int:
        """Fetching goes on at `positions`; returns the new epoch. Batches of older epochs may still arrive."""

    def take(self) -> Sequence[Batch]:
        """Batches that arrived since the last call, in order of arrival."""

    def caught(self) -> Mapping[str, Caught]:
        """Per topic, what its last complete fetch said (of the current epoch only)."""

    async def wait(self, until_ms: int) -> None:
        """Returns when something may have arrived, when the lane is told to stop, or at `until_ms` at the latest."""

    def saved(self, positions: Mapping[str, int]) -> None:
        """Everything below `positions` is in the store: Kafka's committed offset may follow."""


class Store(Protocol):
    """The heads, users and due times of all partitions. Each method is one atomic script.

    All raise `Fenced` when the head is not `head` (owner, rev, positions), and `ReplyLost` when the connection broke after the
    request was sent. Trouble before anything was sent (and `OOM`, `LOADING`, `READONLY`, `MISCONF`...) is waited out inside.
    """

    async def open(self, partition: int, owner: str) -> Head | None:
        """`owner` is in the head from now on; None when the store holds no head for this partition."""

    async def create(self, head: Head) -> Head:
        """The first head of a partition. `Fenced` when there is one already."""

    async def head(self, partition: int) -> Head | None: ...

    async def move(self, head: Head, positions: Mapping[str, int]) -> Head:
        """`positions` are in the head, any plan is gone and `rev` is one higher: a topic is new, or a gap is stepped over knowingly."""

    async def plan(self, head: Head, plan: Plan, keys: Sequence[str]) -> Loaded:
        """`plan` is in the head (once, however often it is said; `Fenced` when another plan is there), and the answer holds the
        states of `keys` and of the first `plan.due_limit` users due at `plan.time_ms`."""

    async def save(self, head: Head, plan: Plan, outcome: Outcome) -> Head:
        """States, due times and the new head are in the store and the plan is gone, all at once; returns the new head."""


class Publisher(Protocol):
    async def publish(self, outputs: Sequence[Outgoing]) -> None:
        """Kafka has acknowledged every output, in order per topic-partition. Waits as long as that takes; never raises."""


class Published(Protocol):
    """The parameters that were published for all partitions (`core/parameters.py`)."""

    def current(self) -> str:
        """The version that new plans name; the flow knows it."""

    async def keep(self) -> None:
        """The store holds that version, also one that has gone back in time."""

    async def read(self, version: str) -> bytes | None:
        """The parameters of a version, encoded; None when the store has lost them. Trouble is waited out inside."""


class Clock(Protocol):
    def now_ms(self) -> int: ...
