"""Accounts through the whole flow, in memory: members on all partitions tell, days end, the account fires and is over."""

import asyncio
import json
import random
from collections.abc import Iterable, Sequence

import msgspec
import pytest

from streams.core.account import Account, account_home, decode_account, row_of
from streams.core.account_rules import Accounts
from streams.core.identity import home_partition
from streams.core.rules import DAY_MS, EventType, Rules
from streams.core.user import User
from tests.accounts import Recount, said
from tests.feed import Sent
from tests.histories import at, make_rules
from tests.memory_run import MemoryRun

RULES = msgspec.structs.replace(
    make_rules(types=[EventType(id=14, name="group", weight=0.0)]), partitions=4, accounts=Accounts(weights={"admin": 3, "default": 1})
)
PEOPLE = [f"user-{number}" for number in range(8)]
#: One on each partition.
OTHERS = list({home_partition(f"other-{number}", 4): f"other-{number}" for number in range(40)}.values())


def run_of(records: Iterable[Sent], seed: int = 1, rules: Rules = RULES) -> MemoryRun:
    """A run that has folded the records, each appended at the time of its event."""
    run = MemoryRun(rules, seed, at(0))
    play(run, records)
    return run


def play(run: MemoryRun, records: Iterable[Sent]) -> None:
    today = run.now_ms // DAY_MS
    for record in records:
        at_ms = max(run.now_ms, json.loads(record.value or b"{}")["timestamp"])
        if at_ms // DAY_MS > today:
            asyncio.run(run.drain())
            today = at_ms // DAY_MS
        run.now_ms = at_ms
        run.append(record)
    asyncio.run(run.drain())


def account(run: MemoryRun, ident: str) -> Account:
    return decode_account(run.store.rows(account_home(ident, run.rules))[row_of(ident)])


def records_of(run: MemoryRun, topic: str) -> list[dict[str, object]]:
    lines = [line for (name, _), log in run.logs.items() if name == topic for line in log if line.value]
    return [json.loads(line.value or b"") for line in lines]


def fates(run: MemoryRun) -> dict[str, int]:
    total: dict[str, int] = {}
    for head in run.result().heads.values():
        for name, n in head.fates.items():
            total[name] = total.get(name, 0) + n
    return total


def everybody(days: Sequence[int], people: Sequence[str] = PEOPLE) -> list[Sent]:
    return [said(user, at(day, place * 60_000), RULES) for day in days for place, user in enumerate(people)]


def joined(ident: str = "acme") -> list[Sent]:
    return [said(user, at(0, place), RULES, group=ident, role="admin" if place == 0 else "member") for place, user in enumerate(PEOPLE)]


def test_members_of_all_partitions_are_rolled_up() -> None:
    run = run_of([*joined(), *everybody([0, 1])])
    rolled = account(run, "acme").rolled(at(1), RULES, RULES.scoring.a_ref)
    assert (rolled.members, rolled.weight, rolled.active) == (8, 10, 8)
    assert account(run, "acme").name == "Acme"
    assert account(run, "acme").visits.sums == [10, 10]
    records = [each for each in records_of(run, RULES.topics.accounts) if each["account_id"] == "acme"]
    assert records[-1]["engagement_score"] == pytest.approx(rolled.score, abs=0.01)
    assert records[-1]["members"] == 8
    total = sum(len(run.logs[topic, p]) for topic in RULES.topics.inputs for p in range(RULES.partitions))
    assert sum(fates(run).values()) == total


def test_a_company_that_stops_coming_fires_once_and_is_over_when_it_comes_again() -> None:
    others = OTHERS  # somebody goes on, everywhere: partition time does
    run = run_of(
        [*joined(), *sorted(everybody(range(66)) + everybody(range(80), others), key=lambda each: json.loads(each.value)["timestamp"])]
    )
    alerts = [each for each in records_of(run, RULES.topics.alerts) if each["rule"] == "account_drop"]
    assert [(each["series"], each["status"], each["user_id"]) for each in alerts] == [("account:acme", "firing", "")]
    assert alerts[0]["reasons"][0]["code"] in ("visits_7d", "visits_14d")  # type: ignore[index]
    back = sorted(everybody(range(80, 88)) + everybody(range(80, 89), others), key=lambda each: json.loads(each.value)["timestamp"])
    play(run, back)
    alerts = [each for each in records_of(run, RULES.topics.alerts) if each["rule"] == "account_drop"]
    assert [(each["status"], each["cause"]) for each in alerts] == [("firing", "silence"), ("resolved", "came_back")]
    assert alerts[0]["alert_id"] == alerts[1]["alert_id"]


def test_a_partition_that_is_behind_is_no_silence() -> None:
    """Nothing is judged while one partition with members has not told that a day is over, however late it is for the others."""
    others = OTHERS
    run = run_of(
        [*joined(), *sorted(everybody(range(56)) + everybody(range(56), others), key=lambda each: json.loads(each.value)["timestamp"])]
    )
    home = account_home("acme", RULES)
    stuck = next(p for p in {home_partition(user, 4) for user in PEOPLE} if p != home)
    judged = account(run, "acme").judged_day
    skipped, run.store.head = run.store.head, None  # type: ignore[method-assign, assignment]

    async def head(partition: int) -> object:
        found = await skipped(partition)
        return found if partition != stuck else None if found is None else msgspec.structs.replace(found, next_due_ms=1 << 52)

    run.store.head = head  # type: ignore[method-assign, assignment]
    going_on = [record for record in everybody(range(56, 72), others) if record.partition != stuck]
    play(run, going_on)
    assert account(run, "acme").judged_day <= judged + 1
    assert not account(run, "acme").firing


@pytest.mark.parametrize("seed", range(6))
def test_the_roll_up_is_a_recount_whatever_repeats_or_strays(seed: int) -> None:
    """Random visits and changes of account, some records twice, some on the wrong partition; small steps and large ones."""
    chance = random.Random(seed)
    strays = set(chance.sample(PEOPLE, 3))  # all they do: what overtakes what on the way home would be another history
    rules = msgspec.structs.replace(RULES, accounts=Accounts(weights={"admin": 3, "default": 1}, members=chance.choice((2, 100))))
    records, recount = list[Sent](), Recount(rules)
    for minute in sorted(chance.sample(range(20 * 1440), 160)):
        user, at_ms = chance.choice(PEOPLE), at(0, minute * 60_000)
        group = chance.choice(("acme", "beta")) if chance.random() < 0.2 else ""
        role = chance.choice(("admin", "member"))
        records += [said(user, at_ms, rules, group=group, role=role, shift=user in strays)] * (1 + (chance.random() < 0.2))
        recount.add(user, at_ms, group, role)
    run = run_of(records, seed, rules)
    states = {}
    for user in PEOPLE:
        states[user] = User(rules)
        states[user].load(user, run.store.rows(home_partition(user, 4)).get(user))
    for ident in ("acme", "beta"):
        members = recount.members(ident)
        mine = account(run, ident)
        rolled = mine.rolled(at(20), rules, 5.0)
        assert (rolled.members, rolled.weight) == (len(members), sum(members.values()))
        first = mine.visits.day
        assert {first - back: n for back, n in enumerate(mine.visits.sums) if n} == recount.days(ident)
        for share in rolled.shares:
            rhythm = states[share.user].rhythm
            assert (share.standing.weight, share.standing.last_day) == (members[share.user], max(rhythm.last_day, share.standing.last_day))
            assert 0 <= rhythm.points - share.standing.points < rules.accounts.told_points or rhythm.x == 0
