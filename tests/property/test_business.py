"""The business metrics against a recount by definition, under random histories."""

import random

from hypothesis import example, given, settings
from hypothesis import strategies as st

from streams.commands.metrics import compare
from streams.core.ledger import Ledger, month_window, rolling_window
from streams.core.metric_record import records_at
from streams.core.record import Event
from streams.core.rules import DAY_MS
from streams.recount import Recount
from streams.shell.counted import Arrived, Departed, in_order
from tests.business import Business, history, logins, shop_rules
from tests.examples import examples

RULES = shop_rules(page_categories=("shoes", "hats"), features=("Export", "Untouched"))


def told(business: Business, ledger: Ledger, day: int) -> list[object]:
    windows = [rolling_window("day", day), rolling_window("7d", day), rolling_window("30d", day), month_window(day)]
    return list(records_at(ledger, windows, RULES.business, time_ms=business.newest_ms, rev=0, rules_version="r"))


@given(st.integers(0, 1 << 32))
@settings(max_examples=examples(25), deadline=None)
@example(1)
def test_every_metric_is_what_a_recount_of_the_events_gives(seed: int) -> None:
    """Over all, by segment and by name; for a day, 7 and 30 days and a month; with late events, resends, and any batching."""
    chance, business = random.Random(seed), Business(RULES)
    events = history(seed)
    while events:
        n = chance.choice((1, 3, 40))
        business.take(events[:n])
        del events[:n]
    recount = Recount(RULES)
    for event in business.counted:
        assert isinstance(event, Event)
        recount.add(event)
    newest = business.newest_ms // DAY_MS
    ledger = business.ledger()
    for day in (newest, newest - chance.randrange(40)):
        again = recount.figures(day, newest)
        found = compare("day", told(business, ledger, day), again, 0, None)
        assert found.differences == ()
        assert found.figures > 100


@given(st.integers(0, 1 << 32), st.sampled_from((0.0, 0.02)))
@settings(max_examples=examples(40), deadline=None)
@example(1, 0.0)
@example(1, 0.02)
def test_a_recount_knows_whose_names_are_whose(seed: int, alias: float) -> None:
    """Whoever logs in, or is said to be somebody else, is one distinct user with what the other name has done, and in one visit; features
    aside, which are named."""
    chance, business = random.Random(seed), Business(RULES)
    events = logins(seed, alias=alias)
    while events:
        n = chance.choice((1, 3, 40))
        business.take(events[:n])
        del events[:n]
    recount = Recount(RULES)
    for item in in_order([business.counted]):
        if isinstance(item, Departed):
            recount.left(item.source)
        elif isinstance(item, Arrived):
            recount.came(item.source, item.target)
        else:
            recount.add(item)
    newest = business.newest_ms // DAY_MS
    for day in (newest, newest - chance.randrange(20)):
        again = recount.figures(day, newest)
        found = compare("day", told(business, business.ledger(), day), again, 0, None)
        assert [each for each in found.differences if "feature" not in str(each)] == []
