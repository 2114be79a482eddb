"""What an event says besides who, what and when: the few properties that metrics are made of."""

from typing import NamedTuple

import msgspec

__all__ = ["TEXT_MAX", "Aggregated", "Context", "Grouped", "Properties"]

#: Texts are cut to this many characters: they name pages, products and campaigns, they do not tell stories.
TEXT_MAX = 64


class Context(msgspec.Struct, frozen=True, gc=False):
    """Where an event was sent from; empty where it does not say. Interned: one object for each combination, as long as there are few.

    country   as the tracker spells it, usually two letters
    device    kind of device: `mobile`, `desktop`, `ios` ...
    timezone  IANA name, such as `Europe/Berlin`
    source    where the visit came from: the campaign's source, else the host of the referrer when it is another site
    """

    country: str = ""
    device: str = ""
    timezone: str = ""
    source: str = ""


class Aggregated(NamedTuple):
    """A value that an aggregate sees.

    slot    place of the aggregate in its declaration
    number  in thousandths
    text    the first 24 bytes, in three words, zeros behind; None for a number
    hashed  32 bits of hash of the whole text
    """

    slot: int
    number: int
    text: tuple[int, int, int] | None
    hashed: int


class Properties(msgspec.Struct, frozen=True, gc=False):
    """What the event is about, as far as its type is declared to be read for it (`reads` in catalogue.yaml); empty, 0 or None where it
    does not say. A value of another kind than expected is as good as none: the event still counts.

    page, category, feature, item   names and ids of what was looked at or used
    order, campaign, message        ids: of an order, of a campaign, of one message sent
    survey, score, scale            which survey, the answer, and its highest possible answer (0: not said)
    quantity                        pieces, 1 where it is not said
    engaged_ms                      time in focus since the last event that said so
    plan_minor                      what a change of plan adds to the recurring revenue, in minor units; negative when it takes away
    counters                        ids of the filtered counters that this event is counted in, ascending
    aggregated                      values that the aggregates of its type see
    """

    page: str = ""
    category: str = ""
    feature: str = ""
    item: str = ""
    order: str = ""
    campaign: str = ""
    message: str = ""
    survey: str = ""
    score: float | None = None
    scale: int = 0
    quantity: float = 1.0
    engaged_ms: int = 0
    plan_minor: int = 0
    counters: tuple[int, ...] = ()
    aggregated: tuple[Aggregated, ...] = ()


class Grouped(msgspec.Struct, frozen=True, gc=False):
    """The user is a member of `account`. weight: what it counts for there, 0 where the event does not say its role; name: of the account,
    empty where it is not said."""

    account: str
    weight: int = 0
    name: str = ""
