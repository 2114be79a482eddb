"""One user's state, told to a person: what was done, what it is worth, what may go wrong and why, and what happens next.

Pure: a state and a time in, a struct of words and numbers out. The numbers are those that were published (`score_record`,
`churn_reasons`), never computed a second way.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

import msgspec

from streams.core.alert import MOST_VISITS, RULES, Reason, churn_reasons, clears_when, drop_reasons
from streams.core.envelope import rfc3339, stable_id
from streams.core.record import NEVER_MS, Coordinates
from streams.core.rules import CUSTOM, DAY_MS, REVENUE, SESSION, WINDOWS, Rules
from streams.core.score import ScoreRecord, score_record
from streams.core.user import Alert, Facts, Turn
from streams.core.usermetrics import UserMetrics, metrics_of
from streams.core.words import Language
from streams.phrases import PHRASES, Phrases, said
from streams.portrait import portrait
from streams.wording import ago, date_of, instant

if TYPE_CHECKING:
    from streams.core.user import User

__all__ = ["ActiveAlert", "Explanation", "Ids", "Judgement", "Next", "explain", "found_by", "let_pass"]

#: How far ahead "if nothing happens" is told: further turns are nobody's plan.
_TURNS_AHEAD: Final = 4
#: A due time may be early many times in a row; it is never late.
_LOOKS: Final = 10_000


class Judgement(msgspec.Struct, frozen=True):
    """A value that an alert is judged by. `sum` is the sum of the contributions of `reasons`: it equals `value` up to rounding.

    on, off   where the alert fires and where it is cleared
    """

    value: float
    sum: float
    on: float
    off: float
    reasons: Sequence[Reason]


class ActiveAlert(msgspec.Struct, frozen=True):
    """An alert that is firing, with the id that it was published under. `visits` would clear it; None: more than two weeks of them."""

    alert_id: str
    rule: str
    starts_at: str
    clears_when: str
    visits: int | None


class Next(msgspec.Struct, frozen=True):
    """Something that time alone will do. `code`: churn_on | drop_on | band | expired | cleared; `detail`: the band, or the days."""

    at_ms: int
    at: str
    what: str
    code: str
    detail: str


class Ids(msgspec.Struct, frozen=True):
    """Under which other ids a user was seen.

    taken_in other ids whose doings have been merged into this user
    since    when the first of them was; for a shared id, when it was known to be shared; empty: never
    shared   an anonymous id of several people: nothing of it is merged
    asked    the id that was asked for, which has been merged into this user: empty where this very user was
    merged   when it was
    """

    taken_in: int
    since: str
    shared: bool
    asked: str = ""
    merged: str = ""


class Explanation(msgspec.Struct, frozen=True):
    """Everything `streams explain` says. `score` is the record that would be published at `as_of`; `portrait` is `metrics` in words.
    `first_seen`: the first active day, `last_seen`: the newest event, e-mails sent to the user too; empty: never. `account_id`: the account
    that the user is a member of."""

    user_id: str
    ids: Ids
    as_of_ms: int
    as_of: str
    summary: str
    made_of: str
    first_seen: str
    last_seen: str
    windows: Mapping[str, Mapping[str, int]]
    lifetime: Mapping[str, int]
    score: ScoreRecord
    metrics: UserMetrics
    portrait: Sequence[tuple[str, str]]
    churn: Judgement
    drop: Judgement
    alerts: Sequence[ActiveAlert]
    ahead: Sequence[Next]
    account_id: str | None


def explain(user: "User", rules: Rules, as_of_ms: int, language: Language | None = None) -> Explanation:
    """What is known of the loaded `user` at `as_of_ms` (not before its newest event). Uses the scratch user up: load it again
    afterwards."""
    facts, words = user.facts(as_of_ms), PHRASES[language or "en"]
    score = msgspec.json.decode(score_record(user, rules, cause="event", as_of_ms=as_of_ms, due_ms=None, rev=0)[1], type=ScoreRecord)
    metrics = metrics_of(user, rules, as_of_ms)
    names = rules.catalogue.names | {SESSION: "sessions", REVENUE: "revenue_minor", CUSTOM: "custom"}
    windows = {window: _named(user.counts(window, as_of_ms), names) for window in WINDOWS}
    churn = _judgement(facts.p, churn_reasons(facts, rules, language), *user.thetas())
    drop = _judgement(facts.drop, drop_reasons(facts, rules, language), rules.drop.h_on, rules.drop.h_off)
    alerts = [_active(user, rules, as_of_ms, number, language) for number in range(len(RULES)) if _fires(user.alert(number), as_of_ms)]
    return Explanation(
        user_id=user.key,
        ids=Ids(user.ties.count, instant(user.ties.since_ms), user.ties.shared),
        as_of_ms=as_of_ms,
        as_of=rfc3339(as_of_ms),
        summary=_summary(user, rules, facts, as_of_ms, alerts),
        made_of=_made_of(score),
        first_seen=date_of(facts.first_day),
        last_seen=instant(user.newest_ms),
        windows=windows,
        lifetime=_named(user.lifetime(), names),
        score=score,
        metrics=metrics,
        portrait=[*_ids(user, words), *_given_up(user, as_of_ms, words), *portrait(metrics, rules, language or "en")],
        churn=churn,
        drop=drop,
        alerts=alerts,
        account_id=user.membership.account or None,
        ahead=_ahead(user, rules),
    )


def found_by(told: Explanation, asked: str, merged_ms: int) -> Explanation:
    """`told` to somebody who asked for the id `asked`, which was merged into this user at `merged_ms`."""
    return msgspec.structs.replace(told, ids=msgspec.structs.replace(told.ids, asked=asked, merged=instant(merged_ms)))


def _ids(user: "User", words: Phrases) -> list[tuple[str, str]]:
    """What there is to say of other ids."""
    ties = user.ties
    since = instant(ties.since_ms)[:10]
    if ties.shared:
        return [(words.heading("shared"), words.shared(since))]
    if ties.count:
        return [(words.heading("known"), words.known(since, ties.count))]
    return []


def _given_up(user: "User", as_of_ms: int, words: Phrases) -> list[tuple[str, str]]:
    """Since when the windows count, where a full state has given up days that the longest one still reaches."""
    day = user.panes.truncated_day
    if day <= as_of_ms // DAY_MS - WINDOWS["30d"][0] + 1:
        return []
    return [(words.heading("windows"), words.counts_from(date_of(day)))]


def let_pass(user: "User", until_ms: int) -> bool:
    """Time alone has done to the loaded user what it will have done by `until_ms`; False when the state has expired by then."""
    while turn := user.turn(until_ms):
        if turn == Turn.EXPIRED:
            return False
    return True


def _judgement(value: float, reasons: Sequence[Reason], on: float, off: float) -> Judgement:
    return Judgement(round(value, 4), round(sum(reason.contribution for reason in reasons), 4), on, off, reasons)


def _fires(slot: Alert, as_of_ms: int) -> bool:
    return slot.firing and slot.starts_at_ms <= as_of_ms


def _active(user: "User", rules: Rules, as_of_ms: int, number: int, language: Language | None) -> ActiveAlert:
    slot = user.alert(number)
    topic, partition, offset = slot.opened
    opened = Coordinates(rules.topics.inputs[topic], partition, offset)
    ident = stable_id(rules.app_id, user.key, RULES[number], opened)
    visits = user.visits_to_clear(number, as_of_ms, MOST_VISITS)
    says = clears_when(user, rules, number, as_of_ms, language)
    return ActiveAlert(ident, RULES[number], rfc3339(slot.starts_at_ms), says, visits)


def _summary(user: "User", rules: Rules, facts: Facts, as_of_ms: int, alerts: Sequence[ActiveAlert]) -> str:
    band = rules.scoring.band_names[user.band(as_of_ms)]
    days = f"{facts.x} active day{'' if facts.x == 1 else 's'}"
    rhythm = f", usually back after {ago(facts.m * DAY_MS)}" if facts.x > 1 else ""
    if alerts:
        worry = f"Needs attention: {' and '.join(said(alert.rule) for alert in alerts)}."
    else:
        worry = "No alert."
    return (
        f"Engagement is {band} ({user.engagement(as_of_ms):.0f} of 100). {_last(user, facts, as_of_ms)}; {days}{rhythm}. "
        f"Chance of leaving within {rules.churn.horizon_days:.0f} days: {100 * facts.p:.0f} %. {worry}"
    )


def _last(user: "User", facts: Facts, as_of_ms: int) -> str:
    """When the user was last there. Being sent an e-mail is an event, and no visit."""
    heard_ms, silent_ms = as_of_ms - user.newest_ms, facts.r_days * DAY_MS
    if user.newest_ms < 0:
        return "Never seen"
    if not facts.x:
        return f"Never active; last heard of {ago(heard_ms)} ago"
    if silent_ms - heard_ms > DAY_MS:
        return f"Last active {ago(silent_ms)} ago (last heard of {ago(heard_ms)} ago)"
    return f"Last seen {ago(heard_ms)} ago"


def _made_of(score: ScoreRecord) -> str:
    """The three largest contributions of the last seven days in words."""
    parts = score.contributions
    total = sum(part.points for part in parts)
    if not parts or total <= 0:
        return "Nothing in the last 7 days."
    top = [f"{part.count} x {said(part.type)} ({100 * part.points / total:.0f} %)" for part in parts if part.points > 0][:3]
    return f"In the last 7 days mostly {_listed(top)}."


def _ahead(user: "User", rules: Rules) -> list[Next]:
    """What time alone will do to this user, in order, until a few turns are told or the state expires."""
    found: list[Next] = []
    for _ in range(_LOOKS):
        if user.due_ms >= NEVER_MS or len(found) == _TURNS_AHEAD:
            break
        turn = user.turn(user.due_ms)
        if turn:
            found.append(Next(user.turn_ms, rfc3339(user.turn_ms), *_turn_words(user, rules, turn)))
        if turn == Turn.EXPIRED:
            break
    return found


def _turn_words(user: "User", rules: Rules, turn: int) -> tuple[str, str, str]:
    """A turn in words, its code, and what the words are about."""
    if turn == Turn.CHURN_ON:
        return f"an alert: churn risk reaches {100 * user.thetas()[0]:.0f} %", "churn_on", ""
    if turn == Turn.DROP_ON:
        return "an alert: the silence is unlike this user", "drop_on", ""
    if turn == Turn.BAND:
        band = rules.scoring.band_names[user.band(user.turn_ms)]
        return f"engagement falls to {band}", "band", band
    if turn == Turn.EXPIRED:
        days = f"{rules.scoring.state_ttl_days}"
        return f"forgotten, after {days} days without an event", "expired", days
    return "an alert is cleared", "cleared", ""


def _named(counts: Mapping[int, int], names: Mapping[int, str]) -> dict[str, int]:
    """Counts by name, in the order of the catalogue; types that left the catalogue keep their number."""
    return {names.get(number, f"type {number}"): counts[number] for number in sorted(counts) if counts[number]}


def _listed(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
