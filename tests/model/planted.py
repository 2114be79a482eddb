"""Bugs, planted on purpose: each is one rule of the protocol left out. A model that cannot find them proves nothing."""

from collections.abc import Mapping, Sequence
from typing import Any

from streams.core.deadletter import origin_of
from streams.core.errands import Errand, Merge
from streams.core.headers import REROUTE_FROM, header
from streams.core.learning import Learned
from streams.core.moved import leads_to
from streams.core.record import Event, Head, Outcome, Output, Plan, Record
from streams.core.rules import Rules
from streams.flow import Flow, Reading, _Step
from streams.shell.buffer import Buffer, Take
from streams.shell.lane import Lane
from streams.shell.ports import Batch, Loaded
from tests.memory_store import MemoryStore
from tests.model.world import Variant

__all__ = ["PLANTED"]


class SaveBeforePublish(Lane):
    """States are saved first: a crash in between and nobody is told."""

    async def _step(self, plan: Plan, reading: Reading, *, found: bool) -> None:
        loaded = await self._plan(plan, reading, found=found)
        if loaded is None:
            return
        if not self._flow.knows(plan.parameters_version):
            await self._learn(plan.parameters_version)
        outcome = self._flow.step(plan, reading, self._head, loaded.users, loaded.due)
        head = await self._save(plan, outcome)
        await self._publisher.publish(outcome.outputs)
        self._head = head
        self._remember(outcome)
        self._buffer.advance(plan.spans)


class NoPlanStore(MemoryStore):
    """Nothing is written before it is said: a step is whatever the next owner makes of it."""

    async def plan(self, head: Head, plan: Plan, keys: Sequence[str]) -> Loaded:
        self.check(head)
        return self.load(head.partition, plan, keys)

    async def save(self, head: Head, plan: Plan, outcome: Outcome) -> Head:
        self.check(head)
        return self.write(head, plan, outcome)


class NoFromStore(MemoryStore):
    """The store does not compare positions."""

    def check(self, head: Head) -> None:
        stored = self.peek(head.partition)
        if stored is not None:
            head = Head(head.partition, head.owner, head.rev, stored.positions, None, 0, "", {}, {})
        super().check(head)


class NoFromBuffer(Buffer):
    """Batches are taken as they come, from wherever they were fetched."""

    def add(self, batch: Batch) -> None:
        topic = self._topics[batch.topic]
        topic.records.extend(batch.records)
        topic.end = batch.end


class DrainedApart(Buffer):
    """Each topic is drained on its own, and time is the highest append time that was folded."""

    def take(self, limit: int) -> Take:
        spans = {name: (topic.position, topic.position) for name, topic in self._topics.items()}
        for name, topic in self._topics.items():
            if records := topic.records[:limit]:
                return Take(records, spans | {name: (topic.position, records[-1].offset + 1)})
        return Take([], spans)

    def time_ms(self, taken: Take, grace_ms: int) -> int:
        if taken.records:
            return max(record.timestamp for record in taken.records) - 1
        return max(topic.as_of_ms for topic in self._topics.values()) - grace_ms


def _with_buffer(buffer: type[Buffer]) -> type[Lane]:
    class Planted(Lane):
        buffer_class = buffer

    return Planted


class _DueAlone(_Step):
    """A score of a timer is named by user and due time alone."""

    def _score(self, cause: str, as_of_ms: int, record: Record | None = None) -> None:
        super()._score(cause, as_of_ms, record)
        if cause == "timer":
            alone = f"{self.user.key}+{as_of_ms}".encode()
            output = self.outputs[-1]
            headers = [(name, alone if name == "ce_id" else value) for name, value in output.headers]
            self.outputs[-1] = Output(output.topic, output.partition, output.key, output.value, headers, output.timestamp_ms)


