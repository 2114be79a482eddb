"""`/v1/funnel`: how many of those who did one thing did the next one, too."""

import time
from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.responses import Response

from streams.serve.api.typed import answers, json_response
from streams.serve.funnel import MOST_STEPS, Choices, Funnel, Funnels
from streams.serve.problems import Problem

__all__ = ["router"]


def router(funnels: Funnels) -> APIRouter:
    api = APIRouter(tags=["funnel"])
    can = funnels.choices

    @api.get("/v1/funnel", openapi_extra=_counted(), response_class=Response)
    async def funnel(
        steps: Annotated[str, Query(max_length=1024, description="Kinds of event in their order, with commas between them.")],
        window: Annotated[str, Query(max_length=16, description="Within which window, e.g. 30d.")] = "30d",
        by: Annotated[str, Query(max_length=32, description="By which part of the users, e.g. device.")] = "band",
        where: Annotated[str | None, Query(max_length=64, description="Only of one part of the users, e.g. device:mobile.")] = None,
    ) -> Response:
        """How many users did the first step within the window, how many of them the second one, too, and so on, in any order.

        Counted over the states of all users, or over a random sample of some thousand: `whole` says which, `low` and `high` how sure it is.
        """
        names = [name for name in steps.split(",") if name]
        if not 1 <= len(names) <= MOST_STEPS:
            raise Problem(400, f"steps: 1 to {MOST_STEPS} kinds of event, not {len(names)}")
        if unknown := [name for name in names if name not in can.steps]:
            raise Problem(400, f"steps: {', '.join(unknown)}: not in the catalogue")
        if window not in can.windows:
            raise Problem(400, f"window: {window} is none of {', '.join(can.windows)}")
        if by not in can.by:
            raise Problem(400, f"by: {by} is none of {', '.join(can.by)}")
        try:
            part = funnels.parts.read(where) if where else None
        except ValueError as wrong:
            raise Problem(400, f"where: {wrong}") from wrong
        return json_response(await funnels.count(names, window, by, part, time.time_ns() // 1_000_000))

    @api.get("/v1/funnel/choices", openapi_extra=answers(Choices, "What a funnel can be made of."), response_class=Response)
    async def choices() -> Response:
        """Kinds of event, windows and parts of the users."""
        return json_response(can)

    return api


def _counted() -> dict[str, Any]:
    return answers(Funnel, "The funnel.", 400, 503)
