"""An account: what members tell, the roll-up, the drop alert day by day, and the bytes it rests as."""

import msgspec
import pytest

from streams.core.account import STATE_BYTES, Account, Act, Standing, Verdict, decode_account, encode_account
from streams.core.account_rules import Accounts
from streams.core.rules import Rules
from streams.errors import UnknownStateVersion
from tests.histories import DAY_ZERO, at, make_rules

RULES = make_rules()
FEW = msgspec.structs.replace(RULES, accounts=Accounts(members=2))


def standing(points: float, day: int = 0, weight: int = 1, risk_day: int = 40) -> Standing:
    return Standing(weight, points, DAY_ZERO + day, DAY_ZERO + risk_day)


def told(*acts: tuple[str, Standing | None, Standing | None], rules: Rules = RULES) -> Account:
    """An account after these acts (user, now, before), one a minute."""
    account = Account()
    for minute, (user, now, before) in enumerate(acts):
        account.tell(Act("acme", user, at(0, minute * 60_000), "points", now, before), rules)
    return account


def score(account: Account, day: float = 0) -> float:
    return account.rolled(at(day), RULES, 5.0).score


# -- the roll-up -----------------------------------------------------------------------------------------------------------


def test_the_score_is_the_weighted_mean_of_its_members() -> None:
    """Points of 5 are a score of 50, of 15 one of 75: (1 * 50 + 3 * 75) / 4."""
    rolled = told(("ann", standing(5.0), None), ("bob", standing(15.0, weight=3), None)).rolled(at(0), RULES, 5.0)
    assert (rolled.score, rolled.members, rolled.weight) == (68.75, 2, 4)
    assert [(share.user, share.points) for share in rolled.shares] == [("bob", 56.25), ("ann", 12.5)]


def test_the_score_decays_as_its_members_do() -> None:
    """After a half-life of silence points of 10 are 5."""
    account = told(("ann", standing(10.0), None))
    assert score(account, 28) == 50.0
    assert score(account, 0.9) == score(account, 0)  # no silence on the day itself


def test_who_tells_again_replaces_what_it_told() -> None:
    assert score(told(("ann", standing(15.0), None), ("ann", standing(5.0), standing(15.0)))) == 50.0


def test_who_leaves_is_gone() -> None:
    account = told(("ann", standing(15.0), None), ("bob", standing(5.0), None), ("ann", None, standing(15.0)))
    assert (score(account), account.rolled(at(0), RULES, 5.0).members) == (50.0, 1)
    assert score(told(("ann", standing(5.0), None), ("ann", None, standing(5.0)))) == 0.0


def test_news_that_a_state_was_merged_ends_what_that_state_told_and_nothing_newer() -> None:
    """An id of several people joins anew under its own name, and only then the news about its first state comes."""
    first, anew = standing(5.0, 1), standing(0.0, 9)
    for told_last, known in ((first, []), (anew, ["anon:lib"])):
        account = told(("anon:lib", told_last, None))
        without_risk = Standing(first.weight, first.points, first.last_day)
        account.tell(Act("acme", "anon:lib", at(3), "merged", before=without_risk), RULES)
        assert [share.user for share in account.rolled(at(9), RULES, 5.0).shares] == known


def test_members_at_risk_are_a_share_of_the_weight() -> None:
    account = told(("ann", standing(5.0, weight=3, risk_day=20), None), ("bob", standing(5.0), None))
    assert [account.rolled(at(day), RULES, 5.0).at_risk for day in (19, 20, 40)] == [0.0, 0.75, 1.0]


def test_members_of_the_last_thirty_days_are_active() -> None:
    account = told(("ann", standing(5.0), None), ("bob", standing(5.0, day=-29), None), ("cy", standing(5.0, day=-30), None))
    assert account.rolled(at(0), RULES, 5.0).active == 2


def test_members_beyond_those_kept_are_in_the_sums() -> None:
    """Of equal others the mean is exact; when all of them leave nothing is left of them."""
    acts = [(f"u{i}", standing(5.0), None) for i in range(6)]
    account = told(*acts, rules=FEW)
    rolled = account.rolled(at(28), FEW, 5.0)
    assert (rolled.members, rolled.weight, len(rolled.shares), rolled.others) == (6, 6, 2, 4)
    assert rolled.score == pytest.approx(100 * 2.5 / 7.5)
    for user, now, _ in acts[2:]:
        account.tell(Act("acme", user, at(0), "left", None, now), FEW)
    assert account.others == []


