"""What goes into a step and what comes out of it: records, events, plans, outcomes."""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple, Protocol

import msgspec

from streams.core.properties import Context, Grouped, Properties

__all__ = [
    "FATES",
    "NEVER_MS",
    "PRIOR",
    "Apart",
    "Coordinates",
    "Event",
    "Fate",
    "Head",
    "Increments",
    "Outgoing",
    "Output",
    "Plan",
    "Record",
    "Rejected",
    "Sent",
]

#: A due time that never comes. Below 2**53, so that Redis keeps it exactly as a sorted-set score.
NEVER_MS: Final = 1 << 52

#: The parameters that nobody has learned: the constants of the rules.
PRIOR: Final = "prior"

#: Every record read meets exactly one of these.
FATES: Final = ("counted", "duplicate", "late", "rejected", "rerouted", "erased", "control")


class Fate:
    """Indexes into `FATES`."""

    COUNTED: Final = 0
    DUPLICATE: Final = 1
    LATE: Final = 2
    REJECTED: Final = 3
    REROUTED: Final = 4
    ERASED: Final = 5
    CONTROL: Final = 6


class Sent(Protocol):
    """What a record is to whoever sends it and to whoever reads it."""

    @property
    def topic(self) -> str: ...
    @property
    def partition(self) -> int: ...
    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def headers(self) -> Sequence[tuple[str, bytes]]: ...


class Record(Sent, Protocol):
    """A record as the log holds it. aiokafka's `ConsumerRecord` is one, and `LogRecord`.

    `timestamp` is the append time in ms (LogAppendTime).
    """

    @property
    def offset(self) -> int: ...
    @property
    def timestamp(self) -> int: ...


class LogRecord(msgspec.Struct, frozen=True, gc=False):
    """A `Record` and nothing else: what a consumer makes of millions of them, at a third of the price of aiokafka's."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]


class Coordinates(NamedTuple):
    """Where a record lies in the log: the only names that never change and never collide."""

    topic: str
    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.topic}/{self.partition}/{self.offset}"


class Event(msgspec.Struct, frozen=True, gc=False):
    """One decoded engagement event.

    user        user key: `userId`, else `anon:` + `anonymousId`
    raw_id      the id that was hashed to find the partition (no prefix)
    type_id     catalogue type, 10..255
    at_ms       event time after clock correction, ms UTC
    id_hash     xxh3_64 of `messageId` (of the origin's coordinates when there is none), unsigned
    amount      signed delta of the summed property in minor units; 0 when there is none
    event_clock the record carries `streams-clock: event`: partition time follows `at_ms`
    properties  what the event is about; None when its type is read for nothing, or says nothing
    context     where it was sent from; None when it does not say
    linked      another name that it gives its known user: an anonymous user key (`identify`), or a raw id (`alias`); "" for none
    group       the account that a `group` event names; None for all others
    """

    user: str
    raw_id: str
    type_id: int
    at_ms: int
    id_hash: int
    amount: int = 0
    event_clock: bool = False
    properties: Properties | None = None
    context: Context | None = None
    linked: str = ""
    group: Grouped | None = None


class Rejected(msgspec.Struct, frozen=True, gc=False):
    """Why a record could not become an event. `reason` is one of the closed set of docs/wire.md, `at` a JSON path, never a value."""

    reason: str
    at: str = ""


class Apart(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """A record of a step that was not counted, and what became of it. Its partition is that of the step. `reason` and `at` as in
    `Rejected`."""

    topic: str
    offset: int
    fate: str
    reason: str = ""
    at: str = ""


class Plan(msgspec.Struct, frozen=True, omit_defaults=False):
    """Everything a step depends on besides records and state; written to the store before anything is said.

    rev       revision of the head that the step starts from
    spans     topic -> (from, to): the records of the step, offsets [from, to)
    time_ms   partition time after the step; never goes back; timers fire at due <= time_ms
    now_ms    wall clock when the plan was made: marks stale alerts, dates outputs
    clock     "wall" | "event": what moved partition time
    due_limit how many due users the step looks at, at the most
    hold_ms   no timer later than this fires, although time goes on: a whole source is silent, which is no habit of users; None: no hold
    parameters_version   what was learned and published, and users are read by; `PRIOR`: nothing
    """

    rev: int
    spans: dict[str, tuple[int, int]]
    time_ms: int
    now_ms: int
    clock: str
    rules_version: str
    parameters_version: str
    due_limit: int
    hold_ms: int | None = None

    @property
    def timers_ms(self) -> int:
        """Timers fire at due <= this."""
        return self.time_ms if self.hold_ms is None else min(self.time_ms, self.hold_ms)


class Head(msgspec.Struct):
    """What the store keeps once per partition. `plan` is the step that was begun and not saved yet; `learned` what the partition has
    learned (`core/learning.py`), empty before the first lesson."""

    partition: int
    owner: str
    rev: int
    positions: dict[str, int]
    plan: Plan | None
    time_ms: int
    clock: str
    guards: dict[str, int]
    fates: dict[str, int]
    next_due_ms: int = NEVER_MS
    learned: bytes = b""


class Outgoing(Sent, Protocol):
    """A record to publish: an `Output`, or one that is `Packed` already (`core/recordbatch.py`)."""

    @property
    def timestamp_ms(self) -> int | None: ...


class Output(NamedTuple):
    """A record to publish. `timestamp_ms` None lets the topic stamp it. `value` None is a tombstone."""

    topic: str
    partition: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]
    timestamp_ms: int | None = None


class Increments(msgspec.Struct, frozen=True):
    """What a step adds to one hash of sums of its partition.

    name    of the hash within the partition, e.g. `d20500` (docs/wire.md)
    fields  name of the sum -> what it grows by, never 0; a sum that comes to 0 is no longer stored
    keep_s  the hash is dropped when nothing was added to it for so long
    limit   most sums that the hash may hold; what does not fit is counted in `overflow`, one for each increment
    """

    name: str
    fields: dict[str, int]
    keep_s: int
    limit: int


class Outcome(msgspec.Struct):
    """What one step does to the world. Nothing of it has happened yet.

    users   user key -> new state (None: the state is gone)
    due     user key -> new entry in the queue of due times (None: no entry)
    outputs in the order in which they are published
    fates   index of `FATES` -> how many records met it
    guards  the whole new map: sending topic-partition -> highest offset accepted
    rejects rejected reason -> n (for metrics and the dead-rate stop)
    sums    what the partition's business sums grow by, each hash once
    learned what the partition has learned by now; None: nothing in this step
    after   so many of the last outputs leave when all others are acknowledged
    """

    users: dict[str, bytes | None]
    due: dict[str, int | None]
    outputs: list[Outgoing]
    fates: list[int]
    guards: dict[str, int]
    rejects: dict[str, int]
    sums: tuple[Increments, ...] = ()
    learned: bytes | None = None
    after: int = 0


Users = Mapping[str, bytes | None]
