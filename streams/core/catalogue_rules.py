"""The event types, what their properties are read for, and what is counted and kept by them, as frozen structs (config/catalogue.yaml)."""

from typing import Literal

from streams.core.frozen import Frozen

__all__ = ["Aggregate", "Bounds", "Catalogue", "Condition", "Counter", "EventType", "PropertyNames", "Role"]

#: What a property can be read for.
Role = Literal[
    "page",
    "category",
    "feature",
    "item",
    "order",
    "campaign",
    "message",
    "survey",
    "score",
    "scale",
    "quantity",
    "engaged",
    "plan",
    "source",
]


class EventType(Frozen, frozen=True):
    """One entry of the catalogue. `id` is stored in states for ever: never reuse one for another meaning.

    weight    log-points and `ces` weight; 0 = counted, not scored (no active day)
    aliases   other names of the same event (matched without regard to case, spaces, underscores and dashes)
    channel   for campaign events: email, sms, push, webpush, inapp
    amount    name of the numeric property that is summed (major units, e.g. `revenue`), or several names: the first one present counts
    sign      -1 for refunds
    reads     what its properties are read for: fields of `PropertyNames`
    page      it is a view of a page (pages per session, bounce)
    active    a person does something in it: one such event makes a session active
    leaves    the user leaves in so many words (account deleted, subscription cancelled)
    key       a key event: it makes a session an engaged one (GA4)
    login     the user has come in as somebody known
    """

    id: int
    name: str
    weight: float = 1.0
    aliases: tuple[str, ...] = ()
    channel: str | None = None
    amount: str | tuple[str, ...] | None = None
    sign: Literal[1, -1] = 1
    reads: tuple[Role, ...] = ()
    page: bool = False
    active: bool = False
    leaves: bool = False
    key: bool = False
    login: bool = False

    @property
    def order(self) -> bool:
        """Whether it is an order: it brings money."""
        return self.amount is not None and self.sign > 0


class PropertyNames(Frozen, frozen=True):
    """What trackers call the properties that metrics are made of; of several names the first one present counts. Field by field as in
    `streams.core.properties.Properties`; `source` is a referrer, `engaged` milliseconds, `plan` an amount in major units."""

    page: tuple[str, ...] = ("name", "page_name", "screen_name", "page_title", "title", "path")
    category: tuple[str, ...] = ("category", "item_category", "page_category", "content_category")
    feature: tuple[str, ...] = ("feature", "feature_name", "name")
    item: tuple[str, ...] = ("product_id", "item_id", "sku")
    order: tuple[str, ...] = ("order_id", "transaction_id")
    campaign: tuple[str, ...] = ("campaign_id", "campaignId", "campaign", "campaign_name")
    message: tuple[str, ...] = ("message_id", "dispatch_id", "send_id")
    survey: tuple[str, ...] = ("survey", "survey_id", "survey_name")
    score: tuple[str, ...] = ("score", "rating", "nps", "stars")
    scale: tuple[str, ...] = ("scale", "max_score", "max_rating")
    quantity: tuple[str, ...] = ("quantity",)
    engaged: tuple[str, ...] = ("engagement_time_msec",)
    plan: tuple[str, ...] = ("mrr_change", "plan_change", "amount_change")
    source: tuple[str, ...] = ("utm_source", "referrer", "page_referrer")


class Bounds(Frozen, frozen=True):
    """A number from `at_least` to `at_most`, both allowed."""

    at_least: float | None = None
    at_most: float | None = None


#: What a property must be: a text (no regard to case), a number or a truth; one of several; or within bounds.
Condition = str | float | bool | tuple[str | float | bool, ...] | Bounds


class Counter(Frozen, frozen=True):
    """Counts the events of a type whose properties meet every condition ("views of shoes"), in every window and for ever.

    id  stored in states for ever, like that of a type: never one of a type, never reused
    """

    id: int
    name: str
    event: str
    where: dict[str, Condition]


class Aggregate(Frozen, frozen=True):
    """What is kept over one property of the events of a type (`core/aggregates.py`).

    id    stored in states for ever: never reused for another meaning
    of    the property, or several spellings of it: the first one that is there counts
    """

    id: int
    name: str
    event: str
    of: str | tuple[str, ...]
    kind: Literal["number", "text"] = "number"

    @property
    def spellings(self) -> tuple[str, ...]:
        return (self.of,) if isinstance(self.of, str) else self.of


class Catalogue(Frozen, frozen=True):
    """All event types. `unknown`: events of a name that is not here are counted as `custom`, or rejected as `unknown_type`.

    features  the features that there are, for the breadth of their use; names of others are counted, too
    """

    types: tuple[EventType, ...]
    properties: PropertyNames = PropertyNames()
    counters: tuple[Counter, ...] = ()
    aggregates: tuple[Aggregate, ...] = ()
    features: tuple[str, ...] = ()
    unknown: Literal["custom", "reject"] = "custom"
    custom_weight: float = 1.0
    minor_units: int = 100

    @property
    def names(self) -> dict[int, str]:
        """Id -> name of every type and counter, in the order of the file."""
        return {each.id: each.name for each in self.types} | {each.id: each.name for each in self.counters}
