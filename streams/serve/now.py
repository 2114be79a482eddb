"""The figures of this moment, put together: what the page shows first, and what the stream tells once a second."""

from collections.abc import Mapping, Sequence

import msgspec

from streams.core.envelope import rfc3339
from streams.serve.inbox import Firing, Inbox
from streams.serve.people import ACTIVE_S, BINS, Band, Latency, Movers, People
from streams.serve.pulse import SPAN_S, Pulse
from streams.stats import Stats

__all__ = ["Now", "now_of"]


class Now(msgspec.Struct, frozen=True):
    """What is going on.

    events_per_s      records counted per second, the mean of the last few seconds
    series            records of each of the last `series_s` whole seconds, the last one just over; null where it is not known
    active_users      users scored for something of their own within `active_s`
    users_scored      users whose score is known here; `users_whole` false: there are more, only those scored last were read back
    histogram         users by engagement score, `bin_points` to a bin, from 0
    read, fates, sum  records read since the beginning, what became of them, and that it adds up
    lag               records that wait to be counted; null when Kafka does not answer
    trouble           what keeps things from going on, in words
    """

    at: str
    events_per_s: float
    series: Sequence[int | None]
    series_s: int
    active_users: int
    active_s: int
    users_scored: int
    users_whole: bool
    histogram: Sequence[int]
    bin_points: float
    bands: Sequence[Band]
    alerts: Firing
    movers: Movers
    latency: Latency
    read: int
    fates: Mapping[str, int]
    sum: int
    lag: int | None
    trouble: Sequence[str]


def now_of(people: People, inbox: Inbox, pulse: Pulse, stats: Stats, *, whole: bool, trouble: Sequence[str], now_ms: int) -> Now:
    """The figures at `now_ms`."""
    return Now(
        at=rfc3339(now_ms),
        events_per_s=round(pulse.rate(now_ms), 1),
        series=pulse.series(now_ms),
        series_s=SPAN_S,
        active_users=people.active(now_ms),
        active_s=ACTIVE_S,
        users_scored=people.users,
        users_whole=whole,
        histogram=people.histogram,
        bin_points=100 / BINS,
        bands=people.bands,
        alerts=inbox.firing(),
        movers=people.movers(now_ms),
        latency=people.latency(now_ms),
        read=stats.read,
        fates=stats.fates,
        sum=stats.sum,
        lag=sum(stats.lag.values()) if stats.lag else None,
        trouble=(*trouble, *stats.trouble),
    )
