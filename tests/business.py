"""Random histories of a small business through the real flow, whatever the batching, and the ledger that its sums make."""

import json
import random
from collections.abc import Sequence
from pathlib import Path

import msgspec

from streams.core.envelope import rfc3339
from streams.core.errands import Errand, Forwarded
from streams.core.ledger import Ledger
from streams.core.record import Event, Fate, Head, Increments, Plan
from streams.core.rules import DAY_MS, Limits, Rules
from streams.flow import Flow
from streams.settings import load
from streams.shell.counted import Item, moved
from tests.unit.records import CLICKS, REROUTED, FakeRecord

__all__ = ["DAY_ONE", "Business", "Sent", "history", "logins", "shop_rules"]

#: Day 1 of the histories is 2026-01-01.
DAY_ONE = 20_454

Sent = dict[str, object]


def shop_rules(**business: object) -> Rules:
    """The shipped rules on one partition, with other business rules where the test says so."""
    rules = load(Path(__file__).parents[1] / "config", {}, partitions=1).rules
    return msgspec.structs.replace(rules, limits=Limits(allow_alias=True), business=msgspec.structs.replace(rules.business, **business))


class Business:
    """Takes events in, step by step, and keeps what every step adds."""

    def __init__(self, rules: Rules) -> None:
        self.rules, self.flow = rules, Flow(rules)
        self.users: dict[str, bytes] = {}
        self.sums: dict[str, dict[str, int]] = {}
        self.counted: list[Item] = []
        self.newest_ms = 0
        self._head = Head(0, "test", 0, dict.fromkeys(rules.topics.inputs, 0), None, -1, "event", {}, {})

    def take(self, events: Sequence[Sent]) -> None:
        """One step over these events."""
        self.take_values([json.dumps(event).encode() for event in events])

    def take_values(self, values: Sequence[bytes]) -> None:
        """One step over events as they lie in the topic, and what the partition sends itself because of them."""
        self._step(CLICKS, [(value, (("streams-clock", b"event"),)) for value in values])

    def _step(self, topic: str, sent: Sequence[tuple[bytes, Sequence[tuple[str, bytes]]]]) -> None:
        at = self._head.positions[topic]
        records = [FakeRecord(topic, 0, at + n, 0, b"k", value, headers) for n, (value, headers) in enumerate(sent)]
        reading = self.flow.read(records, 0)
        self.newest_ms = max(self.newest_ms, reading.newest_ms())
        plan = Plan(self._head.rev, {topic: (at, at + len(sent))}, self.newest_ms - 1, self.newest_ms, "event", "r", "prior", 0)
        loaded = {key: self.users.get(key) for key in reading.keys}
        outcome = self.flow.step(plan, reading, self._head, loaded, [])
        (journal,) = [output for output in outcome.outputs if output.topic == self.flow.rules.topics.journal]
        apart = {(each["topic"], each["offset"]) for each in json.loads(journal.value or b"")["apart"]}
        for record, said in zip(records, reading.says, strict=True):
            what = said.event if isinstance(said, Forwarded) else said
            if isinstance(what, Errand):
                self.counted += moved(record, what)
            elif isinstance(what, Event) and (record.topic, record.offset) not in apart:
                self.counted.append(what)
        assert outcome.fates[Fate.REJECTED] == 0
        for key, blob in outcome.users.items():
            assert blob is not None
            self.users[key] = blob
        for hash_ in outcome.sums:
            self._grow(hash_)
        self._head = msgspec.structs.replace(
            self._head,
            rev=self._head.rev + 1,
            positions={**self._head.positions, topic: at + len(sent)},
            guards=outcome.guards,
        )
        if home := [(each.value or b"", each.headers) for each in outcome.outputs if each.topic == REROUTED]:
            self._step(REROUTED, home)

    def _grow(self, hash_: Increments) -> None:
        sums = self.sums.setdefault(hash_.name, {})
        for name, n in hash_.fields.items():
            sums[name] = sums.get(name, 0) + n
            if sums[name] == 0:
                del sums[name]

    def ledger(self) -> Ledger:
        """What the store would tell."""
        ledger = Ledger()
        for name, sums in self.sums.items():
            ledger.put(0, name, sums)
        ledger.today = self.newest_ms // DAY_MS
        return ledger


