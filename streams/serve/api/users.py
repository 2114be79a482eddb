"""`/v1/users`: one profile, many profiles, why a profile is what it is, what happened, and everything for the one it is about."""

import asyncio
import base64
import time
from collections.abc import Sequence
from typing import Annotated, Any, Final

import msgspec
from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from streams.core.envelope import rfc3339
from streams.core.identity import ANONYMOUS
from streams.serve.api.typed import JSON, answers, body_of, json_response, takes
from streams.serve.audit import Auditor
from streams.serve.desk import Desk
from streams.serve.inbox import Inbox, InboxAlert
from streams.serve.language import language_of
from streams.serve.problems import Problem
from streams.serve.scribe import Timelines
from streams.serve.timeline import KINDS, Timeline
from streams.serve.users import Found, Profile, Profiles
from streams.serve.why import Why
from streams.serve.why import why as words

__all__ = ["BATCH", "router"]

#: Users of one batch: one round trip to the store, and a few milliseconds of work.
BATCH: Final = 100
_BODY_BYTES: Final = 65_536


class UserIds(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whom to tell of: at most 100."""

    user_ids: Sequence[str]


class Users(msgspec.Struct, frozen=True):
    """The profiles of those who are known, in the order of the request; the ids of the others."""

    users: Sequence[Profile]
    unknown: Sequence[str]


class Export(msgspec.Struct, frozen=True):
    """Everything that is kept of a user. `profile`, `state_base64`: None when there is no state (any more)."""

    user_id: str
    exported_at: str
    profile: Profile | None
    timeline: Timeline
    alerts: Sequence[InboxAlert]
    state_base64: str | None


_EXPORT: Final = answers(Export, "Everything.", 400, 403, 404, 503)


def router(profiles: Profiles, timelines: Timelines, inbox: Inbox, desk: Desk, auditor: Auditor, id_bytes: int) -> APIRouter:
    """Routes that read from `profiles` and what stands beside them. Ids are at most `id_bytes` long, as in events."""
    api = APIRouter(tags=["users"])

    async def one(user_id: str) -> Found:
        found = await profiles.find([_checked(user_id, id_bytes)], _now_ms())
        if user_id not in found:
            raise Problem(404, "nobody has seen this user: no event with this id was counted, or the state has expired")
        return found[user_id]

    # Before the profile: its path takes slashes, since ids may hold them.
    @api.get("/v1/users/{user_id:path}/why", openapi_extra=answers(Why, "The same in words.", 400, 404, 503), response_class=Response)
    async def why(user_id: str, request: Request) -> Response:
        """Why the score, the churn risk and the alerts of a user are what they are, in words."""
        found, language = await one(user_id), language_of(request)
        found = msgspec.structs.replace(found, tag=f'{found.tag[:-1]}-{language}"')
        headers = _headers(found) | {"vary": "accept-language", "content-language": language}
        return _kept(request, found) or json_response(words(profiles.tell(found, language), language), headers)

    @api.get("/v1/users/{user_id:path}/timeline", openapi_extra=answers(Timeline, "The timeline.", 400, 503), response_class=Response)
    async def timeline(
        user_id: str,
        kinds: Annotated[str, Query(max_length=40, description="`event`, `score`, `alert`, with commas between them.")] = ",".join(KINDS),
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
        cursor: Annotated[int, Query(ge=0, le=1000, description="`next` of the page before.")] = 0,
    ) -> Response:
        """What happened to a user, newest first, and the curve of the score. Bounded: the newest entries, for some months.

        It is written from the topics, a moment after the state. Somebody of whom nothing is kept has an empty one.
        """
        chosen = frozenset(kinds.split(","))
        if not chosen <= set(KINDS):
            raise Problem(400, f"kinds: of {', '.join(KINDS)}")
        return json_response(await timelines.of(_checked(user_id, id_bytes), chosen, limit, cursor))

    @api.get("/v1/users/{user_id:path}/export", openapi_extra=_EXPORT, response_class=Response)
    async def export(user_id: str, request: Request) -> Response:
        """Everything that is kept of a user, for the user (Art. 15 GDPR): profile, timeline, alerts with what people made of them, and the
        stored state byte for byte. Who asked is written down.
        """
        key = _checked(user_id, id_bytes)
        found = (await profiles.find([key], _now_ms())).get(key)
        history = await timelines.of(key, frozenset(KINDS), 1000, 0)
        alerts = [msgspec.structs.replace(each, triage=desk.all.get(each.alert_id)) for each in inbox.of_user(key)]
        if found is None and not history.entries and not alerts:
            raise Problem(404, "nothing is kept of this user")
        await auditor.must(request.state.caller, "user.export", key)
        whole = Export(
            user_id=key,
            exported_at=rfc3339(_now_ms()),
            profile=None if found is None else profiles.tell(found),
            timeline=history,
            alerts=alerts,
            state_base64=None if found is None else base64.b64encode(found.blob).decode(),
        )
        return json_response(whole, {"content-disposition": 'attachment; filename="export.json"'})

    @api.get("/v1/users/{user_id:path}", openapi_extra=answers(Profile, "The profile.", 400, 404, 503), response_class=Response)
    async def profile(user_id: str, request: Request) -> Response:
        """Everything that is known of a user: every window, the score with its contributions, churn and drop with their reasons, alerts,
        and what happens next.

        Somebody who never signed in is `anon:` and the anonymous id. The answer holds for the minute: `If-None-Match` is understood.
        """
        found = await one(user_id)
        return _kept(request, found) or Response(profiles.answer(found), headers=_headers(found), media_type=JSON)

    @api.post("/v1/users:batch", openapi_extra=_both(), response_class=Response)
    async def batch(request: Request) -> Response:
        """The profiles of up to 100 users at once."""
        ids = await _ids(request)
        found = await profiles.find([_checked(each, id_bytes) for each in dict.fromkeys(ids)], _now_ms())
        told = []
        for each in dict.fromkeys(ids):
            if each in found:
                told.append(profiles.tell(found[each]))
                # Half a millisecond each: others, and the stream, get their turn in between.
                await asyncio.sleep(0)
        return json_response(Users(told, [each for each in dict.fromkeys(ids) if each not in found]))

    return api


async def _ids(request: Request) -> Sequence[str]:
    ids = (await body_of(request, UserIds, _BODY_BYTES)).user_ids
    if len(ids) > BATCH:
        raise Problem(400, f"at most {BATCH} users at once, not {len(ids)}")
    return ids


def _checked(user_id: str, id_bytes: int) -> str:
    raw = user_id.removeprefix(ANONYMOUS)
    if not raw or not raw.isprintable() or len(raw.encode()) > id_bytes:
        raise Problem(400, f"a user id is 1 to {id_bytes} bytes of printable text")
    return user_id


def _headers(found: Found) -> dict[str, str]:
    # Only the one who asked may keep it, and must ask again before using it.
    return {"etag": found.tag, "cache-control": "private, no-cache"}


def _kept(request: Request, found: Found) -> Response | None:
    """That nothing has changed, when the one who asks has this very answer."""
    tags = {tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")}
    return Response(status_code=304, headers=_headers(found)) if found.tag in tags else None


def _both() -> dict[str, Any]:
    return takes(UserIds) | answers(Users, "The profiles.", 400, 413, 503)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
