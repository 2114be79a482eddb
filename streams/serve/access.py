"""Who asks: somebody on this machine, a session, a program with the token, or whoever a trusted proxy says it is.

Without users, token, proxy and link the server listens on loopback only, and answers only to loopback names: a foreign page that has its
own name point at 127.0.0.1 gets nothing. No word that lets somebody in is ever part of an address, but for the link that works once.
"""

import asyncio
import hmac
import ipaddress
from collections.abc import Mapping
from hashlib import sha256
from http.cookies import CookieError, SimpleCookie
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers

from streams.environment import Secret, serve_token, users_file
from streams.errors import ConfigError
from streams.serve.accounts import Accounts
from streams.serve.roles import ROLES, Caller
from streams.serve.sessions import Session, Sessions, csrf_of
from streams.settings_files import Proxy

__all__ = ["COOKIE", "Access", "Refused", "foreign", "loopback_name"]

COOKIE: Final = "streams_session"
#: 16 characters of a random token are more than can be tried over a network.
_TOKEN_CHARACTERS: Final = 16
_NAMES: Final = frozenset({"localhost", "127.0.0.1", "::1"})
_ALL: Final = frozenset(ROLES)
#: Hashes computed at once: each takes 64 MiB and a core for 50 ms, and a flood of tries must not take the machine.
_AT_ONCE: Final = 2

_LOCAL: Final = Caller("local", _ALL, "local")
_TOKEN: Final = Caller("token", _ALL, "token")


