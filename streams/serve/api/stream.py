"""`/v1/stream`: scores, alerts and figures as they come, as server-sent events."""

from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Header, Query
from starlette.responses import Response, StreamingResponse

from streams.serve.hub import KINDS, Hub
from streams.serve.position import from_word
from streams.serve.problems import Problem

__all__ = ["router"]

_CHOICE = f"Of {', '.join(f'`{kind}`' for kind in KINDS)}, with commas between them."
_HEADERS = {"cache-control": "no-store", "x-accel-buffering": "no"}


def router(hub: Hub, partitions: int, opening: Callable[[], bytes]) -> APIRouter:
    """The route that reads from `hub`; a reader of `now` is told `opening` at once."""
    api = APIRouter(tags=["stream"])

    @api.get("/v1/stream", response_class=StreamingResponse, responses={200: {"content": {"text/event-stream": {}}}})
    async def stream(
        kinds: Annotated[str, Query(description=_CHOICE)] = ",".join(KINDS),
        after: Annotated[str | None, Query(description="The id of the last event that was seen, or `after` of `GET /v1/alerts`.")] = None,
        last_event_id: Annotated[str | None, Header(description="As `after`; browsers send it when they connect again.")] = None,
    ) -> Response:
        """The live stream. `scores`, `alerts` and `metrics` hold a list of records as their topics have them, `triage` one of what people
        did to alerts; `now` is `GET /v1/metrics/now`.

        Every event has an id; whoever connects again with the last one misses nothing, on any replica, after any restart. Records may come
        twice: scores go by `rev`, alerts by `alert_id`, figures by `series` and `rev`. An event `reset` means that too much was missed: ask
        for the history again.
        """
        chosen = frozenset(kinds.split(","))
        if not chosen <= set(KINDS):
            raise Problem(400, f"kinds: {', '.join(sorted(chosen - set(KINDS)))} is none of {', '.join(KINDS)}")
        # Where a browser got to in this connection is newer than where its page began.
        word = last_event_id or after
        try:
            position = from_word(word, partitions) if word else None
        except ValueError as wrong:
            raise Problem(400, f"after: {wrong}") from wrong
        if word and position is None:  # of another release or another number of partitions: everything may have been missed
            position = hub.nowhere
        begin = opening if "now" in chosen else bytes

        if hub.full:
            raise Problem(503, "too many readers", headers={"retry-after": "5"})
        return StreamingResponse(hub.stream(chosen, position, begin), media_type="text/event-stream", headers=_HEADERS)

    return api
