"""What must be true of a history at rest. Each violation has a name; an empty set is what we promise.

Two oracles: one recomputes every step from the accepted plans and the logs, byte for byte; the other knows only the logs, and neither
plans nor code of the
lane: counters, the sum of fates, and silences.
"""

import json
from collections import Counter
from typing import Any

from streams.core.record import FATES, PRIOR, Head, LogRecord, Output
from streams.core.rules import DAY_MS
from streams.core.user import User
from streams.shell.heads import is_user
from tests.accounts import known, told
from tests.model.history import DEVICES, History
from tests.model.names import claims, faults, people

__all__ = ["verdict"]

Ident = tuple[str, ...]


def verdict(history: History, *, exact_outputs: bool = True) -> set[str]:
    """Names of the promises that this history broke. `exact_outputs` off: after a rolled back store only states, counters and fates
    are promised."""
    if history.stuck:
        return {"stuck"}
    broken = _counters(history) | _fates(history)
    expected, states = _follow(history)
    broken |= states
    if exact_outputs:
        broken |= _outputs(history, expected) | _accounts(history)
        if not history.world.rules.alerts.group_from:  # those told together are not told one by one
            broken |= _silences(history)
    return broken


def _counters(history: History) -> set[str]:
    """Each event that reached a log is in its user's counters once (or late, and then in none).

    What was done on a device is its owner's, when the owner has logged in there; of a device of several it is one of theirs, or its own.
    An event that comes again when its user has been there on other days meanwhile may count again: ids are remembered no longer than that.
    Of users who were said to be one person, all have together what each of them did.
    """
    world, sent, known, said = history.world, {}, set[str](), list[dict[str, Any]]()
    came: dict[str, dict[bytes, int]] = {}  # message -> where it was first appended -> when it came to where it is counted
    sent_on = {dict(entry.headers).get("reroute-from") for log in world.logs.values() for entry in log}
    for log in world.logs.values():
        for entry in log:
            event = _event(entry)
            if event is not None:
                said.append(event)
                sent[event["messageId"]] = (event.get("userId", ""), event.get("anonymousId", ""))
                known |= {event["anonymousId"]} if event["type"] == "identify" else set()
                place = f"{entry.topic}/{entry.partition}/{entry.offset}".encode()
                if place not in sent_on:
                    came.setdefault(event["messageId"], {}).setdefault(dict(entry.headers).get("reroute-origin", place), entry.timestamp)
    wanted, got, late = Counter[str](), Counter[str](), 0
    anybody = Counter[str]()
    claimed = claims(said) if world.rules.limits.allow_alias else {}
    one = people(claimed)
    for user, device in sent.values():
        owners = DEVICES.get(device, ())
        if user or len(owners) == 1:
            who = user or (owners[0] if device in known else f"anon:{device}")
            wanted[one.get(who, who)] += 1
        else:
            wanted[f"anon:{device}"] += 1
            anybody.update({one.get(each, each) for each in owners})
    scratch, rows = User(world.rules), dict[str, bytes]()
    for p in range(world.rules.partitions):
        head = world.store.peek(p)
        assert head is not None
        late += head.fates.get("late", 0)
        rows |= world.store.rows(p)
    for key, blob in rows.items():
        if is_user(key.encode(), blob):
            scratch.load(key, blob)
            got[one.get(key, key)] += sum(n for kind, n in scratch.lifetime().items() if kind >= 10)
    again = sum(max(at.values()) - min(at.values()) > DAY_MS for at in came.values())
    if not wanted.total() <= got.total() + late <= wanted.total() + again:
        return {"1 counters"}
    if not late and any(got[user] > wanted[user] + anybody[user] + again for user in got):
        return {"1 counters"}
    return faults(rows, claimed, known, late=late > 0)


def _fates(history: History) -> set[str]:
    """Every record of every log met one fate."""
    world = history.world
    for p in range(world.rules.partitions):
        head = world.store.peek(p)
        assert head is not None
        if sum(head.fates.values()) != sum(head.positions.values()):
            return {"2 fates"}
    return set()


def _accounts(history: History) -> set[str]:
    """Every account knows its members, and of each one what it has told last: nobody else, and nothing else."""
    rules, store = history.world.rules, history.world.store
    rows = {key: blob for p in range(rules.partitions) for key, blob in store.rows(p).items()}
    return set() if known(rows, rules) == told(rows, rules) else {"11 an account is not its members"}


