"""The contract of the store port: one suite for the real Redis and for the fake that the model test runs on."""

import uuid
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
import redis.asyncio as aioredis

from streams.core.record import NEVER_MS, Head, Increments, Outcome, Plan
from streams.errors import Fenced
from streams.shell.heads import Keys
from streams.shell.ports import Store
from streams.shell.store import PartitionStore
from tests.memory_store import MemoryStore
from tests.stack import Redis

P = 3


@pytest.fixture(params=["memory", pytest.param("redis", marks=pytest.mark.services)])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[Store]:
    app_id = f"test-{uuid.uuid4().hex[:12]}"
    if request.param == "memory":
        yield MemoryStore(app_id)
    else:
        real = PartitionStore(app_id, request.getfixturevalue("redis").url)
        yield real
        await real.close()


def first_head(**fields: Any) -> Head:
    given = {
        "partition": P,
        "owner": "a",
        "rev": 0,
        "positions": {"clicks": 0, "campaigns": 0},
        "plan": None,
        "time_ms": -1,
        "clock": "wall",
    }
    return Head(**{**given, "guards": {}, "fates": {}, **fields})


def plan_of(head: Head, **fields: Any) -> Plan:
    """A plan for the next ten records of `clicks`."""
    at = head.positions
    given = {"rev": head.rev, "spans": {"clicks": (at["clicks"], at["clicks"] + 10), "campaigns": (at["campaigns"],) * 2}}
    rest = {"time_ms": 5000, "now_ms": 6000, "clock": "wall", "rules_version": "r1", "parameters_version": "prior", "due_limit": 2}
    return Plan(**{**given, **rest, **fields})


def outcome(users: dict[str, bytes | None], due: dict[str, int | None] | None = None, **fields: Any) -> Outcome:
    given: dict[str, Any] = {"outputs": [], "fates": [10, 0, 0, 0, 0, 0, 0], "guards": {}, "rejects": {}}
    return Outcome(users=users, due=due or {}, **{**given, **fields})


async def saved(store: Store, head: Head, done: Outcome, **fields: Any) -> Head:
    """The head after one whole step."""
    plan = plan_of(head, **fields)
    await store.plan(head, plan, [])
    return await store.save(head, plan, done)


async def states(store: Store, head: Head, *keys: str) -> dict[str, bytes | None]:
    """What a plan answers for `keys`."""
    loaded = await store.plan(head, plan_of(head, due_limit=0), keys)
    return dict(loaded.users)


# -- heads ---------------------------------------------------------------------------------------------------------


async def test_a_partition_without_a_head_stays_without_when_it_is_opened(store: Store) -> None:
    assert await store.open(P, "a") is None
    assert await store.head(P) is None


async def test_a_created_head_is_what_open_and_head_answer(store: Store) -> None:
    made = first_head(rev=7, time_ms=123, clock="event", guards={"clicks/1": 9}, fates={"counted": 4})
    assert await store.create(made) == made
    assert await store.head(P) == made
    assert await store.open(P, "b") == msgspec.structs.replace(made, owner="b")
    assert await store.head(P) == msgspec.structs.replace(made, owner="b")


async def test_a_second_head_is_refused(store: Store) -> None:
    await store.create(first_head())
    with pytest.raises(Fenced, match="a head already"):
        await store.create(first_head(owner="b"))
    assert await store.head(P) == first_head()


async def test_partitions_know_nothing_of_each_other(store: Store) -> None:
    head = await store.create(first_head())
    other = await store.create(first_head(partition=4))
    await saved(store, head, outcome({"ann": b"1"}, {"ann": 100}))
    assert await store.head(4) == other
    assert await states(store, other, "ann") == {"ann": None}


async def test_a_head_that_a_caller_changes_is_not_the_stored_one(store: Store) -> None:
    head = await store.create(first_head())
    head.positions["clicks"] = 99
    stored = await store.head(P)
    assert stored is not None
    assert stored.positions == {"clicks": 0, "campaigns": 0}


async def test_a_new_owner_fences_the_old_one(store: Store) -> None:
    head = await store.create(first_head())
    plan = plan_of(head)
    await store.plan(head, plan, [])
    await store.open(P, "b")
    with pytest.raises(Fenced, match="owner"):
        await store.plan(head, plan, [])
    with pytest.raises(Fenced, match="owner"):
        await store.save(head, plan, outcome({"ann": b"1"}))
    with pytest.raises(Fenced, match="owner"):
        await store.move(head, {"clicks": 5, "campaigns": 0})


# -- plans ---------------------------------------------------------------------------------------------------------


