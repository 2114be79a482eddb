"""Who the users are, and what one of them does in a visit."""

from random import Random

from streams.sim.config import Persona, WorldConfig
from streams.sim.incidents import ORDER
from streams.sim.wording import Act, Product, Shop, Who, group, identify, page, track

__all__ = ["Shopper", "shoppers", "visit"]


class Shopper:
    """One user.

    known, device   how the user is named after and before the log-in
    both            both ids, as `identify` carries them
    rate            chance of a visit on a mean day
    from_day, to_day   first and last day with visits, in days before the end of the history (None: goes on)
    subscribed      whether newsletters are sent
    company         the account that the user belongs to, and as what, as the inside of a JSON object; empty: none
    order           properties of the last order, until the next visit: then it is kept or sent back
    """

    __slots__ = ("both", "company", "device", "from_day", "known", "order", "persona", "rate", "subscribed", "to_day")

    def __init__(self, number: int, persona: Persona, rng: Random) -> None:
        user, device = f"user-{number:06d}", f"device-{rng.getrandbits(48):012x}"
        self.persona = persona
        self.known = Who(f'"userId":"{user}"', user.encode())
        self.device = Who(f'"anonymousId":"{device}"', device.encode())
        self.both = Who(f'"userId":"{user}","anonymousId":"{device}"', user.encode())
        self.rate = min(0.97, persona.visits_per_week / 7 * (0.7 + 0.6 * rng.random()))
        # Half of the users were there before the history begins, the others signed up in the course of it.
        self.from_day = 1 << 20 if rng.random() < 0.5 else int(rng.random() * 365)
        self.to_day: int | None = None
        if persona.silent_days is not None:
            begin, end = persona.silent_days
            self.to_day = begin + int(rng.random() * (end - begin + 1))
        self.subscribed = True
        self.company = self.order = ""


def shoppers(config: WorldConfig, users: int, rng: Random) -> list[Shopper]:
    """`users` users by the shares of their personas (largest remainders), in an order that says nothing."""
    total = sum(persona.share for persona in config.personas)
    exact = [users * persona.share / total for persona in config.personas]
    counts = [int(number) for number in exact]
    for i in sorted(range(len(exact)), key=lambda i: counts[i] - exact[i])[: users - sum(counts)]:
        counts[i] += 1
    kinds = [persona for persona, count in zip(config.personas, counts, strict=True) for _ in range(count)]
    rng.shuffle(kinds)
    return [Shopper(number, persona, rng) for number, persona in enumerate(kinds)]


def visit(shopper: Shopper, shop: Shop, rng: Random, *, known: bool = False) -> list[tuple[Act, Who]]:
    """What happens in one visit, in order: looking, perhaps a cart, perhaps an order. `known`: logged in from the start.

    About 3 to 20 events in 2 to 20 minutes; the first one at once. Every visit holds at least one scored event under the known id.
    """
    persona, random, goods = shopper.persona, rng.random, shop.goods
    acts: list[tuple[Act, Who]] = []
    who = shopper.known
    liked = goods[int(random() * len(goods))]
    if not known and random() < persona.anonymous:
        acts.append((page(_pause(rng, 5), liked.category), shopper.device))
        acts.append((track(_pause(rng, 20), "Product Viewed", liked.json), shopper.device))
        acts.append((identify(_pause(rng, 20)), shopper.both))
        acts.append((track(_pause(rng, 1), "Signed In"), who))
    acts.append((page(_pause(rng, 5), liked.category), who))
    if shopper.company:
        acts.append((group(shopper.company), who))
    if shopper.order:
        if random() < persona.refund:
            acts.append((track(_pause(rng, 20), "Order Refunded", shopper.order), who))
        shopper.order = ""
    if random() < persona.search:
        acts.append((track(_pause(rng, 10), "Products Searched", f'"query":"{liked.category}"'), who))
    fewest, most = persona.views
    for _ in range(max(1, fewest + int(random() * (most - fewest + 1)))):
        if random() < 0.25:
            liked = goods[int(random() * len(goods))]
            acts.append((page(_pause(rng, 15), liked.category), who))
        acts.append((track(_pause(rng, 30), "Product Viewed", liked.json), who))
    if random() < persona.cart:
        acts += ((act, who) for act in _cart(shopper, liked, shop.currency, rng))
    for event, chance in (("Product Shared", persona.share_product), ("Product Reviewed", persona.review)):
        if random() < chance:
            acts.append((track(_pause(rng, 40), event, liked.json), who))
    if random() < persona.complaint:
        acts.append((track(_pause(rng, 60), "Support Contacted", '"topic":"complaint"'), who))
    if random() < persona.survey:
        worst, best = persona.nps
        answer = worst + int(random() * (best - worst + 1))
        acts.append((track(_pause(rng, 30), "Rating Given", f'"survey":"nps","score":{answer}'), who))
    return acts


def _cart(shopper: Shopper, liked: Product, currency: str, rng: Random) -> list[Act]:
    """From the cart on; most carts are left behind somewhere."""
    acts = [track(_pause(rng, 20), "Product Added", liked.json)]
    if rng.random() < 0.6:
        acts.append(track(_pause(rng, 15), "Cart Viewed"))
    if rng.random() >= shopper.persona.order:
        if rng.random() < 0.3:
            acts.append(track(_pause(rng, 30), "Product Removed", liked.json))
        return acts
    least, most = shopper.persona.basket_minor
    value = f"{(least + int(rng.random() * (most - least + 1))) / 100:.2f}"
    shopper.order = f'"order_id":"o-{rng.getrandbits(40):010x}","revenue":{value},"currency":"{currency}"'
    acts.append(track(_pause(rng, 20), "Checkout Started", f'"value":{value}'))
    acts.append(track(_pause(rng, 45), "Payment Info Entered"))
    acts.append(track(_pause(rng, 20), ORDER, shopper.order))
    return acts


def _pause(rng: Random, mean_s: int) -> int:
    """Reading times: a second at the least, three times the mean at the most, so that a visit stays short of half an hour's gap."""
    return 1000 + int(rng.random() ** 2 * mean_s * 3000)
