"""The shop and its users, as history and live traffic share them."""

from collections.abc import Sequence

from streams.core.rules import Churn, Drop
from streams.sim.aim import Aimed, aim
from streams.sim.companies import found
from streams.sim.config import WorldConfig
from streams.sim.dice import dice
from streams.sim.personas import Shopper, shoppers
from streams.sim.seasons import Calendar
from streams.sim.wording import shop

__all__ = ["Town"]


class Town:
    """`silent` are the users that were aimed, `origin_ms` is the end of the history that did so; None: there was no history."""

    def __init__(self, seed: int, users: int, config: WorldConfig) -> None:
        self.seed, self.config = seed, config
        self.calendar = Calendar(config.seasons, config.time_zone)
        self.shop = shop(config.categories, config.products, config.currency, dice(seed, "shop"))
        self.people = shoppers(config, users, dice(seed, "people"))
        found(config.companies, self.people, dice(seed, "companies"))
        self.silent: dict[Shopper, Aimed] = {}
        self.origin_ms: int | None = None

    def fall_silent(self, days: int, until_ms: int, churn: Churn, drop: Drop) -> Sequence[Aimed]:
        """Some of the users live so that their alerts fall due after `until_ms`."""
        rng = dice(self.seed, "aim", days, until_ms)
        aims = aim(rng, self.config.aim, users=len(self.people), days=days, until_ms=until_ms, churn=churn, drop=drop)
        persona = self.config.persona(self.config.aim.persona)
        self.silent = dict(zip(rng.sample(self.people, len(aims)), aims, strict=True))
        for shopper in self.silent:
            shopper.persona = persona
        self.origin_ms = until_ms
        return aims

    def around(self) -> Sequence[Shopper]:
        """Who makes live traffic: all users who did not fall silent; all there are when nobody else is left."""
        if self.origin_ms is None:
            return self.people
        return [shopper for shopper in self.people if shopper not in self.silent and shopper.to_day is None] or self.people
