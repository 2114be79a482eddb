"""Events without any story, for benchmarks: every user alike, evenly spread over time."""

from collections.abc import Iterator
from typing import Final

from streams.core.envelope import rfc3339
from streams.core.rules import DAY_MS
from streams.sim.dice import dice
from streams.sim.emission import Emission

__all__ = ["uniform_events"]

_NAMES: Final = ("Product Viewed", "Product Added", "Product List Viewed", "Products Searched")
_UNTIL_MS: Final = 1_760_000_000_000  # a fixed instant of 2025, so that a seed alone decides every byte


def uniform_events(n: int, users: int, seed: int, days: float, until_ms: int = _UNTIL_MS) -> Iterator[Emission]:
    """`n` clickstream events of about 200 bytes by `users` users, evenly spaced over the `days` before `until_ms`."""
    random = dice(seed, "uniform").random
    whos = [(f"user-{number:07d}", f"user-{number:07d}".encode()) for number in range(users)]
    heads = [f'{{"type":"track","event":"{name}","userId":"' for name in _NAMES]
    first_ms, step_ms = until_ms - int(days * DAY_MS), days * DAY_MS / max(n, 1)
    for i in range(n):
        at_ms = first_ms + int(i * step_ms)
        user, key = whos[int(random() * users)]
        value = (
            f'{heads[int(random() * 4)]}{user}","messageId":"{seed:x}u{i:x}","timestamp":"{rfc3339(at_ms)}",'
            f'"properties":{{"product_id":"p-{i % 997:04d}","category":"shoes","price":39.95}}}}'
        )
        yield Emission(at_ms, "clickstream", key, value.encode())
