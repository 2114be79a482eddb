"""The synthetic world: same seed, same bytes; seasons, incidents and bad transports show in the shares they are given."""

import json
import sys
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from itertools import islice
from subprocess import run

import msgspec
import pytest

from streams.core.envelope import rfc3339
from streams.core.event import Decoder
from streams.core.identity import home_partition
from streams.core.record import Event, Rejected
from streams.core.rules import CUSTOM, DAY_MS
from streams.settings import load
from streams.sim.config import Incident, Quality, WorldConfig, load_world
from streams.sim.emission import Emission
from streams.sim.uniform import uniform_events
from streams.sim.world import World
from tests.unit.records import CAMPAIGNS, CLICKS, FakeRecord

UNTIL_MS = 1_764_000_000_000  # Monday 2025-11-24 16:00 UTC, 17:00 in Berlin
CLEAN = Quality(resent=0, late=0, ancient=0, malformed=0)
QUIET = msgspec.structs.replace(load_world(), incidents=(), quality=CLEAN)


def names(emissions: Iterable[Emission]) -> Counter[str]:
    """Events by name; what has none goes by its type."""
    said = (json.loads(emission.value) for emission in emissions)
    return Counter(event.get("event") or event["type"] for event in said)


def history(config: WorldConfig = QUIET, *, users: int = 300, days: int = 28) -> list[Emission]:
    return list(World(5, users, config).history(days, UNTIL_MS))


def live(config: WorldConfig, n: int, *, rate: float = 100) -> list[Emission]:
    return list(islice(World(5, 300, config).live(UNTIL_MS, rate), n))


def incident(kind: str, **more: object) -> WorldConfig:
    return msgspec.structs.replace(QUIET, incidents=(msgspec.convert({"kind": kind, **more}, Incident),))


def test_same_seed_same_bytes() -> None:
    """History and live traffic of two worlds of one seed are equal to the byte; another seed gives other events."""
    worlds = [World(seed, 100, load_world()) for seed in (5, 5, 6)]
    histories = [list(world.history(20, UNTIL_MS)) for world in worlds]
    lives = [list(islice(world.live(UNTIL_MS, 50), 2000)) for world in worlds]
    assert histories[0] == histories[1]
    assert lives[0] == lives[1]
    assert histories[0] != histories[2]
    assert lives[0] != lives[2]


def test_history_can_be_told_again() -> None:
    """The same world tells the same history twice: nothing is left over from the first time."""
    world = World(5, 100)
    assert list(world.history(20, UNTIL_MS)) == list(world.history(20, UNTIL_MS))


def test_same_bytes_in_another_process() -> None:
    """No hash seed, no address and no locale is in the events."""
    code = (
        "from streams.sim.world import World; import zlib; print(zlib.crc32(repr(list(World(5, 40).history(9, 1764000000000))).encode()))"
    )
    outputs = {run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout for _ in range(2)}
    assert len(outputs) == 1


def test_history_is_in_the_order_of_sending() -> None:
    """Times of sending never go back, and lie in the span that was asked for."""
    sent = [emission.at_ms for emission in history(load_world())]
    assert sent == sorted(sent)
    assert UNTIL_MS - 28 * DAY_MS <= sent[0] < sent[-1] < UNTIL_MS


def test_every_event_is_known() -> None:
    """Every event of a world without bad transports decodes, under a name of the catalogue, on both topics."""
    decoder = Decoder(load(None, {}).rules)
    for topic, stream in ((CLICKS, "clickstream"), (CAMPAIGNS, "campaigns")):
        emissions = [emission for emission in history(users=100) if emission.topic == stream]
        events = decoder.decode([FakeRecord(topic, 0, i, e.at_ms, e.key, e.value) for i, e in enumerate(emissions)])
        assert emissions
        assert all(isinstance(event, Event) and event.type_id != CUSTOM for event in events)


def test_message_ids_are_unique() -> None:
    """No two events of a history and the live traffic after it share a message id."""
    world = World(5, 100, QUIET)
    emissions = [*world.history(28, UNTIL_MS), *islice(world.live(UNTIL_MS, 50), 5000)]
    ids = [json.loads(emission.value)["messageId"] for emission in emissions]
    assert len(set(ids)) == len(ids)


def test_key_is_the_raw_id() -> None:
    """The key is the user id, or the anonymous id where there is no other: that decides the partition."""
    for emission in history(users=60):
        event = json.loads(emission.value)
        assert emission.key.decode() == event.get("userId", event.get("anonymousId"))


