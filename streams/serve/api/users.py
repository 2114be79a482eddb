"""`/v1/users`: one profile, many profiles, and why a profile is what it is."""

import asyncio
import time
from collections.abc import Sequence
from typing import Any, Final

import msgspec
from fastapi import APIRouter, Request
from starlette.responses import Response

from streams.core.identity import ANONYMOUS
from streams.serve.api.typed import answers, json_response, takes
from streams.serve.problems import Problem
from streams.serve.users import Found, Profile, Profiles, Why

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


def router(profiles: Profiles, id_bytes: int) -> APIRouter:
    """Routes that read from `profiles`. Ids are at most `id_bytes` long, as in events."""
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
        found = await one(user_id)
        return _kept(request, found) or json_response(profiles.why(found), _headers(found))

    @api.get("/v1/users/{user_id:path}", openapi_extra=answers(Profile, "The profile.", 400, 404, 503), response_class=Response)
    async def profile(user_id: str, request: Request) -> Response:
        """Everything that is known of a user: every window, the score with its contributions, churn and drop with their reasons, alerts,
        and what happens next.

        Somebody who never signed in is `anon:` and the anonymous id. The answer holds for the minute: `If-None-Match` is understood.
        """
        found = await one(user_id)
        return _kept(request, found) or json_response(profiles.tell(found), _headers(found))

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
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > _BODY_BYTES:
            raise Problem(413, f"at most {_BODY_BYTES} bytes")
    try:
        ids = msgspec.json.decode(body, type=UserIds).user_ids
    except msgspec.DecodeError as wrong:
        raise Problem(400, str(wrong)) from wrong
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
