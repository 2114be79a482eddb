"""One user, told in words: a shopper who came every other day for a month and then stayed away (the worked example of config/risk.yaml)."""

import io
from functools import cache
from pathlib import Path

import pytest
from rich.console import Console

from streams.commands.explain import render
from streams.core.record import Coordinates
from streams.core.rules import DAY_MS, Rules
from streams.core.user import User
from streams.explanation import Explanation, explain, let_pass
from streams.serve.why import why
from streams.settings import load

DAY_0_MS = 20_000 * DAY_MS  # 2024-10-04
NOON_MS = 12 * 3_600_000


@cache
def rules() -> Rules:
    return load(Path("config"), {}).rules


def shopper(*extra: tuple[str, float, int]) -> User:
    """Visits at noon of day 0, 2, .. 30: a page and a product each; `extra` are (event, day, amount)."""
    user = User(rules())
    user.load("u1", None)
    ids = {entry.name: entry.id for entry in rules().catalogue.types}
    events = [(name, day, 0) for day in range(0, 32, 2) for name in ("page_view", "product_viewed")] + list(extra)
    for n, (name, day, amount) in enumerate(sorted(events, key=lambda event: event[1])):
        user.fold(ids[name], DAY_0_MS + int(day * DAY_MS) + NOON_MS, n, amount, 0, 3, n)
    return user


def told(user: User, day: float) -> Explanation:
    at_ms = DAY_0_MS + int(day * DAY_MS) + NOON_MS
    assert let_pass(user, at_ms)
    return explain(user, rules(), at_ms)


def printed(it: Explanation, width: int = 80) -> str:
    out = io.StringIO()
    render(Console(file=out, width=width, highlight=False, markup=False), it, rules())
    return out.getvalue()


@pytest.mark.parametrize("day", [30, 40, 50, 120])
def test_contributions_add_up_to_the_value_that_is_judged(day: int) -> None:
    it = told(shopper(), day)
    assert it.churn.sum == pytest.approx(it.churn.value, abs=0.0002)
    assert it.drop.sum == pytest.approx(it.drop.value, abs=0.0002)
    assert sum(reason.contribution for reason in it.churn.reasons) == pytest.approx(it.churn.sum, abs=1e-9)


def test_windows_hold_what_was_done_in_them() -> None:
    it = told(shopper(("order_completed", 30, 4999)), 30)
    assert it.windows["24h"] == {"sessions": 1, "revenue_minor": 4999, "page_view": 1, "product_viewed": 1, "order_completed": 1}
    assert it.windows["7d"]["page_view"] == 4
    assert it.lifetime["page_view"] == 16


def test_the_score_is_the_record_that_would_be_published() -> None:
    it = told(shopper(), 30)
    assert (it.score.band, set(it.score.ces)) == ("hot", {"5m", "1h", "24h", "7d", "30d"})
    assert it.score.as_of == it.as_of == "2024-11-03T12:00:00.000Z"


def test_the_largest_contributions_are_said_in_words() -> None:
    assert told(shopper(), 30).made_of == "In the last 7 days mostly 4 x product viewed (60 %) and 4 x page view (40 %)."


def test_without_recent_events_nothing_contributes() -> None:
    assert told(shopper(), 45).made_of == "Nothing in the last 7 days."


def test_a_silence_that_fires_shows_the_alert_under_the_id_of_the_record_that_opened_it() -> None:
    from streams.core.envelope import stable_id

    (alert,) = told(shopper(), 50).alerts
    last = Coordinates("engagement.clickstream.v1", 3, 31)
    assert (alert.rule, alert.alert_id) == ("engagement_drop", stable_id("engagement", "u1", "engagement_drop", last))
    assert alert.clears_when.startswith(("one visit", "two visits this week"))


def test_what_time_alone_will_do_is_told_in_order() -> None:
    it = told(shopper(), 30)
    times = [step.at_ms for step in it.ahead]
    assert times == sorted(times)
    assert all(at_ms > it.as_of_ms for at_ms in times)
    assert "an alert: the silence is unlike this user" in [step.what for step in it.ahead]


def test_a_user_who_stays_away_is_forgotten_in_the_end() -> None:
    assert not let_pass(shopper(), DAY_0_MS + 500 * DAY_MS)


def test_the_summary_says_the_state_in_one_breath() -> None:
    summary = told(shopper(), 50).summary
    assert summary.startswith("Engagement is ")
    assert "Last seen 20 days ago; 16 active days, usually back after 3 days." in summary
    assert summary.endswith("Needs attention: engagement drop.")


@pytest.mark.parametrize(("day", "width"), [(30, 80), (50, 80), (50, 120)])
def test_the_text_shows_the_sums_and_fits_the_width(day: int, width: int) -> None:
    text = printed(told(shopper(("order_completed", 30, 4999)), day), width)
    assert text.count("sum") == 2
    assert max(map(len, text.splitlines())) <= width
    assert "If they stay away" in text


def test_a_user_of_one_event_can_be_told() -> None:
    user = User(rules())
    user.load("u1", None)
    user.fold(next(entry.id for entry in rules().catalogue.types if entry.name == "page_view"), DAY_0_MS, 1, 0, 0, 0, 0)
    it = explain(user, rules(), DAY_0_MS)
    assert "1 active day." in it.summary
    assert it.alerts == []


def test_being_sent_an_email_is_not_being_seen() -> None:
    assert "Last active 16 days ago (last heard of 8 hours ago);" in told(shopper(("email_send", 44.67, 0)), 45).summary


def test_who_was_only_sent_emails_was_never_active() -> None:
    user = User(rules())
    user.load("u1", None)
    user.fold(next(entry.id for entry in rules().catalogue.types if entry.name == "email_send"), DAY_0_MS, 1, 0, 0, 0, 0)
    assert "Never active; last heard of 2 days ago; 0 active days." in explain(user, rules(), DAY_0_MS + 2 * DAY_MS).summary


def test_what_has_never_been_has_no_date() -> None:
    """An id that two people share has a state before it has an event of its own; who was only sent e-mails has no active day."""
    shared, mailed = User(rules()), User(rules())
    shared.load("anon:device", None)
    shared.share(DAY_0_MS)
    mailed.load("u1", None)
    mailed.fold(next(entry.id for entry in rules().catalogue.types if entry.name == "email_send"), DAY_0_MS, 1, 0, 0, 3, 1)
    for user, last_seen, said in ((shared, "", "Never seen; "), (mailed, "2024-10-04T00:00:00.000Z", "Never active; ")):
        it = told(user, 3)
        assert (it.first_seen, it.last_seen) == ("", last_seen)
        assert said in it.summary
        assert "Noch nie aktiv." in why(it, "de").summary
        assert "19" not in it.summary + printed(it)


def test_a_full_state_says_from_when_on_its_windows_count() -> None:
    """Everything that the catalogue has, every day: the oldest days have no room, until no window would hold them any more."""
    user = shopper(*((entry.name, day, 0) for entry in rules().catalogue.types for day in range(30)))
    given_up = user.panes.truncated_day
    assert 20_001 < given_up < 20_030
    (said,) = [text for name, text in told(user, 30).portrait if name == "Windows"]
    assert said.startswith(f"from 2024-10-{given_up - 20_000 + 4:02d} on:")
    assert "Windows" not in dict(told(user, given_up - 20_000 + 29).portrait)
    assert "Windows" not in dict(told(shopper(), 30).portrait)