def test_seasons_follow_local_time() -> None:
    """The busiest hour is the evening in Berlin, the quietest is its night; it is an hour earlier by UTC in winter, two in summer."""
    config = msgspec.structs.replace(QUIET, campaigns=msgspec.structs.replace(QUIET.campaigns, weekday=6))
    for until_ms, offset in ((1_764_000_000_000, 1), (1_753_000_000_000, 2)):
        clicks = (e for e in World(5, 600, config).history(28, until_ms) if e.topic == "clickstream")
        hours = Counter((e.at_ms // 3_600_000 + offset) % 24 for e in clicks)
        assert 18 <= max(hours, key=lambda hour: hours[hour]) <= 21
        assert min(range(24), key=lambda hour: hours[hour]) in (2, 3, 4)
        assert sum(hours[hour] for hour in range(18, 22)) > 10 * sum(hours[hour] for hour in range(1, 5))


def test_weekends_follow_the_weights() -> None:
    """A weekday of weight 0 sees no natural visits."""
    closed_on_sundays = msgspec.structs.replace(QUIET.seasons, weekdays=(1, 1, 1, 1, 1, 1, 0))
    config = msgspec.structs.replace(QUIET, seasons=closed_on_sundays, aim=msgspec.structs.replace(QUIET.aim, share=0))
    clicks = (emission for emission in history(config) if emission.topic == "clickstream")
    days = Counter(datetime.fromtimestamp(e.at_ms / 1000, UTC).weekday() for e in clicks)
    assert days[6] < 20 < days[0]  # some visits of late on Saturday end after midnight


def test_newsletter_leaves_on_tuesdays() -> None:
    """Sends come on Tuesdays between 9:00 and 9:30 in Berlin, one to each subscriber."""
    emissions = [e for e in history() if e.topic == "campaigns" and b'"event":"send"' in e.value]
    assert {datetime.fromtimestamp(e.at_ms / 1000, UTC).weekday() for e in emissions} == {1}
    assert {datetime.fromtimestamp(e.at_ms / 1000, UTC).hour for e in emissions} == {8}  # Berlin is an hour ahead in November
    per_letter = Counter((e.key, e.at_ms // DAY_MS) for e in emissions)
    assert set(per_letter.values()) == {1}


def test_unsubscribed_users_get_no_more_letters() -> None:
    """After an unsubscribe nothing is sent to that user any more."""
    keen = tuple(msgspec.structs.replace(persona, opens=1.0, unsubscribes=0.3) for persona in QUIET.personas)
    gone: set[bytes] = set()
    for emission in history(msgspec.structs.replace(QUIET, personas=keen), users=100):
        if b'"event":"send"' in emission.value:
            assert emission.key not in gone
        elif b'"event":"unsubscribe"' in emission.value:
            gone.add(emission.key)
    assert len(gone) > 10


def test_checkout_broken_stops_orders() -> None:
    """While the checkout is broken nothing is ordered, and visits go on; before and after, orders come."""
    emissions = history(incident("checkout_broken", from_hours=-240, for_hours=96))
    begin_ms = UNTIL_MS - 240 * 3_600_000
    during = names(e for e in emissions if begin_ms <= e.at_ms < begin_ms + 96 * 3_600_000)
    assert during["Order Completed"] == 0 < during["Payment Info Entered"]
    assert names(e for e in emissions if e.at_ms < begin_ms)["Order Completed"] > 10
    assert names(e for e in emissions if e.at_ms >= begin_ms + 96 * 3_600_000)["Order Completed"] > 10


def test_tracking_lost_takes_one_name() -> None:
    """The lost event never comes while all others go on."""
    emissions = history(incident("tracking_lost", event="Product Viewed", from_hours=-96, for_hours=96))
    during = names(e for e in emissions if e.at_ms >= UNTIL_MS - 96 * 3_600_000)
    assert during["Product Viewed"] == 0
    assert during["page"] > 100


def test_traffic_drop_keeps_visitors_away() -> None:
    """One natural visit in a hundred is left of a drop by 99 %."""
    no_aim = msgspec.structs.replace(QUIET.aim, share=0)
    config = msgspec.structs.replace(incident("traffic_drop", share=0.99, from_hours=-168, for_hours=168), aim=no_aim)
    whole = msgspec.structs.replace(QUIET, aim=no_aim)
    since_ms = UNTIL_MS - 167 * 3_600_000
    left, all_ = (sum(e.topic == "clickstream" and e.at_ms >= since_ms for e in history(world)) for world in (config, whole))
    assert 0 < left < all_ * 0.04


def test_incidents_strike_live_too() -> None:
    """Hours after the origin lie in live time: a drop by 99 % leaves one event in a hundred."""
    config = incident("traffic_drop", share=0.99, from_hours=0, for_hours=1)
    emissions = live(config, 50)
    assert 20 < (emissions[-1].at_ms - UNTIL_MS) / 1000 < 90  # half a second at 100 events per second, without the drop


@pytest.mark.parametrize("rate", [0.5, 50, 20_000])
def test_live_keeps_the_rate(rate: float) -> None:
    """Event n is sent n / rate seconds after the start, to the millisecond."""
    emissions = live(QUIET, 200, rate=rate)
    assert [emission.at_ms for emission in emissions] == [UNTIL_MS + int(n * 1000 / rate) for n in range(200)]


def test_seasonal_live_is_thinner_at_night() -> None:
    """With seasons the rate is that of the busiest hour; at 3:00 in Berlin it is a small part of that."""
    night_ms = UNTIL_MS - UNTIL_MS % DAY_MS + 2 * 3_600_000
    world = World(5, 300, QUIET)
    emissions = list(islice(world.live(night_ms, 100, seasonal=True), 100))
    assert (emissions[-1].at_ms - night_ms) / 1000 > 10


def test_quality_shares() -> None:
    """Resent, late, ancient and malformed events come in their shares, as the decoder and the ids see them."""
    config = msgspec.structs.replace(QUIET, quality=Quality(resent=0.02, late=0.05, ancient=0.01, malformed=0.004))
    emissions = live(config, 40_000, rate=50)
    decoder = Decoder(load(None, {}).rules)
    says = decoder.decode([FakeRecord(CLICKS, 0, i, e.at_ms, e.key, e.value) for i, e in enumerate(emissions)])
    pairs = list(zip(emissions, says, strict=True))
    seen: set[int] = set()
    resent = late = ancient = rejected = 0
    for emission, event in pairs:
        if isinstance(event, Rejected):
            rejected += 1
        elif isinstance(event, Event):
            age_ms = emission.at_ms - event.at_ms
            resent += event.id_hash in seen
            late += 120_000 < age_ms <= 3 * DAY_MS
            ancient += age_ms > 30 * DAY_MS
            seen.add(event.id_hash)
    assert 0.003 < rejected / len(emissions) < 0.005
    assert 0.015 < resent / len(emissions) < 0.02  # the last ones come after the end
    assert 0.03 < late / len(emissions) < 0.06  # nine tenths of live traffic are visits, which can be late
    assert 0.005 < ancient / len(emissions) < 0.015


def test_malformed_events_name_different_reasons() -> None:
    """Broken trackers break in several ways, and a history holds none with a wrong clock: it would drag everybody's time along."""
    config = msgspec.structs.replace(QUIET, quality=Quality(resent=0, late=0, ancient=0, malformed=0.2))
    decoder = Decoder(load(None, {}).rules)
    reasons: dict[str, set[str]] = {}
    for where, emissions in (("history", history(config, users=100)), ("live", live(config, 5000))):
        says = decoder.decode([FakeRecord(CLICKS, 0, i, e.at_ms, e.key, e.value) for i, e in enumerate(emissions)])
        reasons[where] = {what.reason for what in says if isinstance(what, Rejected)}
    assert reasons["history"] == {"not_json", "wrong_type", "missing_field", "blocked_id"}
    assert reasons["live"] == reasons["history"] | {"future"}


def test_personas_behave_differently() -> None:
    """A power user visits more than a browser, and a dormant user has not been seen for 20 days."""
    world = World(5, 400, QUIET)
    emissions = [e for e in world.history(60, UNTIL_MS) if e.topic == "clickstream"]
    counts = Counter(emission.key for emission in emissions)
    newest = {emission.key: emission.at_ms for emission in emissions}
    by_persona: dict[str, list[bytes]] = {}
    for shopper in world.users:
        if shopper not in world.silent:
            by_persona.setdefault(shopper.persona.name, []).append(shopper.known.key)
    mean = {name: sum(counts[key] for key in keys) / len(keys) for name, keys in by_persona.items()}
    assert mean["power user"] > 3 * mean["browser"]
    assert all(newest.get(key, 0) <= UNTIL_MS - 19 * DAY_MS for key in by_persona["dormant"])


def test_who_fell_silent_stays_silent() -> None:
    """Live traffic after a history is made by users who are around, and by those who come back."""
    world = World(5, 200, QUIET)
    list(world.history(60, UNTIL_MS))
    silent = {shopper.known.key for shopper, aim in world.silent.items() if not aim.returns_ms}
    assert len(silent) > 20
    assert not silent & {emission.key for emission in islice(world.live(UNTIL_MS, 50), 20_000)}


def test_uniform_events_are_even() -> None:
    """Events are evenly spaced, users equally frequent, and bytes a matter of the arguments."""
    emissions = list(uniform_events(10_000, 10, 3, 10))
    assert emissions == list(uniform_events(10_000, 10, 3, 10)) != list(uniform_events(10_000, 10, 4, 10))
    assert emissions[1].at_ms - emissions[0].at_ms == 86_400
    assert emissions[-1].at_ms < 1_760_000_000_000 <= emissions[-1].at_ms + 86_400
    assert all(900 < n < 1100 for n in Counter(emission.key for emission in emissions).values())
    assert {home_partition(emission.key.decode(), 4) for emission in emissions} <= {0, 1, 2, 3}


@pytest.mark.parametrize(
    ("at_ms", "text"),
    [
        (0, "1970-01-01T00:00:00.000Z"),
        (1_709_251_199_999, "2024-02-29T23:59:59.999Z"),
        (1_764_000_061_007, "2025-11-24T16:01:01.007Z"),
        (-1, "1969-12-31T23:59:59.999Z"),
    ],
)
def test_rfc3339(at_ms: int, text: str) -> None:
    """Times are UTC with milliseconds."""
    assert rfc3339(at_ms) == text