def test_a_place_that_becomes_free_is_taken_by_the_next_who_tells() -> None:
    account = told(("a", standing(1.0), None), ("b", standing(2.0), None), ("c", standing(3.0), None), rules=FEW)
    account.tell(Act("acme", "a", at(0), "left", None, standing(1.0)), FEW)
    account.tell(Act("acme", "c", at(0), "points", standing(4.0), standing(3.0)), FEW)
    assert ([member.user for member in account.members], account.others) == (["b", "c"], [])


# -- the drop alert ----------------------------------------------------------------------------------------------------------


def visited(account: Account, days: range) -> Account:
    """Two members come on each of the days."""
    for day in days:
        for user in ("ann", "bob"):
            account.tell(Act("acme", user, at(day), "visit", standing(5.0, day), standing(5.0, day - 1), DAY_ZERO + day), RULES)
    return account


def judged(account: Account, until: int) -> list[Verdict]:
    """Every verdict up to the end of the day."""
    found = []
    while account.judged_day < DAY_ZERO + until:
        verdict = account.judge(RULES)
        found += [verdict] if verdict is not None else []
    return found


def test_an_account_that_falls_silent_fires_within_a_week_and_says_what_is_missing() -> None:
    (verdict,) = judged(visited(Account(), range(100)), 110)
    assert (verdict.status, verdict.cause, verdict.day) == ("firing", "silence", DAY_ZERO + 105)
    assert (verdict.judged.window_days, verdict.judged.visits, verdict.judged.usual) == (7, 2, 14.0)


def test_it_is_over_when_a_week_is_as_usual_again() -> None:
    account = visited(Account(), range(100))
    judged(account, 110)
    (verdict,) = judged(visited(account, range(111, 120)), 119)
    assert (verdict.status, verdict.cause, verdict.day) == ("resolved", "came_back", DAY_ZERO + 116)


def test_a_low_level_that_has_become_usual_is_over_too() -> None:
    verdicts = judged(visited(Account(), range(100)), 300)
    assert [(verdict.status, verdict.cause) for verdict in verdicts] == [("firing", "silence"), ("resolved", "usual")]


def test_a_steady_account_never_fires() -> None:
    assert judged(visited(Account(), range(200)), 199) == []


def test_a_young_account_is_not_judged() -> None:
    """Nothing is usual before four weeks, and four weeks later what was usual then is out of sight."""
    assert judged(visited(Account(), range(20)), 47) == []


def test_after_an_alert_the_account_has_its_rest() -> None:
    account = visited(Account(), range(100))
    judged(account, 106)
    judged(visited(account, range(107, 116)), 115)
    again = judged(account, 140)
    assert [verdict.status for verdict in again] == ["firing"]
    assert again[0].starts_ms == at(128)


# -- time and rest -------------------------------------------------------------------------------------------------------------


def test_it_is_looked_at_daily_while_there_is_something_to_judge_and_forgotten_long_after() -> None:
    account = visited(Account(), range(1))
    assert account.due_ms(RULES) == at(1)
    judged(account, 200)
    assert account.due_ms(RULES) == at(400)


def test_a_member_silent_for_as_long_as_users_are_kept_leaves() -> None:
    account = told(("ann", standing(5.0), None))
    account.tell(Act("acme", "bob", at(440), "visit", standing(5.0, 440), None, DAY_ZERO + 440), RULES)
    judged(account, 441)
    assert [member.user for member in account.members] == ["bob"]


def test_it_comes_back_from_its_bytes() -> None:
    account = visited(Account(name="Acme"), range(100))
    judged(account, 110)
    assert encode_account(decode_account(encode_account(account))) == encode_account(account)
    with pytest.raises(UnknownStateVersion):
        decode_account(b"\x02")


def test_the_largest_account_fits() -> None:
    """Long ids, the largest weights, every day visited by all, others in every month."""
    rules = msgspec.structs.replace(RULES, accounts=Accounts(members=200))
    for size in (8, 36, 250):
        account = Account(name="n" * 64, last="t" * 60)
        for day in range(400):
            for number in (day % 230, day * 7 % 230, 229 - day % 230):
                user = f"{number:0{size}}"
                account.tell(Act("acme", user, at(day), "points", standing(30.123456, day, 100), None, DAY_ZERO + day), rules)
        for i in range(len(account.visits.sums)):
            account.visits.sums[i], account.visits.squares[i] = 20_000, 2_000_000
        assert len(encode_account(account)) <= STATE_BYTES
        assert account.others
