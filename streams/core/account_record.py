"""What is said of an account: the record on the accounts topic, and its drop alert in words."""

from bisect import bisect
from math import ceil
from typing import Final

import msgspec

from streams.core.account import ACCOUNT, Account, Rolled, Verdict
from streams.core.alert import Reason
from streams.core.envelope import Envelope, rfc3339
from streams.core.record import Output
from streams.core.rules import Rules
from streams.core.sitealert import Words
from streams.core.visits import Judged
from streams.core.words import Language, account_clears, reason_text

__all__ = [
    "ACCOUNT_DROP",
    "AccountRecord",
    "MemberShare",
    "account_clears_when",
    "account_drop_reasons",
    "account_output",
    "account_record",
    "account_words",
    "band_of",
    "forgotten_output",
]

#: Name of the alert rule.
ACCOUNT_DROP: Final = "account_drop"

#: Members that a record names; the others are `members` less these.
_TOP: Final = 5
_encode = msgspec.json.Encoder().encode


class MemberShare(msgspec.Struct, frozen=True, gc=False):
    """A member of an account: its weight and engagement score, and the points that it adds to the score of the account."""

    user_id: str
    weight: int
    engagement_score: float
    points: float


class AccountRecord(msgspec.Struct, frozen=True, gc=False):
    """The record on the accounts topic, field by field as docs/wire.md names them. `visits_7d_usual` is null while too little is known."""

    account_score_id: str
    account_id: str
    name: str
    as_of: str
    engagement_score: float
    band: str
    members: int
    members_active_30d: int
    weight: int
    at_risk: float
    visits_7d: int
    visits_7d_usual: float | None
    dropping: bool
    top_members: list[MemberShare]
    cause: str
    rev: int
    rules_version: str


def account_record(
    account: Account, ident: str, rolled: Rolled, rules: Rules, *, day_ms: int | None, as_of_ms: int, rev: int
) -> AccountRecord:
    """The account `ident` as of `as_of_ms`, whose roll-up is `rolled`. Its id names the last record that told something, and `day_ms`,
    the end of the day that it is told because of, if it is."""
    week = next(iter(account.visits.judged(account.judged_day, rules.accounts)), None)
    return AccountRecord(
        account_score_id=f"{ACCOUNT}{ident}@{account.last}" + ("" if day_ms is None else f"+{day_ms}"),
        account_id=ident,
        name=account.name,
        as_of=rfc3339(as_of_ms),
        engagement_score=round(rolled.score, 2),
        band=rules.scoring.band_names[band_of(rolled.score, rules)],
        members=rolled.members,
        members_active_30d=rolled.active,
        weight=rolled.weight,
        at_risk=round(rolled.at_risk, 4),
        visits_7d=account.visits.within(account.visits.day, 7),
        visits_7d_usual=None if week is None else round(week.usual, 2),
        dropping=account.firing,
        top_members=[
            MemberShare(share.user, share.standing.weight, round(share.engagement, 2), round(share.points, 2))
            for share in rolled.shares[:_TOP]
        ],
        cause="member" if day_ms is None else "day",
        rev=rev,
        rules_version=rules.version,
    )


def account_output(record: AccountRecord, rules: Rules, partition: int, as_of_ms: int) -> Output:
    """The record as it leaves for `partition` of the accounts topic."""
    key = record.account_id.encode()
    headers = Envelope("engagement.account.v1", f"/{rules.app_id}").headers(record.account_score_id, key, record.as_of.encode())
    return Output(rules.topics.accounts, partition, key, _encode(record), headers, as_of_ms)


def forgotten_output(ident: str, rules: Rules, partition: int, at_ms: int) -> Output:
    """The tombstone of an account."""
    return Output(rules.topics.accounts, partition, ident.encode(), None, (), at_ms)


def account_words(ident: str, verdict: Verdict, rules: Rules) -> Words:
    """The drop alert as it begins or ends. Its id names account and day: an account is judged once by each day."""
    judged, language = verdict.judged, rules.alerts.language
    return Words(
        rule=ACCOUNT_DROP,
        series=ACCOUNT + ident,
        firing=verdict.status == "firing",
        cause=verdict.cause,
        severity=1 if judged.share <= rules.accounts.fall_to / 2 else 2,
        reasons=account_drop_reasons(judged, language),
        clears_when=account_clears_when(judged, rules, language),
        opened=verdict.starts_ms,
        starts_ms=verdict.starts_ms,
        at_ms=verdict.at_ms,
    )


def account_clears_when(judged: Judged, rules: Rules, language: Language) -> str:
    """What would clear the drop alert, for a person to act on."""
    return account_clears(max(1, ceil(rules.accounts.back_at * judged.usual * 7 / judged.window_days)), language)


def account_drop_reasons(judged: Judged, language: Language) -> tuple[Reason, ...]:
    """Why an account is said to drop. The contribution is what is missing."""
    code = f"visits_{judged.window_days}d"
    said = reason_text(code, judged.visits, judged.usual, language)
    return (Reason(code, said, float(judged.visits), round(judged.usual, 2), round(judged.visits - judged.usual, 2)),)


def band_of(score: float, rules: Rules) -> int:
    """Index into `band_names`."""
    return bisect(rules.scoring.bands, score)
