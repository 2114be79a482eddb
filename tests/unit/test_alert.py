"""Alerts in words, what clears them, and how they keep apart."""

import msgspec
import pytest

from streams.core.alert import churn_reasons, clears_when, drop_reasons
from streams.core.churnmodel import start
from streams.core.parameters import Parameters
from streams.core.rules import DAY_MS, Alerts, Churn, Rules
from streams.core.user import Turn, User
from streams.core.words import Language, clears, reason_text, rule_name, span
from tests.histories import EMAIL, at, fresh, history, make_rules


@pytest.mark.parametrize(
    ("days", "said"),
    [
        (0.0, "1 hour"),
        (0.05, "1 hour"),
        (0.125, "3 hours"),
        (0.74, "18 hours"),
        (0.75, "1 day"),
        (1.4, "1 day"),
        (1.5, "1.5 days"),
        (2.0, "2 days"),
        (9.94, "9.9 days"),
        (54.2, "54 days"),
    ],
)
def test_spans_are_said_as_people_say_them(days: float, said: str) -> None:
    assert span(days) == said


@pytest.mark.parametrize(("days", "said"), [(0.05, "1 Stunde"), (0.5, "12 Stunden"), (1.0, "1 Tag"), (2.5, "2,5 Tage"), (54.2, "54 Tage")])
def test_spans_in_german(days: float, said: str) -> None:
    assert span(days, "de") == said


@pytest.mark.parametrize(
    ("code", "value", "baseline", "english", "german"),
    [
        (
            *("silence", 12.0, 2.5),
            "12 days without a visit; usually comes every 2.5 days",
            "12 Tage ohne Besuch; kommt sonst alle 2,5 Tage",
        ),
        ("silence", 3.0, 1.0, "3 days without a visit; usually comes every 1 day", "3 Tage ohne Besuch; kommt sonst jeden Tag"),
        (
            *("silence", 3.7, 7.0),
            "only 3.7 days without a visit; usually comes every 7 days",
            "erst 3,7 Tage ohne Besuch; kommt sonst alle 7 Tage",
        ),
        ("silence", 0.0, 2.5, "active today; usually comes every 2.5 days", "heute aktiv; kommt sonst alle 2,5 Tage"),
        (
            *("visit_rhythm", 16.0, 30.0),
            "active on 16 of the 31 days up to the last visit",
            "an 16 der 31 Tage bis zum letzten Besuch aktiv",
        ),
        ("visit_rhythm", 1.0, 0.0, "active on one day so far", "bisher an einem Tag aktiv"),
        ("visit_rhythm", 0.0, 0.0, "no active day yet", "noch kein aktiver Tag"),
        ("earlier_gaps", 0.4, 0.0, "visits had already been getting rarer", "die Besuche waren schon vorher seltener geworden"),
        ("earlier_gaps", 0.0, 0.0, "visits were regular before that", "die Besuche waren bis dahin regelmäßig"),
        ("activity_ratio", 0.4, 1.0, "recent activity is 40 % of the user's usual level", "zuletzt 40 % der sonst üblichen Aktivität"),
        (
            *("learned", 0.4, 0.3),
            "users like this one have left more often than their rhythm alone says",
            "Nutzer wie dieser gingen öfter verloren, als ihr Rhythmus allein sagt",
        ),
        ("of_tomorrow", 1.0, 1.0, "of_tomorrow", "of_tomorrow"),
    ],
)
def test_a_reason_is_said_in_either_language(code: str, value: float, baseline: float, english: str, german: str) -> None:
    assert reason_text(code, value, baseline) == english
    assert reason_text(code, value, baseline, "de") == german


@pytest.mark.parametrize(
    ("visits", "english", "german"),
    [
        (1, "one visit", "ein Besuch"),
        (2, "two visits this week", "zwei Besuche diese Woche"),
        (9, "visits on 9 days in a row", "Besuche an 9 Tagen hintereinander"),
        (None, "regular visits for more than 14 days", "regelmäßige Besuche über mehr als 14 Tage"),
    ],
)
def test_what_clears_an_alert_is_said_in_either_language(visits: int | None, english: str, german: str) -> None:
    assert clears(visits, 14) == english
    assert clears(visits, 14, "de") == german


def test_rules_have_names_for_people() -> None:
    assert (rule_name("churn_risk", "de"), rule_name("engagement_drop"), rule_name("site_drop")) == (
        "Abwanderungsrisiko",
        "engagement drop",
        "site drop",
    )


# -- what clears an alert ---------------------------------------------------------------------------------------------------------


