# cython: language_level=3, annotation_typing=False
"""The first layer of a step: what it holds, and what it says of the loaded user, of many together, and of itself."""

from collections.abc import Callable, Mapping

import msgspec

from streams.core.accountdesk import AccountDesk
from streams.core.alert import RULES, Alert, alert_record, rule_of
from streams.core.apart import named, rest_of
from streams.core.business import Business
from streams.core.crowd import HOUR_MS, Crowd, crowd_words, joined
from streams.core.drift import Sampler
from streams.core.envelope import Envelope, rfc3339
from streams.core.headers import TRACEPARENT, traceparent
from streams.core.horizon import Horizon
from streams.core.kinship import Moving, identity_record
from streams.core.learning import Learned, decode_learned
from streams.core.parameters import Parameters
from streams.core.quality import Tally
from streams.core.record import FATES, Apart, Event, Head, Outgoing, Output, Plan, Record
from streams.core.rules import DAY_MS, Rules
from streams.core.score import score_output
from streams.core.sitealert import operator_alert
from streams.core.state import State
from streams.core.ticks import Ticks
from streams.core.user import Turn, User

__all__ = ["CROWDS", "EVENT_TURNS", "Fold", "Says"]

#: `User.fold`.
Fold = Callable[..., int]

#: Entry in the queue of due times for the end of an hour in which alerts were told together.
CROWDS = "\x01crowds"
#: What an event can turn: only silence raises.
EVENT_TURNS = (Turn.CHURN_OFF, Turn.DROP_OFF)


