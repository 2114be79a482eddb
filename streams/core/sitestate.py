"""One pass of the watch over the whole: what all partitions show goes in, the next state and what is to be said come out.

Like a step, a pass is decided first and said afterwards: the state that is saved holds the records that are still to be published, to the
byte, so whoever comes after a crash says the same under the same ids.
"""

from collections.abc import Mapping, Sequence
from datetime import tzinfo
from typing import Final

import msgspec

from streams.core.drift import Drifts, judge_drift
from streams.core.record import Head, Output
from streams.core.rules import Rules, Site
from streams.core.silence import Source, SourceTurn, hold_ms, watch_sources
from streams.core.site import Watch, judge
from streams.core.sitealert import drift_alert, site_alert, source_alert
from streams.core.sitecalendar import muted, slot
from streams.core.ticks import KEEP_S
from streams.core.versioned import Versioned

__all__ = ["SiteState", "View", "decode_site", "due_ticks", "encode_site", "look"]

#: Ticks of one pass: a replay of months is judged in bites.
_MOST_TICKS: Final = 200
#: A state is saved when a silence is so old, so that the next watcher knows when it began.
_NOTE_MS: Final = 60_000


class SiteState(msgspec.Struct, frozen=True, array_like=True):
    """What is saved after a pass.

    watch    the detectors; None until partition time is known
    sources  topic -> what is known of its silence
    unsaid   records that are decided and may not have been published yet
    saved_ms wall clock when it was saved
    drifts   what events look like
    """

    rev: int = 0
    watch: Watch | None = None
    sources: dict[str, Source] = {}
    unsaid: tuple[Output, ...] = ()
    saved_ms: int = 0
    drifts: Drifts = Drifts()

    @property
    def hold_ms(self) -> int | None:
        """The time beyond which no timer may fire; None when none is held."""
        return hold_ms(self.sources)


_stored: Final = Versioned(SiteState, 1, "the watch over the whole")
encode_site: Final = _stored.encode
decode_site: Final = _stored.decode


class View(msgspec.Struct, frozen=True):
    """What the heads of all partitions show together.

    low_ms     the partition time that all have passed
    positions  input topic -> sum of the positions
    wall       whether every partition follows the wall clock
    """

    low_ms: int
    positions: dict[str, int]
    wall: bool

    @classmethod
    def of(cls, heads: Sequence[Head], rules: Rules) -> "View | None":
        """None as long as a partition has no head, or none has a time: nothing is known of all then."""
        low_ms = min((head.time_ms for head in heads), default=-1)
        if len(heads) < rules.partitions or low_ms < 0:
            return None
        topics = (rules.topics.clickstream, rules.topics.campaigns)
        positions = {topic: sum(head.positions.get(topic, 0) for head in heads) for topic in topics}
        return cls(low_ms, positions, all(head.clock == "wall" for head in heads))


def due_ticks(state: SiteState, view: View, site: Site) -> range:
    """The ticks that all partitions have passed and nobody has judged, at most 200."""
    if state.watch is None:
        return range(0)
    end = view.low_ms // (site.tick_minutes * 60_000)  # the first tick that is not over
    return range(state.watch.tick, min(end, state.watch.tick + _MOST_TICKS))


def look(
    state: SiteState,
    saved: SiteState,
    view: View,
    counts: Mapping[int, Mapping[str, int]],
    rules: Rules,
    zone: tzinfo,
    now_ms: int,
    first: int | None = None,
    samples: Mapping[int, Mapping[str, int]] | None = None,
) -> tuple[SiteState, bool]:
    """The state after a pass over the ticks of `counts` (those of `due_ticks`), and whether it must be saved before anything is said.

    `state` is what the last pass left, `saved` what the store holds of it: passes in which nothing happens are not saved. `first` is the
    first tick that was counted, for the very first pass; without one, the watch begins with the next whole tick. `samples` are those of
    the same ticks as `counts`.
    """
    site, rev = rules.site, saved.rev + 1
    tick_ms = site.tick_minutes * 60_000
    watch, drifts = state.watch, state.drifts
    unsaid = list(state.unsaid)
    before = state.sources
    sources, source_turns = dict(before), list[SourceTurn]()
    if view.wall:  # in a replay nothing can be told from silence
        usual = {topic: _per_minute(watch, topic, view.low_ms, zone, site) for topic in view.positions}
        sources, source_turns = watch_sources(before, view.positions, view.low_ms, usual, site)
        unsaid += [source_alert(turn, rules, now_ms=now_ms, rev=rev) for turn in source_turns]
    if watch is None:
        watch = Watch(view.low_ms // tick_ms + 1 if first is None else first)
    lost = now_ms - state.saved_ms > (KEEP_S - 3600) * 1000 and state.saved_ms > 0
    silent = any(source.silent or source.until_ms for source in (*before.values(), *sources.values()))
    for tick, found in counts.items():
        at_ms = tick * tick_ms
        # Counts that nobody looked at for days have been dropped; a silent source says nothing about users.
        says = not (lost and not found) and not (view.wall and silent)
        watch, tick_turns = judge(watch, found if says else None, slot(at_ms, zone), site, muted(at_ms, zone, site.mutes))
        unsaid += [site_alert(turn, rules, now_ms=now_ms, rev=rev) for turn in tick_turns]
        drifts, drift_turns = judge_drift(drifts, (samples or {}).get(tick, {}), tick, rules)
        unsaid += [drift_alert(turn, rules, now_ms=now_ms, rev=rev) for turn in drift_turns]
    changed = bool(counts) or bool(source_turns) or state.watch is None or _noteworthy(saved.sources, sources, view.low_ms)
    return SiteState(rev if changed else saved.rev, watch, sources, tuple(unsaid), now_ms if changed else state.saved_ms, drifts), changed


def _noteworthy(saved: Mapping[str, Source], after: Mapping[str, Source], low_ms: int) -> bool:
    """Whether the saved state would mislead the next watcher: a silence grows that it does not know the beginning of, or a hold is over."""
    for topic, source in after.items():
        old = saved.get(topic)
        if old is None or (old.until_ms != source.until_ms and not source.until_ms):
            return True
        if old.position != source.position and low_ms - source.moved_ms >= _NOTE_MS:
            return True
    return False


def _per_minute(watch: Watch | None, topic: str, at_ms: int, zone: tzinfo, site: Site) -> float:
    series = None if watch is None else watch.series.get(f"topic:{topic}")
    expected = None if series is None else series.expected(slot(at_ms, zone))
    return (expected or 0.0) / site.tick_minutes