def alerted(rule: int, made: Rules | None = None) -> User:
    """Twenty days in a row, then silence until the alert of `rule` fires."""
    user = history(fresh(made or make_rules()), range(20))
    while user.turn(at(400)) != (Turn.CHURN_ON, Turn.DROP_ON)[rule]:
        pass
    return user


@pytest.mark.parametrize("rule", [0, 1])
def test_the_visits_that_are_promised_to_clear_an_alert_clear_it_and_fewer_do_not(rule: int) -> None:
    user = alerted(rule)
    needed = user.visits_to_clear(rule, user.turn_ms, 14)
    assert needed is not None
    first = (user.turn_ms - at(0)) // DAY_MS
    for visit in range(needed):
        assert user.alert(rule).firing, f"cleared after {visit} of {needed}"
        history(user, (first + visit,))
    assert not user.alert(rule).firing


def test_asking_what_clears_an_alert_changes_nothing() -> None:
    user = alerted(1)
    before = user.dump()
    assert clears_when(user, make_rules(), 1, user.turn_ms, "de")
    assert user.dump() == before


def test_who_cannot_clear_it_soon_is_told_so() -> None:
    assert alerted(0).visits_to_clear(0, at(390), 0) is None


# -- reasons ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", ["en", "de"])
def test_reasons_add_up_also_to_a_corrected_probability(language: Language) -> None:
    made = make_rules()
    user = fresh(made)
    user.use(Parameters("one", 0, 5.0, 7.0, 0.3, 0.2, msgspec.structs.replace(start(30.0), b=1.0)))
    history(user, range(20))
    facts = user.facts(at(60))
    reasons = churn_reasons(facts, made, language)
    assert [reason.code for reason in reasons] == ["learned", "silence", "visit_rhythm"]
    assert sum(reason.contribution for reason in reasons) == pytest.approx(facts.p, abs=2e-4)


def test_the_reason_that_made_the_alert_is_the_first() -> None:
    """Who comes once a week is alerted for that where half the usual risk is too much, after a silence that is none; who came daily, for
    the silence."""
    made = make_rules(churn=Churn(theta_on=0.15, theta_off=0.05))
    weekly = history(fresh(made), range(0, 70, 7))
    while weekly.turn(at(400)) != Turn.CHURN_ON:
        pass
    first, second = churn_reasons(weekly.facts(weekly.turn_ms), made)
    assert (first.code, second.code) == ("visit_rhythm", "silence")
    assert first.text == "active on 10 of the 64 days up to the last visit"
    assert second.text.startswith("only ")
    assert second.text.endswith(" without a visit; usually comes every 7 days")
    daily = alerted(0)
    assert churn_reasons(daily.facts(daily.turn_ms), make_rules())[0].code == "silence"


@pytest.mark.parametrize("language", ["en", "de"])
def test_who_was_never_active_is_said_to_be_neither_silent_nor_there(language: Language) -> None:
    made = make_rules()
    facts = history(fresh(made), [0], kind=EMAIL).facts(at(3))
    assert [(each.code, each.contribution) for each in churn_reasons(facts, made, language)] == [("visit_rhythm", 0.0)]
    assert drop_reasons(facts, made, language) == ()


# -- how alerts keep apart --------------------------------------------------------------------------------------------------------


def begun(alerts: Alerts) -> list[tuple[int, float]]:
    """Turns and days of the alerts of a user for whom both rules cross on the same day."""
    made = make_rules()
    churn = msgspec.structs.replace(made.churn, theta_on=1e-9, theta_off=1e-10)
    made = msgspec.structs.replace(made, churn=churn, drop=msgspec.structs.replace(made.drop, h_on=1e-9, h_off=1e-10))
    user = history(fresh(msgspec.structs.replace(made, alerts=alerts)), range(20))
    found = []
    while turn := user.turn(at(60)):
        if turn in (Turn.CHURN_ON, Turn.DROP_ON):
            found.append((turn, (user.turn_ms - at(0)) / DAY_MS))
    return found


def test_two_alerts_of_one_user_keep_a_cooldown() -> None:
    (_, first), (_, second) = begun(Alerts(cooldown_hours=60.0, max_per_day=2))
    assert second == first + 2.5


def test_one_alert_of_one_user_begins_on_a_day() -> None:
    (_, first), (_, second) = begun(Alerts(cooldown_hours=0.0, max_per_day=1))
    assert second == int(first) + 1


def test_as_many_as_are_allowed_begin_on_a_day() -> None:
    (_, first), (_, second) = begun(Alerts(cooldown_hours=0.0, max_per_day=2))
    assert int(first) == int(second)
