"""Where two known users may be one: however the events of a person are spread over names, and whoever claims whom when, it is one user."""

from math import isclose
from typing import NamedTuple

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streams.core.moved import leads_to
from streams.core.rules import DAY_MS, REVENUE, SESSION, WINDOWS, EventType, Limits
from streams.core.user import User
from streams.flow import Flow
from tests.examples import examples
from tests.partitions import Partitions, call
from tests.property.test_merging import DAY0, QUARTER, RULES

CATALOGUE = msgspec.structs.replace(RULES.catalogue, types=(*RULES.catalogue.types, EventType(id=13, name="alias", weight=0.0)))
ALLOWED = msgspec.structs.replace(RULES, catalogue=CATALOGUE, limits=Limits(allow_alias=True))
USERS, DEVICES = ("ann", "bob", "cid"), ("anon:phone", "anon:laptop")


class Doing(NamedTuple):
    """Something done at a quarter of a day: under which name; what (none is a claim or a log-in), and which name it gives beside."""

    at: int
    who: str
    name: str = ""
    other: str = ""


TIMES = st.integers(0, 4 * 24)
#: Of each name of a person, or of a device of theirs.
NAMES, WHAT = st.sampled_from((*USERS, *DEVICES)), st.sampled_from(("page_viewed", "order_completed"))
DONE = st.lists(st.builds(Doing, TIMES, NAMES, WHAT), max_size=30)
#: Who says to be whom: all are one in the end.
TREES = st.sampled_from((("ann bob", "ann cid"), ("ann bob", "bob cid"), ("cid bob", "ann cid"), ("ann bob", "bob cid", "ann cid")))
CIRCLES = st.sampled_from((("ann bob", "bob ann", "ann cid"), ("ann bob", "bob cid", "cid ann"), ("cid bob", "bob cid", "bob ann")))
OWNERS = st.tuples(st.sampled_from(USERS), st.sampled_from(USERS))


@st.composite
def lives(draw: st.DrawFn, claims: st.SearchStrategy[tuple[str, ...]]) -> list[Doing]:
    """A person with three user ids and two devices, each of which is logged in on under one of them."""
    said = [Doing(draw(TIMES), user, other=other) for user, other in (claim.split() for claim in draw(claims))]
    said += [Doing(draw(TIMES), user, other=device) for user, device in zip(draw(OWNERS), DEVICES, strict=True)]
    return [*draw(DONE), *said]


def spread(life: list[Doing], *, one: bool, every: int = 1, limit: int = 1000) -> Partitions:
    """What comes of it; with `one`, all of it under one name. `every`: so many events lie there before any is read; `limit`: so many
    records of a topic are read in one step."""
    world = Partitions(Flow(ALLOWED))
    for number, doing in enumerate(sorted(life)):
        at_ms = DAY0 + doing.at * QUARTER + number
        device = next((each for each in (doing.who, doing.other) if each.startswith("anon:")), "").removeprefix("anon:")
        kind = "track" if doing.name else "identify" if device else "alias"
        ids = {"userId": "ann" if one else doing.who} if one or doing.who in USERS else {}
        ids |= {"anonymousId": device} if device and not one else {}
        ids |= {"previousId": "ann" if one else doing.other} if kind == "alias" else {}
        value = call(kind, at_ms, ident=f"m{number}", name=doing.name or None, properties={"revenue": 3}, **ids)
        world.append(value, at_ms, world.home(ids.get("userId") or ids["anonymousId"]))
        if number % every == 0:
            world.run(at_ms, limit)
    world.run(DAY0 + 26 * DAY_MS, limit)
    return world


def says(world: Partitions, day: int, kind: str, number: int, **ids: str) -> None:
    """One more event, read at once."""
    at_ms = DAY0 + day * DAY_MS + number
    value = call(kind, at_ms, ident=f"{kind}{number}", name="page_viewed" if kind == "track" else None, **ids)
    world.append(value, at_ms, world.home(ids.get("userId") or ids["anonymousId"]))
    world.run(at_ms)


