"""Which path speaks which dialect, and how its trackers want to be answered."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Final, Literal

import msgspec

from streams.collect.dialects import cloudevents, ga4, posthog, segment, snowplow
from streams.collect.dialects.event import Incoming, Said

__all__ = ["Route", "routes"]

Read = Callable[[Said], tuple[str | None, list[Incoming]]]

_GET_TOO: Final = ("GET", "POST")
_POST: Final = ("POST",)


class Route(msgspec.Struct, frozen=True):
    """A path. `read` gives the write key that the body or the query names, and the events.

    dialect  for metrics
    answer   what a 200 looks like; `nothing` is 204
    strict   a request that is one event is answered 400 when the event is refused
    history  old events on purpose
    dry      nothing is sent: the answer says what would become of the events
    """

    dialect: str
    read: Read
    methods: tuple[str, ...] = _POST
    answer: Literal["segment", "posthog", "text", "pixel", "nothing", "debug"] = "segment"
    strict: bool = False
    history: bool = False
    dry: bool = False


def routes(known: Callable[[str], bool]) -> Mapping[str, Route]:
    """Path without its last slash -> route. `known` tells whether the catalogue has a name."""
    table: dict[str, Route] = {}
    for short, name in segment.LONG_NAMES.items():
        read: Read = segment.batch if name == "batch" else partial(segment.single, call=name)
        route = Route("segment", read, strict=name != "batch")
        table |= {f"/v1/{short}": route, f"/v1/{name}": route}
    table["/v1/import"] = Route("segment", segment.batch, history=True)
    for path in ("/batch", "/capture", "/i/v0/e", "/e"):
        table[path] = Route("posthog", posthog.capture, answer="posthog", strict=True)
    table["/mp/collect"] = Route("ga4", ga4.collect, answer="nothing")
    table["/debug/mp/collect"] = Route("ga4", ga4.collect, answer="debug", dry=True)
    table["/cloudevents"] = Route("cloudevents", partial(cloudevents.events, known=known), strict=True)
    table["/com.snowplowanalytics.snowplow/tp2"] = Route("snowplow", snowplow.tp2, answer="text")
    table["/i"] = Route("snowplow", snowplow.pixel, methods=("GET",), answer="pixel")
    return table
