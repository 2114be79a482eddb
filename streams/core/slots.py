# cython: language_level=3, annotation_typing=False, wraparound=False
"""The alerts of one user, one slot for each rule: which fire, since when, and when the next one may begin.

A resolved alert rests for `rearm_days`; alerts of one user are kept apart by `cooldown_hours`, and `max_per_day` of them begin on one day.
"""

from array import array
from typing import Final, NamedTuple

from streams.core.rules import DAY_MS, Rules

__all__ = ["SIZE_MAX", "Alert", "Slots"]

_DAY_MS = DAY_MS
_RULES: Final = 2
#: Of a slot: topic, partition, offset, starts, ends.
_FIELDS: Final = 5
_TOPIC, _PARTITION, _OFFSET, _STARTS, _ENDS = range(5)
_WORDS: Final = 4
#: Words of both slots.
SIZE_MAX: Final = _RULES * _WORDS


class Alert(NamedTuple):
    """One alert rule of one user. `opened`: topic index, partition, offset of the last counted record when it fired; times: -1 before."""

    firing: bool
    opened: tuple[int, int, int]
    starts_at_ms: int
    ends_at_ms: int


class Slots:
    """Both slots: rule 0 is churn_risk, rule 1 engagement_drop. `clear`, or `read` for each, begins another user.

    firing    bit r: the alert of rule r fires
    judged    bit r: it is known whether the last alert of rule r was right
    grouped   bit r: the last alert of rule r was told with others; the caller's to set when it fires
    """

    firing: int
    judged: int
    grouped: int

    def __init__(self, rules: Rules) -> None:
        self._cooldown_ms, self._max_per_day = round(rules.alerts.cooldown_hours * 3_600_000), rules.alerts.max_per_day
        self._rearm_ms = array("q", [round(rules.churn.rearm_days * DAY_MS), round(rules.drop.rearm_days * DAY_MS)])
        self._fields = array("q", bytes(8 * _RULES * _FIELDS))
        self.clear()

    def clear(self) -> None:
        """Nothing has ever fired."""
        self.firing = self.judged = self.grouped = 0
        self._forget(0)
        self._forget(1)

    def _forget(self, rule: int) -> None:
        at = _FIELDS * rule
        self._fields[at] = self._fields[at + _PARTITION] = self._fields[at + _OFFSET] = 0
        self._fields[at + _STARTS] = self._fields[at + _ENDS] = -1

    # -- what happens -----------------------------------------------------------------------------------------------

    def fire(self, rule: int, at_ms: int, topic: int, partition: int, offset: int) -> None:
        """The alert of `rule` begins; the last three say which record the user fell silent after."""
        at = _FIELDS * rule
        self.firing |= 1 << rule
        self.judged &= ~(1 << rule)
        self.grouped &= ~(1 << rule)
        self._fields[at] = topic
        self._fields[at + _PARTITION] = partition
        self._fields[at + _OFFSET] = offset
        self._fields[at + _STARTS] = at_ms
        self._fields[at + _ENDS] = -1

    def end(self, rule: int, at_ms: int) -> None:
        """The alert of `rule` is resolved."""
        self.firing &= ~(1 << rule)
        self._fields[_FIELDS * rule + _ENDS] = at_ms

    def judge(self, rules: int) -> None:
        """It is known whether the alerts of these rules (bits) were right."""
        self.judged |= rules

    def merge(self, other: "Slots") -> None:
        """The alerts of the same person under another id, none of which fires any more, keep new ones away as this user's own do."""
        for rule in range(_RULES):
            at = _FIELDS * rule
            if self.firing >> rule & 1 or self._fields[at + _STARTS] >= other._fields[at + _STARTS]:
                continue
            for i in range(_FIELDS):
                self._fields[at + i] = other._fields[at + i]
            self.judged |= 1 << rule
            self.grouped &= ~(1 << rule)

    # -- reading ----------------------------------------------------------------------------------------------------

    def unjudged(self) -> int:
        """Bit r: the alert of rule r fires, and it is open whether it is right."""
        return self.firing & ~self.judged

    def starts_ms(self, rule: int) -> int:
        """When the last alert of `rule` began; -1 when there was none."""
        return self._fields[_FIELDS * rule + _STARTS]

    def alert(self, rule: int) -> Alert:
        """The last alert of `rule`."""
        at = _FIELDS * rule
        opened = (int(self._fields[at]), int(self._fields[at + _PARTITION]), int(self._fields[at + _OFFSET]))
        return Alert(bool(self.firing >> rule & 1), opened, self._fields[at + _STARTS], self._fields[at + _ENDS])

    def earliest_ms(self, rule: int, at_ms: int) -> int:
        """When an alert of `rule` that would begin at `at_ms` may begin."""
        ends_ms = self._fields[_FIELDS * rule + _ENDS]
        if ends_ms >= 0:
            at_ms = max(at_ms, ends_ms + self._rearm_ms[rule])
        begun = 0
        for each in range(_RULES):
            starts_ms = self._fields[_FIELDS * each + _STARTS]
            if starts_ms >= 0:
                at_ms = max(at_ms, starts_ms + self._cooldown_ms)
        for each in range(_RULES):
            starts_ms = self._fields[_FIELDS * each + _STARTS]
            if starts_ms >= 0 and starts_ms // _DAY_MS == at_ms // _DAY_MS:
                begun += 1
        return (at_ms // _DAY_MS + 1) * _DAY_MS if begun >= self._max_per_day else at_ms

    # -- words of a slot: partition (above), marks (4), topic (4); offset; starts; ends ---------------------------------

    def used(self, rule: int) -> bool:
        """Whether the slot takes words in a state."""
        return self._fields[_FIELDS * rule + _STARTS] >= 0

    def write(self, rule: int, signed: memoryview, at: int) -> int:
        """The slot is in the words from `at` on; returns the word after it."""
        slot = _FIELDS * rule
        marks = (self.grouped >> rule & 1) << 1 | self.judged >> rule & 1
        signed[at] = self._fields[slot + _PARTITION] << 8 | marks << 4 | self._fields[slot]
        signed[at + 1] = self._fields[slot + _OFFSET]
        signed[at + 2], signed[at + 3] = self._fields[slot + _STARTS], self._fields[slot + _ENDS]
        return at + _WORDS

    def read(self, rule: int, signed: memoryview, at: int) -> int:
        """The slot in the words from `at` on is here, of a user who is new; returns the word after it."""
        slot = _FIELDS * rule
        self._fields[slot], self._fields[slot + _PARTITION] = signed[at] & 15, signed[at] >> 8
        self.judged |= (signed[at] >> 4 & 1) << rule
        self.grouped |= (signed[at] >> 5 & 1) << rule
        self._fields[slot + _OFFSET] = signed[at + 1]
        self._fields[slot + _STARTS], self._fields[slot + _ENDS] = signed[at + 2], signed[at + 3]
        return at + _WORDS
