"""Traffic in the shop from an instant on, at a steady rate."""

from collections.abc import Iterator
from heapq import heappop, heappush
from typing import Final

from streams.sim.dice import dice
from streams.sim.emission import Emission
from streams.sim.incidents import Incidents
from streams.sim.mailing import letter
from streams.sim.personas import visit
from streams.sim.thread import RESENT_MS, Thread, sent_by
from streams.sim.town import Town
from streams.sim.wording import Wording

__all__ = ["Live"]

#: Visits go on side by side, as many as make each one's next step come about every eight seconds; faster where users are few.
_PACE_S: Final = 8
#: More of them would only cost memory.
_VISITS_MAX: Final = 4096
_LETTERS_MAX: Final = 64


class Live:
    """Iterated without end. Each tick of the clock brings one event: what waits for its time, a step of a letter, or a step of a visit."""

    def __init__(self, town: Town, start_ms: int, rate: float, *, seasonal: bool) -> None:
        self._town, self._start_ms, self._rate, self._seasonal = town, start_ms, rate, seasonal
        self._dice = dice(town.seed, "live", start_ms)
        self._wording = Wording(f"{town.seed:x}l{start_ms:x}")
        self._incidents = Incidents(town.config.incidents, start_ms if town.origin_ms is None else town.origin_ms)
        self._crowd = town.around()
        self._waiting: list[tuple[int, int, Emission]] = []
        self._waited = 0
        self._return()

    def __iter__(self) -> Iterator[Emission]:
        start_ms, rate, waiting, rng = self._start_ms, self._rate, self._waiting, self._dice
        calendar, news_share = self._town.calendar, self._town.config.campaigns.live_share
        visits = [self._under_way() for _ in range(max(1, min(int(rate * _PACE_S), len(self._crowd) // 2, _VISITS_MAX)))]
        letters = [self._letter() for _ in range(max(1, min(_LETTERS_MAX, len(self._crowd) // 8)))]
        tick = 0
        while True:
            at_ms = start_ms + int(tick * 1000 / rate)
            tick += 1
            if waiting and waiting[0][0] <= at_ms:
                yield heappop(waiting)[2]._replace(at_ms=at_ms)
            elif (self._seasonal and rng.random() >= calendar.intensity(at_ms)) or self._incidents.keeps_away(rng, at_ms):
                continue
            elif rng.random() < news_share:
                yield self._step(letters, at_ms, news=True)
            else:
                yield self._step(visits, at_ms, news=False)

    def _step(self, threads: list[Thread], at_ms: int, *, news: bool) -> Emission:
        """The next act of one of the threads; a new thread takes the place of one that is over."""
        rng, quality = self._dice, self._town.config.quality
        slot = int(rng.random() * len(threads))
        thread = threads[slot]
        while True:
            if not thread.acts:
                thread = threads[slot] = self._letter() if news else self._visit()
            act, who = thread.acts.pop()
            if not self._incidents.swallows(act.event, at_ms):
                break
        emission = self._wording.say(act, who, at_ms - thread.late_ms, at_ms, thread.phone)
        drawn = rng.random()
        if drawn < quality.resent:
            self._wait(at_ms + 1 + int(rng.random() * RESENT_MS), emission)
        elif drawn < quality.resent + quality.malformed:
            self._wait(at_ms, self._wording.spoil(emission, rng, live=True))
        return emission

    def _wait(self, until_ms: int, emission: Emission) -> None:
        self._waited += 1  # equal times leave in the order in which they came
        heappush(self._waiting, (until_ms, self._waited, emission))

    def _visit(self) -> Thread:
        shopper = self._crowd[int(self._dice.random() * len(self._crowd))]
        return sent_by(shopper, visit(shopper, self._town.shop, self._dice), self._town.config.quality, self._dice)

    def _under_way(self) -> Thread:
        """A visit that began before we looked: nobody starts together."""
        thread = self._visit()
        del thread.acts[int(self._dice.random() * len(thread.acts)) + 1 :]
        return thread

    def _letter(self) -> Thread:
        shopper = self._crowd[int(self._dice.random() * len(self._crowd))]
        return Thread(letter(shopper, "offers", self._town.config.campaigns, self._dice))

    def _return(self) -> None:
        """Who comes back is on the way: each event of these visits waits for its time."""
        for shopper, aimed in self._town.silent.items():
            if not aimed.returns_ms:
                continue
            at_ms = max(self._start_ms, aimed.returns_ms)
            phone = self._dice.random() < shopper.persona.mobile
            for number, (act, who) in enumerate(visit(shopper, self._town.shop, self._dice, known=True)):
                at_ms += act.pause_ms if number else 0
                self._wait(at_ms, self._wording.say(act, who, at_ms, at_ms, phone))
