"""What alerts say to people, in English and German: each sentence is made of a code and numbers, so that both can be had.

Pure text: who judges, and by what, stands in `core/alert.py`.
"""

from typing import Final, Literal

__all__ = ["Language", "account_clears", "clears", "reason_text", "rule_name", "span"]

Language = Literal["en", "de"]

_NUMBERS: Final = {
    "en": ("no", "one", "two", "three", "four", "five", "six", "seven"),
    "de": ("kein", "ein", "zwei", "drei", "vier", "fünf", "sechs", "sieben"),
}
_UNITS: Final = {"en": (("hour", "hours"), ("day", "days")), "de": (("Stunde", "Stunden"), ("Tag", "Tage"))}
_RULES: Final = {
    "en": {"churn_risk": "churn risk", "engagement_drop": "engagement drop", "account_drop": "account drop"},
    "de": {"churn_risk": "Abwanderungsrisiko", "engagement_drop": "Aktivitätseinbruch", "account_drop": "Einbruch eines Kunden"},
}
_NEVER: Final = {"en": "no active day yet", "de": "noch kein aktiver Tag"}
#: Reasons of a drop of an account: so many days are looked at.
_VISITS: Final = {"visits_7d": 7, "visits_14d": 14, "visits_28d": 28}


def span(days: float, language: Language = "en") -> str:
    """A span as people say it: `3 hours`, `1 day`, `2.5 days`, `54 days`."""
    hour, day = _UNITS[language]
    if days < 0.75:
        hours = max(1, round(days * 24))
        return f"1 {hour[0]}" if hours == 1 else f"{hours} {hour[1]}"
    if days < 1.5 and round(days) == 1:
        return f"1 {day[0]}"
    number = f"{round(days)}" if days >= 10 else f"{days:.1f}".removesuffix(".0")
    return f"{_point(number, language)} {day[1]}"


def reason_text(code: str, value: float, baseline: float, language: Language = "en") -> str:
    """The sentence of a reason, from its numbers. A code that is not known is said as it is."""
    german = language == "de"
    if code == "silence":
        usual = _every_german(baseline) if german else f"usually comes every {span(baseline)}"
        return f"{_silence(value, baseline, language)}; {usual}"
    if code == "visit_rhythm":
        if value < 2:
            return ("bisher an einem Tag aktiv" if german else "active on one day so far") if value else _NEVER[language]
        days = round(baseline) + 1  # the first and the last one are active days
        if german:
            return f"an {value:.0f} der {days} Tage bis zum letzten Besuch aktiv"
        return f"active on {value:.0f} of the {days} days up to the last visit"
    if code == "earlier_gaps":
        rarer = value > 0
        if german:
            return "die Besuche waren schon vorher seltener geworden" if rarer else "die Besuche waren bis dahin regelmäßig"
        return "visits had already been getting rarer" if rarer else "visits were regular before that"
    if code == "activity_ratio":
        share = round(100 * value)
        return f"zuletzt {share} % der sonst üblichen Aktivität" if german else f"recent activity is {share} % of the user's usual level"
    if code == "learned":
        more = value > baseline
        if german:
            return f"Nutzer wie dieser gingen {'öfter' if more else 'seltener'} verloren, als ihr Rhythmus allein sagt"
        return f"users like this one have left {'more' if more else 'less'} often than their rhythm alone says"
    if code in _VISITS:
        usual = _point(f"{baseline:.1f}", language)
        if german:
            return f"{value:.0f} {'Besuch' if value == 1 else 'Besuche'} von Mitgliedern in {_VISITS[code]} Tagen; {usual} sind üblich"
        return f"{value:.0f} member {'visit' if value == 1 else 'visits'} in {_VISITS[code]} days; {usual} are usual"
    return code


def account_clears(visits: int, language: Language = "en") -> str:
    """What would clear the drop alert of an account: so many visits of its members within a week."""
    if language == "de":
        return f"{visits} {'Besuch' if visits == 1 else 'Besuche'} von Mitgliedern innerhalb von sieben Tagen"
    return f"{visits} {'visit' if visits == 1 else 'visits'} of members within seven days"


def clears(visits: int | None, most: int, language: Language = "en") -> str:
    """What would clear an alert: so many visits, one a day from now on. None: more than `most` of them."""
    german = language == "de"
    if visits is None:
        return f"regelmäßige Besuche über mehr als {most} Tage" if german else f"regular visits for more than {most} days"
    if visits == 1:
        return "ein Besuch" if german else "one visit"
    if visits < len(_NUMBERS[language]):
        number = _NUMBERS[language][visits]
        return f"{number} Besuche diese Woche" if german else f"{number} visits this week"
    return f"Besuche an {visits} Tagen hintereinander" if german else f"visits on {visits} days in a row"


def rule_name(rule: str, language: Language = "en") -> str:
    """An alert rule as people call it."""
    return _RULES[language].get(rule, rule.replace("_", " "))


def _silence(days: float, usual: float, language: Language) -> str:
    """How long the user has been away; one that is no longer than usual is not made to sound like a reason."""
    german = language == "de"
    if not days:
        return "heute aktiv" if german else "active today"
    said = f"{span(days, 'de')} ohne Besuch" if german else f"{span(days)} without a visit"
    return said if days > usual else f"{'erst' if german else 'only'} {said}"


def _every_german(days: float) -> str:
    said = span(days, "de")
    return f"kommt sonst {'jeden Tag' if said == '1 Tag' else 'jede Stunde' if said == '1 Stunde' else f'alle {said}'}"


def _point(number: str, language: Language) -> str:
    return number.replace(".", ",") if language == "de" else number
