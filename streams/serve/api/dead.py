"""`/v1/dead`: records that were refused, one of them with its bytes, and sending them once more."""

import asyncio
import base64
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Annotated, Any, Final

import msgspec
from aiokafka.errors import KafkaError
from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

from streams.commands.connect import open_consumer, open_producer
from streams.core.envelope import rfc3339
from streams.core.record import Coordinates
from streams.errors import ConfigError, Unavailable
from streams.serve.api.typed import answers, body_of, json_response, takes
from streams.serve.audit import Auditor
from streams.serve.problems import Problem
from streams.settings import Settings
from streams.shell import letters
from streams.shell.letters import LetterLine

__all__ = ["router"]

_BODY_BYTES: Final = 262_144
#: Letters of one replay by their coordinates: what a person ticks. More go by their reason.
_MOST: Final = 1000
#: The dead-letter topic is read for each question: one at a time, so that nobody can make this server read all day.
_WAIT_S: Final = 30.0

Reason = Annotated[str | None, Query(max_length=64, description="Only letters refused for this reason, e.g. not_json.")]


class LetterPage(msgspec.Struct, frozen=True):
    """Letters, the newest first. `found` in all since `since`; `next` is the cursor of the page after, None on the last one."""

    letters: Sequence[LetterLine]
    found: int
    by_reason: dict[str, int]
    since: str
    next: str | None


class Bytes(msgspec.Struct, frozen=True):
    """Bytes, exactly, and as text with what is no text spelled out."""

    base64: str
    text: str


class HeaderLine(msgspec.Struct, frozen=True):
    name: str
    value: Bytes


class LetterWhole(LetterLine, frozen=True):
    """A refused record as it came."""

    key: Bytes | None
    value: Bytes | None
    headers: Sequence[HeaderLine]


