"""How the portrait of a user is put into words, in English and German: one class for each language, the same methods in both."""

from collections.abc import Mapping
from typing import Final, Protocol

from streams.core.rfm import Cell
from streams.core.usermetrics import AggregateFigures, SessionFigures
from streams.core.words import Language

__all__ = ["PHRASES", "Phrases", "said"]


def said(name: str) -> str:
    """A name of the configuration as people say it."""
    return name.replace("_", " ")


class Phrases(Protocol):
    """What a portrait says. Money and figures come as text already: `number` has spelled them."""

    def heading(self, name: str) -> str: ...
    def part(self, name: str) -> str: ...
    def stage(self, name: str) -> str: ...
    def number(self, value: float, places: int) -> str: ...
    def shared(self, since: str) -> str: ...
    def known(self, since: str, merged: int) -> str: ...
    def counts_from(self, date: str) -> str: ...
    def of_hundred(self, score: float, parts: str) -> str: ...
    def visits(self, month: SessionFigures, pages: float, dwell_s: float, bounce: float, ga_bounce: float) -> str: ...
    def features(self, used: int, breadth: float | None) -> str: ...
    def orders(self, n: int, total: str, each: str) -> str: ...
    def worth(self, lifetime: str, order: str, per_month: float, months: float) -> str: ...
    def profit(self, value: str, margin: float) -> str: ...
    def buyer(self, cell: Cell) -> str: ...
    def will_buy(self, chance: float, days: float) -> str: ...
    def streak(self, days: int, longest: int, badge_days: int, *, reached: bool, zone_known: bool) -> str: ...
    def numbers(self, it: AggregateFigures, total: str, spread: tuple[str, str, str] | None, first: str, last: str) -> str: ...
    def texts(self, it: AggregateFigures) -> str: ...


class _English:
    _STAGES: Final = {
        "new": "new",
        "active": "active",
        "power": "a power user",
        "slipping": "slipping away: silent for longer than is usual for them",
        "dormant": "dormant",
        "resurrected": "back from dormancy",
    }

    def heading(self, name: str) -> str:
        return said(name).capitalize()

    def part(self, name: str) -> str:
        return said(name)

    def stage(self, name: str) -> str:
        return self._STAGES[name]

    def number(self, value: float, places: int) -> str:
        return f"{value:,.{places}f}"

    def shared(self, since: str) -> str:
        return f"an id of several people, as is known since {since}: what it does is nobody's"

    def known(self, since: str, merged: int) -> str:
        return f"since {since}, anonymous before that: {merged} id{'' if merged == 1 else 's'} merged"

    def counts_from(self, date: str) -> str:
        return f"from {date} on: so much was done that earlier days had no room"

    def of_hundred(self, score: float, parts: str) -> str:
        return f"{score:.0f} of 100" + (f" = {parts}" if parts else "")

    def visits(self, month: SessionFigures, pages: float, dwell_s: float, bounce: float, ga_bounce: float) -> str:
        logins = f", {month.logins} login{'s' if month.logins != 1 else ''}" if month.logins else ""
        return (
            f"{month.sessions} in 30 days, {month.active} of them active; {pages:.1f} pages and {_stay(dwell_s)} each; "
            f"{100 * bounce:.0f} % bounced ({100 * ga_bounce:.0f} % by GA4's rule){logins}"
        )

    def features(self, used: int, breadth: float | None) -> str:
        return f"{used} used in 30 days" + ("" if breadth is None else f", {100 * breadth:.0f} % of what there is")

    def orders(self, n: int, total: str, each: str) -> str:
        return f"{n}, {total} in all, {each} each"

    def worth(self, lifetime: str, order: str, per_month: float, months: float) -> str:
        return f"{lifetime} in a lifetime = {order} x {per_month:.2f} orders a month x {months:.1f} months"

    def profit(self, value: str, margin: float) -> str:
        return f"; profit {value} at {100 * margin:.0f} %"

    def buyer(self, cell: Cell) -> str:
        return f"{said(cell.cell)} (recency {cell.recency}, frequency {cell.frequency}, money {cell.monetary} of 5)"

    def will_buy(self, chance: float, days: float) -> str:
        return f"{100 * chance:.0f} % chance of an order within {days:g} days"

    def streak(self, days: int, longest: int, badge_days: int, *, reached: bool, zone_known: bool) -> str:
        now = f"{days} day{'' if days == 1 else 's'} in a row" if days else "none now"
        clock = "" if zone_known else ", by UTC: no time zone is known"
        return f"{now}, longest {longest}, badge {'earned' if reached else f'at {badge_days}'}{clock}"

    def numbers(self, it: AggregateFigures, total: str, spread: tuple[str, str, str] | None, first: str, last: str) -> str:
        among = last if spread is None else f"{spread[0]} to {spread[1]}, {spread[2]} on average"
        return f"{it.n} times, {total} in all: {among}; first {first}, last {last}, {_span(it.since_s)} ago"

    def texts(self, it: AggregateFigures) -> str:
        about = "" if it.unique_exact else "about "
        often = f"{it.most_frequent} most often ({'about ' if it.most_frequent_error else ''}{it.most_frequent_n})"
        return f"{it.n} times, {about}{it.unique} different: {often}; first {it.first}, last {it.last}, {_span(it.since_s)} ago"