def logins(seed: int, *, users: int = 3, events: int = 200, days: int = 25, alias: float = 0.0) -> list[Sent]:
    """Events of people who browse on devices of theirs and log in there now and then, in order of time. alias: share of events in which one
    of them says to be another one."""
    chance = random.Random(seed)
    owners = {f"d{number}": f"u{number % users}" for number in range(2 * users)}
    sent: list[Sent] = []
    for event in history(seed, users=1, events=events, days=days, late=0.0):
        device = chance.choice(tuple(owners))
        who: dict[str, object] = {"anonymousId": device} if chance.random() < 0.6 else {"userId": owners[device]}
        if chance.random() < 0.1:
            event, who = event | {"type": "identify"}, {"userId": owners[device], "anonymousId": device}
        if alias and chance.random() < alias:
            user, other = chance.sample(range(users), 2)
            event, who = event | {"type": "alias"}, {"userId": f"u{user}", "previousId": f"u{other}"}
        sent.append({name: value for name, value in event.items() if name != "userId"} | who)
    return sent


def history(seed: int, *, users: int = 6, events: int = 300, days: int = 75, late: float = 0.2) -> list[Sent]:
    """Events of everything that is counted, in order of time but for one in five that comes late, with resends."""
    chance = random.Random(seed)
    sent: list[Sent] = []
    now_ms = DAY_ONE * DAY_MS
    for number in range(events):
        now_ms += chance.choice((5_000, 20_000, 1_500_000, 3_600_000, round(2 * days / events * DAY_MS)))
        at_ms = now_ms - (chance.randrange(30 * DAY_MS) if chance.random() < late else 0)
        sent.append(_event(chance, f"u{chance.randrange(users)}", f"m{number}", at_ms))
        if chance.random() < 0.1:
            sent.append(chance.choice(sent))
    return sent


def _event(chance: random.Random, user: str, ident: str, at_ms: int) -> Sent:
    event: Sent = {"type": "track", "userId": user, "messageId": ident, "timestamp": rfc3339(at_ms)}
    name, properties = _what(chance)
    event["event"], event["properties"] = name, properties
    if chance.random() < 0.5:
        context: dict[str, object] = {}
        if chance.random() < 0.6:
            context["location"] = {"country": chance.choice(("DE", "fr", "Atlantis"))}
        if chance.random() < 0.6:
            context["device"] = {"type": chance.choice(("ios", "desktop", "toaster"))}
        if chance.random() < 0.5:
            context["campaign"] = {"source": chance.choice(("google", "share", "newsletter", "blog.example"))}
        event["context"] = context
    return event


def _what(chance: random.Random) -> tuple[str, Sent]:
    pick = chance.randrange(14)
    message = {"campaign_id": chance.choice(("spring", "sale")), "message_id": chance.choice(("1", "2"))}
    orders = {"order_id": chance.choice(("a", "b", "c", "d", "e", "f")), "revenue": chance.randrange(1, 9_999) / 100}
    kinds: list[tuple[str, Sent]] = [
        ("page_view", {"category": chance.choice(("shoes", "hats", "secret"))}),
        ("order_completed", dict(orders)),
        ("order_completed", {"revenue": chance.randrange(1, 9_999) / 100}),
        ("order_refunded", dict(orders)),
        ("product_added", {"category": "shoes"}),
        ("feature_used", {"feature": chance.choice(("Export", "search"))}),
        ("rating_given", {"survey": "NPS", "score": chance.choice((0, 6, 7, 8, 9, 10, 11, 7.5)), "scale": 10}),
        ("rating_given", {"survey": chance.choice(("delivery", "")), "score": chance.randrange(0, 7), "scale": chance.choice((3, 5, 7))}),
        ("product_shared", {}),
        (chance.choice(("signed_up", "subscription_cancelled", "opted_in", "opted_out")), {}),
        ("plan_changed", {"mrr_change": chance.choice((10, -4.5))}),
        (chance.choice(("email_send", "email_delivery")), dict(message)),
        (chance.choice(("email_open", "email_click")), {**message, **({"machine_open": True} if chance.random() < 0.3 else {})}),
        ("email_delivery", {}),
    ]
    return kinds[pick]