class Says:
    """What a step holds while it is being taken.

    user       the scratch user; `entry_ms` is where the store's queue of due times has the one that is loaded
    shipped    a second one, for a state that is merged into it
    loaded     the rows as the store had them; `users` and `due` are what becomes of them
    sendings   outputs for other partitions, each with the record that causes it
    asked      users for whom another partition asks something
    learned    what the partition has learned, once the step has changed it
    horizon    which days are over elsewhere, once the step has asked
    """

    rules: Rules
    user: User
    shipped: State
    inputs: Mapping[str, int]
    envelopes: Mapping[str, Envelope]
    business: Business
    fold_event: Fold
    plan: Plan
    head: Head
    partition: int
    loaded: Mapping[str, bytes | None]
    timers_ms: int
    parameters: Parameters
    learned: Learned | None
    horizon: Horizon | None
    quality: Tally
    users: dict[str, bytes | None]
    due: dict[str, int | None]
    outputs: list[Outgoing]
    fates: list[int]
    guards: dict[str, int]
    rejects: dict[str, int]
    apart: list[Apart]
    sendings: list[tuple[Record, Output]]
    desk: AccountDesk
    asked: set[str]
    ticks: Ticks | None
    sampler: Sampler
    entry_ms: int

    def _lessons(self) -> Learned:
        """What the partition has learned, as the step has left it so far."""
        return self.learned or decode_learned(self.head.learned, self.rules)

    def _score(self, cause: str, as_of_ms: int, record: Record | None = None) -> None:
        user = self.user
        due_ms = as_of_ms if cause == "timer" else None
        trace = traceparent(record) if record is not None and record.headers else None
        self.outputs.append(score_output(user, self.rules, self.partition, cause, as_of_ms, due_ms, self.plan.rev, trace))
        if self.rules.emit.mode == "meaningful":  # the other modes never ask what was said last
            user.emitted(as_of_ms)

    def _event_turns(self, event: Event, record: Record) -> None:
        """The event has ended alerts: the user left in so many words, bought, or was there again; it may have told whether they were
        right."""
        for number, rule in enumerate(RULES):
            if (self.user.wrong | self.user.right) >> number & 1:
                self.quality.judged(rule, bool(self.user.right >> number & 1), event.at_ms)
        cause = "cancelled" if self.user.leaves[event.type_id] else "bought" if event.amount > 0 else "came_back"
        for turn in EVENT_TURNS:
            if self.user.turns & turn:
                self._alert(turn, event.at_ms, cause, record)

    def _alert(self, turn: int, at_ms: int, cause: str, record: Record | None = None) -> None:
        rule = RULES[rule_of(turn)]
        if turn in (Turn.CHURN_ON, Turn.DROP_ON):
            self.quality.fired(rule, at_ms)
            if self.rules.alerts.group_from and self._joins_crowd(rule, at_ms):
                self.user.slots.grouped |= 1 << rule_of(turn)
                return
        else:
            self.quality.resolved(rule, cause, at_ms)
            if self.user.slots.grouped >> rule_of(turn) & 1:  # nobody was told that it began
                return
        alert: Alert = alert_record(self.user, self.rules, turn, at_ms=at_ms, cause=cause, rev=self.plan.rev, now_ms=self.plan.now_ms)
        key = self.user.key.encode()
        headers = self.envelopes["alert"].headers(alert.ident, key, rfc3339(at_ms).encode())
        output = Output(self.rules.topics.alerts, self.partition, key, alert.value, headers, self._dated(at_ms))
        self.outputs.append(_traced(output, record) if record is not None and record.headers else output)

    def _joins_crowd(self, rule: str, at_ms: int) -> bool:
        """Whether this alert is told with others; the first of them says so, and the end of their hour how many they were."""
        learned = self._lessons()
        crowds, mine = joined(learned.crowds, rule, at_ms, self.user.key, self.user.alert(RULES.index(rule)).opened, self.rules)
        self.learned = msgspec.structs.replace(learned, crowds=crowds)
        if mine.count == 1:
            self._tell_crowd(mine, over=False)
        self._wait_for_crowds(crowds)
        return mine.count > 0

    def _tell_crowds(self) -> None:
        """The hours that are over are told, and forgotten."""
        learned = self._lessons()
        open_: list[Crowd] = []
        for crowd in learned.crowds:
            if (crowd.hour + 1) * HOUR_MS > self.timers_ms:
                open_.append(crowd)
            elif crowd.count:
                self._tell_crowd(crowd, over=True)
        self.learned = msgspec.structs.replace(learned, crowds=tuple(open_))
        self._wait_for_crowds(self.learned.crowds)

    def _tell_crowd(self, crowd: Crowd, *, over: bool) -> None:
        words = crowd_words(crowd, self.rules, over=over)
        output = operator_alert(words, self.rules, now_ms=self.plan.now_ms, rev=self.plan.rev)
        self.outputs.append(output._replace(partition=self.partition))

    def _wait_for_crowds(self, crowds: tuple[Crowd, ...]) -> None:
        self.due[CROWDS] = min(((crowd.hour + 1) * HOUR_MS for crowd in crowds if crowd.count), default=None)

    def _bury(self, at_ms: int) -> None:
        """The loaded user has no score any more."""
        self.outputs.append(Output(self.rules.topics.scores, self.partition, self.user.key.encode(), None, (), self._dated(at_ms)))

    def _tell(
        self,
        action: str,
        user: str,
        other: str,
        record: Record,
        at_ms: int,
        because: str,
        *,
        reason: str = "",
        moved: Moving | None = None,
    ) -> None:
        """News about ids for the audit."""
        ident, value = identity_record(
            action,
            user,
            other,
            record,
            at_ms=at_ms,
            because=because,
            rev=self.plan.rev,
            rules_version=self.rules.version,
            reason=reason,
            moved=moved,
        )
        key = user.encode()
        headers = self.envelopes["identity"].headers(ident, key, rfc3339(at_ms).encode())
        self.outputs.append(Output(self.rules.topics.identity, self.partition, key, value, headers, self._dated(at_ms)))

    def _dated(self, at_ms: int) -> int:
        """CreateTime of a record on a topic that deletes by age: Kafka would drop an older one minutes after it was written."""
        return max(at_ms, self.plan.now_ms - DAY_MS)

    def _journal(self) -> Output:
        """One line for each step: the order in which things were done, for audits, for replays of a store that was rolled back, and for
        whoever asks what became of one record."""
        line: dict[str, object] = {
            "rev": self.plan.rev,
            "owner": self.head.owner,
            "plan": self.plan,
            "fates": {name: n for name, n in zip(FATES, self.fates, strict=True) if n},
            "apart": named(self.apart),
        }
        if rest := rest_of(self.apart, self.plan.spans):
            line["rest"] = rest
        key = str(self.partition).encode()
        headers = self.envelopes["journal"].headers(f"{self.partition}:{self.plan.rev}", key, rfc3339(self.plan.now_ms).encode())
        return Output(self.rules.topics.journal, self.partition, key, msgspec.json.encode(line), headers)


def _traced(output: Output, record: Record) -> Output:
    """The output belongs to the trace of the record that it is told because of, if that one belongs to any."""
    trace = traceparent(record)
    return output if trace is None else output._replace(headers=[*output.headers, (TRACEPARENT, trace)])