class _German:
    _STAGES: Final = {
        "new": "neu",
        "active": "aktiv",
        "power": "sehr aktiv",
        "slipping": "entgleitet: länger still als sonst",
        "dormant": "eingeschlafen",
        "resurrected": "wieder da, nach langer Stille",
    }
    _HEADINGS: Final = {
        "stage": "Phase",
        "activation": "Aktivierung",
        "monetization": "Umsatz",
        "retention": "Bindung",
        "visits": "Besuche",
        "features": "Funktionen",
        "orders": "Bestellungen",
        "worth": "Wert",
        "buyer": "Käufertyp",
        "will_buy": "Wird kaufen",
        "shared": "Geteilt",
        "known": "Bekannt",
        "windows": "Zeitfenster",
    }
    _PARTS: Final = {
        "visits": "Besuche",
        "funnel": "Trichter",
        "breadth": "Vielfalt",
        "orders": "Bestellungen",
        "revenue": "Umsatz",
        "average_order": "Bestellwert",
        "rhythm": "Rhythmus",
        "safety": "Sicherheit",
    }
    _CELLS: Final = {
        "champion": "Spitzenkunde",
        "loyal": "treu",
        "potential_loyalist": "bald treu",
        "new_customer": "Neukunde",
        "promising": "vielversprechend",
        "needs_attention": "braucht Zuwendung",
        "about_to_sleep": "schläft bald ein",
        "cannot_lose": "unverzichtbar",
        "at_risk": "gefährdet",
        "hibernating": "im Winterschlaf",
        "lost": "verloren",
    }

    def heading(self, name: str) -> str:
        return self._HEADINGS.get(name) or said(name).capitalize()  # streaks and aggregates are called what the configuration calls them

    def part(self, name: str) -> str:
        return self._PARTS.get(name) or said(name)

    def stage(self, name: str) -> str:
        return self._STAGES[name]

    def number(self, value: float, places: int) -> str:
        return f"{value:,.{places}f}".translate(_TO_GERMAN)

    def shared(self, since: str) -> str:
        return f"eine Kennung mehrerer Personen, wie seit {since} bekannt ist: was sie tut, zählt für niemanden"

    def known(self, since: str, merged: int) -> str:
        return f"seit {since}, davor anonym: {merged} Kennung{'' if merged == 1 else 'en'} zusammengeführt"

    def counts_from(self, date: str) -> str:
        return f"erst ab {date}: so viel ist geschehen, dass für frühere Tage kein Platz war"

    def of_hundred(self, score: float, parts: str) -> str:
        return f"{score:.0f} von 100" + (f" = {parts}" if parts else "")

    def visits(self, month: SessionFigures, pages: float, dwell_s: float, bounce: float, ga_bounce: float) -> str:
        logins = f", {month.logins} Anmeldung{'en' if month.logins != 1 else ''}" if month.logins else ""
        return (
            f"{month.sessions} in 30 Tagen, davon {month.active} aktiv; je {self.number(pages, 1)} Seiten und {_stay(dwell_s)}; "
            f"{100 * bounce:.0f} % abgesprungen ({100 * ga_bounce:.0f} % nach der Regel von GA4){logins}"
        )

    def features(self, used: int, breadth: float | None) -> str:
        return f"{used} in 30 Tagen benutzt" + ("" if breadth is None else f", {100 * breadth:.0f} % aller")

    def orders(self, n: int, total: str, each: str) -> str:
        return f"{n}, zusammen {total}, im Mittel {each}"

    def worth(self, lifetime: str, order: str, per_month: float, months: float) -> str:
        made_of = f"{order} x {self.number(per_month, 2)} Bestellungen im Monat x {self.number(months, 1)} Monate"
        return f"{lifetime} auf Dauer = {made_of}"

    def profit(self, value: str, margin: float) -> str:
        return f"; Gewinn {value} bei {100 * margin:.0f} %"

    def buyer(self, cell: Cell) -> str:
        name = self._CELLS.get(cell.cell) or said(cell.cell)
        return f"{name} (Aktualität {cell.recency}, Häufigkeit {cell.frequency}, Betrag {cell.monetary} von 5)"

    def will_buy(self, chance: float, days: float) -> str:
        return f"mit {100 * chance:.0f} % Wahrscheinlichkeit innerhalb von {days:g} Tagen"

    def streak(self, days: int, longest: int, badge_days: int, *, reached: bool, zone_known: bool) -> str:
        now = f"{days} Tag{'' if days == 1 else 'e'} in Folge" if days else "gerade keiner"
        clock = "" if zone_known else ", nach UTC: eine Zeitzone ist nicht bekannt"
        return f"{now}, höchstens {longest}, Abzeichen {'verdient' if reached else f'ab {badge_days}'}{clock}"

    def numbers(self, it: AggregateFigures, total: str, spread: tuple[str, str, str] | None, first: str, last: str) -> str:
        among = last if spread is None else f"{spread[0]} bis {spread[1]}, im Mittel {spread[2]}"
        return f"{it.n}-mal, zusammen {total}: {among}; zuerst {first}, zuletzt {last}, vor {_span(it.since_s)}"

    def texts(self, it: AggregateFigures) -> str:
        about = "" if it.unique_exact else "etwa "
        often = f"am häufigsten {it.most_frequent} ({'etwa ' if it.most_frequent_error else ''}{it.most_frequent_n})"
        return f"{it.n}-mal, {about}{it.unique} verschiedene: {often}; zuerst {it.first}, zuletzt {it.last}, vor {_span(it.since_s)}"


_TO_GERMAN: Final = str.maketrans(",.", ".,")

PHRASES: Final[Mapping[Language, Phrases]] = {"en": _English(), "de": _German()}


def _stay(seconds: float) -> str:
    """How long a visit was; a minute and a half is no minute yet."""
    return f"{seconds / 60:.0f} min" if seconds >= 90 else f"{seconds:.0f} s"


def _span(seconds: float) -> str:
    """Units that both languages write alike."""
    for unit, size_s in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= size_s:
            return f"{seconds / size_s:.0f} {unit}"
    return f"{seconds:.0f} s"