class _GuardInUser(_Step):
    """The guard is the highest offset per origin, kept for each user, in place of the highest offset per sender, kept for the partition."""

    def _seen(self, record: Record, what: Any) -> bool:
        if header(record, REROUTE_FROM) is None or not isinstance(what, Event):
            return False
        topic, partition, offset = origin_of(record)
        place = f"{what.user}:{topic}/{partition}"
        if int(offset) <= self.guards.get(place, -1):
            return True
        self.guards[place] = int(offset)
        return False


class _SentByUser(_Step):
    """What a step sends leaves user by user, not record by record."""

    def _sent_in_order(self, reading: Reading) -> list[Output]:
        return [output for _, output in self.sendings]


class _ErrandsUnguarded(_Step):
    """An errand is done as often as it comes."""

    def _seen(self, record: Record, what: Any) -> bool:
        return not isinstance(what, Errand) and super()._seen(record, what)


class _StateStays(_Step):
    """A state stays where it comes to, whoever the user is by now."""

    def _merge(self, record: Record, errand: Merge) -> None:
        if leads_to(self._row(errand.user)) is not None:
            self.users[errand.user], self.due[errand.user] = None, None
        super()._merge(record, errand)


class _RoundAndRound(_Step):
    """A state follows its user without looking where it has been."""

    def _merge(self, record: Record, errand: Merge) -> None:
        super()._merge(record, Merge(errand.user, errand.at_ms, errand.because, errand.source, errand.state))


def _with_step(step: type[_Step]) -> Any:
    class Planted(Flow):
        def step(self, plan: Plan, reading: Reading, head: Head, users: Mapping[str, bytes | None], due: Sequence[str]) -> Outcome:
            return step(self, plan, head, users).run(reading, due)

    def build(rules: Rules) -> Flow:
        return Planted(rules)

    return build


class _NewestParameters(Lane):
    """A found plan is executed with the parameters that are in force now, not with those it names."""

    async def _finish(self, plan: Plan) -> None:
        assert self._published is not None
        self._instead = self._published.current()
        await super()._finish(plan)

    async def _step(self, plan: Plan, reading: Reading, *, found: bool) -> None:
        if found:
            flow = self._flow
            if not flow.knows(plan.parameters_version):
                await self._learn(plan.parameters_version)
            flow._parameters[plan.parameters_version] = flow._parameters[self._instead]
            flow._read_by = ""
        await super()._step(plan, reading, found=found)


class _LearnsInMemory(_Step):
    """What was learned lives in the process, and is saved as it stands there."""

    def run(self, reading: Reading, due: Sequence[str]) -> Outcome:
        memory = _memory.setdefault(id(self.rules), {})
        self.learned = memory.get(self.partition)
        outcome = super().run(reading, due)
        if self.learned is not None:
            memory[self.partition] = self.learned
        return outcome


_memory: dict[int, dict[int, Learned]] = {}


PLANTED: dict[str, Variant] = {
    "save before publish": Variant(lane=SaveBeforePublish),
    "no plan": Variant(store=NoPlanStore),
    "no from check": Variant(lane=_with_buffer(NoFromBuffer), store=NoFromStore),
    "due time alone as an id": Variant(flow=_with_step(_DueAlone), stray=0.6),
    "guard kept in the user": Variant(flow=_with_step(_GuardInUser), stray=0.6, dead=0.4),
    "a found plan with the parameters of today": Variant(lane=_NewestParameters),
    "lessons kept in memory": Variant(flow=_with_step(_LearnsInMemory)),
    "sendings in the order of users": Variant(flow=_with_step(_SentByUser), stray=0.6, anonymous=0.6),
    "errands without a guard": Variant(flow=_with_step(_ErrandsUnguarded), anonymous=0.6),
    "a state stays where its user has gone on": Variant(flow=_with_step(_StateStays), alias=0.3),
    "a state goes round and round": Variant(flow=_with_step(_RoundAndRound), alias=0.3),
    "sweep by highest append time, topics drained apart": Variant(lane=_with_buffer(DrainedApart)),
}
