"""Alerts about the whole in words: what came, what is usual, and since when.

They lie on the topic of the users' alerts and have their fields. What only a user has (risk, band, value) is empty, `user_id` too, and
`series` names what the alert is about.
"""

from typing import Final, NamedTuple

import msgspec

from streams.core.alert import Reason
from streams.core.drift import DriftTurn
from streams.core.envelope import Envelope, rfc3339, stable_id
from streams.core.identity import home_partition
from streams.core.record import Output
from streams.core.rules import DAY_MS, Rules
from streams.core.silence import SourceTurn
from streams.core.site import SiteTurn
from streams.core.sitewords import minutes_text, number_text, series_text, site_text
from streams.core.words import Language

__all__ = ["SiteAlertRecord", "Words", "drift_alert", "operator_alert", "site_alert", "source_alert"]

_encode = msgspec.json.Encoder().encode

#: Steps below the loudest severity.
_QUIETER: Final = {"site_drop": 0, "source_silent": 0, "tracking_broken": 1, "drop": 2, "tracking_drift": 3}


class SiteAlertRecord(msgspec.Struct, frozen=True, kw_only=True):
    """The record on the alerts topic, field by field as docs/wire.md names them."""

    alert_id: str
    fingerprint: str
    user_id: str = ""
    series: str
    rule: str
    status: str
    cause: str
    severity: str
    risk: float = 0.0
    band: str = ""
    horizon_days: float = 0.0
    value_band: str = ""
    reasons: tuple[Reason, ...]
    clears_when: str
    starts_at: str
    ends_at: str | None
    stale: bool
    model: str = ""
    rev: int
    rules_version: str


class Words(NamedTuple):
    """What is said of an alert, whatever it is about. `opened`: what the id is made of, beside rule and series."""

    rule: str
    series: str
    firing: bool
    cause: str
    severity: int
    reasons: tuple[Reason, ...]
    clears_when: str
    opened: object
    starts_ms: int
    at_ms: int


def operator_alert(words: Words, rules: Rules, *, now_ms: int, rev: int) -> Output:
    """The record, dressed and addressed. `severity` counts down from the loudest; `now_ms` dates it and says whether it is stale."""
    names = rules.alerts.severities
    ident = stable_id(rules.app_id, words.rule, words.series, words.opened)
    record = SiteAlertRecord(
        alert_id=ident,
        fingerprint=stable_id(rules.app_id, words.rule, words.series),
        series=words.series,
        rule=words.rule,
        status="firing" if words.firing else "resolved",
        cause=words.cause,
        severity=names[max(0, len(names) - 1 - words.severity)],
        reasons=words.reasons,
        clears_when=words.clears_when if words.firing else "",
        starts_at=rfc3339(words.starts_ms),
        ends_at=None if words.firing else rfc3339(words.at_ms),
        stale=now_ms - words.at_ms > rules.emit.alert_max_age_s * 1000,
        rev=rev,
        rules_version=rules.version,
    )
    key = words.series.encode()
    envelope = Envelope("engagement.alert.v1", f"/{rules.app_id}")
    headers = envelope.headers(f"{ident}:{record.status}", key, rfc3339(words.at_ms).encode())
    partition = home_partition(words.series, rules.partitions)
    return Output(rules.topics.alerts, partition, key, _encode(record), headers, max(words.at_ms, now_ms - DAY_MS))


def site_alert(turn: SiteTurn, rules: Rules, *, now_ms: int, rev: int) -> Output:
    """The record of an alarm that begins or ends with a tick. It begins at the beginning of its tick, and is known at its end."""
    minutes, say = rules.site.tick_minutes, rules.alerts.language
    tick_ms, firing = minutes * 60_000, turn.status == "firing"
    reasons = [_reason("count", _count_text(turn, rules), turn.y, turn.expected, turn.y - turn.expected)] if turn.expected else []
    reasons += [_reason(f"event:{name}", _part_text(name, y, usual, say), y, usual, y - usual) for name, y, usual in turn.parts]
    words = Words(
        rule=turn.rule,
        series=turn.series,
        firing=firing,
        cause={"site_drop": "users_left", "drop": "users_left", "tracking_broken": "tracking_broken"}[turn.rule] if firing else "came_back",
        severity=_QUIETER[turn.rule],
        reasons=tuple(reasons),
        clears_when=site_text("count_clears", say, usual=number_text(turn.expected, say), span=minutes_text(minutes, say)),
        opened=turn.since * tick_ms,
        starts_ms=turn.since * tick_ms,
        at_ms=(turn.tick + 1) * tick_ms,
    )
    return operator_alert(words, rules, now_ms=now_ms, rev=rev)


def source_alert(turn: SourceTurn, rules: Rules, *, now_ms: int, rev: int) -> Output:
    """The record of a silence that is told or over. Its id names the position of the topic, at which no other silence begins."""
    say, minutes = rules.alerts.language, max(1, round((turn.at_ms - turn.since_ms) / 60_000))
    text = site_text("silent", say, span=minutes_text(minutes, say), topic=turn.topic, usual=number_text(turn.per_minute, say))
    words = Words(
        rule="source_silent",
        series=f"topic:{turn.topic}",
        firing=turn.status == "firing",
        cause="silence" if turn.status == "firing" else "came_back",
        severity=_QUIETER["source_silent"],
        reasons=(_reason("silence", text, 0.0, turn.per_minute, -turn.per_minute),),
        clears_when=site_text("silent_clears", say),
        opened=turn.position,
        starts_ms=turn.since_ms,
        at_ms=turn.at_ms,
    )
    return operator_alert(words, rules, now_ms=now_ms, rev=rev)


def drift_alert(turn: DriftTurn, rules: Rules, *, now_ms: int, rev: int) -> Output:
    """The record of something new about events (over after a day), or of a property that has vanished or is back."""
    tick_ms = rules.site.tick_minutes * 60_000
    gone = turn.cause == "property_gone"
    words = Words(
        rule="tracking_broken" if gone else "tracking_drift",
        series=turn.series,
        firing=turn.firing,
        cause=turn.cause if turn.firing else "came_back" if gone else "known",
        severity=_QUIETER["tracking_broken"] if gone else _QUIETER["tracking_drift"],
        reasons=(_reason(turn.cause, turn.words, turn.n, turn.of, turn.n),),
        clears_when=site_text("gone_clears" if gone else "news_clears", rules.alerts.language),
        opened=f"{turn.cause}:{turn.since * tick_ms}",
        starts_ms=turn.since * tick_ms,
        at_ms=(turn.tick + 1) * tick_ms,
    )
    return operator_alert(words, rules, now_ms=now_ms, rev=rev)


def _count_text(turn: SiteTurn, rules: Rules) -> str:
    minutes, say = rules.site.tick_minutes, rules.alerts.language
    return site_text(
        "count",
        say,
        series=series_text(turn.series, say),
        came=number_text(turn.y, say),
        span=minutes_text(minutes, say),
        since=rfc3339(turn.tick * minutes * 60_000)[11:16],
        share=round(100 * turn.y / turn.expected),
        usual=number_text(turn.expected, say),
    )


def _part_text(name: str, y: float, usual: float, say: Language) -> str:
    return site_text("part", say, name=name, came=number_text(y, say), usual=number_text(usual, say))


def _reason(code: str, text: str, value: float, baseline: float, contribution: float) -> Reason:
    return Reason(code, text, round(value, 4), round(baseline, 4), round(contribution, 4))
