"""`/v1/alerts`: the inbox, newest first, page by page, and what people do to an alert."""

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final, Literal

import msgspec
from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

from streams.core.envelope import rfc3339
from streams.serve.api.typed import answers, body_of, json_response, takes
from streams.serve.audit import Action, Auditor
from streams.serve.desk import Desk
from streams.serve.inbox import Filter, Inbox, Page
from streams.serve.problems import Problem
from streams.serve.triage import Triage

__all__ = ["router"]

_BODY_BYTES: Final = 16_384
_NOTE_CHARACTERS: Final = 2000
_NAME_CHARACTERS: Final = 100
#: Nobody remembers in spring what was put off in autumn.
_SNOOZE: Final = timedelta(days=90)

AlertId = Annotated[str, Path(max_length=64, description="`alert_id`.")]


class Acknowledge(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Somebody has seen it; `false` takes it back."""

    acknowledged: bool = True


class Snooze(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Out of sight until then, at most 90 days; `null` brings it back."""

    until: datetime | None


class Assign(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whose it is; `null`: nobody's."""

    assignee: Annotated[str, msgspec.Meta(min_length=1, max_length=_NAME_CHARACTERS)] | None


class Remark(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What there is to say about it."""

    text: Annotated[str, msgspec.Meta(min_length=1, max_length=_NOTE_CHARACTERS)]


def router(inbox: Inbox, desk: Desk, auditor: Auditor, after: Callable[[], str]) -> APIRouter:
    """Routes that read from `inbox` and act on `desk`; `after` is where the stream goes on."""
    api = APIRouter(tags=["alerts"])

    @api.get("/v1/alerts", openapi_extra=answers(Page, "A page of alerts.", 400), response_class=Response)
    async def alerts(
        status: Annotated[Literal["firing", "resolved"] | None, Query(description="Only these.")] = None,
        rule: Annotated[str | None, Query(max_length=64, description="Only those of this rule, e.g. churn_risk.")] = None,
        severity: Annotated[str | None, Query(max_length=64, description="Only those as loud as this, e.g. high.")] = None,
        user_id: Annotated[str | None, Query(max_length=512, description="Only those of this user.")] = None,
        state: Annotated[Literal["open", "acknowledged", "snoozed"] | None, Query(description="Only those that people left so.")] = None,
        assignee: Annotated[str | None, Query(max_length=_NAME_CHARACTERS, description="Only those of this person.")] = None,
        limit: Annotated[int, Query(ge=1, le=200)] = 50,
        cursor: Annotated[str | None, Query(max_length=512, description="`next` of the page before.")] = None,
    ) -> Response:
        """Alerts, newest first, each with what people have made of it. An alert stands here once, firing or resolved.

        `after` is where the live stream goes on: `GET /v1/stream?after=` then loses nothing.
        """
        position, now = after(), rfc3339(time.time_ns() // 1_000_000)
        which = Filter(status, rule, severity, user_id, state, assignee)
        try:
            return json_response(inbox.page(which, limit=limit, cursor=cursor, after=position, triage=desk.all, now=now))
        except ValueError as wrong:
            raise Problem(400, f"cursor: {wrong}") from wrong

    async def act(request: Request, alert_id: str, action: Action, change: Mapping[str, Any]) -> Response:
        if not inbox.knows(alert_id):
            raise Problem(404, "there is no such alert, or it is older than those that are kept here")
        if not await desk.done(await auditor.must(request.state.caller, action, alert_id, change)):
            raise Problem(503, "it is written down, and will be seen when Redis answers again", headers={"retry-after": "5"})
        return json_response(desk.all.get(alert_id) or Triage(alert_id))

    @api.post("/v1/alerts/{alert_id}/acknowledge", openapi_extra=_act(Acknowledge), response_class=Response)
    async def acknowledge(alert_id: AlertId, request: Request) -> Response:
        """Somebody has seen this alert, or takes that back."""
        body = await body_of(request, Acknowledge, _BODY_BYTES)
        return await act(request, alert_id, "alert.acknowledge", {"acknowledged": body.acknowledged})

    @api.post("/v1/alerts/{alert_id}/snooze", openapi_extra=_act(Snooze), response_class=Response)
    async def snooze(alert_id: AlertId, request: Request) -> Response:
        """This alert is out of sight until a time, or comes back."""
        until = (await body_of(request, Snooze, _BODY_BYTES)).until
        if until is not None:
            until = until.replace(tzinfo=UTC) if until.tzinfo is None else until
            if not timedelta(0) < until - datetime.now(UTC) <= _SNOOZE:
                raise Problem(400, f"until: a time within the next {_SNOOZE.days} days")
        change = {"until": None if until is None else rfc3339(round(until.timestamp() * 1000))}
        return await act(request, alert_id, "alert.snooze", change)

    @api.post("/v1/alerts/{alert_id}/assign", openapi_extra=_act(Assign), response_class=Response)
    async def assign(alert_id: AlertId, request: Request) -> Response:
        """This alert is somebody's, or nobody's."""
        body = await body_of(request, Assign, _BODY_BYTES)
        return await act(request, alert_id, "alert.assign", {"assignee": body.assignee})

    @api.post("/v1/alerts/{alert_id}/note", openapi_extra=_act(Remark), response_class=Response)
    async def note(alert_id: AlertId, request: Request) -> Response:
        """A remark stands with this alert, with who made it and when. The last 50 are kept."""
        body = await body_of(request, Remark, _BODY_BYTES)
        return await act(request, alert_id, "alert.note", {"text": body.text})

    return api


def _act(body: type) -> dict[str, Any]:
    return takes(body) | answers(Triage, "What people have made of it now.", 400, 403, 404, 413, 503)
