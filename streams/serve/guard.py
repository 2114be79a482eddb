"""Stands before every route: finds out who asks, and lets through who may."""

import logging
from hmac import compare_digest

from redis.exceptions import RedisError
from starlette.datastructures import Headers
from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from streams.errors import ConfigError
from streams.serve.access import Access, Refused, foreign
from streams.serve.problems import problem
from streams.serve.roles import Caller, Door, Doors
from streams.serve.sessions import Sessions

__all__ = ["Guard"]

log = logging.getLogger(__name__)

_SAFE = ("GET", "HEAD", "OPTIONS")


class Guard:
    """Lets those requests through to `app` that `access` and the matrix of roles allow; a route finds who asks in `state.caller`."""

    def __init__(self, app: ASGIApp, access: Access, sessions: Sessions) -> None:
        self._app, self._access, self._sessions, self._doors = app, access, sessions, Doors()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers, found = Headers(scope=scope), self._doors.find(scope["method"], scope["path"])
        try:
            if scope["method"] not in _SAFE and foreign(headers):
                raise Refused(403, "the request comes from another site")
            if found is None or found[1].role is not None or not self._access.signed_in_only:
                caller = await self._access.caller(headers, peer_of(scope), self._sessions)
                if found is None:
                    # Told only to somebody who may ask: what is there and what is not, too.
                    raise Refused(405 if self._doors.methods(scope["path"]) else 404, "there is nothing here")
                _let(caller, found[1], headers)
                scope.setdefault("state", {})["caller"] = caller
        except Refused as why:
            if why.status == 401 and scope["path"] == "/":
                await RedirectResponse("/login", 303)(scope, receive, send)
                return
            extra = {"www-authenticate": "Bearer"} if why.status == 401 else {}
            if why.status == 405:
                extra = {"allow": ", ".join(self._doors.methods(scope["path"]))}
            await problem(why.status, why.detail, extra)(scope, receive, send)
        except (RedisError, OSError, ConfigError) as trouble:
            # Who may is not known, so nobody may: Redis is away, or the file of users was edited and is none any more.
            log.error("nobody is let in: %s", trouble if isinstance(trouble, ConfigError) else type(trouble).__name__)
            await problem(503, "it cannot be found out who you are: try again", {"retry-after": "1"})(scope, receive, send)
        else:
            await self._app(scope, receive, send)


def _let(caller: Caller, door: Door, headers: Headers) -> None:
    if door.role is not None and door.role not in caller.roles:
        raise Refused(403, "your roles do not allow this")
    if door.changes and caller.csrf and not compare_digest(headers.get("x-csrf-token", "").encode(), caller.csrf.encode()):
        raise Refused(403, "x-csrf-token is missing or wrong: `GET /v1/session` tells it")


def peer_of(scope: Scope) -> str:
    """The address at the other end of the connection."""
    client = scope.get("client")
    return client[0] if client else ""
