# cython: language_level=3, annotation_typing=False
"""The second layer of a step: every record meets its fate here, or is for a user."""

from streams.core.deadletter import dead_letter, origin_of
from streams.core.errands import Errand, Forwarded, sending
from streams.core.headers import DEAD_ORIGIN, REROUTE_FROM, header
from streams.core.reading import Decoded, Reading
from streams.core.record import FATES, Apart, Event, Fate, Output, Record, Rejected
from streams.core.reroute import already_sent, hops_of, rerouted
from streams.core.rules import DAY_MS
from streams.core.step.says import Says

__all__ = ["MARKER", "Item", "Routes", "Task", "marker_of"]

Item = tuple[Record, Event]
#: What is to be done for one user: to fold an event, or to do what another partition asks for.
Task = tuple[Record, Event | Errand]

#: Prefix of the rows that remember replayed dead letters: no user key holds a control character.
MARKER = "\x01dead:"
#: As long as a letter (14 d) or an event in quarantine (30 d) is kept and can be sent again, and as it can lie in the rerouted topic before
#: it is read (30 d).
_MARKER_TTL_MS = 60 * DAY_MS


class Routes(Says):
    """Where the records of a step go."""

    def _route(self, reading: Reading) -> dict[str, list[Task]]:
        """Gives every record that is not folded its fate, and groups the others by user: within a user the order stays, between users
        it says nothing."""
        groups: dict[str, list[Task]] = {}
        rerouted_topic, partition = self.rules.topics.rerouted, self.partition
        for record, what, home in zip(reading.records, reading.says, reading.homes, strict=True):
            event: Event | Errand | None
            if isinstance(what, Event) and home == partition and record.topic != rerouted_topic:
                event = what
            else:
                event = self._to_fold(record, what, home)
                if event is None:
                    continue
            group = groups.get(event.user)
            if group is None:
                groups[event.user] = [(record, event)]
            else:
                group.append((record, event))
        return groups

    def _to_fold(self, record: Record, what: Decoded, home: int) -> Event | Errand | None:
        """The event of an unusual record if it is to be folded here, or the errand that it is; any other record has its fate then."""
        is_rerouted = record.topic == self.rules.topics.rerouted
        if is_rerouted and self._seen(record, what):
            self._apart(record, Fate.DUPLICATE)
        elif isinstance(what, Rejected):
            self._reject(record, what, "decode")
        elif isinstance(what, Forwarded):
            return what.event
        elif isinstance(what, Errand):
            self._apart(record, Fate.CONTROL)
            self.asked.add(what.user)
            return what
        elif not isinstance(what, Event):
            self._apart(record, Fate.CONTROL)
        elif home != self.partition:
            self._reroute(record, home)
        elif is_rerouted and self._replayed_before(record):
            self._apart(record, Fate.DUPLICATE)
        else:
            return what
        return None

    def _apart(self, record: Record, fate: int, why: Rejected | None = None) -> None:
        """The record meets a fate other than to be counted; the journal names it."""
        self.fates[fate] += 1
        self._name(record, fate, why)

    def _name(self, record: Record, fate: int, why: Rejected | None = None) -> None:
        self.apart.append(Apart(record.topic, record.offset, FATES[fate], *((why.reason, why.at) if why else ())))

    def _seen(self, record: Record, what: Decoded) -> bool:
        """Whether this sending was accepted before, whoever repeats it."""
        return already_sent(record, self.guards)

    def _reroute(self, record: Record, home: int, user: str = "", renames: int = 0) -> None:
        """The record is sent on, as one of `user` where that is given; `renames`: so much more often than partitions alone need."""
        if hops_of(record) >= self.rules.limits.reroute_hops + renames:
            self._reject(record, Rejected("limit", f"$headers.{REROUTE_FROM}"), "route")
            return
        self._apart(record, Fate.REROUTED)
        self.sendings.append((record, rerouted(record, self.rules.topics.rerouted, home, user)))

    def _reject(self, record: Record, why: Rejected, stage: str) -> None:
        self._apart(record, Fate.REJECTED, why)
        self.rejects[why.reason] = self.rejects.get(why.reason, 0) + 1
        self.outputs.append(dead_letter(record, why, self.rules.topics.dead, self.partition, stage))

    def _replayed_before(self, record: Record) -> bool:
        """Whether this dead letter was replayed before; remembers it when not."""
        if header(record, DEAD_ORIGIN) is None:
            return False
        marker = marker_of(record)
        if marker in self.users or self.loaded.get(marker) is not None:
            return True
        self.users[marker] = b"\x00"
        self.due[marker] = max(self.plan.now_ms, self.plan.time_ms) + _MARKER_TTL_MS
        return False

    def _forget_replay(self, record: Record) -> None:
        """A replayed dead letter that is refused again may be replayed once more, when the rule is mended."""
        if header(record, DEAD_ORIGIN) is not None:
            self.users.pop(marker_of(record), None)
            self.due.pop(marker_of(record), None)

    def _ask(self, errand: Errand, cause: Record) -> None:
        """Another partition will do the errand; everything goes through the rerouted topic, even to the partition that it came from."""
        self.sendings.append((cause, sending(errand, cause, self.rules.topics.rerouted, self.rules.partitions)))

    def _sent_in_order(self, reading: Reading) -> list[Output]:
        """What is sent to other partitions, in the order of the records that cause it: guards there are highest offsets of each sender, and
        what follows a state must not overtake it. What one record causes keeps the order in which it was caused."""
        if len(self.sendings) > 1:
            places = {(record.topic, record.offset): place for place, record in enumerate(reading.records)}
            self.sendings.sort(key=lambda each: places[each[0].topic, each[0].offset])
        return [output for _, output in self.sendings]


def marker_of(record: Record) -> str:
    """The row that remembers that this dead letter was replayed."""
    return MARKER + "/".join(origin_of(record))
