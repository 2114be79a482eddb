"""The store port as a dict: the fake that passes the same contract suite as Redis (`tests/integration/test_store.py`).

Every method does its work at once and never suspends. `snapshot` and `restore` turn time back, as a Redis does that lost its last second.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, TypeVar

import msgspec

from streams.core.record import NEVER_MS, Head, Increments, Outcome, Plan
from streams.errors import Fenced, MissingHistory
from streams.shell.heads import after_move, after_save
from streams.shell.ports import Loaded

__all__ = ["Image", "MemoryStore"]

T = TypeVar("T")


class _Shelf(NamedTuple):
    """One partition: its users' states, their due times, and its sums by hash."""

    users: dict[str, bytes]
    due: dict[str, int]
    sums: dict[str, dict[str, int]]

    def copy(self) -> "_Shelf":
        return _Shelf(dict(self.users), dict(self.due), {name: dict(fields) for name, fields in self.sums.items()})


class Image(NamedTuple):
    """Everything the store held at one moment."""

    heads: dict[int, Head]
    shelves: dict[int, _Shelf]


class MemoryStore:
    """Heads, users and due times of all partitions."""

    def __init__(self, app_id: str) -> None:
        self.app_id = app_id
        self._heads: dict[int, Head] = {}
        self._shelves: dict[int, _Shelf] = {}

    async def open(self, partition: int, owner: str) -> Head | None:
        if partition in self._heads:
            self._change(partition, owner=owner)
        return self.peek(partition)

    async def create(self, head: Head) -> Head:
        if head.partition in self._heads:
            raise Fenced("there is a head already")
        shelf = self._shelf(head.partition)
        if shelf.users or shelf.due or shelf.sums:
            raise MissingHistory(f"partition {head.partition} holds users and no head")
        return self._put(head)

    async def head(self, partition: int) -> Head | None:
        return self.peek(partition)

    async def move(self, head: Head, positions: Mapping[str, int]) -> Head:
        self.check(head)
        return self._put(after_move(head, positions))

    async def plan(self, head: Head, plan: Plan, keys: Sequence[str]) -> Loaded:
        self.check(head)
        if self._heads[head.partition].plan not in (None, plan):
            raise Fenced("another plan")
        self._change(head.partition, plan=plan)
        return self.load(head.partition, plan, keys)

    async def save(self, head: Head, plan: Plan, outcome: Outcome) -> Head:
        self.check(head)
        if self._heads[head.partition].plan != plan:
            raise Fenced("another plan")
        return self.write(head, plan, outcome)

    # -- the parts of a script, one by one: the model test leaves some out on purpose -------------------------------

    def check(self, head: Head) -> None:
        """Raises `Fenced` unless the stored head has the owner, revision and positions of `head`."""
        stored = self._heads.get(head.partition)
        if stored is None:
            raise Fenced("no head")
        for name in ("owner", "rev", "positions"):
            if getattr(stored, name) != getattr(head, name):
                raise Fenced(f"another {name}")

    def load(self, partition: int, plan: Plan, keys: Sequence[str]) -> Loaded:
        """States of `keys` and of the first users that are due."""
        users, due, _ = self._shelf(partition)
        first = sorted((at, key) for key, at in due.items() if at <= plan.timers_ms)[: plan.due_limit]
        names = [key for _, key in first]
        return Loaded({key: users.get(key) for key in [*keys, *names]}, names)

    def write(self, head: Head, plan: Plan, outcome: Outcome) -> Head:
        """States, due times, sums and the head after the step."""
        shelf = self._shelf(head.partition)
        _update(shelf.users, outcome.users)
        _update(shelf.due, outcome.due)
        for hash_ in outcome.sums:
            _grow(shelf.sums.setdefault(hash_.name, {}), hash_)
        return self._put(after_save(head, plan, outcome))

    # -- what a test sees -------------------------------------------------------------------------------------------

    def peek(self, partition: int) -> Head | None:
        """The head, as `head()` answers it."""
        stored = self._heads.get(partition)
        if stored is None:
            return None
        return _copy(stored, next_due_ms=min(self._shelf(partition).due.values(), default=NEVER_MS))

    def rows(self, partition: int) -> Mapping[str, bytes]:
        """User key -> state."""
        return self._shelf(partition).users

    def queue(self, partition: int) -> Mapping[str, int]:
        """User key -> due time."""
        return self._shelf(partition).due

    def sums(self, partition: int) -> Mapping[str, Mapping[str, int]]:
        """Name of a hash -> sum -> value."""
        return self._shelf(partition).sums

    def snapshot(self) -> Image:
        """What `restore` brings back."""
        return Image(dict(self._heads), {p: shelf.copy() for p, shelf in self._shelves.items()})

    def restore(self, image: Image) -> None:
        """The store is what it was when `image` was taken."""
        self._heads = dict(image.heads)
        self._shelves = {p: shelf.copy() for p, shelf in image.shelves.items()}

    def _shelf(self, partition: int) -> _Shelf:
        return self._shelves.setdefault(partition, _Shelf({}, {}, {}))

    def _put(self, head: Head) -> Head:
        self._heads[head.partition] = _copy(head)
        stored = self.peek(head.partition)
        assert stored is not None
        return stored

    def _change(self, partition: int, **fields: object) -> None:
        """Stored heads are replaced, never changed: an image may still hold the old one."""
        self._heads[partition] = msgspec.structs.replace(self._heads[partition], **fields)


def _copy(head: Head, **fields: object) -> Head:
    """A head that shares no dict with `head`, so that a caller cannot change what is stored; positions are sorted, as in Redis."""
    return msgspec.structs.replace(
        head, positions=dict(sorted(head.positions.items())), guards=dict(head.guards), fates=dict(head.fates), **fields
    )


def _update(stored: dict[str, T], changes: Mapping[str, T | None]) -> None:
    """`stored` holds `changes`; None takes an entry away."""
    for key, new in changes.items():
        if new is None:
            stored.pop(key, None)
        else:
            stored[key] = new


def _grow(sums: dict[str, int], by: Increments) -> None:
    """The sums have grown; at the limit, what is new goes into `overflow`."""
    for name, n in by.fields.items():
        if name not in sums and len(sums) >= by.limit:
            sums["overflow"] = sums.get("overflow", 0) + 1
            continue
        sums[name] = sums.get(name, 0) + n
        if sums[name] == 0:
            del sums[name]
