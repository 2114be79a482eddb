# cython: language_level=3, annotation_typing=False
"""The fifth layer of a step: ids of one person become one user (docs/identity.md), and other errands between partitions are done."""

import msgspec

from streams.core.activity import ORDERED
from streams.core.alert import RULES
from streams.core.deadletter import origin_of
from streams.core.errands import Alias, Claim, Errand, Link, Merge, Over, Share, Told
from streams.core.headers import STREAMS_CLOCK, header
from streams.core.identity import ANONYMOUS, hash_of_id
from streams.core.kinship import Moving, moving
from streams.core.moved import KEEP_MS, Moved, leads_to
from streams.core.record import NEVER_MS, Coordinates, Event, Fate, Record
from streams.core.step.folds import Folds
from streams.core.step.routes import Item, Task
from streams.core.step.says import EVENT_TURNS
from streams.core.telling import acts_of_merge
from streams.core.ways import asked_on, onward

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
        """The loaded user, a known one, has been given another name: its partition hears of it. Once; but an alias that was refused may be
        allowed by now."""
        user, other, because = self.user, event.linked, "/".join(origin_of(record))
        if other == user.key:  # a name that was given up names the user that it leads to
            return
        kind = Link if other.startswith(ANONYMOUS) else Alias
        news = user.take_in(hash_of_id(other.removeprefix(ANONYMOUS)), event.at_ms)
        if news < 0:
            self._tell("refused", user.key, other, record, event.at_ms, because, reason="limit")
        elif news or (kind is Alias and self.rules.limits.allow_alias):
            self._keep(user.key)
            self._ask(kind(other, event.at_ms, because, user.key), record)

    def _do(self, record: Record, errand: Errand) -> None:
        """What another partition asks for is done. Timers that were due before it have fired, as before an event."""
        if isinstance(errand, Link):
            self._link(record, errand)
        elif isinstance(errand, Alias):
            self._alias(record, errand)
        elif isinstance(errand, Merge):
            self._merge(record, errand)
        elif isinstance(errand, Claim):
            self._judge(record, errand)
        elif isinstance(errand, Share):
            self._share(record, errand)
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
        """Who is known by the name already is another user, and becomes one with the target only where that is allowed. If nobody is, it
        was an anonymous id, or, where two users may become one, somebody who is still to come."""
        key, allowed = errand.user, self.rules.limits.allow_alias
        owner = leads_to(self._row(key))
        if owner is not None:
            self._dispute(record, errand, owner)
            return
        there = self._load(key, record, errand)
        if there and not allowed:
            self._keep(key)
            self._refuse(record, errand, key)
            return
        if not there:
            self._ask(Link(ANONYMOUS + key, errand.at_ms, errand.because, errand.target), record)
        if allowed:
            self._move(record, errand, there)

    def _link(self, record: Record, errand: Link) -> None:
        """The anonymous id is the known user's from now on: its state is on the way there, and its events follow."""
        key = errand.user
        owner = leads_to(self._row(key))
        if owner is not None:
            self._dispute(record, errand, owner)
            return
        there = self._load(key, record, errand)
        if there and self.user.ties.shared:
            self._keep(key)
            self._tell("refused", errand.target, key, record, errand.at_ms, errand.because, reason="shared")
            return
        self._move(record, errand, there)

    def _move(self, record: Record, errand: Link | Alias, there: bool) -> None:
        """The loaded user is the target from now on. there: it has a state."""
        key, at_ms = errand.user, errand.at_ms
        moved = self._ship(record, errand) if there else None
        now_ms = max(self.plan.now_ms, self.plan.time_ms)
        self.users[key], self.due[key] = Moved(errand.target, at_ms, now_ms).encode(), now_ms + KEEP_MS
        self._tell("linked", errand.target, key, record, at_ms, errand.because, moved=moved)

    def _dispute(self, record: Record, errand: Link | Alias, owner: str) -> None:
        """The id is somebody's already. Another user than the target may be the same person, where two users may be one."""
        if owner == errand.target:
            return
        if self.rules.limits.allow_alias:
            self._ask(Claim(owner, errand.at_ms, errand.because, errand.target, errand.user), record)
        elif isinstance(errand, Link):
            self._share(record, errand)
        else:
            self._refuse(record, errand, errand.user)

    def _judge(self, record: Record, errand: Claim) -> None:
        """Whether two users who have given the same name are one person: asked on, or known here."""
        answer = asked_on(errand, leads_to(self._row(errand.user)))
        if isinstance(answer, Claim):
            self._ask(answer, record)
        elif not answer:
            if errand.other.startswith(ANONYMOUS):
                self._ask(Share(errand.other, errand.at_ms, errand.because, errand.target), record)
            else:
                self._refuse(record, errand, errand.other)

    def _refuse(self, record: Record, errand: Alias | Claim, other: str) -> None:
        """`other` stays whose it is."""
        self._tell("refused", errand.target, other, record, errand.at_ms, errand.because, reason="two_known_users")

    def _share(self, record: Record, errand: Link | Share) -> None:
        """Another known user has been seen under an id that was merged: from now on its anonymous events are nobody's but its own."""
        key = errand.user
        if leads_to(self._row(key)) is not None:
            self._begin(key)
        elif self._load(key, record, errand) and self.user.ties.shared:
            self._keep(key)
            self._tell("refused", errand.target, key, record, errand.at_ms, errand.because, reason="shared")
            return
        self.user.share(errand.at_ms)
        self._keep(key)
        self._tell("shared", errand.target, key, record, errand.at_ms, errand.because)

    def _begin(self, key: str) -> None:
        """A new user is loaded, in place of a row that has led elsewhere."""
        self.user.load(key, None)
        self.entry_ms, self.due[key] = NEVER_MS, None

    def _ship(self, record: Record, errand: Link | Alias) -> Moving:
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
        """The known user has what was shipped: the score is right the second after the login. Who is another one by now sends it on."""
        user, shipped, here = self.user, self.shipped, leads_to(self._row(errand.user))
        if here is None:
            self._load(errand.user, record, errand)
        elif on := onward(errand.user, here, errand.passed or (errand.source,)):
            self._ask(msgspec.structs.replace(errand, user=on[0], passed=on[1]), record)
            return
        else:
            self._begin(errand.user)
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
