"""What becomes of each event of a request: its topic, or quarantine, or a dead letter. Each is judged alone."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from xxhash import xxh3_64_intdigest

from streams.collect.delivery import Parcel
from streams.collect.dialects.event import Incoming
from streams.collect.keys import Source
from streams.collect.limits import Velocity
from streams.collect.robots import Robots
from streams.core.deadletter import letter_headers
from streams.core.event import Decoder
from streams.core.headers import QUARANTINE_REASON, QUARANTINE_TOPIC
from streams.core.identity import home_partition
from streams.core.record import Event, Rejected
from streams.core.rules import Rules
from streams.core.trackingplan import compiled
from streams.settings import Collect

__all__ = ["Judge"]

_TOO_LARGE: Final = Rejected("too_large", "$")
#: No event: the sender may not switch the clock of a partition.
_NO_EVENT: Final = Rejected("empty")
_STAGE: Final = "collect"


class _Draft(NamedTuple):
    """A record that is not written yet, as the worker's decoder will see it."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes
    headers: Sequence[tuple[str, bytes]]


class Judge:
    """Asks the worker's own decoder and its tracking plan, so that both say the same of an event."""

    def __init__(self, rules: Rules, collect: Collect) -> None:
        self._topics, self._partitions, self._event_bytes = rules.topics, rules.partitions, collect.event_bytes
        self._decode, self._plan = Decoder(rules).decode, compiled(rules.tracking_plan)
        self._campaigns = frozenset(entry.id for entry in rules.catalogue.types if entry.channel is not None)
        self._robots = Robots() if collect.robots else None
        self._velocity = Velocity(collect.velocity_per_min)

    def parcels(self, events: Sequence[Incoming], source: Source, agent: str, now_ms: int, *, history: bool) -> list[Parcel]:
        """One parcel for each of `events`, in order.

        agent    the browser that the request came from, for events that name none
        history  an import of old events: nobody is too fast in it
        """
        robots = None if source.robots else self._robots
        parcels = []
        for event, verdict in zip(events, self._verdicts(events, now_ms), strict=True):
            if isinstance(verdict, Rejected):
                parcels.append(self._dead(event, verdict, source))
                continue
            key = verdict.raw_id.encode()
            topic = self._topics.campaigns if verdict.type_id in self._campaigns else self._topics.clickstream
            headers, why = source.headers, b""
            if robots is not None and robots.sent(event.agent or agent):
                why = b"robot"
            elif not history and self._velocity.exceeded(verdict.user, now_ms):
                why = b"velocity"
            if why:
                headers = [*headers, (QUARANTINE_REASON, why), (QUARANTINE_TOPIC, topic.encode())]
                topic = self._topics.quarantine
            parcel = Parcel(topic, home_partition(verdict.raw_id, self._partitions), key, event.value, headers)
            parcel.quarantined = why.decode()
            parcels.append(parcel)
        return parcels

    def _verdicts(self, events: Sequence[Incoming], now_ms: int) -> list[Event | Rejected]:
        refused = [event.refused or (_TOO_LARGE if len(event.raw) > self._event_bytes else None) for event in events]
        drafts = [_Draft("", 0, 0, now_ms, None, event.value, ()) for event, known in zip(events, refused, strict=True) if known is None]
        decoded = iter(self._decode(drafts))
        verdicts: list[Event | Rejected] = []
        for event, known in zip(events, refused, strict=True):
            verdict = next(decoded) if known is None else known
            if isinstance(verdict, Event):
                verdict = self._off_plan(event) or verdict
            verdicts.append(verdict if isinstance(verdict, Event | Rejected) else _NO_EVENT)
        return verdicts

    def _off_plan(self, event: Incoming) -> Rejected | None:
        """Why the tracking plan sets `event` aside. What it only marks goes on: marks are the worker's to count."""
        misfit = self._plan.judge(event.value) if self._plan is not None else None
        return Rejected("off_plan", misfit.at) if misfit is not None and misfit.mode == "dead-letter" else None

    def _dead(self, event: Incoming, why: Rejected, source: Source) -> Parcel:
        partition = xxh3_64_intdigest(event.raw) % self._partitions
        parcel = Parcel(self._topics.dead, partition, None, event.value, [*source.headers, *letter_headers(why, _STAGE)])
        parcel.refused = why
        return parcel
