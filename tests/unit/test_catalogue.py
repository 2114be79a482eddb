"""One catalogue for the names of many trackers."""

import pytest

from streams.core.catalogue import CHANNELS, VERBS, Names, fold
from streams.core.rules import Catalogue, EventType
from streams.settings import load

SHIPPED = load(None, {}).rules.catalogue
NAMES = Names(SHIPPED)


@pytest.mark.parametrize("name", ["Order Completed", "order_completed", "orderCompleted", "ORDER-COMPLETED", " order  completed "])
def test_case_spaces_underscores_and_dashes_make_no_difference(name: str) -> None:
    assert fold(name) == "ordercompleted"


@pytest.mark.parametrize(
    ("name", "found"),
    [
        # Segment, e-commerce spec
        ("Products Searched", "products_searched"),
        ("Product List Viewed", "product_list_viewed"),
        ("Product Clicked", "product_clicked"),
        ("Product Viewed", "product_viewed"),
        ("Product Added", "product_added"),
        ("Product Removed", "product_removed"),
        ("Cart Viewed", "cart_viewed"),
        ("Checkout Started", "checkout_started"),
        ("Payment Info Entered", "payment_info_entered"),
        ("Order Completed", "order_completed"),
        ("Order Refunded", "order_refunded"),
        ("Order Cancelled", "order_cancelled"),
        ("Product Shared", "product_shared"),
        ("Product Reviewed", "product_reviewed"),
        # Segment, email spec
        ("Email Delivered", "email_delivery"),
        ("Email Opened", "email_open"),
        ("Email Link Clicked", "email_click"),
        ("Email Bounced", "email_bounce"),
        ("Email Marked as Spam", "email_complaint"),
        ("Unsubscribed", "email_unsubscribe"),
        # GA4
        ("view_item", "product_viewed"),
        ("add_to_cart", "product_added"),
        ("begin_checkout", "checkout_started"),
        ("purchase", "order_completed"),
        ("refund", "order_refunded"),
        ("login", "signed_in"),
        ("sign_up", "signed_up"),
        # Braze Currents
        ("users.messages.email.Open", "email_open"),
        ("users.messages.pushnotification.Open", "push_open"),
        ("users.messages.sms.Delivery", "sms_delivery"),
        ("users.messages.inappmessage.Click", "inapp_click"),
    ],
)
def test_the_shipped_catalogue_knows_the_usual_names(name: str, found: str) -> None:
    entry = NAMES.find(name)
    assert entry is not None
    assert entry.name == found


@pytest.mark.parametrize("channel", CHANNELS)
@pytest.mark.parametrize("verb", VERBS)
def test_every_channel_knows_every_verb_of_the_vocabulary(channel: str, verb: str) -> None:
    entry = NAMES.find(verb, channel)
    assert entry is not None
    assert (entry.name, entry.channel) == (f"{channel}_{verb}", channel)
    assert NAMES.is_verb(verb)


@pytest.mark.parametrize(
    ("ses", "found"),
    [
        ("Send", "email_send"),
        ("Delivery", "email_delivery"),
        ("Open", "email_open"),
        ("Click", "email_click"),
        ("Bounce", "email_bounce"),
        ("Complaint", "email_complaint"),
        ("Reject", "email_abort"),
        ("Rendering Failure", "email_abort"),
    ],
)
def test_the_names_of_amazon_ses_are_verbs_of_email(ses: str, found: str) -> None:
    entry = NAMES.find(ses, "Email")
    assert entry is not None
    assert entry.name == found


def test_a_channel_that_says_nothing_leaves_the_plain_name() -> None:
    entry = NAMES.find("Order Completed", "server")
    assert entry is not None
    assert entry.name == "order_completed"


def test_a_channel_and_a_name_that_only_join_by_chance_find_nothing() -> None:
    assert NAMES.find("mail_open", "e") is None


@pytest.mark.parametrize(
    ("name", "machine"),
    [("email_open", "email_machine_open"), ("email_click", "email_machine_click"), ("sms_open", None), ("order_completed", None)],
)
def test_what_machines_do_is_counted_apart_where_the_catalogue_has_a_place_for_it(name: str, machine: str | None) -> None:
    entry = NAMES.find(name)
    assert entry is not None
    found = NAMES.machine(entry)
    assert (found.name if found else None) == machine


def test_an_entry_whose_name_does_not_begin_with_its_channel_has_no_machine() -> None:
    entry = EventType(id=10, name="opened", channel="email")
    assert Names(Catalogue(types=(entry,))).machine(entry) is None


@pytest.mark.parametrize(
    ("call", "name"),
    [("page", "page_view"), ("screen", "screen_view"), ("identify", "identify"), ("alias", "alias"), ("group", "group")],
)
def test_segment_calls_have_types_of_their_own(call: str, name: str) -> None:
    entry = NAMES.call(call)
    assert entry is not None
    assert entry.name == name


def test_what_is_done_to_a_user_is_no_sign_of_life() -> None:
    weights = {entry.name: entry.weight for entry in SHIPPED.types}
    passive = [f"{channel}_{verb}" for channel in CHANNELS for verb in ("send", "delivery", "bounce", "complaint", "unsubscribe", "abort")]
    passive += ["email_machine_open", "email_machine_click", "identify", "alias", "group", "order_refunded", "account_deleted"]
    assert {weights[name] for name in passive} == {0.0}
