"""Records that were set aside, looked at and sent once more: dead letters, and what the collector holds in quarantine.

Letters are counted by the coordinates of the record that was refused, as a crash may write one twice, and one that was replayed in vain
comes back under the same coordinates; a record in quarantine has its own. A replay sends the original key, value and headers through the
rerouted topic with `dead-origin`; the user's home partition remembers the coordinates, so replaying a letter twice changes nothing.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, Final, Self

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from streams.core.deadletter import PREFIX
from streams.core.envelope import rfc3339
from streams.core.headers import (
    DEAD_ORIGIN,
    QUARANTINE,
    REROUTE,
    REROUTE_APPENDED_AT,
    REROUTE_ORIGIN,
    header,
    whole,
)
from streams.core.identity import home_partition
from streams.core.record import Coordinates, Output, Record
from streams.core.rules import Rules
from streams.errors import ConfigError
from streams.shell.scan import scan

__all__ = [
    "REASONS",
    "Letter",
    "LetterLine",
    "Replayed",
    "Selection",
    "Shelf",
    "collect",
    "coordinates",
    "fetch",
    "held_back",
    "origin_of_letter",
    "refused",
    "replay",
    "resent",
]

#: Why a record can be refused: a closed set.
REASONS: Final = (
    "empty",
    "too_large",
    "not_json",
    "wrong_type",
    "missing_field",
    "bad_id",
    "blocked_id",
    "future",
    "unknown_type",
    "off_plan",
    "limit",
    "rule_error",
)

#: Why the collector can hold an event back.
_SUSPICIONS: Final = ("robot", "velocity")

#: Sends that may be on their way at once: bounds memory (at 1 MiB a letter, the topic's limit).
_IN_FLIGHT: Final = 200

#: A replay begins a new way; where and when the record was first appended stays true of it.
_OF_THE_WAY: Final = tuple(name for name in REROUTE if name not in (REROUTE_ORIGIN, REROUTE_APPENDED_AT))


class Shelf(msgspec.Struct, frozen=True):
    """A topic of records that were set aside. `prefix`: what its headers `...reason` and `...at` begin with; `reasons`: all there are."""

    topic: str
    partitions: int
    prefix: str
    reasons: tuple[str, ...]


def refused(rules: Rules) -> Shelf:
    """The dead letters."""
    return Shelf(rules.topics.dead, rules.partitions, "dead-", REASONS)


def held_back(rules: Rules) -> Shelf:
    """What the collector believes that no person has sent."""
    return Shelf(rules.topics.quarantine, rules.partitions, QUARANTINE, _SUSPICIONS)


class Letter(msgspec.Struct, frozen=True):
    """What is known of one record that was set aside, without its bytes.

    origin     where the record was first appended
    key        its own; in quarantine that is the raw id of its user
    times      how many letters carry these coordinates
    lies_at    partition and offset of the newest of them on the topic of the shelf, written at `at_ms`
    path       JSON path of what was wrong, "" when it is the whole record
    """

    origin: Coordinates
    key: bytes | None
    reason: str
    path: str
    stage: str
    at_ms: int
    size: int
    times: int
    lies_at: tuple[int, int]


class LetterLine(msgspec.Struct, frozen=True):
    """What is known of a refused record, as commands and the API say it.

    coordinates   topic/partition/offset of its first append
    at            JSON path of what was wrong, "" when it is the whole record
    times         how many letters carry these coordinates: after a crash, or a replay in vain, more than one
    """

    coordinates: str
    topic: str
    partition: int
    offset: int
    reason: str
    at: str
    stage: str
    refused_at: str
    size_bytes: int
    times: int

    @classmethod
    def of(cls, letter: Letter, **more: Any) -> Self:
        """The line of `letter`; `more` are the fields of a struct that says more."""
        return cls(
            coordinates=str(letter.origin),
            topic=letter.origin.topic,
            partition=letter.origin.partition,
            offset=letter.origin.offset,
            reason=letter.reason,
            at=letter.path,
            stage=letter.stage,
            refused_at=rfc3339(letter.at_ms),
            size_bytes=letter.size,
            times=letter.times,
            **more,
        )


class Selection(msgspec.Struct, frozen=True):
    """Which letters are meant; without anything, all of them. `limit` keeps the newest."""

    reason: str | None = None
    topic: str | None = None
    key: bytes | None = None
    since_ms: int | None = None
    until_ms: int | None = None
    origins: Collection[Coordinates] = ()
    limit: int | None = None

    def meets(self, letter: Letter) -> bool:
        return (
            (self.reason is None or letter.reason == self.reason)
            and (self.topic is None or letter.origin.topic == self.topic)
            and (self.key is None or letter.key == self.key)
            and (self.since_ms is None or letter.at_ms >= self.since_ms)
            and (self.until_ms is None or letter.at_ms < self.until_ms)
            and (not self.origins or letter.origin in self.origins)
        )

    def missing(self, found: Iterable[Letter]) -> list[str]:
        """The coordinates that were asked for and that none of `found` has."""
        return sorted(str(at) for at in set(self.origins) - {letter.origin for letter in found})


class Replayed(msgspec.Struct, frozen=True):
    """What a replay sent: letters by reason and by target partition, and those whose user could not be read (they go where they came
    from)."""

    sent: int
    by_reason: Mapping[str, int]
    by_partition: Mapping[int, int]
    unaddressed: int


def coordinates(text: str) -> Coordinates:
    """`topic/partition/offset` as coordinates. Raises `ConfigError`."""
    topic, _, rest = text.partition("/")
    middle, _, last = rest.partition("/")
    partition, offset = whole(middle.encode(errors="replace")), whole(last.encode(errors="replace"))
    if not topic or partition is None or offset is None:
        raise ConfigError(f"coordinates are topic/partition/offset, got {text!r}", file="COORDINATES")
    return Coordinates(topic, partition, offset)


async def collect(consumer: AIOKafkaConsumer, shelf: Shelf, which: Selection) -> list[Letter]:
    """The letters of `which`, each coordinates once (its newest letter), oldest first."""
    newest: dict[Coordinates, Letter] = {}
    async for record in scan(consumer, shelf.topic, shelf.partitions, since_ms=which.since_ms):
        letter = _letter(record, shelf.prefix)
        before = newest.pop(letter.origin, None)
        if before is not None:
            later = letter if letter.at_ms >= before.at_ms else before
            letter = msgspec.structs.replace(later, times=before.times + 1)
        newest[letter.origin] = letter
    found = sorted((letter for letter in newest.values() if which.meets(letter)), key=lambda letter: (letter.at_ms, letter.origin))
    return found[-which.limit :] if which.limit else found


async def fetch(consumer: AIOKafkaConsumer, shelf: Shelf, letters: Sequence[Letter]) -> AsyncIterator[tuple[Letter, Record]]:
    """The letters with their records, in the order in which they lie on the topic."""
    wanted = {letter.lies_at: letter for letter in letters}
    if not wanted:
        return
    async for record in scan(consumer, shelf.topic, shelf.partitions, since_ms=min(letter.at_ms for letter in letters)):
        letter = wanted.pop((record.partition, record.offset), None)
        if letter is not None:
            yield letter, record
        if not wanted:
            return


async def replay(
    consumer: AIOKafkaConsumer,
    producer: AIOKafkaProducer,
    rules: Rules,
    shelf: Shelf,
    letters: Sequence[Letter],
    progress: Callable[[int], None] | None = None,
) -> Replayed:
    """Kafka has acknowledged every one of `letters` on the rerouted topic."""
    by_reason: Counter[str] = Counter()
    by_partition: Counter[int] = Counter()
    unaddressed = 0
    waiting: list[asyncio.Future[object]] = []
    async for letter, record in fetch(consumer, shelf, letters):
        output, addressed = resent(record, rules)
        waiting.append(
            await producer.send(output.topic, output.value, output.key, partition=output.partition, headers=list(output.headers))
        )
        by_reason[letter.reason] += 1
        by_partition[output.partition] += 1
        unaddressed += not addressed
        if len(waiting) >= _IN_FLIGHT:
            await asyncio.gather(*waiting)
            waiting.clear()
        if progress is not None:
            progress(1)
    await asyncio.gather(*waiting)
    return Replayed(by_reason.total(), dict(by_reason), dict(by_partition), unaddressed)


def resent(record: Record, rules: Rules) -> tuple[Output, bool]:
    """The record for the rerouted topic that a letter becomes, and whether its user's home could be read.

    Without a readable id it goes to the partition of its first append: it will be refused again, under the same coordinates.
    """
    first = origin_of_letter(record)
    origin = str(first).encode()
    headers = [item for item in record.headers if not item[0].startswith((PREFIX, "dead-", QUARANTINE)) and item[0] not in _OF_THE_WAY]
    # Clocks of a record are judged against its first append (a letter lies moments behind it). Only a time in the future is judged anew:
    # it may have come by now, and against the first append it would be refused for ever.
    if header(record, "dead-reason") == b"future":
        headers = [item for item in headers if item[0] != REROUTE_APPENDED_AT]
    elif header(record, REROUTE_APPENDED_AT) is None:
        headers.append((REROUTE_APPENDED_AT, str(record.timestamp).encode()))
    if header(record, REROUTE_ORIGIN) is None:
        headers.append((REROUTE_ORIGIN, origin))
    headers.append((DEAD_ORIGIN, origin))
    raw_id = _raw_id(record.value, rules.limits.value_bytes)
    if raw_id is not None:
        return Output(rules.topics.rerouted, home_partition(raw_id, rules.partitions), record.key, record.value, headers), True
    partition = first.partition if first.partition < rules.partitions else record.partition
    return Output(rules.topics.rerouted, partition, record.key, record.value, headers), False


class _Ids(msgspec.Struct):
    """Who a record is about, whatever else is wrong with it."""

    user_id: str | int | None = msgspec.field(name="userId", default=None)
    anonymous_id: str | int | None = msgspec.field(name="anonymousId", default=None)


_ids = msgspec.json.Decoder(_Ids, strict=True)


def _raw_id(value: bytes | None, most: int) -> str | None:
    if value is None or len(value) > most:
        return None
    try:
        ids = _ids.decode(value)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return None
    found = ids.user_id if ids.user_id is not None else ids.anonymous_id
    return None if found is None or found == "" else str(found)


def _letter(record: Record, prefix: str) -> Letter:
    reason, at, stage = (
        (header(record, name) or b"").decode("utf-8", "replace") for name in (prefix + "reason", prefix + "at", PREFIX + "stage")
    )
    return Letter(
        origin_of_letter(record),
        record.key,
        reason or "unknown",
        at,
        stage,
        record.timestamp,
        len(record.value or b""),
        1,
        (record.partition, record.offset),
    )


def origin_of_letter(record: Record) -> Coordinates:
    """Where the refused record was first appended, as its letter says; a letter that somebody else wrote is named by its own
    coordinates."""
    topic = (header(record, PREFIX + "topic") or b"").decode("utf-8", "replace")
    partition, offset = (whole(header(record, PREFIX + name)) for name in ("partition", "offset"))
    if not topic or partition is None or offset is None:
        return Coordinates(record.topic, record.partition, record.offset)
    return Coordinates(topic, partition, offset)
