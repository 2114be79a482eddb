"""A seeded world of users who visit, buy, fall silent and come back; with resends, late records and strays.

`history` is a replay (records carry the event clock), `live` is what trackers send now. `Sender` puts either on a broker.
"""

import asyncio
import json
import random
from bisect import bisect
from collections.abc import Sequence
from itertools import accumulate
from typing import Any, NamedTuple, Self

from aiokafka import AIOKafkaProducer

from streams.core.rules import EventType, Rules
from tests.logs import home_partition

__all__ = ["Feed", "Sender", "Sent"]

DAY_MS = 86_400_000
EVENT_CLOCK = ("streams-clock", b"event")
_CATEGORIES = ("shoes", "hats", "Boots", "ties", " shoes ")


class Sent(NamedTuple):
    """A record on its way to the broker."""

    topic: str
    partition: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()


class Feed:
    """Everything of one seed. `users` is how many there are; who is busy follows Zipf's law with exponent `zipf`."""

    def __init__(self, seed: int, rules: Rules, *, users: int = 200, zipf: float = 1.05) -> None:
        self.random, self.rules, self.users = random.Random(seed), rules, users
        self._busy = list(accumulate(1 / (n + 1) ** zipf for n in range(users)))
        self._serial = 0
        self._tag = f"{seed:x}"
        self._site = [entry for entry in rules.catalogue.types if entry.channel is None]
        self._mail = [entry for entry in rules.catalogue.types if entry.channel is not None]

    def user(self) -> str:
        return f"u{bisect(self._busy, self.random.random() * self._busy[-1])}"

    def event(
        self, user: str, at_ms: int | None, *, name: str = "", stray: float = 0.0, headers: tuple[tuple[str, bytes], ...] = ()
    ) -> Sent:
        """One event of `user`, called `name` or anything, on the partition where Kafka's clients put it, or by chance `stray` elsewhere."""
        entry = next((each for each in self._site if each.name == name), None) or self._entry()
        self._serial += 1
        fields: dict[str, Any] = {"type": "track", "event": entry.name, "messageId": f"{self._tag}-{self._serial}"}
        fields["anonymousId" if user.startswith("a") else "userId"] = user
        if at_ms is not None:
            fields["timestamp"] = at_ms
        if entry.amount:
            amount = entry.amount if isinstance(entry.amount, str) else entry.amount[0]
            fields["properties"] = {amount: round(self.random.lognormvariate(3, 1), 2)}
        if entry.name == "product_viewed":
            fields["properties"] = {"category": _CATEGORIES[self._serial % len(_CATEGORIES)]}
        topic = self.rules.topics.campaigns if entry.channel else self.rules.topics.clickstream
        partition = home_partition(user, self.rules.partitions)
        if self.random.random() < stray:
            partition = self.random.randrange(self.rules.partitions)
        return Sent(topic, partition, user.encode(), json.dumps(fields).encode(), headers)

    def history(self, days: int, until_ms: int) -> list[Sent]:
        """`days` of visits up to `until_ms`, nearly in order of event time. A third of the users stops on the way; some come back."""
        random, timed = self.random, []
        for n in range(self.users):
            user, gap = (f"a{n}" if n % 10 == 9 else f"u{n}"), random.choice((1.0, 1.0, 1.5, 2.0, 4.0, 9.0))
            day, leaves, returns = random.uniform(0, days / 3), days * 2.0, days * 2.0
            if n % 3 == 0:
                leaves = random.uniform(days * 0.4, days * 0.9)
                returns = leaves + random.uniform(10, days)
            while day < days:
                if not leaves < day < returns:
                    for _ in range(random.randint(1, 3)):
                        timed.append((day + random.uniform(0, 0.02), user))
                day += random.expovariate(1 / gap)
        timed = [(day, user) for day, user in timed if day < days]
        timed.sort(key=lambda each: each[0] + random.uniform(0, 0.004))
        start_ms = until_ms - days * DAY_MS
        return [self.event(user, start_ms + int(day * DAY_MS), headers=(EVENT_CLOCK,)) for day, user in timed]

    def wall(self) -> list[Sent]:
        """Tells every partition that the replay is over."""
        return [Sent(self.rules.topics.clickstream, p, b"clock", None, (("streams-clock", b"wall"),)) for p in range(self.rules.partitions)]

    def live(
        self, n: int, now_ms: int, *, resent: float = 0.01, late: float = 0.005, stray: float = 0.02, anonymous: float = 0.05
    ) -> list[Sent]:
        """`n` records as trackers send them at about `now_ms`; shares of them resent, days to weeks late, or on the wrong partition."""
        made: list[Sent] = []
        while len(made) < n:
            chance = self.random.random()
            if made and chance < resent:
                made.append(self.random.choice(made[-200:]))
                continue
            user = self.user()
            if self.random.random() < anonymous:
                user = "a" + user
            age_ms = self.random.randrange(DAY_MS, 45 * DAY_MS) if chance > 1 - late else self.random.randrange(2000)
            made.append(self.event(user, now_ms - age_ms, stray=stray))
        return made

    def _entry(self) -> EventType:
        pool = self._mail if self._mail and self.random.random() < 0.15 else self._site
        return self.random.choice(pool[: max(3, len(pool) // 2)] if self.random.random() < 0.8 else pool)


class Sender:
    """An idempotent producer: what it has sent lies in the log once, in order per partition, however often the broker is away."""

    def __init__(self, bootstrap: str) -> None:
        self._bootstrap = bootstrap
        self._producer: Any = None

    async def __aenter__(self) -> Self:
        self._producer = AIOKafkaProducer(
            bootstrap_servers=self._bootstrap,
            enable_idempotence=True,
            linger_ms=5,
            max_batch_size=1 << 16,  # the topics take 128 KiB
            request_timeout_ms=300_000,  # a broker that is away for a while is waited for
        )
        await self._producer.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._producer.stop()

    async def send(self, records: Sequence[Sent], *, per_s: float | None = None) -> int:
        """The broker has acknowledged every record, at most `per_s` a second; how many they were."""
        loop = asyncio.get_running_loop()
        start_s, acks = loop.time(), []
        for n, record in enumerate(records):
            if per_s and n % 50 == 0:
                await asyncio.sleep(max(0.0, start_s + n / per_s - loop.time()))
            acks.append(await self._producer.send(record.topic, record.value, record.key, record.partition, headers=list(record.headers)))
        await asyncio.gather(*acks)
        return len(acks)
