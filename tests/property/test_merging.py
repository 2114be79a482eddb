"""However the events of a person are spread over ids, and whenever these are linked: it is one user, as if there had been one id."""

from math import isclose

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streams.core.rules import DAY_MS, REVENUE, WINDOWS, Catalogue, EventType, Learning, Rules
from streams.core.user import User
from streams.flow import Flow
from tests.examples import examples
from tests.partitions import Partitions, call

DAY0 = 20_500 * DAY_MS
QUARTER = DAY_MS // 4
RULES = Rules(
    version="v1",
    app_id="shop",
    partitions=3,
    catalogue=Catalogue(
        types=(
            EventType(id=10, name="page_viewed", page=True),
            EventType(id=11, name="order_completed", weight=5.0, amount="revenue"),
            EventType(id=12, name="identify", weight=0.0),
        )
    ),
    learning=Learning(enabled=False),
)
IDS = ("", "phone", "laptop")

#: (quarter of a day, id: none is the known user, kind, amount)
events = st.lists(st.tuples(st.integers(0, 4 * 24), st.sampled_from(IDS), st.sampled_from(("page_viewed", "order_completed"))), max_size=30)
#: When each device is linked.
links = st.tuples(st.integers(0, 4 * 25), st.integers(0, 4 * 25))


def spread(history: list[tuple[int, str, str]], linked: tuple[int, int], *, one: bool, every: int = 1, limit: int = 1000) -> Partitions:
    """What comes of the history; with `one`, all of it under the known id. `every`: so many events lie there before any is read;
    `limit`: so many records of a topic are read in one step."""
    world = Partitions(Flow(RULES))
    doings = [(at, 0, who, name) for at, who, name in history] + [(at, 1, who, "") for at, who in zip(linked, IDS[1:], strict=True)]
    for number, (at, _, who, name) in enumerate(sorted(doings)):
        at_ms = DAY0 + at * QUARTER + number
        ids = {"anonymousId": who} if who and not one else {"userId": "ann"}
        if not name:
            ids = {"userId": "ann"} if one else {"userId": "ann", "anonymousId": who}
        kind = "track" if name else "identify"
        value = call(kind, at_ms, ident=f"m{number}", name=name or None, properties={"revenue": 3}, **ids)
        world.append(value, at_ms, world.home(ids.get("userId") or ids["anonymousId"]))
        if number % every == 0:
            world.run(at_ms, limit)
    world.run(DAY0 + 26 * DAY_MS, limit)
    return world


@given(history=events, linked=links, every=st.sampled_from((1, 3, 7, 1000)), limit=st.sampled_from((1, 3, 1000)))
@settings(deadline=None, max_examples=examples(60), suppress_health_check=[HealthCheck.too_slow])
def test_counters_and_windows_are_exact_in_any_interleaving(
    history: list[tuple[int, str, str]], linked: tuple[int, int], every: int, limit: int
) -> None:
    """Also where a forwarded event arrives after younger ones, a link before the events that it is about, and a step cuts between both."""
    many, one = spread(history, linked, one=False, every=every, limit=limit), spread(history, linked, one=True)
    mine, truth = many.user("ann"), one.user("ann")
    now_ms = max(mine.newest_ms, truth.newest_ms)
    assert mine.newest_ms == truth.newest_ms
    assert {k: n for k, n in mine.lifetime().items() if k >= 10 or k == REVENUE} == {
        k: n for k, n in truth.lifetime().items() if k >= 10 or k == REVENUE
    }
    for window in WINDOWS:
        assert {k: n for k, n in mine.counts(window, now_ms).items() if k != 1} == {
            k: n for k, n in truth.counts(window, now_ms).items() if k != 1
        }
    assert many.fates["counted"] == one.fates["counted"]


@given(history=events, linked=links, limit=st.sampled_from((1, 1000)))
@settings(deadline=None, max_examples=examples(60), suppress_health_check=[HealthCheck.too_slow])
def test_the_rhythm_is_exact_where_no_event_comes_after_one_of_a_later_day(
    history: list[tuple[int, str, str]], linked: tuple[int, int], limit: int
) -> None:
    """Active days, decayed sums and points, typical gap and drop statistic, up to rounding; score and alerts follow from these."""
    many, one = spread(history, linked, one=False, limit=limit), spread(history, linked, one=True)
    mine, truth = many.user("ann"), one.user("ann")
    days = [(each.rhythm.x, each.rhythm.first_day, each.rhythm.last_day) for each in (mine, truth)]
    assert days[0] == days[1]
    for name in ("s_q", "s_h", "s_2h", "s_4h", "gm", "gw", "cus", "pc", "points", "wday"):
        assert isclose(getattr(mine.rhythm, name), getattr(truth.rhythm, name), rel_tol=1e-9, abs_tol=1e-9), name
    assert mine.profile.order_days == truth.profile.order_days
    assert isclose(mine.profile.order_sum, truth.profile.order_sum, abs_tol=1e-9)


@given(history=events, linked=links)
@settings(deadline=None, max_examples=examples(30), suppress_health_check=[HealthCheck.too_slow])
def test_distinct_users_are_counted_once(history: list[tuple[int, str, str]], linked: tuple[int, int]) -> None:
    """Days within a month: active users, buyers and new ones are those of one person."""
    many, one = spread(history, linked, one=False), spread(history, linked, one=True)
    measures = ("active", "buyers", "orders", "sales")

    def sums(world: Partitions) -> dict[tuple[str, str], int]:
        return {place: n for place, n in world.sums.items() if n and place[0].startswith("d") and place[1].split("|")[0] in measures}

    assert sums(many) == sums(one)


@given(history=events)
@settings(deadline=None, max_examples=examples(30), suppress_health_check=[HealthCheck.too_slow])
def test_a_merged_state_fits_and_comes_back_as_it_was(history: list[tuple[int, str, str]]) -> None:
    many = spread(history, (50, 60), one=False)
    row = many.row("ann")
    assert row is not None
    assert len(row) <= RULES.scoring.state_bytes
    user = User(RULES)
    user.load("ann", row)
    assert user.dump() == row
