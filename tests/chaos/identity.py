"""Scenario of ids: people who browse before they log in, on several devices, while workers die."""

import json
import random
import signal
from collections.abc import Sequence
from itertools import count

from streams.core.envelope import rfc3339
from streams.core.moved import Moved, is_moved
from streams.core.rules import REVENUE
from streams.core.user import User
from tests.chaos.crashes import now_ms
from tests.chaos.ground import Ground
from tests.chaos.harness import Stage
from tests.chaos.inputs import command
from tests.check import Run
from tests.feed import Sent
from tests.logs import home_partition
from tests.oracle_identity import people

__all__ = ["identity"]

DAY_MS = 86_400_000
NAMES = ("page_view", "product_viewed", "order_completed")
#: Where a worker dies in each part of the scenario.
POINTS = ("after_plan", "after_publish", "mid_publish", "between_topics")


class Calls:
    """What trackers send, each record once, on the partition where Kafka's clients put it, or on another one."""

    def __init__(self, seed: int, stage: Stage) -> None:
        self.chance, self.rules, self._serial = random.Random(seed), stage.rules, count()

    def call(self, kind: str, at_ms: int, *, name: str = "", **ids: str) -> Sent:
        fields: dict[str, object] = {"type": kind, "messageId": f"i{next(self._serial)}", "timestamp": at_ms, **ids}
        if name:
            fields |= {"event": name, "properties": {"revenue": 12.5} if name == "order_completed" else {}}
        raw_id = ids.get("userId") or ids["anonymousId"]
        stray = self.chance.random() < 0.1
        partition = self.chance.randrange(self.rules.partitions) if stray else home_partition(raw_id, self.rules.partitions)
        topic = self.chance.choice(self.rules.topics.inputs[:2])
        return Sent(topic, partition, raw_id.encode(), json.dumps(fields).encode())

    def browse(self, at_ms: int, n: int, **ids: str) -> list[Sent]:
        return [self.call("track", at_ms + each, name=self.chance.choice(NAMES), **ids) for each in range(n)]

    def log_in(self, at_ms: int, user: str, device: str) -> Sent:
        if self.chance.random() < 0.2:
            return self.call("alias", at_ms, userId=user, previousId=device)
        return self.call("identify", at_ms, userId=user, anonymousId=device)

    def mixed(self, records: list[Sent]) -> list[Sent]:
        self.chance.shuffle(records)
        return records


async def identity(ground: Ground, *, persons: int = 200, lives: Sequence[int] = (1, 3), seed: int = 24) -> str:
    """24. Anonymous then known, several devices, links seen twice and before what they are about, shared devices, refused aliases; a worker
    dies in the parts `lives` of it: everybody has what they did, once."""
    async with ground.stage("identity") as stage:
        calls, worker = Calls(seed, stage), stage.worker()
        chance = calls.chance
        owners = {f"d{n}-{device}": f"u{n}" for n in range(persons) for device in range(chance.randint(1, 3))}
        shared = [f"lib{n}" for n in range(5)]
        today_ms = now_ms() // DAY_MS * DAY_MS
        yesterday_ms = today_ms - DAY_MS // 2
        before = [each for device in owners for each in calls.browse(yesterday_ms, chance.randint(0, 4), anonymousId=device)]
        before += [each for device in shared for each in calls.browse(yesterday_ms, 3, anonymousId=device)]
        logins = [calls.log_in(today_ms, user, device) for device, user in owners.items() for _ in range(chance.choice((1, 1, 2)))]
        logins += [calls.log_in(today_ms, f"u{n}", device) for n, device in enumerate(shared)]
        logins += [each for device in owners for each in calls.browse(today_ms + 10, chance.randint(0, 3), anonymousId=device)]
        logins += [calls.call("identify", today_ms, userId=f"u{n}", anonymousId="null") for n in range(persons)]
        second = [calls.log_in(today_ms + 20, f"u{n + 10}", device) for n, device in enumerate(shared)]
        second += [calls.call("alias", today_ms + 20, userId=f"u{n}", previousId=f"u{n + 1}") for n in range(5)]
        after = [each for device in (*owners, *shared) for each in calls.browse(today_ms + 30, 2, anonymousId=device)]
        parts = [before, logins, second, after]
        for number, part in enumerate(map(calls.mixed, parts)):
            if number in lives:
                await worker.kill()
                await worker.start(STREAMS_CRASH_AT=f"{POINTS[number]}:{chance.randint(2, 4)}")
            elif not worker.alive:
                await worker.start()
            await stage.feed(part)
            if number in lives:
                code = await worker.ended()
                assert code == -signal.SIGKILL, f"exit {code}\n{worker.tail()}"
                await worker.start()
            await stage.caught_up()
        await stage.stop()
        left = await stage.result()
        recounted = await command(stage, "metrics", "reconcile", rfc3339(today_ms)[:10])
        assert recounted.returncode == 0, (stage.folder / "commands.log").read_text()
        # What a shared device did before the second log-in is the first one's.
        firsts = {device: f"u{n}" for n, device in enumerate(shared)}
        return _judge(stage, left, owners, firsts, before_ms=today_ms)


