"""The world as data: `config/world.yaml` decodes into these, strictly."""

from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from streams.configfile import read_file, to_struct
from streams.errors import ConfigError

__all__ = ["AimConfig", "Campaigns", "Companies", "Incident", "Persona", "Quality", "Seasons", "WorldConfig", "load_world"]

Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
Positive = Annotated[float, msgspec.Meta(gt=0)]
Count = Annotated[int, msgspec.Meta(ge=0)]
Span = tuple[Count, Count]

_DEFAULT = Path(__file__).resolve().parent.parent / "_config" / "world.yaml"


class _Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """An unknown, missing or out-of-range field is an error that names its path."""


class Persona(_Strict, frozen=True, kw_only=True):
    """How one kind of customer behaves.

    share            part of all users who are like this (the shares need not add up to 1)
    visits_per_week  on average; at most one visit a day
    views            product pages of one visit, from and to
    search, share_product, review, complaint   chance per visit
    cart             chance that a visit fills a cart; `order`: that a filled cart is ordered; `refund`: that an order is sent back
    basket_minor     value of an order in minor units, from and to
    survey, nps      chance that a visit answers the survey, and the answers given
    mobile           chance that a visit is on a phone (only phones send late)
    anonymous        chance that a visit begins before the log-in
    opens, clicks, unsubscribes, complains   chance per e-mail: of the delivered, of the opened, of the opened, of the opened
    silent_days      last visit this many days before the end of the history, from and to; absent: active until the end
    """

    name: str
    share: Share
    visits_per_week: Annotated[float, msgspec.Meta(gt=0, le=7)]
    views: Span = (2, 6)
    search: Share = 0.3
    share_product: Share = 0.03
    review: Share = 0.02
    complaint: Share = 0.0
    cart: Share = 0.25
    order: Share = 0.4
    refund: Share = 0.02
    basket_minor: Span = (1500, 9000)
    survey: Share = 0.03
    nps: Span = (6, 10)
    mobile: Share = 0.5
    anonymous: Share = 0.1
    opens: Share = 0.3
    clicks: Share = 0.15
    unsubscribes: Share = 0.003
    complains: Share = 0.0005
    silent_days: Span | None = None


class Seasons(_Strict, frozen=True, kw_only=True):
    """Traffic by hour of day (24 weights) and day of week (7, Monday first), in the local time of `time_zone`."""

    hours: Annotated[tuple[Annotated[float, msgspec.Meta(ge=0)], ...], msgspec.Meta(min_length=24, max_length=24)]
    weekdays: Annotated[tuple[Annotated[float, msgspec.Meta(ge=0)], ...], msgspec.Meta(min_length=7, max_length=7)]


class Campaigns(_Strict, frozen=True, kw_only=True):
    """A newsletter to all subscribers at `hour` local time on `weekday` (0 = Monday).

    bounces, machine_opens   chance per letter
    live_share               part of the live events that are campaign events
    """

    weekday: Annotated[int, msgspec.Meta(ge=0, le=6)] = 1
    hour: Annotated[int, msgspec.Meta(ge=0, le=23)] = 9
    bounces: Share = 0.005
    machine_opens: Share = 0.1
    live_share: Share = 0.1


class Companies(_Strict, frozen=True, kw_only=True):
    """Some customers order for a company that they belong to; every visit says so.

    count       companies, of about equal size
    share       part of all users who belong to one
    quiet       so many of them, the first ones, stop ordering: nobody comes in the last `quiet_days` days of the history
    admin       chance that a member is an admin there
    """

    count: Count = 0
    share: Share = 0.25
    quiet: Count = 0
    quiet_days: Count = 10
    admin: Share = 0.2


class Incident(_Strict, frozen=True, kw_only=True):
    """Something breaks. Hours count from the end of the history: negative ones lie in it, positive ones in live time.

    checkout_broken  no order goes through: `Order Completed` never comes
    tracking_lost    one event name vanishes while all others go on
    traffic_drop     `share` of all visits never happen
    """

    kind: Literal["checkout_broken", "tracking_lost", "traffic_drop"]
    from_hours: float
    for_hours: Positive
    event: str = ""
    share: Share = 0.99