class Refused(Exception):
    """A request is not answered: `status` and a reason that says nothing about who may."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status, self.detail = status, detail


class Access:
    """What is asked of a request. With nothing given: that it comes to a loopback name, and then it may do everything."""

    def __init__(
        self, token: Secret | None = None, *, accounts: Accounts | None = None, proxy: Proxy | None = None, link: bool = False
    ) -> None:
        self._token, self._accounts, self._link = token, accounts, link
        self._proxy = proxy if proxy is not None and proxy.addresses else None
        self._trusted = [ipaddress.ip_network(each) for each in self._proxy.addresses] if self._proxy else []
        self._hashing = asyncio.Semaphore(_AT_ONCE)

    @classmethod
    def of(cls, host: str, env: Mapping[str, str], *, proxy: Proxy | None = None, link: bool = False) -> "Access":
        """The access that `env` sets up for a server that listens on `host`. Raises `ConfigError` for an open door."""
        token, file = serve_token(env), users_file(env)
        if token is not None and len(token.reveal()) < _TOKEN_CHARACTERS:
            raise ConfigError(f"must have at least {_TOKEN_CHARACTERS} characters", file="environment", path="STREAMS_SERVE_TOKEN")
        access = cls(token, accounts=_accounts(file), proxy=proxy, link=link)
        if not access.signed_in_only and not _loopback(host):
            raise ConfigError(
                f"{host} can be reached from other machines, and what is served is personal data: `streams user add NAME` and "
                "STREAMS_USERS=FILE let people sign in, STREAMS_SERVE_TOKEN lets programs in; or listen on 127.0.0.1",
                file="--host",
            )
        return access

    @property
    def signed_in_only(self) -> bool:
        return self._token is not None or self._accounts is not None or self._proxy is not None or self._link

    async def caller(self, headers: Headers, peer: str, sessions: Sessions) -> Caller:
        """Who sends a request with `headers` from the address `peer`. Raises `Refused`, and what Redis raises."""
        if not self.signed_in_only:
            if loopback_name(headers.get("host", "")):
                return _LOCAL
            raise Refused(421, "this server answers on this machine only, by a loopback name")
        kind, _, word = headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer":
            if self._knows(word.strip()):
                return _TOKEN
            raise Refused(401, "the token is wrong")
        if self._proxy is not None and self.trusts(peer) and (name := headers.get(self._proxy.user_header)):
            return self._said_by_proxy(name, headers)
        if (word := session_word(headers)) and (session := await sessions.find(word)):
            roles = self._still(session)
            if roles is not None:
                return Caller(session.name, roles, "session", csrf_of(word))
        raise Refused(401, "sign in, or send a token as a bearer")

    async def signed_in(self, name: str, password: str) -> Session | None:
        """The session of somebody who knows the password of `name`, or the token (whatever the name)."""
        if self._token is not None and self._knows(password):
            return Session("token", ROLES, _mark(self._token))
        if self._accounts is None:
            return None
        async with self._hashing:
            account = await asyncio.to_thread(self._accounts.verify, name, password)
        return None if account is None else Session(account.name, account.roles, account.mark)

    def known(self, name: str) -> bool:
        """Whether there is an account of that name."""
        return self._accounts is not None and self._accounts.find(name) is not None

    def trusts(self, peer: str) -> bool:
        """Whether `peer` is one of the trusted proxies."""
        try:
            address = ipaddress.ip_address(peer)
        except ValueError:
            return False
        return any(address in network for network in self._trusted)

    def from_where(self, headers: Headers, peer: str) -> str:
        """The address that a request comes from; a trusted proxy may name it."""
        if self.trusts(peer) and (chain := headers.getlist("x-forwarded-for")):
            # The last one is what our proxy saw, in a line of its own or not; those before it anybody can write.
            return chain[-1].rpartition(",")[2].strip()
        return peer

    def over_tls(self, headers: Headers, peer: str) -> bool:
        """Whether a cookie must be kept to TLS: always, but for this machine's own names over plain HTTP."""
        return not loopback_name(headers.get("host", "")) or (self.trusts(peer) and headers.get("x-forwarded-proto") == "https")

    def _still(self, session: Session) -> frozenset[str] | None:
        """What somebody with `session` may do now; None when it is over: the account is gone, or the password is another one."""
        if session.mark.startswith("token:"):
            return _ALL if self._token is not None and hmac.compare_digest(session.mark, _mark(self._token)) else None
        if session.mark == "link":
            return frozenset(session.roles)
        account = self._accounts.find(session.name) if self._accounts is not None else None
        if account is None or not hmac.compare_digest(account.mark, session.mark):
            return None
        return frozenset((*account.roles, "viewer"))

    def _said_by_proxy(self, name: str, headers: Headers) -> Caller:
        assert self._proxy is not None
        account = self._accounts.find(name) if self._accounts is not None else None
        said = {each.strip() for each in headers.get(self._proxy.roles_header, "").split(",")} & _ALL
        roles = frozenset(account.roles) if account is not None else said
        # Everybody whom the proxy lets through may look; more only by name.
        return Caller(name[:100], frozenset(roles | {"viewer"}), "proxy", csrf_of(f"proxy {name}"))

    def _knows(self, word: str) -> bool:
        return self._token is not None and hmac.compare_digest(word.encode(), self._token.reveal().encode())


def _accounts(file: Path | None) -> Accounts | None:
    if file is None:
        return None
    accounts = Accounts(file)
    if not accounts.all:
        raise ConfigError("nobody is in it: `streams user add NAME`", file=str(file))
    return accounts


def session_word(headers: Headers) -> str:
    """What the session cookie holds, "" without one."""
    try:
        morsel = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return ""
    return morsel.value if morsel is not None else ""


def foreign(headers: Headers) -> bool:
    """Whether a browser says that another site has sent the request."""
    if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        return True
    origin = headers.get("origin")
    return origin is not None and urlsplit(origin).netloc != headers.get("host")


def loopback_name(host: str) -> bool:
    """Whether a `Host` header names this machine to itself."""
    try:
        return (urlsplit(f"//{host}").hostname or "").lower() in _NAMES
    except ValueError:
        return False


def _mark(token: Secret) -> str:
    return "token:" + sha256(token.reveal().encode()).hexdigest()[:16]


def _loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