def _judge(stage: Stage, left: Run, owners: dict[str, str], firsts: dict[str, str], *, before_ms: int) -> str:
    rules, topics = stage.rules, stage.rules.topics
    sources = [line for topic in topics.inputs[:2] for p in range(rules.partitions) for line in left.logs.get((topic, p), [])]
    early = [line for line in sources if json.loads(line.value or b"{}")["timestamp"] < before_ms]
    idle = frozenset(entry.name for entry in rules.catalogue.types if entry.weight <= 0)
    wanted = people([line for line in sources if line not in early], owners, idle)
    for user, person in people(early, owners | firsts, idle).items():
        mine = wanted.setdefault(user, type(person)())
        mine.events += person.events
        mine.revenue_minor += person.revenue_minor
        mine.days |= person.days
    problems, scratch, names = [], User(rules), rules.catalogue.names
    rows = {key: row for part in left.rows.values() for key, row in part.items() if not key.startswith("\x01")}
    for user, person in sorted(wanted.items()):
        if user not in rows or is_moved(rows[user]):
            problems.append(f"{user} has no state")
            continue
        scratch.load(user, rows[user])
        counts = {names[kind]: n for kind, n in scratch.lifetime().items() if kind >= 10}
        got = (counts, scratch.lifetime().get(REVENUE, 0), scratch.rhythm.x)
        want = (dict(person.events), person.revenue_minor, len(person.days))
        if got != want:
            problems.append(f"{user}: {got} in the store, {want} in the log")
    moved = {key: Moved.decode(row).user for key, row in rows.items() if is_moved(row)}
    if moved != {f"anon:{device}": user for device, user in owners.items()}:
        problems.append("rows of devices do not lead to their owners")
    problems += [f"{key} is in the store" for key in rows.keys() - wanted.keys() - moved.keys()]
    news = _news([line.value or b"" for (topic, _), lines in left.logs.items() if topic == topics.identity for line in lines])
    refused = sorted({record["reason"] for record in news.values() if record["action"] == "refused"})
    if refused != ["two_known_users"] or sum(record["action"] == "shared" for record in news.values()) != len(firsts):
        problems.append(f"refused: {refused}")
    fates = sum(sum(head.fates.values()) for head in left.heads.values())
    counted = sum(head.fates.get("counted", 0) for head in left.heads.values())
    records = sum(len(lines) for (topic, _), lines in left.logs.items() if topic in topics.inputs)
    if (fates, counted) != (records, len(sources)):
        problems.append(f"{fates} fates of {records} records, {counted} counted of {len(sources)}")
    assert not problems, "\n".join(problems[:10])
    merged = sum(record["action"] == "merged" for record in news.values())
    return f"exact: {len(wanted)} people, {len(owners)} devices, {merged} states merged, {records} records, {counted} counted"


def _news(values: Sequence[bytes]) -> dict[str, dict[str, str]]:
    """News by id; a repeat says the same."""
    found: dict[str, dict[str, str]] = {}
    for value in values:
        record = json.loads(value)
        assert found.setdefault(record["identity_id"], record) == record, "the same id was said with other words"
    return found