def holder(world: Partitions) -> User:
    """The one user of all names: there is no other, and every row leads there."""
    (name,) = [key for rows in world.rows for key, row in rows.items() if leads_to(row) is None]
    user = world.user(name)
    assert len(user.dump()) <= ALLOWED.scoring.state_bytes
    return user


def same_counters(world: Partitions, truth: Partitions) -> None:
    mine, wanted = holder(world), truth.user("ann")
    assert mine.newest_ms == wanted.newest_ms
    assert _of(mine.lifetime()) == _of(wanted.lifetime())
    for window in WINDOWS:
        assert _of(mine.counts(window, mine.newest_ms)) == _of(wanted.counts(window, mine.newest_ms))
    assert (world.fates["counted"], world.fates["rejected"]) == (truth.fates["counted"], 0)


def _of(counts: dict[int, int]) -> dict[int, int]:
    """Without sessions, of which overlapping ones stay two."""
    return {kind: n for kind, n in counts.items() if kind >= 10 or kind == REVENUE}


@given(life=lives(TREES | CIRCLES), every=st.sampled_from((1, 3, 7, 1000)), limit=st.sampled_from((1, 3, 1000)))
@settings(deadline=None, max_examples=examples(100), suppress_health_check=[HealthCheck.too_slow])
def test_counters_and_windows_are_exact_in_any_interleaving(life: list[Doing], every: int, limit: int) -> None:
    """Also where states overtake claims, and where claims are made in a circle."""
    same_counters(spread(life, one=False, every=every, limit=limit), spread(life, one=True))


@given(life=lives(TREES | CIRCLES), limit=st.sampled_from((1, 1000)))
@settings(deadline=None, max_examples=examples(60), suppress_health_check=[HealthCheck.too_slow])
def test_the_rhythm_is_exact_where_no_event_comes_after_one_of_a_later_day(life: list[Doing], limit: int) -> None:
    mine, truth = holder(spread(life, one=False, limit=limit)), spread(life, one=True).user("ann")
    assert [mine.rhythm.x, mine.rhythm.first_day, mine.rhythm.last_day] == [truth.rhythm.x, truth.rhythm.first_day, truth.rhythm.last_day]
    for name in ("s_q", "s_h", "s_2h", "s_4h", "gm", "gw", "cus", "pc", "points", "wday"):
        assert isclose(getattr(mine.rhythm, name), getattr(truth.rhythm, name), rel_tol=1e-9, abs_tol=1e-9), name
    assert mine.profile.order_days == truth.profile.order_days
    assert mine.lifetime().get(SESSION, 0) >= truth.lifetime().get(SESSION, 0)


@given(life=lives(TREES | CIRCLES), every=st.sampled_from((1, 5)))
@settings(deadline=None, max_examples=examples(40), suppress_health_check=[HealthCheck.too_slow])
def test_distinct_users_are_counted_once(life: list[Doing], every: int) -> None:
    """Days within a month: active users, buyers and new ones are those of one person, by whatever partition they are taken back."""
    measures = ("active", "buyers", "orders", "sales")

    def sums(world: Partitions) -> dict[tuple[str, str], int]:
        return {place: n for place, n in world.sums.items() if n and place[0].startswith("d") and place[1].split("|")[0] in measures}

    assert sums(spread(life, one=False, every=every)) == sums(spread(life, one=True))


@given(life=lives(TREES | CIRCLES), every=st.sampled_from((1, 7, 1000)))
@settings(deadline=None, max_examples=examples(40), suppress_health_check=[HealthCheck.too_slow])
def test_every_name_is_at_home_on_every_device(life: list[Doing], every: int) -> None:
    """Once the claims are read, no log-in under any of the names makes a device one of several people."""
    world = spread(life, one=False, every=every)
    before = holder(world).lifetime().get(10, 0)
    for number, (user, device) in enumerate((user, device.removeprefix("anon:")) for user in USERS for device in DEVICES):
        says(world, 26, "identify", number, userId=user, anonymousId=device)
        says(world, 27, "track", number, anonymousId=device)
    assert holder(world).lifetime()[10] == before + len(USERS) * len(DEVICES)
    assert "shared" not in {news["action"] for news in world.said("identity")}
