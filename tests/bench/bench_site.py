"""What the watch over the whole and the tracking plan cost per event: `python -m tests.bench.bench_site`. CPU time, the least of five.

`bench NAME VALUE UNIT` per figure. A step has 1,000 events, which all say country, device and category.
"""

import json
from collections.abc import Callable
from time import process_time_ns

from streams.core.drift import Sampler
from streams.core.planned import PlannedEvent, Property, TrackingPlan
from streams.core.properties import Context, Properties
from streams.core.record import Event
from streams.core.rules import Catalogue, EventType, Rules
from streams.core.site import Watch, judge
from streams.core.ticks import Ticks
from streams.core.trackingplan import PlanChecker
from tests.unit.records import FakeRecord

_EVENTS = 1_000
_NAMES = 20


def least(what: Callable[[], object], n: int) -> float:
    """CPU nanoseconds of one of the `n` things that `what` does."""
    found = []
    for _ in range(5):
        start = process_time_ns()
        what()
        found.append(process_time_ns() - start)
    return min(found) / n


def main() -> None:
    rules = Rules(
        version="b", app_id="b", partitions=4, catalogue=Catalogue(types=tuple(EventType(id=10 + n, name=f"e{n}") for n in range(_NAMES)))
    )
    context = [Context(country=country, device=device) for country in ("DE", "FR", "AT", "CH") for device in ("mobile", "desktop")]
    bodies = [
        {"type": "track", "event": f"e{n % _NAMES}", "userId": f"u{n}", "messageId": f"m{n}", "timestamp": "2026-01-31T08:00:00Z"}
        | {"properties": {"product_id": "17", "price": 39.95, "quantity": 2, "category": "shoes", "currency": "EUR"}}
        for n in range(_EVENTS)
    ]
    about = Properties(category="shoes")  # equal ones are mostly one object
    records = [FakeRecord(timestamp=1_700_000_000_000 + n, value=json.dumps(bodies[n]).encode()) for n in range(_EVENTS)]
    says = [Event(f"u{n}", f"u{n}", 10 + n % _NAMES, 0, n, 0, False, about, context[n % 8]) for n in range(_EVENTS)]
    homes = [0] * _EVENTS
    ticks, sampler = Ticks(rules), Sampler(rules)
    print(f"bench site_count {least(lambda: ticks.of(records, says, homes, 0), _EVENTS):.0f} ns/event")
    print(f"bench site_sample {least(lambda: [sampler.of(records, says, homes, 0, rev) for rev in range(4)], 4) / 1000:.1f} us/step")
    properties = {
        "product_id": Property(type="string", required=True),
        "price": Property(type="number", minimum=0),
        "quantity": Property(type="integer", minimum=1),
        "category": Property(type="string"),
        "currency": Property(type="string", pattern="^[A-Z]{3}$"),
    }
    checker = PlanChecker(TrackingPlan(events=tuple(PlannedEvent(name=f"e{n}", properties=properties) for n in range(_NAMES))))
    judged = least(lambda: [checker.judge(record.value or b"") for record in records], _EVENTS)
    print(f"bench tracking_plan {judged:.0f} ns/event")
    watch, counts = Watch(0), {f"country:{n}": 100 for n in range(200)}
    for _ in range(5):
        watch, _turns = judge(watch, counts, 0, rules.site)
    print(f"bench site_judge_200_series {least(lambda: judge(watch, counts, 0, rules.site), 1) / 1e6:.2f} ms/tick")


if __name__ == "__main__":
    main()
