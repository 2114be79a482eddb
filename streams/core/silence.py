"""The watch over the sources: a topic on which nothing at all has come for long, although events are usual at this hour.

That is an outage of what sends, not a habit of users: while it lasts, and for as long again as it takes to notice one, timers about silent
users are held (`Plan.hold_ms`). Time here is the partition time that all partitions have passed, so a backlog is no silence either.
"""

from collections.abc import Mapping
from typing import Final, Literal, NamedTuple

import msgspec

from streams.core.rules import Site

__all__ = ["Source", "SourceTurn", "hold_ms", "watch_sources"]

_MINUTE_MS: Final = 60_000


class Source(msgspec.Struct, frozen=True, array_like=True):
    """What is known of one topic.

    position   sum of the positions of all partitions: equal sums, no record between
    moved_ms   partition time when it last moved; while it is silent: when the silence began
    silent     whether the alert is firing
    until_ms   timers stay held up to this partition time, after the records have come back; 0: they are not
    held_ms    the time at which timers stand while they are held
    """

    position: int
    moved_ms: int
    silent: bool = False
    until_ms: int = 0
    held_ms: int = 0


class SourceTurn(NamedTuple):
    """The silence of `topic` is told, or over. `position` names the silence: no other one begins there."""

    topic: str
    status: Literal["firing", "resolved"]
    position: int
    since_ms: int
    at_ms: int
    per_minute: float


def watch_sources(
    sources: Mapping[str, Source], positions: Mapping[str, int], low_ms: int, per_minute: Mapping[str, float], site: Site
) -> tuple[dict[str, Source], list[SourceTurn]]:
    """The sources as they are at partition time `low_ms`, and what began or ended.

    `positions`: topic -> sum over all partitions. `per_minute`: how many records of a topic are usual now; a topic of which fewer than
    `source_min_per_minute` are usual, or nothing is known, is not expected to say anything.
    """
    after: dict[str, Source] = {}
    turns: list[SourceTurn] = []
    for topic, position in positions.items():
        before = sources.get(topic)
        usual = per_minute.get(topic, 0.0)
        if before is None:
            after[topic] = Source(position, low_ms)
        elif position != before.position:
            if before.silent:
                turns.append(SourceTurn(topic, "resolved", before.position, before.moved_ms, low_ms, usual))
                until_ms = low_ms + int(site.source_silence_minutes * _MINUTE_MS)
                after[topic] = Source(position, low_ms, False, until_ms, before.held_ms)
            else:
                held = before.until_ms > low_ms
                after[topic] = Source(position, low_ms, False, before.until_ms if held else 0, before.held_ms if held else 0)
        elif not before.silent and usual >= site.source_min_per_minute and _long(before, low_ms, site):
            turns.append(SourceTurn(topic, "firing", position, before.moved_ms, low_ms, usual))
            # Where a hold has not ended yet, timers go on standing where they stand.
            after[topic] = Source(position, before.moved_ms, True, 0, before.held_ms or low_ms)
        elif before.until_ms and before.until_ms <= low_ms:
            after[topic] = msgspec.structs.replace(before, until_ms=0, held_ms=0)
        else:
            after[topic] = before
    return after, turns


def hold_ms(sources: Mapping[str, Source]) -> int | None:
    """The time beyond which no timer may fire; None when none is held."""
    held = [source.held_ms for source in sources.values() if source.silent or source.until_ms]
    return min(held) if held else None


def _long(source: Source, low_ms: int, site: Site) -> bool:
    return low_ms - source.moved_ms >= site.source_silence_minutes * _MINUTE_MS
