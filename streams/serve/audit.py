"""Who did what: one record for every act, written down before the act is done. What cannot be written down is not done."""

import asyncio
import logging
import secrets
import time
from collections.abc import Mapping
from typing import Any, Final, Literal

import msgspec
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from streams.core.envelope import rfc3339
from streams.serve.problems import Problem
from streams.serve.roles import Caller
from streams.settings import Settings

__all__ = ["ACTIONS", "AuditRecord", "Auditor"]

log = logging.getLogger(__name__)

#: A person waits so long for a record to be taken.
_ANSWER_S: Final = 5.0

Action = Literal[
    "session.begin",
    "session.refused",
    "session.locked",
    "session.end",
    "alert.acknowledge",
    "alert.snooze",
    "alert.assign",
    "alert.note",
    "letter.look",
    "letter.replay",
    "user.export",
]
ACTIONS: Final[tuple[str, ...]] = Action.__args__  # type: ignore[attr-defined]


class AuditRecord(msgspec.Struct, frozen=True):
    """One act, as the audit topic has it.

    who, via  the name of who acted, and how that is known: local, session, token, proxy
    object    what it was done to: an alert, a user, a letter; "" where there is nothing but the act
    change    what it was changed to, by name
    """

    audit_id: str
    at: str
    who: str
    via: str
    action: str
    object: str
    change: dict[str, Any] = {}


class Auditor:
    """Writes to the audit topic. `close` at the end."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._producer: AIOKafkaProducer | None = None
        self._starting = asyncio.Lock()

    async def must(self, caller: Caller, action: Action, what: str, change: Mapping[str, Any] | None = None) -> AuditRecord:
        """The act is written down, as it is returned. Raises `Problem` (503) when it is not: then it must not be done."""
        record = AuditRecord(
            audit_id=secrets.token_hex(12),
            at=rfc3339(time.time_ns() // 1_000_000),
            who=caller.name,
            via=caller.via,
            action=action,
            object=what,
            change=dict(change or {}),
        )
        headers = [("content-type", b"application/json")]
        try:
            async with asyncio.timeout(_ANSWER_S):
                producer = await self._started()
                # Acts on one thing stay in order: they share a key, and so a partition.
                key = (what or caller.name).encode()
                await producer.send_and_wait(self._settings.rules.topics.audit, msgspec.json.encode(record), key, headers=headers)
        except (KafkaError, OSError, TimeoutError) as problem:
            log.warning("an act cannot be written down: %s", type(problem).__name__)
            raise Problem(503, "this cannot be written down now, so it is not done: try again", headers={"retry-after": "5"}) from problem
        return record

    async def should(self, caller: Caller, action: Action, what: str = "") -> None:
        """The act is written down if Kafka takes it: whoever signs in during an outage must not be kept out by it."""
        try:
            await self.must(caller, action, what)
        except Problem:
            log.error("not written down: %s", action)

    async def close(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            try:
                async with asyncio.timeout(_ANSWER_S):
                    await producer.stop()
            except (KafkaError, OSError, TimeoutError) as problem:
                log.warning("the audit producer did not end in order: %s", type(problem).__name__)

    async def _started(self) -> AIOKafkaProducer:
        async with self._starting:
            if self._producer is None:
                kafka = self._settings.kafka
                producer = AIOKafkaProducer(
                    bootstrap_servers=self._settings.broker,
                    **kafka.client(),
                    acks="all",
                    enable_idempotence=kafka.idempotence,
                    request_timeout_ms=4000,
                )
                try:
                    await producer.start()
                except BaseException:
                    await producer.stop()
                    raise
                self._producer = producer
            return self._producer