class ReplayOf(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which letters are sent once more: those of `coordinates`, or all of a `reason` since `since`. `dry_run`: only say how many."""

    coordinates: Annotated[Sequence[str], msgspec.Meta(max_length=_MOST)] = ()
    reason: str | None = None
    since_hours: Annotated[float, msgspec.Meta(gt=0, le=24 * 366)] | None = None
    dry_run: bool = False


class ReplayDone(msgspec.Struct, frozen=True):
    """What was sent, or would be. `missing`: coordinates of which there is no letter. `unaddressed`: their user cannot be read."""

    sent: int
    dry_run: bool
    by_reason: dict[str, int]
    unaddressed: int
    missing: Sequence[str]


_ONE: Final = answers(LetterWhole, "The record.", 400, 403, 404, 503)
_REPLAY: Final = takes(ReplayOf) | answers(ReplayDone, "What was sent.", 400, 403, 413, 503)


def router(settings: Settings, auditor: Auditor) -> APIRouter:
    """Routes that read the dead-letter topic and send through the rerouted one."""
    api, rules, one_by_one = APIRouter(tags=["dead letters"]), settings.rules, asyncio.Lock()
    shelf = letters.refused(rules)

    async def found(which: letters.Selection) -> list[letters.Letter]:
        async with asyncio.timeout(_WAIT_S), one_by_one, open_consumer(settings) as consumer:
            return await letters.collect(consumer, shelf, which)

    @api.get("/v1/dead", openapi_extra=answers(LetterPage, "A page of letters.", 400, 503), response_class=Response)
    async def page(
        reason: Reason = None,
        topic: Annotated[str | None, Query(max_length=249, description="Only letters that came from this topic.")] = None,
        since_hours: Annotated[float, Query(gt=0, le=24 * 366, description="Only letters of the last hours.")] = 24.0,
        limit: Annotated[int, Query(ge=1, le=500)] = 100,
        cursor: Annotated[str | None, Query(max_length=400, description="`next` of the page before.")] = None,
    ) -> Response:
        """Records that were refused, each once, the newest first."""
        since_ms = _now_ms() - round(since_hours * 3_600_000)
        there = await _asked(found(letters.Selection(reason=_reason(reason), topic=topic, since_ms=since_ms)))
        there.reverse()
        names = [str(letter.origin) for letter in there]
        if cursor is not None and cursor not in names:
            raise Problem(400, "cursor: there is no such letter any more; begin again")
        begin = 0 if cursor is None else names.index(cursor)
        shown = there[begin : begin + limit]
        after = names[begin + limit] if begin + limit < len(names) else None
        return json_response(LetterPage([LetterLine.of(each) for each in shown], len(there), _by_reason(there), rfc3339(since_ms), after))

    @api.get("/v1/dead/{topic}/{partition}/{offset}", openapi_extra=_ONE, response_class=Response)
    async def one(
        topic: Annotated[str, Path(max_length=249)],
        partition: Annotated[int, Path(ge=0, le=1_000_000)],
        offset: Annotated[int, Path(ge=0, le=1 << 62)],
        request: Request,
    ) -> Response:
        """One refused record with its key, its bytes and its headers. Who looked is written down."""
        at = Coordinates(topic, partition, offset)

        async def whole() -> LetterWhole | None:
            which = letters.Selection(origins=frozenset([at]))
            async with asyncio.timeout(_WAIT_S), one_by_one, open_consumer(settings) as consumer:
                async for letter, record in letters.fetch(consumer, shelf, await letters.collect(consumer, shelf, which)):
                    headers = [HeaderLine(name, _shown(value)) for name, value in record.headers]
                    return LetterWhole.of(letter, key=_bytes(record.key), value=_bytes(record.value), headers=headers)
            return None

        letter = await _asked(whole())
        if letter is None:
            raise Problem(404, "there is no dead letter with these coordinates")
        await auditor.must(request.state.caller, "letter.look", str(at))
        return json_response(letter)

    @api.post("/v1/dead:replay", openapi_extra=_REPLAY, response_class=Response)
    async def replay(request: Request) -> Response:
        """Letters are sent once more. One that was replayed before is counted as a duplicate, so nothing is counted twice.

        What is refused again comes back as a letter with the same coordinates.
        """
        body = await body_of(request, ReplayOf, _BODY_BYTES)
        which = _selection(body)
        there = await _asked(found(which))
        missing = which.missing(there)
        if body.dry_run or not there:
            return json_response(ReplayDone(len(there), body.dry_run, _by_reason(there), 0, missing))
        change: dict[str, Any] = {"letters": len(there), "reason": body.reason, "coordinates": list(body.coordinates)[:100]}
        await auditor.must(request.state.caller, "letter.replay", "dead", change)

        async def send() -> letters.Replayed:
            async with one_by_one, open_consumer(settings) as consumer, open_producer(settings) as producer:
                return await letters.replay(consumer, producer, rules, shelf, there)

        sent = await _asked(send())
        return json_response(ReplayDone(sent.sent, False, dict(sent.by_reason), sent.unaddressed, missing))

    return api


async def _asked(question: Any) -> Any:
    """The answer of Kafka. Raises `Problem`."""
    try:
        return await question
    except ConfigError as wrong:
        raise Problem(503, str(wrong)) from wrong
    except (Unavailable, KafkaError, TimeoutError) as problem:
        raise Problem(503, "Kafka does not answer, or not soon enough", headers={"retry-after": "5"}) from problem


def _selection(body: ReplayOf) -> letters.Selection:
    if bool(body.coordinates) == bool(body.reason):
        raise Problem(400, "either coordinates, or a reason")
    try:
        origins = frozenset(letters.coordinates(each) for each in body.coordinates)
    except ConfigError as wrong:
        raise Problem(400, wrong.message) from wrong
    since_ms = None if body.since_hours is None else _now_ms() - round(body.since_hours * 3_600_000)
    return letters.Selection(reason=_reason(body.reason), since_ms=since_ms, origins=origins)


def _reason(reason: str | None) -> str | None:
    if reason is not None and reason not in letters.REASONS:
        raise Problem(400, f"reason: one of {', '.join(letters.REASONS)}")
    return reason


def _by_reason(there: Iterable[letters.Letter]) -> dict[str, int]:
    return Counter(letter.reason for letter in there)


def _bytes(value: bytes | None) -> Bytes | None:
    return None if value is None else _shown(value)


def _shown(value: bytes) -> Bytes:
    return Bytes(base64.b64encode(value).decode(), value.decode("utf-8", "backslashreplace"))


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
