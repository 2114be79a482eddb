# cython: language_level=3, annotation_typing=False
"""The fourth layer of a step: events are folded into users, and silence turns them."""

from streams.core.alert import RULES
from streams.core.identity import ANONYMOUS, home_partition
from streams.core.learning import learned_from
from streams.core.moved import KEEP_MS, MARK, Moved
from streams.core.parameters import forecast
from streams.core.record import NEVER_MS, Fate, Record, Rejected
from streams.core.rfm import spending_of
from streams.core.step.members import Members
from streams.core.step.routes import Item
from streams.core.telling import acts_of
from streams.core.user import Turn
from streams.core.ways import RENAMES_MAX
from streams.errors import StreamsError

__all__ = ["Folds"]

_COUNTED = Fate.COUNTED
_MOVED = MARK
_SCORE_CAUSE = ("", "event", "band", "interval")


class Folds(Members):
    """What a step does to one user after the other."""

    def _row(self, key: str) -> bytes | None:
        """The row as the step has left it so far."""
        return self.users[key] if key in self.users else self.loaded.get(key)

    def _fold_user(self, key: str, items: list[Item]) -> None:
        """Folds a user's events. A record whose rule raises is rejected, and the user folded again from the stored state without it."""
        row, due_ms = self._row(key), self.due.get(key, -1)
        if row is not None and row[0] == _MOVED:
            self._forward(key, items)
            return
        while items:
            said, apart, counted, sent = len(self.outputs), len(self.apart), len(self.quality.counted), len(self.sendings)
            fates, learned = list(self.fates), self.learned
            self.business.mark()
            self.user.load(key, row)
            self.entry_ms = self.user.entry_ms
            broken = self._fold(items)
            if broken is None:
                self._keep(key)
                return
            del self.outputs[said:], self.apart[apart:], self.quality.counted[counted:], self.sendings[sent:]
            self.fates, self.learned, self.horizon = fates, learned, None
            self.business.undo()
            if row is self.loaded.get(key):
                self.users.pop(key, None)
            else:
                self.users[key] = row
            if due_ms == -1:
                self.due.pop(key, None)
            else:
                self.due[key] = due_ms
            self._reject(broken[0], Rejected("rule_error"), "fold")
            self._forget_replay(broken[0])
            items = [item for item in items if item is not broken]

    def _fold(self, items: list[Item]) -> Item | None:
        """Folds `items` into the loaded user; the first one whose rule raised, or None."""
        user, each = self.user, self.rules.emit.mode == "event"
        timers_ms, inputs, fates, fold = self.timers_ms, self.inputs, self.fates, self.fold_event
        counted: Record | None = None
        business = self.business
        # What learned parameters have moved into the past since the queue was written does not happen to somebody who is just coming back.
        queued_ms = self.entry_ms
        for item in items:  # the hot loop: whatever is asked here is asked of every event
            record, event = item
            try:
                # What fell due before this event fires first, as if a sweep had just passed: a later event does not cancel it,
                # whatever the batching.
                # Never beyond the plan's time, up to which nothing unread can still contradict it.
                if user.due_ms <= timers_ms and queued_ms <= timers_ms:
                    bound_ms = min(timers_ms, (event.at_ms if event.event_clock else record.timestamp) - 1)
                    if user.due_ms <= bound_ms and queued_ms <= bound_ms:
                        self._turn(bound_ms)
                queued_ms = -1  # from here on it is as the queue will have it
                # Read once: they are read more often than an event is folded.
                type_id, at_ms, amount = event.type_id, event.at_ms, event.amount
                properties, context = event.properties, event.context
                topic, offset = inputs[record.topic], record.offset
                fate = fold(type_id, at_ms, event.id_hash, amount, topic, record.partition, offset, properties, context)
                fates[fate] += 1
                if fate == _COUNTED:
                    counted = record
                    business.count(user.activity, type_id, at_ms, amount, user.weights[type_id] > 0.0, properties, context)
                    if event.group is not None or user.has_news(user.leaves[type_id]):
                        self._tell_account(acts_of(user, event, self.rules), record)
                    if user.turns or user.wrong or user.right:
                        self._event_turns(event, record)
                    if each:
                        self._score("event", user.newest_ms, record)
                else:
                    self._name(record, fate)
            except StreamsError:
                raise
            except Exception:  # the one place that may: a rule that raises costs one record, not the partition
                return item
        if counted is not None and not each:
            cause = "event" if self.rules.emit.mode == "step" else _SCORE_CAUSE[user.emission(user.newest_ms)]
            if cause:
                self._score(cause, user.newest_ms, counted)
        return None

    def _forward(self, key: str, items: list[Item]) -> None:
        """Events of an id that was merged go on to the known user."""
        row = self._row(key)
        assert row is not None
        moved = Moved.decode(row)
        home = home_partition(moved.user, self.rules.partitions)
        renames = 0 if key.startswith(ANONYMOUS) else RENAMES_MAX
        for record, _ in items:
            self._reroute(record, home, moved.user, renames)
        now_ms = max(self.plan.now_ms, self.plan.time_ms)
        used = moved.used(now_ms)
        if used is not moved:
            self.users[key], self.due[key] = used.encode(), now_ms + KEEP_MS

    def _keep(self, key: str) -> None:
        """The user's new state is in the outcome, and an entry in the queue where the due time moved before the one that is there."""
        user = self.user
        if user.due_ms < self.entry_ms:
            self.due[key] = self.entry_ms = user.due_ms
        user.entry_ms = self.entry_ms
        blob = user.dump()
        if key in self.users or blob != self.loaded.get(key):
            self.users[key] = blob

    def _turn(self, bound_ms: int) -> bool:
        """Applies every timer of the loaded user up to `bound_ms`, in order; one score at the last of them. False when the user has
        expired."""
        user, last_ms = self.user, 0
        while turn := user.turn(bound_ms):
            if turn >= Turn.LESSON:
                self._take_stock(turn, user.turn_ms)
                continue
            last_ms = user.turn_ms
            if turn == Turn.EXPIRED:
                self._expire(last_ms)
                return False
            if turn != Turn.BAND:
                self._alert(turn, last_ms, "silence")
        if last_ms:
            self._score("timer", last_ms)
        return True

    def _take_stock(self, turn: int, at_ms: int) -> None:
        """What came of the loaded user is counted, or learned from. Nobody is told; the save keeps it."""
        if turn == Turn.LOST:
            slots = {rule: self.user.alert(number) for number, rule in enumerate(RULES)}
            self.quality.lost(at_ms, {rule: slot.starts_at_ms for rule, slot in slots.items() if slot.firing and slot.starts_at_ms < at_ms})
        elif turn == Turn.LESSON:
            self._learn(at_ms)
        else:
            self.quality.judged(RULES[turn == Turn.DROP_RIGHT], True, at_ms)

    def _learn(self, at_ms: int) -> None:
        lesson = self.user.lesson
        assert lesson is not None
        before = self._lessons()
        said = forecast(self.parameters, lesson.label.p0, lesson.label.x)
        self.learned = learned_from(before, lesson, self.rules, said, spending_of(self.user, self.rules, at_ms))
        self.quality.forecast(at_ms, said, lesson.label.churned)

    def _expire(self, at_ms: int) -> None:
        """The user's state is gone, with a tombstone on the compacted topic; what was firing is resolved."""
        user, key = self.user, self.user.key
        for rule, turn in ((0, Turn.CHURN_OFF), (1, Turn.DROP_OFF)):
            if user.alert(rule).firing:
                self._alert(turn, at_ms, "expired")
        self._bury(at_ms)
        self.users[key], self.due[key], self.entry_ms = None, None, NEVER_MS
        user.load(key, None)
