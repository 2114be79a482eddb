"""Who may read: everybody on this machine, or whoever knows the token.

Without a token the server listens on loopback only, and answers only to loopback names: a foreign page that has its own name point at
127.0.0.1 gets nothing. With one, programs send `Authorization: Bearer`, and people sign in on a form that gives them a cookie. The token
is never part of an address.
"""

import hashlib
import hmac
import ipaddress
import time
from collections.abc import Mapping
from http.cookies import CookieError, SimpleCookie
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from streams.environment import Secret, serve_token
from streams.errors import ConfigError
from streams.serve.problems import problem

__all__ = ["COOKIE", "Access", "Guard"]

COOKIE: Final = "streams_session"
#: A working day: who leaves in the evening signs in again in the morning.
SESSION_S: Final = 43_200
#: 16 characters of a random token are more than can be tried over a network.
_TOKEN_CHARACTERS: Final = 16
#: Open to everybody: that it runs, and what the form for signing in is made of.
_OPEN: Final = frozenset({"/health", "/login", "/page/style.css", "/page/icon.svg"})
_NAMES: Final = frozenset({"localhost", "127.0.0.1", "::1"})


class Access:
    """What is asked of a request. `token` None: it must come to a loopback name."""

    def __init__(self, token: Secret | None) -> None:
        self._token = token

    @classmethod
    def of(cls, host: str, env: Mapping[str, str]) -> "Access":
        """The access that `env` sets up for a server that listens on `host`. Raises `ConfigError` for an open door."""
        token = serve_token(env)
        if token is not None and len(token.reveal()) < _TOKEN_CHARACTERS:
            raise ConfigError(f"must have at least {_TOKEN_CHARACTERS} characters", file="environment", path="STREAMS_SERVE_TOKEN")
        if token is None and not _loopback(host):
            raise ConfigError(
                f"{host} can be reached from other machines, and what is served is personal data: set STREAMS_SERVE_TOKEN "
                "(or STREAMS_SERVE_TOKEN_FILE), or listen on 127.0.0.1. Users with passwords of their own are not supported yet",
                file="--host",
            )
        return cls(token)

    @property
    def signed_in_only(self) -> bool:
        return self._token is not None

    def knows(self, word: str) -> bool:
        """Whether `word` is the token."""
        return self._token is not None and hmac.compare_digest(word.encode(), self._token.reveal().encode())

    def session(self) -> str:
        """A cookie that is good for `SESSION_S`, on every replica that has the token."""
        until = str(int(time.time()) + SESSION_S)
        return f"{until}.{self._mark(until)}"

    def refusal(self, headers: Headers) -> str | None:
        """Why a request is not answered; None when it is."""
        if self._token is None:
            return None if _name(headers.get("host", "")) in _NAMES else "this server answers on this machine only, by a loopback name"
        kind, _, word = headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer":
            return None if self.knows(word.strip()) else "the token is wrong"
        return None if self._in_session(headers.get("cookie", "")) else "sign in, or send the token as a bearer"

    def _in_session(self, cookies: str) -> bool:
        try:
            morsel = SimpleCookie(cookies).get(COOKIE)
        except CookieError:
            return False
        until, _, mark = morsel.value.partition(".") if morsel is not None else ("", "", "")
        return until.isdecimal() and hmac.compare_digest(mark, self._mark(until)) and int(until) > time.time()

    def _mark(self, until: str) -> str:
        assert self._token is not None
        key = hashlib.sha256(b"streams session" + self._token.reveal().encode()).digest()
        return hmac.new(key, until.encode(), hashlib.sha256).hexdigest()


class Guard:
    """Lets those requests through to `app` that `access` allows."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app, self._access = app, access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers, path = Headers(scope=scope), scope["path"]
        if foreign(headers) and scope["method"] not in ("GET", "HEAD"):
            await problem(403, "the request comes from another site")(scope, receive, send)
            return
        why = None if self._access.signed_in_only and path in _OPEN else self._access.refusal(headers)
        if why is None:
            await self._app(scope, receive, send)
        elif not self._access.signed_in_only:
            await problem(421, why)(scope, receive, send)
        elif path == "/":
            await RedirectResponse("/login", 303)(scope, receive, send)
        else:
            await problem(401, why, {"www-authenticate": "Bearer"})(scope, receive, send)


def foreign(headers: Headers) -> bool:
    """Whether a browser says that another site has sent the request."""
    origin = headers.get("origin")
    return origin is not None and urlsplit(origin).netloc != headers.get("host")


def _loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _name(host: str) -> str:
    try:
        return (urlsplit(f"//{host}").hostname or "").lower()
    except ValueError:
        return ""