def _follow(history: History) -> tuple[dict[Ident, Any], set[str]]:
    """Takes every accepted plan in order, alone: what had to be said, and whether the store holds what that gives."""
    world, broken = history.world, set[str]()
    expected: dict[Ident, Any] = {}
    flow = world.variant.flow(world.rules)
    for p in range(world.rules.partitions):
        head = Head(p, "oracle", 0, dict.fromkeys(world.rules.topics.inputs, 0), None, -1, "wall", {}, {})
        rows: dict[str, bytes] = {}
        queue: dict[str, int] = {}
        sums: Counter[tuple[str, str]] = Counter()
        for number, plan in enumerate(world.chain[p]):
            if plan.rev != number or any(head.positions[t] != start for t, (start, _) in plan.spans.items()):
                broken.add("8 the chain of plans has a hole")
                break
            records = [r for t, (start, to) in plan.spans.items() for r in world.logs[t, p][start:to]]
            records.sort(key=lambda r: (r.timestamp, world.rules.topics.inputs.index(r.topic), r.offset))
            reading = flow.read(records, p)
            if plan.parameters_version != PRIOR:
                flow.know(world.published[plan.parameters_version])
            due = [key for at, key in sorted((at, key) for key, at in queue.items()) if at <= plan.timers_ms][: plan.due_limit]
            outcome = flow.step(plan, reading, head, {key: rows.get(key) for key in [*reading.keys, *due]}, due)
            for key, blob in outcome.users.items():
                rows[key] = blob  # type: ignore[assignment]
                if blob is None:
                    del rows[key]
            for key, at_ms in outcome.due.items():
                queue.pop(key, None)
                if at_ms is not None:
                    queue[key] = at_ms
            sums.update({(each.name, name): n for each in outcome.sums for name, n in each.fields.items()})
            for output in outcome.outputs:
                ident, body = _ident(output), _body(output)
                rev = plan.rev if output.value is not None else 0  # a tombstone has no id: a user may come and go more than once
                if expected.setdefault(ident, (body, rev)) != (body, rev):
                    broken.add("3 same id, other bytes")
            fates = {name: head.fates.get(name, 0) + n for name, n in zip(FATES, outcome.fates, strict=True)}
            positions = {t: to for t, (_, to) in plan.spans.items()}
            learned = head.learned if outcome.learned is None else outcome.learned
            head = Head(p, "oracle", plan.rev + 1, positions, None, plan.time_ms, plan.clock, outcome.guards, fates, learned=learned)
        stored = world.store.peek(p)
        assert stored is not None
        if rows != dict(world.store.rows(p)) or stored.guards != head.guards or queue != dict(world.store.queue(p)):
            broken.add("8 the state is not its history")
        if {at: n for at, n in sums.items() if n} != {(name, k): n for name, each in world.store.sums(p).items() for k, n in each.items()}:
            broken.add("9 the sums are not their history")
        if stored.learned != head.learned:
            broken.add("10 what was learned is not its history")
    return expected, broken


def _outputs(history: History, expected: dict[Ident, Any]) -> set[str]:
    """All that had to be said was said; nothing else was; and repeats, also by zombies, are the same to the byte."""
    broken, heard = set(), set()
    for output, zombie in history.world.said:
        ident, body = _ident(output), _body(output)
        heard.add(ident)
        if ident not in expected:
            broken.add("4 phantom")
        elif expected[ident][0] != body:
            broken.add("7 a zombie lied" if zombie else "3 same id, other bytes")
    if set(expected) - heard:
        broken.add("5 missing")
    return broken


def _silences(history: History) -> set[str]:
    """Who fell silent was alerted; and no alert was raised while a record appended before it was still unread."""
    world, broken = history.world, set()
    counted_at: dict[str, list[tuple[int, int, int]]] = {}  # user -> (partition, append time, revision of the step that read it)
    for p in range(world.rules.partitions):
        for plan in world.chain[p]:
            for topic, (start, to) in plan.spans.items():
                for entry in world.logs[topic, p][start:to]:
                    if user := _user(entry):
                        counted_at.setdefault(user, []).append((p, entry.timestamp, plan.rev))
    last: dict[str, tuple[int, str, str]] = {}
    for output, _ in world.said:
        if output.topic != world.rules.topics.alerts:
            continue
        alert = json.loads(output.value or b"")
        if alert["rule"] != "churn_risk":
            continue
        user, rev = alert["user_id"], alert["rev"]
        last[user] = max(last.get(user, (-1, "", "")), (rev, alert["starts_at"], alert["status"]))
        if alert["status"] != "firing":
            continue
        at_ms = _ms(alert["starts_at"])
        if any(p == output.partition and appended <= at_ms and read > rev for p, appended, read in counted_at.get(user, ())):
            broken.add("6 false alert")
    scratch = User(world.rules)
    for key, row in [item for p in range(world.rules.partitions) for item in world.store.rows(p).items()]:
        if not is_user(key.encode(), row):
            continue
        scratch.load(key, row)
        if scratch.rhythm.x and last.get(key, (-1, "", ""))[2] != "firing":
            broken.add("5 a silence was not heard")
    return broken


def _event(entry: LogRecord) -> dict[str, Any] | None:
    """The event of a record; None for an errand, and for one that cannot be read."""
    if any(name == "reroute-errand" for name, _ in entry.headers):
        return None
    try:
        event: dict[str, Any] = json.loads(entry.value or b"")
    except ValueError:
        return None
    return event


def _user(entry: LogRecord) -> str:
    """Whom the event of a record counts for where it lies; empty when there is none."""
    event = _event(entry)
    if event is None:
        return ""
    headers = dict(entry.headers)
    if "reroute-user" in headers:
        return headers["reroute-user"].decode()
    return str(event.get("userId") or f"anon:{event['anonymousId']}")


def _ident(output: Output) -> Ident:
    headers = dict(output.headers)
    if "ce_id" in headers:
        return (output.topic, headers["ce_id"].decode())
    if "dead-reason" in headers:
        place = (headers["__connect.errors." + name].decode() for name in ("topic", "partition", "offset"))
        return (output.topic, *place)
    if "reroute-from" in headers:
        return (output.topic, str(output.partition), headers["reroute-from"].decode())
    return (output.topic, (output.key or b"").decode(), "tombstone")


def _body(output: Output) -> Any:
    """What must be equal in every repeat. A journal line names its owner, so only its plan counts."""
    if output.topic.endswith("journal.v1"):
        return json.dumps(json.loads(output.value or b"")["plan"], sort_keys=True)
    return (output.key, output.value, tuple(output.headers))


def _ms(text: str) -> int:
    from datetime import datetime

    return int(datetime.fromisoformat(text).timestamp() * 1000)