async def test_a_plan_is_in_the_head_and_the_next_owner_finds_it(store: Store) -> None:
    head = await store.create(first_head())
    plan = plan_of(head)
    await store.plan(head, plan, ["ann"])
    assert await store.open(P, "b") == first_head(owner="b", plan=plan)


async def test_the_same_plan_again_is_accepted_again(store: Store) -> None:
    head = await store.create(first_head())
    await store.plan(head, plan_of(head), [])
    found = await store.open(P, "b")
    assert found is not None
    assert found.plan is not None
    loaded = await store.plan(found, found.plan, ["ann"])
    assert (dict(loaded.users), list(loaded.due)) == ({"ann": None}, [])


async def test_another_plan_is_refused_while_one_is_begun(store: Store) -> None:
    head = await store.create(first_head())
    plan = plan_of(head)
    await store.plan(head, plan, [])
    for other in ({"now_ms": 6001}, {"time_ms": 5001}, {"due_limit": 3}, {"rules_version": "r2"}, {"spans": {"clicks": (0, 9)}}):
        with pytest.raises(Fenced, match="another plan"):
            await store.plan(head, plan_of(head, **other), [])
    assert await store.head(P) == first_head(plan=plan)


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"owner": "b"}, "owner"),
        ({"rev": 1}, "rev"),
        ({"positions": {"clicks": 1, "campaigns": 0}}, "positions"),
        ({"partition": 9}, "no head"),
    ],
)
async def test_a_plan_from_another_head_is_refused(store: Store, wrong: dict[str, Any], why: str) -> None:
    await store.create(first_head())
    stranger = first_head(**wrong)
    with pytest.raises(Fenced, match=why):
        await store.plan(stranger, plan_of(stranger), [])
    assert await store.head(P) == first_head()


async def test_a_plan_answers_states_of_those_asked_for_and_of_the_first_due_by_time_then_key(store: Store) -> None:
    head = await store.create(first_head())
    due: dict[str, int | None] = {"dan": 100, "bob": 200, "cat": 100, "eve": 300, "ann": 301}
    head = await saved(store, head, outcome({key: key.encode() for key in ("ann", "bob", "cat", "dan")}, due))

    loaded = await store.plan(head, plan_of(head, time_ms=300, due_limit=4), ["ann", "zoe"])

    assert list(loaded.due) == ["cat", "dan", "bob", "eve"]
    assert dict(loaded.users) == {"ann": b"ann", "zoe": None, "cat": b"cat", "dan": b"dan", "bob": b"bob", "eve": None}


async def test_a_plan_looks_at_no_more_due_users_than_its_limit(store: Store) -> None:
    head = await store.create(first_head())
    head = await saved(store, head, outcome({}, {"cat": 3, "ann": 1, "bob": 2}))
    assert list((await store.plan(head, plan_of(head, due_limit=2), [])).due) == ["ann", "bob"]


async def test_users_are_due_at_their_time_and_not_a_millisecond_before(store: Store) -> None:
    head = await store.create(first_head())
    head = await saved(store, head, outcome({}, {"ann": NEVER_MS - 1}))
    assert head.next_due_ms == 4503599627370495
    loaded = await store.plan(head, plan_of(head, time_ms=NEVER_MS - 2), [])
    assert list(loaded.due) == []
    head = await store.move(head, head.positions)
    loaded = await store.plan(head, plan_of(head, time_ms=NEVER_MS - 1), [])
    assert list(loaded.due) == ["ann"]


# -- saves ---------------------------------------------------------------------------------------------------------


async def test_a_save_is_states_due_times_and_the_new_head(store: Store) -> None:
    head = await store.create(first_head(fates={"counted": 1}))
    done = outcome({"ann": b"1", "bob": b"2"}, {"ann": 700, "bob": 900}, fates=[7, 1, 0, 2, 0, 0, 0], guards={"clicks/8": 41})

    after = await saved(store, head, done)

    assert after == Head(
        partition=3,
        owner="a",
        rev=1,
        positions={"clicks": 10, "campaigns": 0},
        plan=None,
        time_ms=5000,
        clock="wall",
        guards={"clicks/8": 41},
        fates={"counted": 8, "duplicate": 1, "late": 0, "rejected": 2, "rerouted": 0, "erased": 0, "control": 0},
        next_due_ms=700,
    )
    assert await store.head(P) == after
    assert await states(store, after, "ann", "bob") == {"ann": b"1", "bob": b"2"}


async def test_a_topic_that_a_plan_does_not_name_keeps_its_position(store: Store) -> None:
    head = await store.create(first_head(positions={"clicks": 0, "campaigns": 0, "rerouted": 8}))
    after = await saved(store, head, outcome({}))
    assert after.positions == {"clicks": 10, "campaigns": 0, "rerouted": 8}


