"""What becomes of one newsletter."""

from random import Random

from streams.sim.config import Campaigns
from streams.sim.personas import Shopper
from streams.sim.wording import Act, Who, mail

__all__ = ["letter"]


def letter(shopper: Shopper, campaign: str, campaigns: Campaigns, rng: Random, *, unread: bool = False) -> list[tuple[Act, Who]]:
    """The events of one letter in order: sent, delivered, perhaps opened and clicked. `unread`: nobody looks at it, not even a machine."""
    persona, who, random = shopper.persona, shopper.known, rng.random
    acts = [mail(int(random() * 2000), "send", campaign)]
    if random() < campaigns.bounces:
        acts.append(mail(1000 + int(random() * 60_000), "bounce", campaign))
    else:
        acts.append(mail(1000 + int(random() * 20_000), "delivery", campaign))
        if not unread and random() < campaigns.machine_opens:
            acts.append(mail(1000, "open", campaign, machine=True))
        if not unread and random() < persona.opens:
            acts.append(mail(60_000 + int(random() ** 3 * 6 * 3_600_000), "open", campaign))
            if random() < persona.clicks:
                acts.append(mail(2000 + int(random() * 60_000), "click", campaign))
            if random() < persona.unsubscribes:
                acts.append(mail(3000, "unsubscribe", campaign))
                shopper.subscribed = False
            elif random() < persona.complains:
                acts.append(mail(3000, "complaint", campaign))
                shopper.subscribed = False
    return [(act, who) for act in acts]
