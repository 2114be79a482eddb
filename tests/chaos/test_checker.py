"""Scenario 1: the checker can fail. A good run is exact; drop, double, swap, lose or forge one thing, and that very thing is named."""

import json
from collections.abc import Callable

from streams.core.rules import Aggregate, Bounds, Catalogue, Churn, Counter, Drop, Emit, EventType, Rules, Scoring
from tests.check import Report, Run, check
from tests.feed import Feed
from tests.logs import Line
from tests.memory_run import MemoryRun

DAY_MS = 86_400_000
NOW_MS = 20_600 * DAY_MS + 40_000_000

TYPES = (
    EventType(id=10, name="page_view", weight=1.0),
    EventType(id=11, name="product_viewed", weight=1.5),
    EventType(id=12, name="order_completed", weight=10.0, amount="revenue"),
    EventType(id=13, name="identify", weight=0.0),
    EventType(id=20, name="email_open", channel="email", weight=0.5),
    EventType(id=21, name="email_click", channel="email", weight=2.0),
)
BIG_ORDER = Counter(id=240, name="big_order", event="order_completed", where={"revenue": Bounds(at_least=20.0)})
AGGREGATES = (
    Aggregate(id=1, name="order_value", event="order_completed", of=("revenue", "total")),
    Aggregate(id=2, name="viewed_category", event="product_viewed", of="category", kind="text"),
)


def checker_rules() -> Rules:
    """The shipped figures, but users are worth an alert after four visits."""
    return Rules(
        version="checker",
        app_id="checker",
        partitions=3,
        catalogue=Catalogue(types=TYPES, counters=(BIG_ORDER,), aggregates=AGGREGATES),
        scoring=Scoring(),
        churn=Churn(min_active_days=4),
        drop=Drop(min_active_days=6),
        emit=Emit(),
    )


async def run_of(seed: int, tamper: Callable[[list[Line]], list[Line]] = lambda lines: lines, *, users: int = 60) -> MemoryRun:
    """90 days of history, then an hour of live records with resends, late ones, strays and a pill."""
    rules = checker_rules()
    run, feed = MemoryRun(rules, seed, NOW_MS), Feed(seed, rules, users=users)
    run.feed(feed.history(90, NOW_MS - 3_600_000))
    run.feed(feed.wall())
    await run.drain(tamper)
    run.feed(feed.live(400, run.now_ms, late=0.1), step_ms=5)
    run.append(feed.event("u1", None)._replace(value=b"{"))
    await run.drain(tamper)
    return run


async def report_of(seed: int, tamper: Callable[[list[Line]], list[Line]]) -> Report:
    run = await run_of(seed, tamper)
    return check(run.result(), run.rules)


class Once:
    """Changes the first step that it can, and no other."""

    def __init__(self, change: Callable[[list[Line]], bool]) -> None:
        self.change, self.done = change, False

    def __call__(self, lines: list[Line]) -> list[Line]:
        self.done = self.done or self.change(lines)
        return lines


def _user(line: Line) -> str | None:
    return json.loads(line.value).get("userId") if line.value else None


async def test_a_good_run_is_exact() -> None:
    run = await run_of(1)
    report = check(run.result(), run.rules)
    assert report.ok, str(report)
    figures = report.figures
    assert figures["firing"] > 10
    assert figures["resolved"] > 2
    assert all(figures[name] > 0 for name in ("counted", "duplicate", "late", "rejected", "rerouted", "control")), figures


async def test_a_dropped_record_is_called_lost() -> None:
    def drop(lines: list[Line]) -> bool:
        if len(lines) < 10 or _user(lines[5]) is None:
            return False
        lines[5] = lines[5]._replace(value=lines[4].value)  # its neighbour is read twice in its place: the number of records is right
        return True

    once = Once(drop)
    report = await report_of(2, once)
    assert once.done
    assert report.problems["lost"], str(report)


async def test_a_doubled_record_is_called_doubled() -> None:
    def double(lines: list[Line]) -> bool:
        if len(lines) < 10 or _user(lines[5]) is None:
            return False
        fields = json.loads(lines[5].value or b"{}") | {"messageId": "another"}
        lines.insert(6, lines[5]._replace(value=json.dumps(fields).encode()))
        return True

    once = Once(double)
    report = await report_of(3, once)
    assert once.done
    assert report.problems["doubled"], str(report)