async def test_none_takes_states_and_due_times_away(store: Store) -> None:
    head = await store.create(first_head())
    head = await saved(store, head, outcome({"ann": b"1", "bob": b"2"}, {"ann": 100, "bob": 200}))
    head = await saved(store, head, outcome({"ann": None, "zoe": None}, {"ann": None, "zoe": None}))
    assert head.next_due_ms == 200
    head = await saved(store, head, outcome({}, {"bob": None}))
    assert head.next_due_ms == NEVER_MS
    assert await states(store, head, "ann", "bob") == {"ann": None, "bob": b"2"}


async def test_a_due_time_can_move_both_ways(store: Store) -> None:
    head = await store.create(first_head())
    head = await saved(store, head, outcome({}, {"ann": 500}))
    head = await saved(store, head, outcome({}, {"ann": 900}))
    assert head.next_due_ms == 900
    head = await saved(store, head, outcome({}, {"ann": 300}))
    assert head.next_due_ms == 300


async def test_a_save_needs_its_own_plan_in_the_head(store: Store) -> None:
    head = await store.create(first_head())
    plan = plan_of(head)
    with pytest.raises(Fenced, match="plan"):
        await store.save(head, plan, outcome({"ann": b"1"}))
    await store.plan(head, plan, [])
    with pytest.raises(Fenced, match="another plan"):
        await store.save(head, plan_of(head, now_ms=1), outcome({"ann": b"1"}))
    assert await store.head(P) == first_head(plan=plan)
    loaded = await store.plan(head, plan, ["ann"])
    assert dict(loaded.users) == {"ann": None}


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"owner": "b"}, "owner"),
        ({"rev": 1}, "rev"),
        ({"positions": {"clicks": 1, "campaigns": 0}}, "positions"),
        ({"partition": 9}, "no head"),
    ],
)
async def test_a_save_from_another_head_is_refused_and_changes_nothing(store: Store, wrong: dict[str, Any], why: str) -> None:
    head = await store.create(first_head())
    plan = plan_of(head)
    await store.plan(head, plan, [])
    with pytest.raises(Fenced, match=why):
        await store.save(first_head(**wrong), plan, outcome({"ann": b"1"}, {"ann": 1}))
    assert await store.head(P) == first_head(plan=plan)


async def test_a_save_is_done_once(store: Store) -> None:
    head = await store.create(first_head())
    plan = plan_of(head)
    await store.plan(head, plan, [])
    after = await store.save(head, plan, outcome({"ann": b"1"}))
    with pytest.raises(Fenced, match="rev"):
        await store.save(head, plan, outcome({"ann": b"2"}))
    assert await states(store, after, "ann") == {"ann": b"1"}


async def test_a_move_sets_positions_takes_the_plan_away_and_counts_as_a_revision(store: Store) -> None:
    head = await store.create(first_head(guards={"clicks/1": 5}, fates={"counted": 2}))
    head = await saved(store, head, outcome({"ann": b"1"}, {"ann": 800}, guards={"clicks/1": 6}))
    await store.plan(head, plan_of(head), [])

    after = await store.move(head, {"clicks": 50, "campaigns": 0, "rerouted": 0})

    assert after == msgspec.structs.replace(head, rev=2, positions={"clicks": 50, "campaigns": 0, "rerouted": 0})
    assert after.next_due_ms == 800
    assert await store.head(P) == after
    with pytest.raises(Fenced, match="rev"):
        await store.move(head, {"clicks": 60})


# -- sums ----------------------------------------------------------------------------------------------------------


async def sums_of(store: Store, name: str) -> dict[str, int]:
    """What a hash of sums of the partition holds."""
    if isinstance(store, MemoryStore):
        return dict(store.sums(P).get(name, {}))
    assert isinstance(store, PartitionStore)
    async with aioredis.from_url(store.url) as client:
        return {field.decode(): int(n) for field, n in (await client.hgetall(Keys.of(store.app_id, P).sums + b":" + name.encode())).items()}


def grown(name: str, limit: int = 100, **fields: int) -> Outcome:
    return outcome({}, sums=(Increments(name, fields, 60, limit),))


async def test_sums_grow_step_by_step_each_in_its_hash(store: Store) -> None:
    head = await store.create(first_head())
    head = await saved(store, head, grown("d1", orders=2, revenue=-300))
    both = outcome({}, sums=(Increments("d1", {"orders": 1}, 60, 100), Increments("d2", {"orders": 4}, 60, 100)))
    await saved(store, head, both)
    assert await sums_of(store, "d1") == {"orders": 3, "revenue": -300}
    assert await sums_of(store, "d2") == {"orders": 4}


