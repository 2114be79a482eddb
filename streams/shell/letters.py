"""Dead letters, looked at and sent once more.

Letters are counted by the coordinates of the record that was refused, as a crash may write one twice, and one that was replayed in vain
comes back
under the same coordinates. A replay sends the original key, value and headers through the rerouted topic with `dead-origin`; the user's
home
partition remembers the coordinates, so replaying a letter twice changes nothing.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from typing import Final

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from streams.core.deadletter import PREFIX
from streams.core.headers import DEAD_ORIGIN, REROUTE_APPENDED_AT, REROUTE_FROM, REROUTE_HOPS, REROUTE_ORIGIN, header
from streams.core.identity import home_partition
from streams.core.record import Coordinates, Output, Record
from streams.core.rules import Rules
from streams.errors import ConfigError
from streams.shell.scan import scan

__all__ = ["REASONS", "Letter", "Replayed", "Selection", "collect", "coordinates", "fetch", "origin_of_letter", "replay", "resent"]

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
    "limit",
    "rule_error",
)

#: Sends that may be on their way at once: bounds memory (at 1 MiB a letter, the topic's limit).
_IN_FLIGHT: Final = 200

#: Headers that tell of the way a record took, not of the record: a replay begins a new way.
_OF_THE_WAY: Final = (REROUTE_FROM, REROUTE_HOPS)


class Letter(msgspec.Struct, frozen=True):
    """What is known of one refused record, without its bytes.

    origin     where the record was first appended
    times      how many letters carry these coordinates
    lies_at    partition and offset of the newest of them on the dead-letter topic, written at `at_ms`
    path       JSON path of what was wrong, "" when it is the whole record
    """

    origin: Coordinates
    reason: str
    path: str
    stage: str
    at_ms: int
    size: int
    times: int
    lies_at: tuple[int, int]


class Selection(msgspec.Struct, frozen=True):
    """Which letters are meant; without anything, all of them. `limit` keeps the newest."""

    reason: str | None = None
    topic: str | None = None
    since_ms: int | None = None
    until_ms: int | None = None
    origins: Collection[Coordinates] = ()
    limit: int | None = None

    def meets(self, letter: Letter) -> bool:
        return (
            (self.reason is None or letter.reason == self.reason)
            and (self.topic is None or letter.origin.topic == self.topic)
            and (self.since_ms is None or letter.at_ms >= self.since_ms)
            and (self.until_ms is None or letter.at_ms < self.until_ms)
            and (not self.origins or letter.origin in self.origins)
        )


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
    partition, _, offset = rest.partition("/")
    if not topic or not _whole(partition) or not _whole(offset):
        raise ConfigError(f"coordinates are topic/partition/offset, got {text!r}", file="COORDINATES")
    return Coordinates(topic, int(partition), int(offset))


async def collect(consumer: AIOKafkaConsumer, rules: Rules, which: Selection) -> list[Letter]:
    """The letters of `which`, each coordinates once (its newest letter), oldest first."""
    newest: dict[Coordinates, Letter] = {}
    async for record in scan(consumer, rules.topics.dead, rules.partitions, since_ms=which.since_ms):
        letter = _letter(record)
        before = newest.pop(letter.origin, None)
        if before is not None:
            later = letter if letter.at_ms >= before.at_ms else before
            letter = msgspec.structs.replace(later, times=before.times + 1)
        newest[letter.origin] = letter
    found = sorted((letter for letter in newest.values() if which.meets(letter)), key=lambda letter: (letter.at_ms, letter.origin))
    return found[-which.limit :] if which.limit else found


async def fetch(consumer: AIOKafkaConsumer, rules: Rules, letters: Sequence[Letter]) -> AsyncIterator[tuple[Letter, Record]]:
    """The letters with their records, in the order in which they lie on the topic."""
    wanted = {letter.lies_at: letter for letter in letters}
    if not wanted:
        return
    async for record in scan(consumer, rules.topics.dead, rules.partitions, since_ms=min(letter.at_ms for letter in letters)):
        letter = wanted.pop((record.partition, record.offset), None)
        if letter is not None:
            yield letter, record
        if not wanted:
            return


async def replay(
    consumer: AIOKafkaConsumer,
    producer: AIOKafkaProducer,
    rules: Rules,
    letters: Sequence[Letter],
    progress: Callable[[int], None] | None = None,
) -> Replayed:
    """Kafka has acknowledged every one of `letters` on the rerouted topic."""
    by_reason: Counter[str] = Counter()
    by_partition: Counter[int] = Counter()
    unaddressed = 0
    waiting: list[asyncio.Future[object]] = []
    async for letter, record in fetch(consumer, rules, letters):
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
    headers = [item for item in record.headers if not item[0].startswith((PREFIX, "dead-")) and item[0] not in _OF_THE_WAY]
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


def _letter(record: Record) -> Letter:
    texts = {name: (header(record, name) or b"").decode("utf-8", "replace") for name in ("dead-reason", "dead-at", PREFIX + "stage")}
    return Letter(
        origin_of_letter(record),
        texts["dead-reason"] or "unknown",
        texts["dead-at"],
        texts[PREFIX + "stage"],
        record.timestamp,
        len(record.value or b""),
        1,
        (record.partition, record.offset),
    )


def origin_of_letter(record: Record) -> Coordinates:
    """Where the refused record was first appended, as its letter says; a letter that somebody else wrote is named by its own
    coordinates."""
    parts = [(header(record, PREFIX + name) or b"").decode("utf-8", "replace") for name in ("topic", "partition", "offset")]
    if parts[0] and _whole(parts[1]) and _whole(parts[2]):
        return Coordinates(parts[0], int(parts[1]), int(parts[2]))
    return Coordinates(record.topic, record.partition, record.offset)


def _whole(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 20
