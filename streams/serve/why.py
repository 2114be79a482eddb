"""Why the figures of a user are what they are, in words: English as `streams explain` says it, and German.

Pure: a profile in, words out. What only the configuration names is called as it is there.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from streams.core.alert import MOST_VISITS, Reason
from streams.core.words import Language, clears, reason_text, rule_name
from streams.explanation import Explanation, Next
from streams.phrases import said

__all__ = ["Why", "why"]


class Why(msgspec.Struct, frozen=True):
    """Why the figures are what they are, in words. `score`, `churn`, `drop`: one line each, the weightiest first. `portrait`: stage,
    sub-scores, visits, orders."""

    user_id: str
    as_of: str
    language: str
    summary: str
    score: Sequence[str]
    portrait: Sequence[str]
    churn: Sequence[str]
    drop: Sequence[str]
    alerts: Sequence[str]
    ahead: Sequence[str]


def why(told: Explanation, language: str) -> Why:
    """The words of `told` in `language`: "en" or "de"."""
    return _german(told) if language == "de" else _english(told)


def _english(told: Explanation) -> Why:
    return Why(
        user_id=told.user_id,
        as_of=told.as_of,
        language="en",
        summary=told.summary,
        score=(f"{told.score.engagement_score} of 100, {told.score.band}", told.made_of),
        portrait=tuple(f"{heading}: {line}" for heading, line in told.portrait),
        churn=tuple(_reason(reason, "en") for reason in told.churn.reasons),
        drop=tuple(_reason(reason, "en") for reason in told.drop.reasons),
        alerts=tuple(
            f"{said(alert.rule)} since {alert.starts_at}: {clears(alert.visits, MOST_VISITS)} would clear it" for alert in told.alerts
        ),
        ahead=tuple(f"{step.at}: {step.what}" for step in told.ahead),
    )


def _german(told: Explanation) -> Why:
    return Why(
        user_id=told.user_id,
        as_of=told.as_of,
        language="de",
        summary=_summary(told),
        score=(f"{_number(told.score.engagement_score)} von 100, {_band(told.score.band)}", _made_of(told)),
        portrait=tuple(f"{heading}: {line}" for heading, line in told.portrait),
        churn=tuple(_reason(reason, "de") for reason in told.churn.reasons),
        drop=tuple(_reason(reason, "de") for reason in told.drop.reasons),
        alerts=tuple(
            f"{_rule(alert.rule)} seit {_date(alert.starts_at)}: Ende durch {clears(alert.visits, MOST_VISITS, 'de')}"
            for alert in told.alerts
        ),
        ahead=tuple(f"{_date(step.at)}: {_step(step)}" for step in told.ahead),
    )


_BANDS: Final = {"cold": "kalt", "cool": "kühl", "warm": "warm", "hot": "heiß", "core": "Kern"}


def _band(name: str) -> str:
    return _BANDS.get(name, name)


def _rule(name: str) -> str:
    return rule_name(name, "de")


def _summary(told: Explanation) -> str:
    reasons = {reason.code: reason for reason in told.churn.reasons}
    parts = [f"Engagement ist {_band(told.score.band)} ({told.score.engagement_score:.0f} von 100)."]
    silence, rhythm = reasons.get("silence"), reasons.get("visit_rhythm")
    if rhythm is not None and not rhythm.value:
        parts.append("Noch nie aktiv.")
    elif silence is not None and rhythm is not None:
        days = "1 aktiver Tag" if rhythm.value == 1 else f"{rhythm.value:.0f} aktive Tage"
        usual = f", kommt sonst nach {_days(silence.baseline, dative=True)} wieder" if rhythm.value > 1 else ""
        parts.append(f"Zuletzt aktiv vor {_days(silence.value, dative=True)}; {days}{usual}.")
    parts.append(f"Wahrscheinlichkeit, in {told.score.churn_horizon_days:.0f} Tagen weg zu sein: {100 * told.churn.value:.0f} %.")
    alerts = " und ".join(_rule(alert.rule) for alert in told.alerts)
    parts.append(f"Braucht Aufmerksamkeit: {alerts}." if alerts else "Kein Alarm.")
    return " ".join(parts)


def _made_of(told: Explanation) -> str:
    parts = [part for part in told.score.contributions if part.points > 0]
    total = sum(part.points for part in told.score.contributions)
    if not parts or total <= 0:
        return "In den letzten 7 Tagen nichts."
    listed = ", ".join(f"{part.count} x {said(part.type)} ({100 * part.points / total:.0f} %)" for part in parts[:3])
    return f"In den letzten 7 Tagen vor allem {listed}."


def _reason(reason: Reason, language: Language) -> str:
    """The sentence of a reason, also where the configuration speaks the other language; the shipped one where the code is not known."""
    made = reason_text(reason.code, reason.value, reason.baseline, language)
    return reason.text if made == reason.code else made


def _step(step: Next) -> str:
    words = {
        "churn_on": "ein Alarm: das Abwanderungsrisiko erreicht die Schwelle",
        "drop_on": "ein Alarm: so lange still zu sein passt nicht zu diesem Nutzer",
        "band": f"das Engagement fällt auf {_band(step.detail)}",
        "expired": f"vergessen, nach {step.detail} Tagen ohne Ereignis",
        "cleared": "ein Alarm endet",
    }
    return words.get(step.code, step.what)


def _days(days: float, *, dative: bool = False) -> str:
    """`3 Tage`, and after vor, nach and in `3 Tagen`."""
    if days < 1:
        hours = max(1, round(24 * days))
        return "1 Stunde" if hours == 1 else f"{hours} Stunden"
    whole = round(days)
    return "1 Tag" if whole == 1 else f"{whole} Tage{'n' if dative else ''}"


def _number(value: float) -> str:
    return f"{value:.1f}".replace(".", ",")


def _date(at: str) -> str:
    """`2026-01-31T08:00:00.000Z` as people write it."""
    return f"{at[8:10]}.{at[5:7]}.{at[:4]} {at[11:16]} UTC"
