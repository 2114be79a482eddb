"""The watch over the whole: from the counts of one tick to the alerts that begin and end with it.

Each series (all events, each event name, each country ...) has its own detector (`sitedrop`). What its alarms mean is decided here:

- Nearly everything is missing of one event name while the others go on as usual: `tracking_broken`. People did not leave, a tag did.
- All events together are too few, and broken names do not explain it: `site_drop`. The drops of the parts are then its reasons, not alerts
  of their own: an outage is one alert.
- A part is too low for itself: `drop`.

An alert ends when the alarm of its series does. Ids derive from rule, series and the tick in which the alert began.
"""

from collections.abc import Mapping, Sequence
from typing import Final, Literal, NamedTuple

import msgspec

from streams.core.rules import Site
from streams.core.sitedrop import Reading, Series, observe
from streams.core.ticks import OVERALL, OVERFLOW

__all__ = ["SiteTurn", "Told", "Watch", "judge"]

Rule = Literal["site_drop", "drop", "tracking_broken"]

#: After five weeks without any event a series makes room.
_FORGOTTEN_MINUTES: Final = 35 * 1440
#: Parts that are named in the reasons of a drop of the whole.
_PARTS: Final = 5


class Told(msgspec.Struct, frozen=True, array_like=True):
    """An alert that is firing: its rule, and the tick in which it began."""

    rule: Rule
    tick: int


class Watch(msgspec.Struct, frozen=True, array_like=True):
    """All that is known after a number of ticks.

    tick    the next one to judge
    series  name -> its detector
    last    name -> the last tick in which it had an event
    told    name -> the alert about it that is firing
    """

    tick: int
    series: dict[str, Series] = {}
    last: dict[str, int] = {}
    told: dict[str, Told] = {}


class SiteTurn(NamedTuple):
    """An alert that begins or ends with the tick `tick`.

    since     the tick in which it began
    y         events in this tick, and `expected` how many are usual; `drop` is the statistic that was judged by `theta`
    parts     (event name, events, usual), those that miss most first; of the whole only
    """

    rule: Rule
    series: str
    status: Literal["firing", "resolved"]
    tick: int
    since: int
    y: float
    expected: float
    drop: float
    theta: float
    parts: tuple[tuple[str, float, float], ...] = ()


def judge(watch: Watch, counts: Mapping[str, int] | None, slot: int, site: Site, muted: Sequence[str] = ()) -> tuple[Watch, list[SiteTurn]]:
    """The watch after its next tick, and what begins and ends with it.

    `counts` None: the tick says nothing (the source was silent, or nobody kept its counts). `muted`: prefixes of series that say nothing in
    this tick; "" is all of them. Nothing is learned of what says nothing, and its alarms stay as they are.
    """
    tick = watch.tick
    series, last = _admitted(watch, counts or {}, site)
    readings: dict[str, Reading] = {}
    for name, before in series.items():
        says = counts is not None and not any(name.startswith(prefix) for prefix in muted)
        y = float(counts.get(name, 0)) if says and counts is not None else None
        series[name], readings[name] = observe(before, slot, y, _theta(name, site))
    told, turns = dict(watch.told), []

    def turn(name: str, rule: Rule, status: Literal["firing", "resolved"], since: int) -> None:
        reading = readings[name]
        y, expected = float((counts or {}).get(name, 0)), reading.expected or 0.0
        parts = _parts(counts or {}, readings) if name == OVERALL and status == "firing" else ()
        turns.append(SiteTurn(rule, name, status, tick, since, y, expected, reading.drop, _theta(name, site), parts))

    for name, alert in watch.told.items():
        if not series[name].firing:
            del told[name]
            turn(name, alert.rule, "resolved", alert.tick)
    if counts is not None:
        for name, rule in _beginning(counts, series, readings, told, site):
            told[name] = Told(rule, tick)
            turn(name, rule, "firing", tick)
    return Watch(tick + 1, series, last, told), turns


def _theta(name: str, site: Site) -> float:
    return site.theta if name == OVERALL else site.theta_parts


def _admitted(watch: Watch, counts: Mapping[str, int], site: Site) -> tuple[dict[str, Series], dict[str, int]]:
    """The series that are watched in this tick: those that were, without the forgotten, and new ones while there is room, largest first."""
    kept = watch.tick - _FORGOTTEN_MINUTES // site.tick_minutes
    last = {name: at for name, at in watch.last.items() if at >= kept or name in watch.told}
    series = {name: watch.series[name] for name in last}
    fresh = sorted(
        (name for name in counts if name not in series and name != OVERFLOW), key=lambda name: (name != OVERALL, -counts[name], name)
    )
    for name in fresh[: max(0, site.max_series - len(series))]:
        series[name] = Series()
    last |= {name: watch.tick for name in series if counts.get(name, 0) > 0}
    return series, last


def _beginning(
    counts: Mapping[str, int], series: Mapping[str, Series], readings: Mapping[str, Reading], told: Mapping[str, Told], site: Site
) -> list[tuple[str, Rule]]:
    """Which alarms become alerts now, and under which name."""
    alarmed = [name for name, each in series.items() if each.firing and name not in told]
    broken = [name for name in series if name.startswith("event:") and _collapsed(name, counts, series, readings, site)]
    if not _go_on(broken, counts, readings, site):
        broken = []
    found: list[tuple[str, Rule]] = [(name, "tracking_broken") for name in broken if name in alarmed]
    whole = OVERALL in series and series[OVERALL].firing and not broken
    if whole and OVERALL in alarmed:
        found.append((OVERALL, "site_drop"))
    if not whole and OVERALL not in told:
        found += [(name, "drop") for name in alarmed if name not in (OVERALL, *broken) and not name.startswith("topic:")]
    return found


def _collapsed(name: str, counts: Mapping[str, int], series: Mapping[str, Series], readings: Mapping[str, Reading], site: Site) -> bool:
    expected = readings[name].expected
    return series[name].firing and expected is not None and counts.get(name, 0) <= site.broken_below * expected


def _go_on(broken: list[str], counts: Mapping[str, int], readings: Mapping[str, Reading], site: Site) -> bool:
    """Whether the events of all other names come as usual."""
    whole = readings.get(OVERALL)
    if whole is None or whole.expected is None:
        return False
    others = whole.expected - sum(readings[name].expected or 0.0 for name in broken)
    come = counts.get(OVERALL, 0) - sum(counts.get(name, 0) for name in broken)
    # Where nearly all events are of the broken names, the few others prove nothing.
    return others >= site.others_share * whole.expected and come >= site.others_above * others


def _parts(counts: Mapping[str, int], readings: Mapping[str, Reading]) -> tuple[tuple[str, float, float], ...]:
    """The event names that miss most, with what came and what is usual."""
    missing = []
    for name, reading in readings.items():
        y, usual = float(counts.get(name, 0)), reading.expected or 0.0
        if name.startswith("event:") and y < usual:
            missing.append((y - usual, name.removeprefix("event:"), y, usual))
    return tuple((name, y, usual) for _, name, y, usual in sorted(missing)[:_PARTS])
