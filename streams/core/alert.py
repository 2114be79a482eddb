"""Alerts in words: a turn of a user's state becomes a record with reasons that add up and a way out."""

from math import log
from typing import Final, NamedTuple

import msgspec

from streams.core.envelope import rfc3339, stable_id
from streams.core.record import Coordinates
from streams.core.rules import REVENUE, Rules
from streams.core.user import Facts, Turn, User

__all__ = ["RULES", "AlertRecord", "Reason", "alert_record", "churn_reasons", "clears_when", "drop_reasons", "rule_of", "visits_to_clear"]

#: Names of the alert rules, by the number that the user state keeps them under.
RULES: Final = ("churn_risk", "engagement_drop")

_encode = msgspec.json.Encoder().encode

#: Beyond two weeks of daily visits nobody wants to read a number.
_MAX_VISITS: Final = 14


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
        clears_when=clears_when(facts, rules, rule) if firing else "",
        starts_at=rfc3339(slot.starts_at_ms),
        ends_at=None
        if firing
        else rfc3339(max(at_ms, slot.starts_at_ms)),  # a visit may be older than the alert that it clears, and come late
        stale=now_ms - at_ms > rules.emit.alert_max_age_s * 1000,
        model="prior",
        rev=rev,
        rules_version=rules.version,
    )
    return Alert(f"{record.alert_id}:{record.status}", at_ms, _encode(record))


def churn_reasons(facts: Facts, rules: Rules) -> tuple[Reason, ...]:
    """Two reasons that add up to the churn probability: what was there at the last visit, and what the silence since then has added."""
    at_visit = _p0(rules, facts.S[2] * 2.0 ** (facts.r_days / (2 * rules.churn.horizon_days)), facts.tenure_days - facts.r_days)
    return (
        Reason(
            "silence",
            f"{_days(facts.r_days)} without a visit; usually comes every {_days(facts.m)}",
            _round(facts.r_days),
            _round(facts.m),
            _round(facts.p0 - at_visit),
        ),
        Reason(
            "visit_rhythm",
            f"{facts.x} active days in {_days(max(facts.tenure_days - facts.r_days, 1.0))} before that",
            float(facts.x),
            _round(facts.tenure_days - facts.r_days),
            _round(at_visit),
        ),
    )


def drop_reasons(facts: Facts, rules: Rules) -> tuple[Reason, ...]:
    """Two reasons that add up to the drop statistic, and the ratio of recent to usual activity as the figure that a person reads."""
    silence = facts.drop - facts.pc
    return (
        Reason(
            "silence",
            f"{_days(facts.r_days)} without a visit; usually comes every {_days(facts.m)}",
            _round(facts.r_days),
            _round(facts.m),
            _round(silence),
        ),
        Reason(
            "earlier_gaps",
            "visits had been getting rarer before that" if facts.pc > 0 else "visits were regular before that",
            _round(facts.pc),
            0.0,
            _round(facts.pc),
        ),
        Reason(
            "activity_ratio", f"recent activity is {round(100 * facts.ratio)} % of the user's usual level", _round(facts.ratio), 1.0, 0.0
        ),
    )


def visits_to_clear(facts: Facts, rules: Rules, rule: int) -> int | None:
    """How many visits, one now and one on each following day, take the alert below its off-threshold; None above two weeks of them."""
    if rule == 1:
        # An active day g days after the last one adds lam*(1-rho)*g and ln(rho), as the user's fold does.
        drop = facts.drop
        for visits in range(1, _MAX_VISITS + 1):
            drop = max(0.0, drop + log(rules.drop.rho))
            if drop < rules.drop.h_off:
                return visits
            drop += facts.lam * (1 - rules.drop.rho)
        return None
    decay = 2.0 ** (-1.0 / (2 * rules.churn.horizon_days))
    s, tenure = facts.S[2], facts.tenure_days
    for visits in range(1, _MAX_VISITS + 1):
        s += 1.0
        if _p0(rules, s, tenure) < rules.churn.theta_off:
            return visits
        s, tenure = s * decay, tenure + 1.0
    return None


def clears_when(facts: Facts, rules: Rules, rule: int) -> str:
    """What would clear the alert, for a person to act on."""
    visits = visits_to_clear(facts, rules, rule)
    if visits is None:
        return f"regular visits for more than {_MAX_VISITS} days"
    return "one visit" if visits == 1 else f"visits on {visits} days"


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


def _days(days: float) -> str:
    """A span as people say it: `3 hours`, `1 day`, `2.5 days`, `54 days`."""
    if days < 0.75:
        hours = max(1, round(days * 24))
        return "1 hour" if hours == 1 else f"{hours} hours"
    if days < 1.5 and round(days) == 1:
        return "1 day"
    return f"{round(days)} days" if days >= 10 else f"{days:.1f} days".replace(".0 ", " ")