async def test_two_swapped_records_are_called_wrong() -> None:
    """Two visits of one user on two days, folded the other way round: every counter is right, the rhythm is not."""

    def swap(lines: list[Line]) -> bool:
        for i, first in enumerate(lines):
            for k in range(i + 1, len(lines)):
                second = lines[k]
                if _user(first) and _user(first) == _user(second) and _visit(second) and _visit(first) and _day(second) > _day(first):
                    lines[i], lines[k] = second, first
                    return True
        return False

    once = Once(swap)
    report = await report_of(4, once)
    assert once.done
    assert report.problems["wrong"], str(report)
    assert not report.problems["lost"] + report.problems["doubled"], str(report)


def _day(line: Line) -> int:
    return int(json.loads(line.value or b"{}")["timestamp"]) // DAY_MS


def _visit(line: Line) -> bool:
    return json.loads(line.value or b"{}")["event"] != "identify"


async def test_a_lost_alert_is_called_missing() -> None:
    run = await run_of(5)
    left: Run = run.result()
    alerts = next(lines for (topic, _), lines in left.logs.items() if topic == run.rules.topics.alerts and lines)
    lost = json.loads(alerts.pop(0).value or b"{}")
    report = check(left, run.rules)
    assert dict(report.problems) == {"missing": 1}, str(report)
    assert lost["alert_id"] in report.examples["missing"]


async def test_a_forged_alert_is_called_false() -> None:
    run = await run_of(6)
    left: Run = run.result()
    alerts = next(lines for (topic, _), lines in left.logs.items() if topic == run.rules.topics.alerts and lines)
    forged = json.loads(alerts[0].value or b"{}") | {"alert_id": "00000000-0000-5000-8000-000000000000"}
    alerts.append(alerts[0]._replace(value=json.dumps(forged).encode()))
    report = check(left, run.rules)
    assert dict(report.problems) == {"false": 1}, str(report)


async def test_other_bytes_under_the_same_id_are_found() -> None:
    run = await run_of(7)
    left: Run = run.result()
    scores = next(lines for (topic, _), lines in left.logs.items() if topic == run.rules.topics.scores and lines)
    repeated = json.loads(scores[0].value or b"{}") | {"engagement_score": 12.34}
    scores.append(scores[0]._replace(value=json.dumps(repeated).encode()))
    report = check(left, run.rules)
    assert dict(report.problems) == {"bytes": 1}, str(report)


async def test_a_record_that_was_never_read_is_found() -> None:
    run = await run_of(8)
    left: Run = run.result()
    log = left.logs[run.rules.topics.clickstream, 0]
    log.append(log[-1]._replace(offset=len(log)))
    report = check(left, run.rules)
    assert set(report.problems) == {"lost", "fates"}, str(report)


async def test_a_sum_that_is_one_too_large_is_called_wrong() -> None:
    run = await run_of(9)
    left: Run = run.result()
    name, sums = next((name, sums) for name, sums in left.sums[0].items() if name[0] == "d" and "orders" in sums)
    left.sums[0] = {**left.sums[0], name: {**sums, "orders": sums["orders"] + 1}}  # type: ignore[dict-item]
    report = check(left, run.rules)
    assert dict(report.problems) == {"wrong": 1}, str(report)
    assert f"day {name[1:]}: orders" in report.examples["wrong"]


async def test_a_user_who_is_in_no_sum_is_found() -> None:
    """Of one day: in the windows that end with it or later, too."""
    run = await run_of(10)
    left: Run = run.result()
    name, sums = max((name, sums) for name, sums in left.sums[1].items() if name[0] == "d" and any(f.startswith("active|") for f in sums))
    left.sums[1] = {**left.sums[1], name: {field: n for field, n in sums.items() if not field.startswith("active|")}}  # type: ignore[dict-item]
    report = check(left, run.rules)
    assert set(report.problems) == {"wrong"}, str(report)
    assert "users active in 1 days up to" in report.examples["wrong"]
