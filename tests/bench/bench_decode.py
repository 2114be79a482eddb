"""What decoding costs per event: `python -m tests.bench.bench_decode`. Prints `bench NAME VALUE UNIT`, the best of many runs."""

import random
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from time import perf_counter_ns
from typing import Any, Final

import orjson

from streams.core import event as event_module
from streams.core.event import Decoder
from streams.core.identity import Identities, home_partition
from streams.settings import load
from tests.pills import PILLS
from tests.unit.records import FakeRecord

EVENTS: Final = 2_000
RUNS: Final = 60
#: Eight days in November 2023, as in the design's measurements.
_START_MS: Final = 1_700_000_000_000


def _iso(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _records(source: random.Random, *, event: str = "Product Viewed", sent: bool = False) -> list[FakeRecord]:
    """Events of about 220 bytes from 100,000 users."""
    records = []
    for offset in range(EVENTS):
        at_ms = _START_MS + source.randrange(8 * 86_400_000)
        fields: dict[str, Any] = {
            "type": "track",
            "event": event,
            "messageId": f"{source.getrandbits(128):032x}",
            "userId": f"user-{source.randrange(100_000)}",
            "timestamp": _iso(at_ms),
            "properties": {"product_id": "p-123", "price": 39.95, "category": "shoes", "revenue": 39.95},
        }
        if sent:
            fields |= {"sentAt": _iso(at_ms + 5), "receivedAt": _iso(at_ms + 60)}
        records.append(FakeRecord(offset=offset, timestamp=_START_MS + 9 * 86_400_000, value=orjson.dumps(fields)))
    return records


def _best_ns(work: Callable[[], object]) -> float:
    """The shortest of many runs, per event: what the work costs when nothing else runs."""
    best = sys.maxsize
    for _ in range(RUNS):
        begun = perf_counter_ns()
        work()
        best = min(best, perf_counter_ns() - begun)
    return best / EVENTS


def _say(name: str, value: float) -> None:
    print(f"bench {name} {value:.0f} ns/event")


def main() -> None:
    """Measures whole batches and the parts that have a budget of their own."""
    source = random.Random(1)
    decoder = Decoder(load(None, {}).rules)
    mode = "interpreted" if (event_module.__file__ or "").endswith(".py") else "compiled"
    plain = _records(source)
    batches: dict[str, Sequence[FakeRecord]] = {
        "plain": plain,
        "with_clock_correction": _records(source, sent=True),
        "with_amount": _records(source, event="Order Completed"),
        "with_one_percent_poison": _spoiled(plain),
    }
    for name, batch in batches.items():
        _say(f"decode_{name}_{mode}", _best_ns(lambda batch=batch: decoder.decode(batch)))  # type: ignore[misc]
    ids = [event.raw_id for event in decoder.decode(plain) if hasattr(event, "raw_id")]
    identities = Identities(load(None, {}).rules.limits)
    _say(f"identity_{mode}", _best_ns(lambda: [identities.of(raw_id, None) for raw_id in ids]))
    _say(f"home_partition_{mode}", _best_ns(lambda: [home_partition(raw_id, 12) for raw_id in ids]))


def _spoiled(records: Sequence[FakeRecord]) -> list[FakeRecord]:
    pills = [pill.value for pill in PILLS.values() if pill.value and len(pill.value) < 1_000]
    return [
        record._replace(value=pills[number // 100 % len(pills)]) if number % 100 == 50 else record for number, record in enumerate(records)
    ]


if __name__ == "__main__":
    main()
