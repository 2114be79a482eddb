"""What happens in the shop, as the JSON of the Segment spec. Written by hand from prepared pieces: six times faster than a JSON encoder."""

import json
from collections.abc import Callable
from random import Random
from typing import Final, NamedTuple

from streams.core.envelope import rfc3339
from streams.sim.emission import Emission, Stream

__all__ = ["Act", "Product", "Shop", "Who", "Wording", "group", "identify", "mail", "page", "shop", "track"]


class Product(NamedTuple):
    """`json` are its properties as the inside of a JSON object."""

    price_minor: int
    category: str
    json: str


class Shop(NamedTuple):
    """What is sold, and in which currency."""

    goods: list[Product]
    currency: str


class Who(NamedTuple):
    """How a user or a device is named on an event: `json` is the id member (or members), `key` the raw id that decides the partition."""

    json: str
    key: bytes


class Act(NamedTuple):
    """One thing done, `pause_ms` after the one before. `head`: JSON up to the ids; `properties`: the inside of that object."""

    pause_ms: int
    event: str
    head: str
    properties: str
    stream: Stream = "clickstream"


_CONTEXTS: Final = (
    '"context":{"device":{"type":"desktop"},"locale":"de-DE"}',
    '"context":{"device":{"type":"phone"},"locale":"de-DE"}',
)


def shop(categories: tuple[str, ...], count: int, currency: str, rng: Random) -> Shop:
    """A shop with `count` products: prices from 5 to 200 in major units, most of them low."""
    goods = []
    for i in range(count):
        price_minor = int(500 * 40 ** (rng.random() ** 1.5))
        category = categories[i % len(categories)]
        properties = {"product_id": f"p-{i:04d}", "category": category, "price": price_minor / 100}
        goods.append(Product(price_minor, category, json.dumps(properties, separators=(",", ":"))[1:-1]))
    return Shop(goods, currency)


def track(pause_ms: int, event: str, properties: str = "") -> Act:
    """A `track` call."""
    return Act(pause_ms, event, f'{{"type":"track","event":"{event}",', properties)


def page(pause_ms: int, category: str) -> Act:
    """A `page` call."""
    return Act(pause_ms, "page", '{"type":"page",', f'"category":"{category}"')


def identify(pause_ms: int) -> Act:
    """An `identify` call; it carries the ids of both the device and the user."""
    return Act(pause_ms, "identify", '{"type":"identify",', "")


def group(company: str) -> Act:
    """A `group` call, at once: `company` names the account and says what its user is there, as the inside of a JSON object."""
    return Act(0, "group", f'{{"type":"group",{company},', "")


def mail(pause_ms: int, verb: str, campaign: str, machine: bool = False) -> Act:
    """A campaign event by e-mail, in the short form."""
    head = f'{{"event":"{verb}","channel":"email","campaignId":"{campaign}",'
    return Act(pause_ms, verb, head, '"machine_open":true' if machine else "", "campaigns")


class Wording:
    """Numbers the messages of one run: `run` keeps the ids of two runs apart."""

    def __init__(self, run: str) -> None:
        self._run = run
        self._said = 0

    def say(self, act: Act, who: Who, happened_ms: int, sent_ms: int, phone: bool) -> Emission:
        """`act` of `who` as an emission at `sent_ms`; the two times differ when the device was offline."""
        self._said += 1
        sent = f'"sentAt":"{rfc3339(sent_ms)}",' if sent_ms != happened_ms else ""
        value = (
            f'{act.head}{who.json},"messageId":"{self._run}-{self._said:x}","timestamp":"{rfc3339(happened_ms)}",{sent}'
            f'"properties":{{{act.properties}}},{_CONTEXTS[phone]}}}'
        )
        return Emission(sent_ms, act.stream, who.key, value.encode())

    def spoil(self, emission: Emission, rng: Random, *, live: bool) -> Emission:
        """Another record, just after `emission`, that nobody can make an event of: as broken trackers send them.

        Wrong clocks only in live time: in a history, whose own times move the partition's clock, one of them would drag all users along.
        """
        kinds = _SPOILERS if live else _SPOILERS[:-1]
        return emission._replace(at_ms=emission.at_ms + 1, value=kinds[int(rng.random() * len(kinds))](emission.value))


_SPOILERS: Final[tuple[Callable[[bytes], bytes], ...]] = (
    lambda value: value[: len(value) // 2],
    lambda value: b"GET /collect HTTP/1.1",
    lambda value: value.replace(b'"timestamp":"', b'"timestamp":"yesterday, '),
    lambda value: b'{"type":"track","event":7}',
    lambda value: b'{"type":"track","event":"Product Viewed","timestamp":"2026-01-01T00:00:00Z"}',
    lambda value: b'{"type":"track","event":"Product Viewed","userId":"undefined","timestamp":"2026-01-01T00:00:00Z"}',
    lambda value: b'{"type":"track","event":"Product Viewed","userId":"clock","timestamp":"2097-01-01T00:00:00Z"}',  # last: see `spoil`
)
