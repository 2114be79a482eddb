"""Companies whose people are customers of the shop."""

from collections.abc import Sequence
from random import Random
from typing import Final

from streams.sim.config import Companies
from streams.sim.personas import Shopper

__all__ = ["found"]

_NAMES: Final = ("Nordwind", "Kestrel & Co", "Blaufeld", "Harbor Nine", "Ostara", "Pinewood", "Quarzhaus", "Silberlinde")


def found(config: Companies, people: Sequence[Shopper], rng: Random) -> None:
    """Some of `people` belong to a company from now on, one each; those of a quiet one stay away at the end of the history."""
    if not config.count:
        return
    for place, shopper in enumerate(rng.sample(people, int(config.share * len(people)))):
        number = place % config.count
        name = _NAMES[number] if number < len(_NAMES) else f"Company {number + 1}"
        role = "admin" if rng.random() < config.admin else "member"
        shopper.company = f'"groupId":"company-{number + 1:02d}","traits":{{"name":"{name}","role":"{role}"}}'
        if number < config.quiet:
            shopper.to_day = max(shopper.to_day or 0, config.quiet_days)