class Quality(_Strict, frozen=True, kw_only=True):
    """What transports and devices do to events. Shares of all events.

    resent     sent twice, byte for byte, within two minutes
    late       from phones that were offline: minutes to two days late
    ancient    more than 31 days late: no window holds them any more
    malformed  cannot become an event: broken JSON, no id, a filler id, ...
    """

    resent: Share = 0.01
    late: Share = 0.01
    ancient: Share = 0.0003
    malformed: Share = 0.002


class AimConfig(_Strict, frozen=True, kw_only=True):
    """Silent customers whose alerts fall into the first minutes and hours of live time: see `streams.sim.aim`.

    share           at most this part of all users
    users_max       and at most so many
    every_s         seconds from one alert to the next
    lead_s          the first alert is this long before the end of the history, so that there are some to be resolved at once
    churn_every     one alert in so many is a churn risk, the others are engagement drops (0: none)
    return_share    part of the drops after which the customer comes back
    return_after_s  seconds from alert to return, from and to
    persona         what the silent ones are like otherwise
    """

    share: Share = 0.4
    users_max: Count = 2000
    every_s: Positive = 7.5
    lead_s: Annotated[float, msgspec.Meta(ge=0)] = 60.0
    churn_every: Count = 5
    return_share: Share = 0.5
    return_after_s: Span = (30, 60)
    persona: str = "slipping"


class WorldConfig(_Strict, frozen=True, kw_only=True):
    """The whole world."""

    time_zone: str
    currency: str = "EUR"
    seasons: Seasons
    categories: Annotated[tuple[str, ...], msgspec.Meta(min_length=1)]
    products: Annotated[int, msgspec.Meta(ge=1)] = 120
    personas: Annotated[tuple[Persona, ...], msgspec.Meta(min_length=1)]
    campaigns: Campaigns = Campaigns()
    companies: Companies = Companies()
    quality: Quality = Quality()
    incidents: tuple[Incident, ...] = ()
    aim: AimConfig = AimConfig()

    def persona(self, name: str) -> Persona:
        return next(persona for persona in self.personas if persona.name == name)


def load_world(path: Path | None = None) -> WorldConfig:
    """The world in `path`, or the one that ships with the package. Raises `ConfigError` with file and path."""
    path = path or _DEFAULT
    world = to_struct(read_file(path), WorldConfig, path.name)
    _check(world, path.name)
    return world


def _check(world: WorldConfig, file: str) -> None:
    """What the types cannot say."""
    try:
        ZoneInfo(world.time_zone)
    except (ZoneInfoNotFoundError, ValueError):
        raise ConfigError(f"{world.time_zone!r} is no time zone", file=file, path="time_zone") from None
    names = [persona.name for persona in world.personas]
    if world.aim.persona not in names:
        raise ConfigError(f"there is no persona {world.aim.persona!r}", file=file, path="aim.persona")
    if not sum(persona.share for persona in world.personas) > 0:
        raise ConfigError("all shares are 0", file=file, path="personas")
    if not sum(world.seasons.hours) > 0 or not sum(world.seasons.weekdays) > 0:
        raise ConfigError("all weights are 0", file=file, path="seasons")
    for i, persona in enumerate(world.personas):
        if names.index(persona.name) != i:
            raise ConfigError(f"{persona.name!r} is there twice", file=file, path=f"personas[{i}].name")
        for field in ("views", "basket_minor", "nps", "silent_days"):
            span = getattr(persona, field)
            if span is not None and span[0] > span[1]:
                raise ConfigError("from is above to", file=file, path=f"personas[{i}].{field}")
    if world.aim.return_after_s[0] > world.aim.return_after_s[1]:
        raise ConfigError("from is above to", file=file, path="aim.return_after_s")
    for i, incident in enumerate(world.incidents):
        if incident.kind == "tracking_lost" and not incident.event:
            raise ConfigError("names the event that vanishes", file=file, path=f"incidents[{i}].event")
