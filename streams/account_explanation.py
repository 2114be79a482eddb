"""One account's state, told to a person: its score and who makes it, what its members did beside what is usual, and its alert.

Pure, and with the numbers that were published, as `streams.explanation` is for users.
"""

from collections.abc import Sequence

import msgspec

from streams.core.account import ACCOUNT, Account, Rolled
from streams.core.account_record import ACCOUNT_DROP, account_clears_when, account_drop_reasons, band_of
from streams.core.alert import Reason
from streams.core.envelope import rfc3339, stable_id
from streams.core.rules import DAY_MS, Rules
from streams.core.words import Language
from streams.wording import ago, date_of

__all__ = ["AccountAlert", "AccountExplanation", "AccountMember", "AccountWindow", "explain_account"]


class AccountMember(msgspec.Struct, frozen=True):
    """A member: `points` of all of them, and `others_points`, add up to the score of the account. last_active: a UTC day."""

    user_id: str
    weight: int
    engagement_score: float
    points: float
    last_active: str
    at_risk: bool


class AccountWindow(msgspec.Struct, frozen=True):
    """Visits of the days up to the last one that was judged; `value` is the evidence that they are fewer than usual."""

    days: int
    visits: int
    usual: float
    value: float


class AccountAlert(msgspec.Struct, frozen=True):
    """The drop alert that is firing, with the id that it was published under."""

    alert_id: str
    rule: str
    starts_at: str
    reasons: Sequence[Reason]
    clears_when: str


class AccountExplanation(msgspec.Struct, frozen=True):
    """Everything that is known of an account.

    at_risk   share of the weight of those members whose chance of leaving is above the threshold
    windows   empty while too little is known to call anything usual
    on, fall_to   evidence from which the drop alert fires, if visits are at most this share of the usual
    """

    account_id: str
    name: str
    as_of_ms: int
    as_of: str
    summary: str
    engagement_score: float
    band: str
    weight: int
    member_count: int
    members_active_30d: int
    at_risk: float
    members: Sequence[AccountMember]
    others: int
    others_points: float
    windows: Sequence[AccountWindow]
    on: float
    fall_to: float
    judged_to: str
    alert: AccountAlert | None
    next_due: str


def explain_account(
    account: Account, ident: str, rules: Rules, a_ref: float, as_of_ms: int, language: Language | None = None
) -> AccountExplanation:
    """What is known of the account `ident` at `as_of_ms`, or at its newest event where that is later."""
    as_of_ms = max(as_of_ms, account.newest_ms)
    rolled = account.rolled(as_of_ms, rules, a_ref)
    judged = account.visits.judged(account.judged_day, rules.accounts)
    band = rules.scoring.band_names[band_of(rolled.score, rules)]
    return AccountExplanation(
        account_id=ident,
        name=account.name,
        as_of_ms=as_of_ms,
        as_of=rfc3339(as_of_ms),
        summary=_summary(account, ident, rolled, band, as_of_ms),
        engagement_score=round(rolled.score, 2),
        band=band,
        weight=rolled.weight,
        member_count=rolled.members,
        members_active_30d=rolled.active,
        at_risk=round(rolled.at_risk, 4),
        members=[
            AccountMember(
                share.user,
                share.standing.weight,
                round(share.engagement, 2),
                round(share.points, 2),
                date_of(share.standing.last_day),
                share.standing.risk_day <= as_of_ms // DAY_MS,
            )
            for share in rolled.shares
        ],
        others=rolled.others,
        others_points=round(rolled.others_points, 2),
        windows=[AccountWindow(each.window_days, each.visits, round(each.usual, 2), round(each.value, 2)) for each in judged],
        on=rules.accounts.h_on,
        fall_to=rules.accounts.fall_to,
        judged_to=date_of(account.judged_day),
        alert=_alert(account, ident, rules, language or rules.alerts.language) if account.firing else None,
        next_due=rfc3339(account.due_ms(rules)),
    )


def _alert(account: Account, ident: str, rules: Rules, language: Language) -> AccountAlert:
    worst = max(account.visits.judged(account.judged_day, rules.accounts), key=lambda judged: judged.value, default=None)
    return AccountAlert(
        alert_id=stable_id(rules.app_id, ACCOUNT_DROP, ACCOUNT + ident, account.starts_ms),
        rule=ACCOUNT_DROP,
        starts_at=rfc3339(account.starts_ms),
        reasons=account_drop_reasons(worst, language) if worst else (),
        clears_when=account_clears_when(worst, rules, language) if worst else "",
    )


def _summary(account: Account, ident: str, rolled: Rolled, band: str, as_of_ms: int) -> str:
    people = f"{rolled.members} member{'' if rolled.members == 1 else 's'}"
    worry = f"Needs attention: {ACCOUNT_DROP.replace('_', ' ')}." if account.firing else "No alert."
    return (
        f"Engagement of {account.name or ident} is {band} ({rolled.score:.0f} of 100). {people}, {rolled.active} active in 30 days; last "
        f"heard of {ago(as_of_ms - account.newest_ms)} ago. At risk of leaving: {100 * rolled.at_risk:.0f} % of the weight. {worry}"
    )