async def test_a_sum_of_zero_is_not_kept(store: Store) -> None:
    head = await store.create(first_head())
    head = await saved(store, head, grown("d1", users=2, orders=1))
    await saved(store, head, grown("d1", users=-2))
    assert await sums_of(store, "d1") == {"orders": 1}


async def test_a_full_hash_takes_what_it_knows_and_counts_the_rest_as_overflow(store: Store) -> None:
    head = await store.create(first_head())
    head = await saved(store, head, grown("n1", 2, a=1, b=1, c=5))
    await saved(store, head, grown("n1", 2, b=2, d=1))
    assert await sums_of(store, "n1") == {"a": 1, "b": 3, "overflow": 2}


async def test_a_refused_save_adds_to_no_sum(store: Store) -> None:
    head = await store.create(first_head())
    await store.plan(head, plan_of(head), [])
    with pytest.raises(Fenced, match="another plan"):
        await store.save(head, plan_of(head, now_ms=1), grown("d1", orders=1))
    assert await sums_of(store, "d1") == {}


@pytest.mark.services
async def test_names_of_sums_that_were_dropped_are_forgotten_by_and_by(redis: Redis) -> None:
    """Their hashes expire; when there are 64 names, those without one are struck off the list, and again when twice as many as are left."""
    store = PartitionStore(f"test-{uuid.uuid4().hex[:12]}", redis.url)
    head = await store.create(first_head())
    head = await saved(store, head, outcome({}, sums=tuple(Increments(f"d{n}", {"orders": 1}, 60, 100) for n in range(63))))
    names = Keys.of(store.app_id, P).sums
    async with aioredis.from_url(store.url) as client:
        await client.delete(names + b":d7")
        head = await saved(store, head, grown("d1", orders=1))
        assert await client.hexists(names, "d7")
        head = await saved(store, head, grown("d63", orders=1))
        assert not await client.hexists(names, "d7")
        assert await client.hlen(names) == 63
        await client.delete(names + b":d8")
        head = await saved(store, head, outcome({}, sums=tuple(Increments(f"d{n}", {"orders": 1}, 60, 100) for n in range(64, 126))))
        assert await client.hexists(names, "d8")
        await saved(store, head, grown("d126", orders=1))
        assert not await client.hexists(names, "d8")
    await store.close()


# -- names and sizes -----------------------------------------------------------------------------------------------


async def test_user_keys_are_any_text_and_states_any_bytes(store: Store) -> None:
    head = await store.create(first_head())
    everything = bytes(range(256))
    users: dict[str, bytes | None] = {"Zoë 🙂": everything, "日本": b"", "a\r\nb": b"\r\n$3\r\n", "\x01link": b"\0", " ": b"-1"}
    head = await saved(store, head, outcome(users, {"Zoë 🙂": 2, "日本": 1, "a\r\nb": 3}))
    loaded = await store.plan(head, plan_of(head, due_limit=9), list(users))
    assert dict(loaded.users) == users
    assert list(loaded.due) == ["日本", "Zoë 🙂", "a\r\nb"]


async def test_equal_due_times_are_ordered_by_code_point(store: Store) -> None:
    head = await store.create(first_head())
    names = ["b", "a", "Z", "é", "日", "🙂", "aa", ""]
    head = await saved(store, head, outcome({}, dict.fromkeys(names, 5)))
    assert list((await store.plan(head, plan_of(head, due_limit=9), [])).due) == ["", "Z", "a", "aa", "b", "é", "日", "🙂"]


async def test_a_step_may_touch_many_users_at_once(store: Store) -> None:
    head = await store.create(first_head())
    users: dict[str, bytes | None] = {f"user-{n}": b"%061d" % n for n in range(8001)}
    head = await saved(store, head, outcome(users, {key: n for n, key in enumerate(users)}))

    loaded = await store.plan(head, plan_of(head, time_ms=8100, due_limit=8500), list(users))
    assert loaded.users == users
    assert list(loaded.due) == list(users)

    head = await store.save(head, plan_of(head, time_ms=8100, due_limit=8500), outcome(dict.fromkeys(users), dict.fromkeys(users)))
    assert head.next_due_ms == NEVER_MS
    assert set((await store.plan(head, plan_of(head), list(users))).users.values()) == {None}


async def test_one_state_may_be_large(store: Store) -> None:
    head = await store.create(first_head())
    head = await saved(store, head, outcome({"ann": b"\x00\xff" * 250_000}))
    assert await states(store, head, "ann") == {"ann": b"\x00\xff" * 250_000}
