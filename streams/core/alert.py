"""Alerts in words: a turn of a user's state becomes a record with reasons that add up and a way out."""

from typing import Final, NamedTuple

import msgspec

from streams.core.envelope import rfc3339, stable_id
from streams.core.facts import Facts
from streams.core.record import Coordinates
from streams.core.rules import REVENUE, Rules
from streams.core.user import Turn, User
from streams.core.words import Language, clears, reason_text

__all__ = ["MOST_VISITS", "RULES", "AlertRecord", "Reason", "alert_record", "churn_reasons", "clears_when", "drop_reasons", "rule_of"]

#: Names of the alert rules, by the number that the user state keeps them under.
RULES: Final = ("churn_risk", "engagement_drop")

_encode = msgspec.json.Encoder().encode

#: Beyond two weeks of daily visits nobody wants to read a number.
MOST_VISITS: Final = 14


class Reason(msgspec.Struct, frozen=True):
    """Why a value is what it is. Contributions of all reasons add up to the value that is judged."""

    code: str
    text: str
    value: float
    baseline: float
    contribution: float


class AlertRecord(msgspec.Struct, frozen=True):
    """The record on the alerts topic, field by field as docs/wire.md names them."""

    alert_id: str
    fingerprint: str
    user_id: str
    rule: str
    status: str
    cause: str
    severity: str
    risk: float
    band: str
    horizon_days: float
    value_band: str
    reasons: tuple[Reason, ...]
    clears_when: str
    starts_at: str
    ends_at: str | None
    stale: bool
    model: str
    rev: int
    rules_version: str


class Alert(NamedTuple):
    """An encoded alert with what its headers need."""

    ident: str
    at_ms: int
    value: bytes


def rule_of(turn: int) -> int:
    """The alert rule that a turn belongs to (index in `RULES`)."""
    return 0 if turn in (Turn.CHURN_ON, Turn.CHURN_OFF) else 1


def alert_record(user: User, rules: Rules, turn: int, *, at_ms: int, cause: str, rev: int, now_ms: int) -> Alert:
    """The record for one turn that has just been applied to `user` at `at_ms`.

    The id names user, rule and the record that opened the silence, so a resolve carries the id of its firing, and a repeat the id of
    the original.
    `now_ms` is the plan's wall clock: an alert older than `alert_max_age_s` by then is stale, and senders skip it.
    """
    rule = rule_of(turn)
    slot, facts = user.alert(rule), user.facts(at_ms)
    firing = turn in (Turn.CHURN_ON, Turn.DROP_ON)
    topic, partition, offset = slot.opened
    opened = Coordinates(rules.topics.inputs[topic], partition, offset)
    risk = user.churn(at_ms)
    value, severity = _grade(user, rules, risk, at_ms)
    record = AlertRecord(
        alert_id=stable_id(rules.app_id, user.key, RULES[rule], opened),
        fingerprint=stable_id(rules.app_id, user.key, RULES[rule]),
        user_id=user.key,
        rule=RULES[rule],
        status="firing" if firing else "resolved",
        cause=cause,
        severity=severity,
        risk=_round(risk),
        band=rules.scoring.band_names[user.band(at_ms)],
        horizon_days=rules.churn.horizon_days,
        value_band=value,
        reasons=churn_reasons(facts, rules) if rule == 0 else drop_reasons(facts, rules),
        clears_when=clears_when(user, rules, rule, at_ms) if firing else "",
        starts_at=rfc3339(slot.starts_at_ms),
        ends_at=None
        if firing
        else rfc3339(max(at_ms, slot.starts_at_ms)),  # a visit may be older than the alert that it clears, and come late
        stale=now_ms - at_ms > rules.emit.alert_max_age_s * 1000,
        model="online" if user.correction.on else "prior",
        rev=rev,
        rules_version=rules.version,
    )
    return Alert(f"{record.alert_id}:{record.status}", at_ms, _encode(record))


def churn_reasons(facts: Facts, rules: Rules, language: Language | None = None) -> tuple[Reason, ...]:
    """Reasons that add up to the churn probability: what was there at the last visit, what the silence since then has added, and what
    the population has taught about users like this one. The first one is what made it."""
    say = language or rules.alerts.language
    if not facts.x:
        return (_reason("visit_rhythm", 0.0, 0.0, facts.p, say),)
    at_visit = _p0(rules, facts.S[2] * 2.0 ** (facts.r_days / (2 * rules.churn.horizon_days)), facts.tenure_days - facts.r_days)
    reasons = [
        _reason("silence", facts.r_days, facts.m, facts.p0 - at_visit, say),
        _reason("visit_rhythm", float(facts.x), facts.tenure_days - facts.r_days, at_visit, say),
    ]
    if facts.p != facts.p0:
        reasons.append(_reason("learned", facts.p, facts.p0, facts.p - facts.p0, say))
    return _weightiest_first(reasons)


def drop_reasons(facts: Facts, rules: Rules, language: Language | None = None) -> tuple[Reason, ...]:
    """Two reasons that add up to the drop statistic, and the ratio of recent to usual activity as the figure that a person reads."""
    say = language or rules.alerts.language
    if not facts.x:
        return ()
    return _weightiest_first(
        [
            _reason("silence", facts.r_days, facts.m, facts.drop - facts.pc, say),
            _reason("earlier_gaps", facts.pc, 0.0, facts.pc, say),
            _reason("activity_ratio", facts.ratio, 1.0, 0.0, say),
        ]
    )


def clears_when(user: User, rules: Rules, rule: int, at_ms: int, language: Language | None = None) -> str:
    """What would clear the alert, for a person to act on: found by letting the user come, one day after another."""
    return clears(user.visits_to_clear(rule, at_ms, MOST_VISITS), MOST_VISITS, language or rules.alerts.language)


def _weightiest_first(reasons: list[Reason]) -> tuple[Reason, ...]:
    """Who reads one reason only reads the one that made the value, and not the silence that is no longer than usual."""
    return tuple(sorted(reasons, key=lambda reason: -reason.contribution))


def _reason(code: str, value: float, baseline: float, contribution: float, language: Language) -> Reason:
    return Reason(code, reason_text(code, value, baseline, language), _round(value), _round(baseline), _round(contribution))


def _p0(rules: Rules, s: float, tenure_days: float) -> float:
    """Churn probability of docs/scoring.md for a decayed visit count `s` (half-life 2H) and a tenure."""
    horizon, half_life = rules.churn.horizon_days, 2 * rules.churn.horizon_days
    exposure = (1 - 2.0 ** (-max(tenure_days, 1.0) / half_life)) / (1 - 2.0 ** (-1.0 / half_life))
    return float(((half_life + exposure) / (half_life + exposure + horizon)) ** (rules.churn.r0 + s))


def _grade(user: User, rules: Rules, risk: float, at_ms: int) -> tuple[str, str]:
    """Value band and severity: the steps reached on both ladders add up. Who bought nothing in 30 days is worth what they ever bought."""
    revenue = user.counts("30d", at_ms).get(REVENUE, 0) or user.lifetime().get(REVENUE, 0)
    value = sum(revenue >= step for step in rules.alerts.value_steps_minor)
    level = value + sum(risk >= step for step in rules.alerts.risk_steps)
    return rules.alerts.value_bands[value], rules.alerts.severities[min(level, len(rules.alerts.severities) - 1)]


def _round(x: float) -> float:
    return round(x, 4)
