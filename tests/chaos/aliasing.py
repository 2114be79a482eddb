"""Scenario of names: people with several user ids who say so, one after the other, against each other and in circles, while workers die."""

import json
import signal

from streams.core.envelope import rfc3339
from streams.core.moved import leads_to
from streams.core.rules import REVENUE
from streams.core.user import User
from tests.chaos.crashes import now_ms
from tests.chaos.ground import Ground
from tests.chaos.harness import Stage
from tests.chaos.identity import DAY_MS, POINTS, Calls
from tests.chaos.inputs import command
from tests.check import Run
from tests.feed import Sent
from tests.oracle_identity import people

__all__ = ["aliasing"]

ALLOWED = {"streams.yaml": {"limits": {"allow_alias": True}}}


async def aliasing(ground: Ground, *, persons: int = 100, seed: int = 24) -> str:
    """24. People with up to four user ids, each with devices of its own; a worker dies while they say that they are one: everybody has what
    was done under all names, once, and every name leads there."""
    async with ground.stage("aliasing", overrides=ALLOWED) as stage:
        calls, worker = Calls(seed, stage), stage.worker()
        chance, today_ms = calls.chance, now_ms() // DAY_MS * DAY_MS
        names = {person: [f"p{person}-{name}" for name in range(chance.randint(2, 4))] for person in range(persons)}
        owners = {f"d{name}-{device}": name for mine in names.values() for name in mine for device in range(chance.randint(0, 2))}
        before = [each for mine in names.values() for name in mine for each in _day(calls, today_ms - DAY_MS, userId=name)]
        before += [each for device in owners for each in _day(calls, today_ms - DAY_MS, anonymousId=device)]
        before += [calls.log_in(today_ms - DAY_MS // 2, name, device) for device, name in owners.items()]
        circles = {person for person in names if chance.random() < 0.3}
        claims = [claim for person, mine in names.items() for claim in _claims(calls, today_ms, mine, circle=person in circles)]
        claims += [each for device in owners for each in _day(calls, today_ms + 1, anonymousId=device)]
        claims += [each for mine in names.values() for name in mine for each in _day(calls, today_ms + 1, userId=name)]
        # Whoever is one person by now logs in on any device of theirs, under any name.
        after = [
            calls.call("identify", today_ms + 2, userId=name, anonymousId=device)
            for mine in names.values()
            for device in owners
            if owners[device] in mine
            for name in mine
        ]
        after += [each for device in owners for each in _day(calls, today_ms + 3, anonymousId=device)]
        for number, part in enumerate(map(calls.mixed, (before, claims, after))):
            dies = number == 1
            if worker.alive and dies:
                await worker.kill()
            if not worker.alive:
                await worker.start(**({"STREAMS_CRASH_AT": f"{chance.choice(POINTS)}:{chance.randint(2, 4)}"} if dies else {}))
            await stage.feed(part)
            if dies:
                code = await worker.ended()
                assert code == -signal.SIGKILL, f"exit {code}\n{worker.tail()}"
                await worker.start()
            await stage.caught_up()
        await stage.stop()
        left = await stage.result()
        recounted = await command(stage, "metrics", "reconcile", rfc3339(today_ms)[:10])
        assert recounted.returncode == 0, (stage.folder / "commands.log").read_text()
        person = min(names.keys() - circles)
        await command(stage, "explain", names[person][1], "--json")
        told = json.loads((stage.folder / "commands.log").read_text().splitlines()[-1])
        assert (told["user_id"], told["ids"]["asked"]) == tuple(names[person][:2])
        rows = {key: row for part in left.rows.values() for key, row in part.items() if not key.startswith("\x01")}
        # Of those who claim each other the first that is heard holds, and of several at once the one that sorts first.
        holders = {name: _end(mine[0], rows) if person in circles else mine[0] for person, mine in names.items() for name in mine}
        return _judge(stage, left, rows, holders, owners)


def _day(calls: Calls, at_ms: int, **ids: str) -> list[Sent]:
    return calls.browse(at_ms, calls.chance.randint(1, 3), **ids)


def _claims(calls: Calls, at_ms: int, names: list[str], *, circle: bool) -> list[Sent]:
    """Everybody is the first of the names: told by it, or by one that is told of. circle: each says to be the next one."""
    chance = calls.chance
    if circle:
        pairs = list(zip(names, (*names[1:], names[0]), strict=True))
    else:
        pairs = [(chance.choice(names[:n]), names[n]) for n in range(1, len(names))]
    return [calls.call("alias", at_ms, userId=user, previousId=other) for user, other in pairs for _ in range(chance.choice((1, 1, 2)))]


def _judge(stage: Stage, left: Run, rows: dict[str, bytes], holders: dict[str, str], owners: dict[str, str]) -> str:
    rules, topics = stage.rules, stage.rules.topics
    sources = [line for topic in topics.inputs[:2] for p in range(rules.partitions) for line in left.logs.get((topic, p), [])]
    idle = frozenset(entry.name for entry in rules.catalogue.types if entry.weight <= 0)
    wanted = people(sources, owners, idle, holders)
    problems, scratch, types = [], User(rules), rules.catalogue.names
    for user, person in sorted(wanted.items()):
        if leads_to(rows.get(user)) is not None or user not in rows:
            problems.append(f"{user} has no state")
            continue
        scratch.load(user, rows[user])
        counts = {types[kind]: n for kind, n in scratch.lifetime().items() if kind >= 10}
        got = (counts, scratch.lifetime().get(REVENUE, 0), scratch.rhythm.x)
        want = (dict(person.events), person.revenue_minor, len(person.days))
        if got != want:
            problems.append(f"{user}: {got} in the store, {want} in the log")
    ends = {key: _end(key, rows) for key in rows}
    ends = {key: end for key, end in ends.items() if key.removeprefix("anon:") in holders or key.removeprefix("anon:") in owners}
    leading = holders | {f"anon:{device}": holders[name] for device, name in owners.items()}
    problems += [f"{key} leads to {ends.get(key)}" for key, end in leading.items() if ends.get(key) != end]
    problems += [f"{key} is in the store" for key in rows.keys() - ends.keys()]
    fates = sum(sum(head.fates.values()) for head in left.heads.values())
    counted = sum(head.fates.get("counted", 0) for head in left.heads.values())
    records = sum(len(lines) for (topic, _), lines in left.logs.items() if topic in topics.inputs)
    repeats = len(sources) - len({json.loads(line.value or b"{}")["messageId"] for line in sources})
    if (fates, counted) != (records, len(sources) - repeats):
        problems.append(f"{fates} fates of {records} records, {counted} counted of {len(sources)}")
    assert not problems, "\n".join(problems[:10])
    return f"exact: {len(wanted)} people, {len(holders)} names, {len(owners)} devices, {records} records, {counted} counted"


def _end(key: str, rows: dict[str, bytes]) -> str:
    """Where a row leads to in the end; empty for a circle."""
    passed = {key}
    while (on := leads_to(rows.get(key))) is not None:
        if on in passed:
            return ""
        passed.add(on)
        key = on
    return key
