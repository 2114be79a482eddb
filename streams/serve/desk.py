"""What people have made of alerts, here and in Redis: written from the audit topic, once however many replicas there are, and bounded.

    {<app>:serve}:triage     hash: alert id -> JSON
    {<app>:serve}:triage-at  hash: partition of the audit topic -> offset of the next act

Without these keys everything is read again from the topic.
"""

import asyncio
import time
from collections import OrderedDict, deque
from importlib import resources
from typing import Final

import msgspec
from redis.asyncio import Redis

from streams.core.envelope import rfc3339
from streams.core.rules import DAY_MS
from streams.serve.audit import AuditRecord
from streams.serve.triage import ACTS, Triage, triaged

__all__ = ["Desk", "Lost"]

#: As long as alerts stay on their topic.
_KEPT_MS: Final = 90 * DAY_MS
#: As many as the inbox holds.
_MOST: Final = 20_000
#: Somebody who acted is answered when the act has come back from the topic.
_COME_BACK_S: Final = 5.0
#: Of so many acts it is known that they came back: those of some seconds.
_REMEMBERED: Final = 1000
_BACK: Final = "if redis.call('HGET', KEYS[1], ARGV[1]) == ARGV[2] then redis.call('HSET', KEYS[1], ARGV[1], ARGV[3]) end"


class Lost(Exception):
    """Redis has lost acts that were kept there."""


class Desk:
    """`all` is what is known, by alert id. The feed calls `take` for each record of the audit topic, in the order of each partition."""

    def __init__(self, redis: Redis, app_id: str) -> None:
        self._redis = redis
        self._triage, self._positions = f"{{{app_id}:serve}}:triage", f"{{{app_id}:serve}}:triage-at"
        self._keep = redis.register_script(resources.files("streams.serve").joinpath("keep.lua").read_text(encoding="utf-8"))
        self._back = redis.register_script(_BACK)
        self._decode = msgspec.json.Decoder(AuditRecord).decode
        self._seen: dict[int, int] = {}
        self._news = asyncio.Event()
        self._done: deque[str] = deque(maxlen=_REMEMBERED)
        self.all: OrderedDict[str, Triage] = OrderedDict()

    async def load(self) -> dict[int, int]:
        """What Redis has is known; the offset of the next act by partition."""
        pipe = self._redis.pipeline(transaction=True)
        pipe.hgetall(self._triage)
        pipe.hgetall(self._positions)
        rows, positions = await pipe.execute()
        found = sorted((msgspec.json.decode(raw, type=Triage) for raw in rows.values()), key=lambda each: each.touched_at)
        self.all = OrderedDict((each.alert_id, each) for each in found)
        self._seen = {int(partition): int(offset) for partition, offset in positions.items()}
        return dict(self._seen)

    async def rewind(self, partition: int, offset: int) -> None:
        """The next act of `partition` is that at `offset`, unless another replica has said so already: the topic was made anew."""
        await self._back(keys=[self._positions], args=[partition, self._seen[partition], offset])
        self._seen[partition] = offset

    async def take(self, partition: int, offset: int, value: bytes) -> bytes | None:
        """The act is done, here and in Redis; what it made of an alert as JSON, None when it is about something else.

        Raises `Lost` when Redis no longer has what came before: load again. What Redis raises comes through, too: then nothing has changed.
        """
        known = self._seen.get(partition, 0)
        act = self._act(value)
        if offset < known:  # done before this server began: what came of it is known
            there = self.all.get(act.object) if act else None
            self._came(act)
            return msgspec.json.encode(there) if there is not None else None
        now = triaged(self.all.get(act.object), act) if act else None
        raw, gone = msgspec.json.encode(now) if now else b"", self._over()
        args: list[str | bytes | int] = [partition, offset, known, now.alert_id if now else "", raw, *gone]
        if await self._keep(keys=[self._triage, self._positions], args=args) == -1:
            raise Lost
        for ident in gone:
            self.all.pop(ident, None)
        if now is not None:
            self.all[now.alert_id] = now
            self.all.move_to_end(now.alert_id)
        self._seen[partition] = offset + 1
        self._came(act)
        return raw or None

    def _came(self, act: AuditRecord | None) -> None:
        if act is not None:
            self._done.append(act.audit_id)
            news, self._news = self._news, asyncio.Event()
            news.set()

    def _act(self, value: bytes) -> AuditRecord | None:
        """The act, when it is about an alert."""
        try:
            act = self._decode(value)
        except msgspec.DecodeError:  # of a newer release, or of somebody else
            return None
        return act if act.action in ACTS else None

    async def done(self, act: AuditRecord) -> bool:
        """Whether the act came back from the topic within some seconds. By its id: offsets begin again when the topic is made anew."""
        try:
            async with asyncio.timeout(_COME_BACK_S):
                while act.audit_id not in self._done:
                    await self._news.wait()
        except TimeoutError:
            return False
        return True

    def _over(self) -> list[str]:
        """Alerts whose last act is too long ago, or one too many."""
        before = rfc3339(time.time_ns() // 1_000_000 - _KEPT_MS)
        gone: list[str] = []
        for ident, each in self.all.items():
            if each.touched_at >= before and len(self.all) - len(gone) < _MOST:
                break
            gone.append(ident)
        return gone
