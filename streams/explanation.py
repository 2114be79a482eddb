"""One user's state, told to a person: what was done, what it is worth, what may go wrong and why, and what happens next.

Pure: a state and a time in, a struct of words and numbers out. The numbers are those that were published (`score_record`,
`churn_reasons`), never computed
a second way.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

import msgspec

from streams.core.alert import RULES, Reason, churn_reasons, clears_when, drop_reasons
from streams.core.envelope import rfc3339, stable_id
from streams.core.record import NEVER_MS, Coordinates
from streams.core.rules import CUSTOM, DAY_MS, REVENUE, SESSION, WINDOWS, Rules
from streams.core.score import ScoreRecord, score_record
from streams.core.user import Alert, Facts, Turn
from streams.wording import ago

if TYPE_CHECKING:
    from streams.core.user import User

__all__ = ["ActiveAlert", "Explanation", "Judgement", "Next", "explain", "let_pass", "said"]

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
    """An alert that is firing, with the id that it was published under."""

    alert_id: str
    rule: str
    starts_at: str
    clears_when: str


class Next(msgspec.Struct, frozen=True):
    """Something that time alone will do."""

    at_ms: int
    at: str
    what: str


class Explanation(msgspec.Struct, frozen=True):
    """Everything `streams explain` says. `score` is the record that would be published at `as_of`."""

    user_id: str
    as_of_ms: int
    as_of: str
    summary: str
    made_of: str
    first_seen: str
    last_seen: str
    windows: Mapping[str, Mapping[str, int]]
    lifetime: Mapping[str, int]
    score: ScoreRecord
    churn: Judgement
    drop: Judgement
    alerts: Sequence[ActiveAlert]
    ahead: Sequence[Next]


def explain(user: "User", rules: Rules, as_of_ms: int) -> Explanation:
    """What is known of the loaded `user` at `as_of_ms` (not before its newest event). Uses the scratch user up: load it again
    afterwards."""
    facts = user.facts(as_of_ms)
    score = msgspec.json.decode(score_record(user, rules, cause="event", as_of_ms=as_of_ms, due_ms=None, rev=0)[1], type=ScoreRecord)
    names = {entry.id: entry.name for entry in rules.catalogue.types} | {SESSION: "sessions", REVENUE: "revenue_minor", CUSTOM: "custom"}
    windows = {window: _named(user.counts(window, as_of_ms), names) for window in WINDOWS}
    churn = _judgement(facts.p0, churn_reasons(facts, rules), rules.churn.theta_on, rules.churn.theta_off)
    drop = _judgement(facts.drop, drop_reasons(facts, rules), rules.drop.h_on, rules.drop.h_off)
    alerts = [_active(user, rules, facts, number) for number in range(len(RULES)) if _fires(user.alert(number), as_of_ms)]
    return Explanation(
        user_id=user.key,
        as_of_ms=as_of_ms,
        as_of=rfc3339(as_of_ms),
        summary=_summary(user, rules, facts, as_of_ms, alerts),
        made_of=_made_of(score),
        first_seen=rfc3339(facts.first_day * DAY_MS)[:10],
        last_seen=rfc3339(user.newest_ms),
        windows=windows,
        lifetime=_named(user.lifetime(), names),
        score=score,
        churn=churn,
        drop=drop,
        alerts=alerts,
        ahead=_ahead(user, rules),
    )


def let_pass(user: "User", until_ms: int) -> bool:
    """Time alone has done to the loaded user what it will have done by `until_ms`; False when the state has expired by then."""
    while turn := user.turn(until_ms):
        if turn == Turn.EXPIRED:
            return False
    return True


def said(name: str) -> str:
    """A catalogue name as people say it."""
    return name.replace("_", " ")


def _judgement(value: float, reasons: Sequence[Reason], on: float, off: float) -> Judgement:
    return Judgement(round(value, 4), round(sum(reason.contribution for reason in reasons), 4), on, off, reasons)


def _fires(slot: Alert, as_of_ms: int) -> bool:
    return slot.firing and slot.starts_at_ms <= as_of_ms


def _active(user: "User", rules: Rules, facts: Facts, number: int) -> ActiveAlert:
    slot = user.alert(number)
    topic, partition, offset = slot.opened
    opened = Coordinates(rules.topics.inputs[topic], partition, offset)
    ident = stable_id(rules.app_id, user.key, RULES[number], opened)
    return ActiveAlert(ident, RULES[number], rfc3339(slot.starts_at_ms), clears_when(facts, rules, number))


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
        f"Chance of leaving within {rules.churn.horizon_days:.0f} days: {100 * facts.p0:.0f} %. {worry}"
    )


def _last(user: "User", facts: Facts, as_of_ms: int) -> str:
    """When the user was last there. Being sent an e-mail is an event, and no visit."""
    heard_ms, silent_ms = as_of_ms - user.newest_ms, facts.r_days * DAY_MS
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
            found.append(Next(user.turn_ms, rfc3339(user.turn_ms), _turn_words(user, rules, turn)))
        if turn == Turn.EXPIRED:
            break
    return found


def _turn_words(user: "User", rules: Rules, turn: int) -> str:
    if turn == Turn.CHURN_ON:
        return f"an alert: churn risk reaches {100 * rules.churn.theta_on:.0f} %"
    if turn == Turn.DROP_ON:
        return "an alert: the silence is unlike this user"
    if turn == Turn.BAND:
        return f"engagement falls to {rules.scoring.band_names[user.band(user.turn_ms)]}"
    if turn == Turn.EXPIRED:
        return f"forgotten, after {rules.scoring.state_ttl_days} days without an event"
    return "an alert is cleared"


def _named(counts: Mapping[int, int], names: Mapping[int, str]) -> dict[str, int]:
    """Counts by name, in the order of the catalogue; types that left the catalogue keep their number."""
    return {names.get(number, f"type {number}"): counts[number] for number in sorted(counts) if counts[number]}


def _listed(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
