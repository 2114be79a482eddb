"""`/v1/inspector`: records as they arrive, what their bytes say, and what became of them; `/v1/collector`: where to send one's own."""

from collections.abc import Callable
from typing import Annotated

import msgspec
from fastapi import APIRouter, Query
from starlette.responses import Response, StreamingResponse

from streams.serve.api.typed import answers, json_response
from streams.serve.problems import Problem
from streams.serve.tap import Tap

__all__ = ["Collecting", "router"]

_HEADERS = {"cache-control": "no-store", "x-accel-buffering": "no"}


class Collecting(msgspec.Struct, frozen=True):
    """Where events are taken. `port` null: no collector stands beside this server. `keyed`: it asks for a write key."""

    port: int | None = None
    keyed: bool = False


def router(tap: Tap, id_bytes: int, collector: Callable[[], Collecting]) -> APIRouter:
    """Routes that read from `tap` and say where the collector is. Ids are at most `id_bytes` long, as in events."""
    api = APIRouter(tags=["inspector"])

    @api.get("/v1/inspector", response_class=StreamingResponse, responses={200: {"content": {"text/event-stream": {}}}})
    async def inspect(
        user_id: Annotated[str | None, Query(description="Only records of this user; nobody named: some of all, ten a second.")] = None,
    ) -> Response:
        """Records of the input topics as they arrive, as server-sent events: `record`, then `fate` when the worker has settled it.

        It begins with the last records that are there, then says `ready`. `passed` counts those that went by unshown.
        """
        if user_id is not None and not 1 <= len(user_id.encode()) <= id_bytes:
            raise Problem(400, f"user_id: 1 to {id_bytes} bytes")
        if tap.full:
            raise Problem(503, "too many who look at once", headers={"retry-after": "5"})
        return StreamingResponse(tap.stream(user_id or None), media_type="text/event-stream", headers=_HEADERS)

    @api.get("/v1/collector", openapi_extra=answers(Collecting, "Where events are taken."), response_class=Response)
    async def collecting() -> Response:
        """On which port of this machine events are taken over HTTP, and whether that asks for a write key."""
        return json_response(collector())

    return api
