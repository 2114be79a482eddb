"""An account as it is told: to people in words, on its topic as a record, and by the command line."""

import io

import msgspec
from rich.console import Console

from streams.account_explanation import AccountExplanation, explain_account
from streams.commands.account import render
from streams.core.account import Account, Act, Standing
from streams.core.account_record import account_record, account_words
from streams.core.rules import Alerts
from streams.core.sitealert import SiteAlertRecord, operator_alert
from tests.histories import DAY_ZERO, at, make_rules

RULES = make_rules()


def quiet() -> Account:
    """Two members for a hundred days, and then for ten days nobody: it is dropping."""
    account = Account(last="engagement.rerouted.v1/3/17")
    for day in range(100):
        for user, weight in (("ann", 3), ("bob", 1)):
            now = Standing(weight, 5.0, DAY_ZERO + day, DAY_ZERO + 105)
            account.tell(Act("acme", user, at(day), "visit", now, now, DAY_ZERO + day, "Acme Corp"), RULES)
    while account.judged_day < DAY_ZERO + 109:
        account.judge(RULES)
    return account


def told(language: str = "en") -> AccountExplanation:
    return explain_account(quiet(), "acme", RULES, 5.0, at(110), language)  # type: ignore[arg-type]


def test_the_members_add_up_to_the_score() -> None:
    account = told()
    assert [(member.user_id, member.weight, member.at_risk) for member in account.members] == [("ann", 3, True), ("bob", 1, True)]
    assert abs(sum(member.points for member in account.members) - account.engagement_score) < 0.02
    assert account.summary == (
        "Engagement of Acme Corp is warm (43 of 100). 2 members, 2 active in 30 days; last heard of 11 days ago. "
        "At risk of leaving: 100 % of the weight. Needs attention: account drop."
    )


def test_the_alert_is_told_with_its_reason_and_what_would_clear_it() -> None:
    alert, german = told().alert, told("de").alert
    assert alert is not None
    assert german is not None
    assert (alert.reasons[0].text, alert.clears_when) == (
        "0 member visits in 7 days; 28.0 are usual",
        "21 visits of members within seven days",
    )
    assert german.reasons[0].text == "0 Besuche von Mitgliedern in 7 Tagen; 28,0 sind üblich"
    assert german.clears_when == "21 Besuche von Mitgliedern innerhalb von sieben Tagen"


def test_the_alert_has_the_id_that_it_was_published_under() -> None:
    account, verdicts = quiet(), []
    account.firing, account.judged_day, account.starts_ms = False, DAY_ZERO + 100, -1
    while not verdicts:
        verdicts = [verdict for verdict in [account.judge(RULES)] if verdict is not None]
    words = account_words("acme", verdicts[0], RULES)
    assert (words.rule, words.series, words.firing, words.cause) == ("account_drop", "account:acme", True, "silence")
    german = account_words("acme", verdicts[0], msgspec.structs.replace(RULES, alerts=Alerts(language="de")))
    assert german.reasons[0].text.endswith("sind üblich")
    alert = explain_account(account, "acme", RULES, 5.0, at(110)).alert
    assert alert is not None
    published = msgspec.json.decode(operator_alert(words, RULES, now_ms=at(110), rev=1).value or b"", type=SiteAlertRecord)
    assert (alert.alert_id, alert.starts_at) == (published.alert_id, published.starts_at)


def test_a_record_names_what_it_follows_from() -> None:
    account = quiet()
    rolled = account.rolled(at(110), RULES, 5.0)
    by_act = account_record(account, "acme", rolled, RULES, day_ms=None, as_of_ms=at(110), rev=7)
    by_day = account_record(account, "acme", rolled, RULES, day_ms=at(110), as_of_ms=at(110), rev=7)
    assert by_act.account_score_id == "account:acme@engagement.rerouted.v1/3/17"
    assert by_day.account_score_id == f"{by_act.account_score_id}+{at(110)}"
    assert (by_day.cause, by_day.dropping, by_day.visits_7d_usual, by_day.weight) == ("day", True, 28.0, 4)


def test_it_is_printed_within_eighty_columns() -> None:
    out = Console(file=io.StringIO(), width=80)
    render(out, told())
    text = out.file.getvalue()  # type: ignore[attr-defined]
    assert max(map(len, text.splitlines())) <= 80
    for part in ("Acme Corp", "ann", "= score", "evidence of a drop", "21 visits of members within seven days would clear it."):
        assert part in text
