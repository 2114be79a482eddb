# cython: language_level=3, annotation_typing=False
"""The fifth layer of a step: ids of one person become one user (docs/identity.md), and other errands between partitions are done."""

from streams.core.activity import ORDERED
from streams.core.alert import RULES
from streams.core.deadletter import origin_of
from streams.core.errands import Alias, Errand, Link, Merge, Over, Told
from streams.core.headers import STREAMS_CLOCK, header
from streams.core.identity import ANONYMOUS, hash_of_id
from streams.core.kinship import Moving, moving
from streams.core.moved import KEEP_MS, Moved, is_moved
from streams.core.record import NEVER_MS, Coordinates, Event, Fate, Record
from streams.core.step.folds import Folds
from streams.core.step.routes import Item, Task
from streams.core.step.says import EVENT_TURNS
from streams.core.telling import acts_of_merge

__all__ = ["Kin"]

_COUNTED = Fate.COUNTED


class Kin(Folds):
    """What a step does because another partition asks for it, and what it asks of others."""

    def _follow(self, key: str, tasks: list[Task]) -> None:
        """What another partition asks of a user is done between the user's events, and other names that events give are looked at."""
        run: list[Item] = []
        for record, what in tasks:
            if isinstance(what, Errand):
                self._fold_user(key, run)
                run = []
                self._do(record, what)
            elif what.linked:
                self._fold_user(key, run)
                run, counted = [], self.fates[_COUNTED]
                self._fold_user(key, [(record, what)])
                if self.fates[_COUNTED] > counted:
                    self._name_known(record, what)
            else:
                run.append((record, what))
        self._fold_user(key, run)

    def _name_known(self, record: Record, event: Event) -> None:
        """The loaded user, a known one, has been given another name: its partition hears of it, once."""
        user, other, because = self.user, event.linked, "/".join(origin_of(record))
        news = user.take_in(hash_of_id(other.removeprefix(ANONYMOUS)), event.at_ms)
        if news < 0:
            self._tell("refused", user.key, other, record, event.at_ms, because, reason="limit")
        elif news:
            self._keep(user.key)
            kind = Link if other.startswith(ANONYMOUS) else Alias
            self._ask(kind(other, event.at_ms, because, user.key), record)

    def _do(self, record: Record, errand: Errand) -> None:
        """What another partition asks for is done. Timers that were due before it have fired, as before an event."""
        if isinstance(errand, Link):
            self._link(record, errand)
        elif isinstance(errand, Alias):
            self._alias(record, errand)
        elif isinstance(errand, Merge):
            self._merge(record, errand)
        elif isinstance(errand, Told):
            self._hear(errand.sender, errand.over)
            self.desk.take(errand.act, Coordinates(record.topic, record.partition, record.offset))
        elif isinstance(errand, Over):
            self._hear(errand.sender, errand.over)

    def _load(self, key: str, record: Record, errand: Errand) -> bool:
        """The user is loaded, and what fell due before the errand has fired; False for one who is not there, or not any more."""
        row = self._row(key)
        self.user.load(key, row)
        self.entry_ms = self.user.entry_ms
        if row is None:
            return False
        at_ms = errand.at_ms if header(record, STREAMS_CLOCK) == b"event" else record.timestamp
        bound_ms = min(self.timers_ms, at_ms - 1)
        return self.user.due_ms > bound_ms or self.entry_ms > bound_ms or self._turn(bound_ms)

    def _alias(self, record: Record, errand: Alias) -> None:
        """Who is known by the name already is another user, and two known users are never made one; else it was an anonymous id."""
        if self._load(errand.user, record, errand):
            self._keep(errand.user)
            self._tell("refused", errand.target, errand.user, record, errand.at_ms, errand.because, reason="two_known_users")
        else:
            self._ask(Link(ANONYMOUS + errand.user, errand.at_ms, errand.because, errand.target), record)

    def _link(self, record: Record, errand: Link) -> None:
        """The anonymous id is the known user's from now on: its state is on the way there, and its events follow."""
        key, target, at_ms = errand.user, errand.target, errand.at_ms
        row = self._row(key)
        if row is not None and is_moved(row):
            if Moved.decode(row).user != target:
                self.user.load(key, None)
                self.entry_ms = NEVER_MS
                self._share(record, errand)
            return
        there = self._load(key, record, errand)
        if there and self.user.ties.shared:
            self._keep(key)
            self._tell("refused", target, key, record, at_ms, errand.because, reason="shared")
            return
        moved = self._ship(record, errand) if there else None
        now_ms = max(self.plan.now_ms, self.plan.time_ms)
        self.users[key], self.due[key] = Moved(target, at_ms, now_ms).encode(), now_ms + KEEP_MS
        self._tell("linked", target, key, record, at_ms, errand.because, moved=moved)

    def _share(self, record: Record, errand: Link) -> None:
        """Another known user has been seen under an id that was merged: from now on its anonymous events are nobody's but its own."""
        self.user.share(errand.at_ms)
        self.due[errand.user] = None
        self._keep(errand.user)
        self._tell("shared", errand.target, errand.user, record, errand.at_ms, errand.because)

    def _ship(self, record: Record, errand: Link) -> Moving:
        """The loaded state leaves for the known user. What was told of its id ends: alerts are resolved, the score has a tombstone."""
        user, moved = self.user, moving(self.user)
        for number, turn in enumerate(EVENT_TURNS):
            slot = user.alert(number)
            if slot.firing:
                at_ms = max(errand.at_ms, user.newest_ms, slot.starts_at_ms)
                self._alert(turn, at_ms, "merged", record)
                user.slots.end(number, at_ms)
        self._ask(Merge(errand.target, errand.at_ms, errand.because, user.key, user.dump()), record)
        self._bury(max(errand.at_ms, user.newest_ms))
        return moved

    def _merge(self, record: Record, errand: Merge) -> None:
        """The known user has what was shipped: the score is right the second after the login."""
        user, shipped = self.user, self.shipped
        self._load(errand.user, record, errand)
        shipped.take(errand.source, errand.state)
        moved = moving(shipped)
        days, orders = user.days_with(shipped), set(user.activity.days(ORDERED)) & set(shipped.activity.days(ORDERED))
        self.business.unite(user.activity, shipped.activity)
        user.absorb(shipped, days, sorted(orders), self.inputs[record.topic], record.partition, record.offset)
        self._tell_account(acts_of_merge(user, shipped, errand.at_ms), record)
        for number, rule in enumerate(RULES):
            if (user.wrong | user.right) >> number & 1:
                self.quality.judged(rule, bool(user.right >> number & 1), user.newest_ms)
        for turn in EVENT_TURNS:
            if user.turns & turn:
                self._alert(turn, user.newest_ms, "merged", record)
        self._score("merged", user.newest_ms, record)
        self._keep(errand.user)
        self._tell("merged", errand.user, errand.source, record, errand.at_ms, errand.because, moved=moved)
