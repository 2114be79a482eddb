"""What happened in the shop up to an instant, day by day."""

from collections.abc import Iterator
from operator import attrgetter
from typing import Final

from streams.core.rules import DAY_MS
from streams.sim.dice import dice
from streams.sim.emission import Emission
from streams.sim.incidents import Incidents
from streams.sim.mailing import letter
from streams.sim.personas import Shopper, visit
from streams.sim.thread import RESENT_MS, Thread, sent_by
from streams.sim.town import Town
from streams.sim.wording import Wording

__all__ = ["History"]

#: No visit takes longer.
_VISIT_MS: Final = 3_600_000
#: A newsletter leaves within half an hour.
_MAILING_MS: Final = 1_800_000


class History:
    """The `days` before `until_ms`. Iterated once, in the order of sending; sent events of a day are sorted when the day is complete."""

    def __init__(self, town: Town, days: int, until_ms: int) -> None:
        self._town, self._until_ms, self._from_ms = town, until_ms, until_ms - days * DAY_MS
        self._dice = dice(town.seed, "history", days, until_ms)
        self._wording = Wording(f"{town.seed:x}h{until_ms // 1000:x}")
        self._incidents = Incidents(town.config.incidents, until_ms)
        self._held: list[Emission] = []

    def __iter__(self) -> Iterator[Emission]:
        campaigns, calendar = self._town.config.campaigns, self._town.calendar
        for day in range(self._from_ms // DAY_MS, self._until_ms // DAY_MS + 1):
            for shopper in self._town.people:
                if self._comes(shopper, day):
                    self._visit(shopper, day)
            if calendar.weekday(day) == campaigns.weekday:
                self._mail(day)
            yield from self._sent_before(min((day + 1) * DAY_MS, self._until_ms))

    def _sent_before(self, end_ms: int) -> Iterator[Emission]:
        """Hands over what was sent before `end_ms`, in order; what is still on a phone stays."""
        sent = [emission for emission in self._held if emission.at_ms < end_ms]
        self._held = [emission for emission in self._held if emission.at_ms >= end_ms]
        sent.sort(key=attrgetter("at_ms"))
        for emission in sent:
            if emission.at_ms >= self._from_ms:
                yield emission

    def _comes(self, shopper: Shopper, day: int) -> bool:
        aimed = self._town.silent.get(shopper)
        if aimed is not None:
            return day in aimed.days
        days_ago = self._until_ms // DAY_MS - day
        if days_ago > shopper.from_day or (shopper.to_day is not None and days_ago < shopper.to_day):
            return False
        return self._dice.random() < shopper.rate * self._town.calendar.busyness(day)

    def _visit(self, shopper: Shopper, day: int) -> None:
        rng, town = self._dice, self._town
        at_ms = town.calendar.time_ms(rng, day)
        if shopper in town.silent:
            # Known, punctual, and over before midnight: only the days of these users may matter.
            at_ms = min(at_ms, (day + 1) * DAY_MS - _VISIT_MS)
            phone = rng.random() < shopper.persona.mobile
            self._run(Thread(visit(shopper, town.shop, rng, known=True), phone), at_ms)
        elif not self._incidents.keeps_away(rng, at_ms):
            self._run(sent_by(shopper, visit(shopper, town.shop, rng), town.config.quality, rng), at_ms)

    def _mail(self, day: int) -> None:
        """The newsletter, to everybody who has signed up by then and not unsubscribed."""
        rng, town = self._dice, self._town
        hour_ms = town.calendar.at_ms(day, town.config.campaigns.hour)
        for shopper in town.people:
            aimed = town.silent.get(shopper)
            there = self._until_ms // DAY_MS - day <= shopper.from_day if aimed is None else day >= aimed.days[0]
            if there and shopper.subscribed:
                acts = letter(shopper, f"newsletter-{day}", town.config.campaigns, rng, unread=aimed is not None)
                self._run(Thread(acts), hour_ms + int(rng.random() * _MAILING_MS))

    def _run(self, thread: Thread, at_ms: int) -> None:
        """All acts of a thread, from `at_ms` on."""
        rng, quality, held = self._dice, self._town.config.quality, self._held
        for act, who in reversed(thread.acts):
            at_ms += act.pause_ms
            if self._incidents.swallows(act.event, at_ms):
                continue
            emission = self._wording.say(act, who, at_ms, at_ms + thread.late_ms, thread.phone)
            held.append(emission)
            drawn = rng.random()
            if drawn < quality.resent:
                held.append(emission._replace(at_ms=emission.at_ms + 1 + int(rng.random() * RESENT_MS)))
            elif drawn < quality.resent + quality.malformed:
                held.append(self._wording.spoil(emission, rng, live=False))
