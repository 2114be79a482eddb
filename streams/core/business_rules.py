"""What the business metrics count: which events are visits, orders, shares ..., as frozen structs (config/metrics.yaml)."""

from typing import Final

import msgspec

from streams.core.frozen import Frozen

__all__ = ["GAP_DAYS", "BusinessRules", "Survey", "Within"]

#: Longest window of distinct users in days, and the longest silence that can be called lost: as far as the sums tell gaps apart.
GAP_DAYS: Final = 30


class Within(Frozen, frozen=True):
    """Users who do one of `events` within so many days of signing up are activated."""

    days: float = 7.0
    events: tuple[str, ...] = ("order_completed", "project_created", "feature_used")


class Survey(Frozen, frozen=True):
    """How answers are told apart. Names of surveys are compared without regard to case.

    events         events that carry an answer (their type reads survey, score and scale)
    nps            surveys that ask how likely one is to recommend: whole numbers 0 to 10, nothing else
    csat_scales    highest answers of the satisfaction scales that are taken: answers 1 to that
    default_scale  where the event does not say its scale
    """

    events: tuple[str, ...] = ("rating_given",)
    nps: tuple[str, ...] = ("nps", "net promoter score")
    csat_scales: tuple[int, ...] = (3, 5)
    default_scale: int = 5


class BusinessRules(Frozen, frozen=True):
    """Which events make which metric, and how long the sums are kept. Events are names of the catalogue.

    interactions     event -> its points in the weighted rate
    silence_days     a user without an active day for so long is lost, 1 to 30
    share_sources    sources of visits that a share brought
    channels         source of a visit -> the channel that it is counted under; a source that is not here is `referral`
    page_categories  the categories that are told apart; any other one is counted as `other`
    features         the features that are told apart, also when nobody touches them
    cart_days        a cart that was left for so long is another one when something is added to it
    keep_days, keep_hours_days  sums of days, and of hours, are dropped after so long
    named_limit      most sums by name (campaign, survey, source, feature) of one day and partition
    publish_s        how often the figures are brought to the metrics topic
    """

    page_views: tuple[str, ...] = ("page_view", "screen_view")
    interactions: dict[str, float] = msgspec.field(
        default_factory=lambda: {"product_shared": 1.0, "product_reviewed": 1.0, "rating_given": 1.0}
    )
    shares: tuple[str, ...] = ("product_shared", "invite_sent")
    orders: tuple[str, ...] = ("order_completed",)
    refunds: tuple[str, ...] = ("order_refunded",)
    conversions: tuple[str, ...] = ("order_completed",)
    carts: tuple[str, ...] = ("product_added",)
    key_events: tuple[str, ...] = ("order_completed", "signed_up", "form_submitted")
    sign_ups: tuple[str, ...] = ("signed_up",)
    cancellations: tuple[str, ...] = ("subscription_cancelled", "account_deleted")
    opt_ins: tuple[str, ...] = ("opted_in",)
    opt_outs: tuple[str, ...] = ("opted_out", "email_unsubscribe", "sms_unsubscribe", "push_unsubscribe", "webpush_unsubscribe")
    activation: Within = Within()
    surveys: Survey = Survey()
    silence_days: int = 30
    share_sources: tuple[str, ...] = ("share", "invite", "referral_program")
    channels: dict[str, str] = msgspec.field(default_factory=dict)
    page_categories: tuple[str, ...] = ()
    features: tuple[str, ...] = ()
    cart_days: float = 7.0
    keep_days: int = 400
    keep_hours_days: int = 8
    named_limit: int = 10_000
    publish_s: float = 30.0

    def events(self) -> dict[str, tuple[str, ...]]:
        """Setting -> the events that it names."""
        return {
            "page_views": self.page_views,
            "interactions": tuple(self.interactions),
            "shares": self.shares,
            "orders": self.orders,
            "refunds": self.refunds,
            "conversions": self.conversions,
            "carts": self.carts,
            "key_events": self.key_events,
            "sign_ups": self.sign_ups,
            "cancellations": self.cancellations,
            "opt_ins": self.opt_ins,
            "opt_outs": self.opt_outs,
            "activation.events": self.activation.events,
            "surveys.events": self.surveys.events,
        }
