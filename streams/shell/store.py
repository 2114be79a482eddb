"""The store of a worker's partitions on Redis: each method is one script, atomic, and refused unless the head is the expected one."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain
from typing import Any, Final, NamedTuple

from streams.core.record import NEVER_MS, Head, Outcome, Plan
from streams.shell.heads import HEAD_VERSION, Keys, after_move, after_save, decode_head, encode_body, encode_plan, encode_positions
from streams.shell.ports import Loaded
from streams.shell.redislink import RedisLink, Request, Script, packed_arguments

__all__ = ["PartitionStore"]

_OPEN: Final = Script("open")
_LOOK: Final = Script("look")
_CREATE: Final = Script("create")
_MOVE: Final = Script("move")
_PLAN: Final = Script("plan")
_SAVE: Final = Script("save")
#: Arguments of a claim (`_Open.claim`): owner, rev, at, plan.
_CLAIMED: Final = 4


class _Open(NamedTuple):
    """The last plan that was said or found: a save says it again to the byte. (An older or newer release may write other bytes than ours
    for the same plan.)

    claim   what plan and save both say first: what the head must be, and the plan
    """

    head: Head
    plan: Plan
    raw: bytes
    claim: bytes

    @classmethod
    def of(cls, head: Head, plan: Plan, raw: bytes) -> "_Open":
        return cls(head, plan, raw, packed_arguments(*_expected(head), raw))


class PartitionStore:
    """`ports.Store` on Redis. A full disk or a server that is down for an hour is waited for; `trouble` says so meanwhile."""

    def __init__(self, app_id: str, url: str, *, timeout_s: float = 5.0, on_reconnect: Callable[[], None] | None = None) -> None:
        """`url` is redis://, rediss:// or unix://. Nothing is connected yet. For `timeout_s` and `on_reconnect` see `RedisLink`."""
        self.app_id, self.url = app_id, url
        self._link = RedisLink(url, timeout_s=timeout_s, on_reconnect=on_reconnect)
        self._open: dict[int, _Open] = {}

    @property
    def trouble(self) -> str | None:
        """What the store waits for right now; None when it serves."""
        return self._link.trouble

    @property
    def waited_s(self) -> float:
        """How long somebody has waited since the start, all in all."""
        return self._link.waited_s

    async def close(self) -> None:
        """No connection is left."""
        await self._link.close()

    async def open(self, partition: int, owner: str) -> Head | None:
        keys = Keys.of(self.app_id, partition)
        request = Request(_OPEN, (keys.head, keys.due))
        request.add(owner, HEAD_VERSION)
        return self._head(partition, await self._link.run(request))

    async def head(self, partition: int) -> Head | None:
        keys = Keys.of(self.app_id, partition)
        return self._head(partition, await self._link.run(Request(_LOOK, (keys.head, keys.due))))

    async def create(self, head: Head) -> Head:
        request = Request(_CREATE, Keys.of(self.app_id, head.partition))
        request.add(HEAD_VERSION, head.owner, head.rev, encode_positions(head.positions), encode_body(head))
        await self._link.run(request)
        return head

    async def move(self, head: Head, positions: Mapping[str, int]) -> Head:
        keys = Keys.of(self.app_id, head.partition)
        after = after_move(head, positions)
        request = Request(_MOVE, (keys.head, keys.due))
        request.add(*_expected(head))
        request.add(HEAD_VERSION, after.rev, encode_positions(after.positions), encode_body(after))
        after.next_due_ms = _due_ms(await self._link.run(request))
        return after

    async def plan(self, head: Head, plan: Plan, keys: Sequence[str]) -> Loaded:
        request = Request(_PLAN, Keys.of(self.app_id, head.partition))
        request.add_packed(self._claim(head, plan), _CLAIMED)
        request.add(plan.timers_ms, plan.due_limit, *keys)
        users, due, due_states = await self._link.run(request)
        names = [key.decode() for key in due]
        loaded: dict[str, bytes | None] = dict(zip(names, _flat(due_states), strict=True))
        loaded.update(zip(keys, _flat(users), strict=True))
        return Loaded(loaded, names)

    async def save(self, head: Head, plan: Plan, outcome: Outcome) -> Head:
        after = after_save(head, plan, outcome)
        request = Request(_SAVE, Keys.of(self.app_id, head.partition))
        request.add_packed(self._claim(head, plan), _CLAIMED)
        request.add(HEAD_VERSION, after.rev, encode_positions(after.positions), encode_body(after))
        gone = [key for key, state in outcome.users.items() if state is None]
        unqueued = [key for key, at_ms in outcome.due.items() if at_ms is None]
        kept_end = 13 + 2 * (len(outcome.users) - len(gone))
        queued_end = kept_end + len(gone) + 2 * (len(outcome.due) - len(unqueued))
        request.add(kept_end, kept_end + len(gone), queued_end, queued_end + len(unqueued), outcome.learned or b"")
        request.add_pairs([(key.encode(), state) for key, state in outcome.users.items() if state is not None])
        request.add(*gone)
        request.add_pairs([(b"%d" % at_ms, key.encode()) for key, at_ms in outcome.due.items() if at_ms is not None])
        request.add(*unqueued)
        last = queued_end + len(unqueued)
        for hash_ in outcome.sums:
            last += 4 + 2 * len(hash_.fields)
            request.add_usual((hash_.name, hash_.keep_s, hash_.limit, last))
            request.add_usual(chain.from_iterable(hash_.fields.items()))
        after.next_due_ms = _due_ms(await self._link.run(request))
        self._open.pop(head.partition, None)
        return after

    def _head(self, partition: int, fields: Sequence[bytes | None] | None) -> Head | None:
        """The head in the answer of `open` and `look`."""
        if fields is None:
            return None
        head = decode_head(partition, fields[:7], _due_ms(fields[7]))
        if head.plan is not None and fields[4] is not None:
            self._open[partition] = _Open.of(head, head.plan, fields[4])
        return head

    def _claim(self, head: Head, plan: Plan) -> bytes:
        """What plan and save both say first."""
        known = self._open.get(head.partition)
        if known is None or known.head is not head or known.plan is not plan:
            raw = known.raw if known is not None and known.plan == plan else encode_plan(plan)
            known = self._open[head.partition] = _Open.of(head, plan, raw)
        return known.claim


def _expected(head: Head) -> tuple[str, int, bytes]:
    """What the scripts compare."""
    return head.owner, head.rev, encode_positions(head.positions)


def _due_ms(score: bytes | None) -> int:
    return NEVER_MS if score is None else int(score)


def _flat(chunks: Iterable[Iterable[Any]]) -> list[Any]:
    return [state for chunk in chunks for state in chunk]
