"""`/v1/alerts`: the inbox, newest first, page by page."""

from collections.abc import Callable
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from starlette.responses import Response

from streams.serve.api.typed import answers, json_response
from streams.serve.inbox import Filter, Inbox, Page
from streams.serve.problems import Problem

__all__ = ["router"]


def router(inbox: Inbox, after: Callable[[], str]) -> APIRouter:
    """Routes that read from `inbox`; `after` is where the stream goes on."""
    api = APIRouter(tags=["alerts"])

    @api.get("/v1/alerts", openapi_extra=answers(Page, "A page of alerts.", 400), response_class=Response)
    async def alerts(
        status: Annotated[Literal["firing", "resolved"] | None, Query(description="Only these.")] = None,
        rule: Annotated[str | None, Query(max_length=64, description="Only those of this rule, e.g. churn_risk.")] = None,
        severity: Annotated[str | None, Query(max_length=64, description="Only those as loud as this, e.g. high.")] = None,
        user_id: Annotated[str | None, Query(max_length=512, description="Only those of this user.")] = None,
        limit: Annotated[int, Query(ge=1, le=200)] = 50,
        cursor: Annotated[str | None, Query(max_length=512, description="`next` of the page before.")] = None,
    ) -> Response:
        """Alerts, newest first. An alert stands here once, firing or resolved.

        `after` is where the live stream goes on: `GET /v1/stream?after=` then loses nothing.
        """
        position = after()
        try:
            return json_response(inbox.page(Filter(status, rule, severity, user_id), limit=limit, cursor=cursor, after=position))
        except ValueError as wrong:
            raise Problem(400, f"cursor: {wrong}") from wrong

    return api
