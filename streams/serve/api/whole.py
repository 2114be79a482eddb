"""`/v1/whole`: events by tick beside what is usual, for everything or a part of it."""

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from streams.serve.api.typed import answers, json_response
from streams.serve.whole import MOST_TICKS, Whole, Wholes

__all__ = ["router"]


def router(wholes: Wholes) -> APIRouter:
    api = APIRouter(tags=["whole"])

    @api.get("/v1/whole", openapi_extra=answers(Whole, "A series.", 400, 503), response_class=Response)
    async def whole(
        series: Annotated[str, Query(min_length=1, max_length=300, description="`all`, `event:NAME`, `country:DE` ...")] = "all",
        ticks: Annotated[int, Query(ge=1, le=MOST_TICKS, description="How many ticks back.")] = 48,
    ) -> Response:
        """Events by tick of a series, with the usual count and the band beyond which a drop is an alarm."""
        return json_response(await wholes.read(series, ticks))

    return api
