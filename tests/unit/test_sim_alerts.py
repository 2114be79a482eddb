"""The world's silences, folded by the real core: alerts fall due while one looks, and some are resolved."""

from itertools import takewhile

import pytest

from streams.core.event import Decoder
from streams.core.record import Event, Fate
from streams.core.rules import Rules
from streams.core.user import Turn, User
from streams.settings import load
from streams.sim.emission import Emission
from streams.sim.world import World
from tests.unit.records import CAMPAIGNS, CLICKS, FakeRecord

UNTIL_MS = 1_764_000_000_000
MINUTES = 10
TOPICS = {"clickstream": CLICKS, "campaigns": CAMPAIGNS}


class Fold:
    """Users under the worker's own rules, without a worker: what falls due before an event fires first."""

    def __init__(self, rules: Rules, keys: set[str]) -> None:
        self._decoder, self._user, self._keys = Decoder(rules), User(rules), keys
        self._blobs: dict[str, bytes] = {}
        self._offset = 0
        self.fired: list[tuple[int, str, str]] = []
        self.resolved: list[tuple[int, str]] = []

    def take(self, emission: Emission) -> None:
        self._offset += 1
        topic = TOPICS[emission.topic]
        event = self._decoder.decode_one(FakeRecord(topic, 0, self._offset, emission.at_ms, emission.key, emission.value))
        if not isinstance(event, Event) or event.user not in self._keys:
            return
        user = self._user
        user.load(event.user, self._blobs.get(event.user))
        self._turn(emission.at_ms - 1)
        fate = user.fold(event.type_id, event.at_ms, event.id_hash, event.amount, int(topic == CAMPAIGNS), 0, self._offset)
        if fate == Fate.COUNTED and user.turns & Turn.DROP_OFF:
            self.resolved.append((emission.at_ms, event.user))
        self._blobs[event.user] = user.dump()

    def sweep(self, at_ms: int) -> None:
        for key, blob in self._blobs.items():
            self._user.load(key, blob)
            self._turn(at_ms)
            self._blobs[key] = self._user.dump()

    def _turn(self, bound_ms: int) -> None:
        while turn := self._user.turn(bound_ms):
            if turn in (Turn.CHURN_ON, Turn.DROP_ON):
                self.fired.append((self._user.turn_ms, self._user.key, "churn_risk" if turn == Turn.CHURN_ON else "engagement_drop"))


@pytest.fixture(scope="module")
def folded() -> tuple[World, Fold]:
    """90 days of history and ten minutes of live traffic of a world of 250 users; the aimed ones are folded."""
    rules = load(None, {}).rules
    world = World(seed=11, users=250, churn=rules.churn, drop=rules.drop)
    history = world.history(90, UNTIL_MS)
    fold = Fold(rules, {shopper.known.key.decode() for shopper in world.silent})
    for emission in history:
        fold.take(emission)
    fold.sweep(UNTIL_MS)
    end_ms = UNTIL_MS + MINUTES * 60_000
    for emission in takewhile(lambda emission: emission.at_ms < end_ms, world.live(UNTIL_MS, 20)):
        fold.take(emission)
    fold.sweep(end_ms)
    return world, fold


def per_minute(times_ms: list[int]) -> list[int]:
    return [sum(UNTIL_MS + minute * 60_000 <= at_ms < UNTIL_MS + (minute + 1) * 60_000 for at_ms in times_ms) for minute in range(MINUTES)]


def test_alerts_fire_steadily(folded: tuple[World, Fold]) -> None:
    """In each of the first ten minutes at least five alerts fall due, of both rules."""
    _, fold = folded
    assert min(per_minute([at_ms for at_ms, _, _ in fold.fired])) >= 5
    assert {rule for at_ms, _, rule in fold.fired if at_ms >= UNTIL_MS} == {"churn_risk", "engagement_drop"}


def test_alerts_are_resolved_steadily(folded: tuple[World, Fold]) -> None:
    """In each of the first ten minutes at least two users come back and their alerts are resolved."""
    _, fold = folded
    assert min(per_minute([at_ms for at_ms, _ in fold.resolved])) >= 2


def test_aims_are_hit(folded: tuple[World, Fold]) -> None:
    """Every aimed alert of the time folded fires within a second of its aim, by its rule, and no user fires another one in live time."""
    world, fold = folded
    fired = {key: (rule, at_ms) for at_ms, key, rule in fold.fired if at_ms >= UNTIL_MS}
    aimed = {
        shopper.known.key.decode(): (aim.rule, aim.fires_ms)
        for shopper, aim in world.silent.items()
        if UNTIL_MS <= aim.fires_ms < UNTIL_MS + MINUTES * 60_000
    }
    assert fired.keys() == aimed.keys()
    assert {key: rule for key, (rule, _) in fired.items()} == {key: rule for key, (rule, _) in aimed.items()}
    assert max(abs(fired[key][1] - aimed[key][1]) for key in aimed) < 1000


def test_returns_resolve(folded: tuple[World, Fold]) -> None:
    """Whoever was to come back in the time folded has resolved their alert by that visit."""
    world, fold = folded
    due = {
        shopper.known.key.decode()
        for shopper, aim in world.silent.items()
        if aim.returns_ms and aim.returns_ms < UNTIL_MS + (MINUTES - 1) * 60_000
    }
    assert due <= {key for at_ms, key in fold.resolved if at_ms >= UNTIL_MS}
    assert len(due) >= 20
