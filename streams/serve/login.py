"""Signing in and out: the form, the link that works once, and who one is."""

from collections.abc import Sequence
from html import escape
from typing import Annotated, Final
from urllib.parse import parse_qs

import msgspec
from fastapi import APIRouter, Path, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from streams.serve.access import COOKIE, Access, session_word
from streams.serve.api.typed import answers, json_response
from streams.serve.audit import Auditor
from streams.serve.guard import peer_of
from streams.serve.language import language_of
from streams.serve.problems import Problem
from streams.serve.roles import Caller
from streams.serve.sessions import TRIES, TRIES_S, Session, Sessions

__all__ = ["Me", "router"]

_FORM_BYTES: Final = 8192
#: Leads on by itself. It has an icon, or browsers ask for one where there is none.
_ON: Final = (
    '<!doctype html><meta charset="utf-8"><link rel="icon" href="/page/icon.svg">'
    '<meta http-equiv="refresh" content="0;url=/"><title>streams</title>'
)
_WORDS: Final = {
    "en": {
        "title": "Sign in",
        "name": "Name",
        "password": "Password",
        "button": "Sign in",
        "hint": "A program signs in with a token instead: leave the name empty and give the token.",
        "wrong": "Name or password is wrong.",
        "locked": "Too many tries. Wait a minute.",
        "used": "This link has been used, or its five minutes are over. Ask for another one: streams user link",
    },
    "de": {
        "title": "Anmelden",
        "name": "Name",
        "password": "Passwort",
        "button": "Anmelden",
        "hint": "Statt Name und Passwort gilt auch ein Token: Name leer lassen und das Token eingeben.",
        "wrong": "Name oder Passwort ist falsch.",
        "locked": "Zu viele Versuche. Bitte eine Minute warten.",
        "used": "Dieser Link wurde schon benutzt, oder seine fünf Minuten sind um. Einen neuen gibt: streams user link",
    },
}


class Me(msgspec.Struct, frozen=True):
    """Who asks.

    via        local: somebody on this machine. session: signed in. token: a program. proxy: a trusted proxy has said who
    csrf       what every request that changes something repeats in the header `x-csrf-token`; "" when it need not
    can_leave  whether there is a session to end: `POST /logout`
    """

    name: str
    roles: Sequence[str]
    via: str
    csrf: str
    can_leave: bool


def router(access: Access, sessions: Sessions, auditor: Auditor, form: str) -> APIRouter:
    """Routes that begin and end sessions. `form` is the page for it, with `$name` for what stands in its place."""
    api = APIRouter(tags=["access"])

    def page(request: Request, said: str, status: int) -> Response:
        words = _WORDS[language_of(request)]
        alert = f'<p class="wrong" role="alert">{escape(words[said])}</p>' if said else ""
        content = form.replace("$lang", language_of(request)).replace("$said", alert)
        for place, text in words.items():
            content = content.replace(f"${place}", escape(text))
        return HTMLResponse(content, status, {"retry-after": str(TRIES_S)} if status == 429 else None)

    async def enter(request: Request, session: Session) -> Response:
        # A new word, whatever cookie came along: one that somebody else has planted is worth nothing.
        word = await sessions.begin(session, session_word(request.headers))
        await auditor.should(Caller(session.name, frozenset(session.roles), "session"), "session.begin")
        # A page that goes on by itself, not a redirect: the browser then counts the next request as ours, and sends the strict cookie.
        answer = HTMLResponse(_ON)
        secure = access.over_tls(request.headers, peer_of(request.scope))
        answer.set_cookie(COOKIE, word, max_age=round(sessions.session_s), secure=secure, httponly=True, samesite="strict")
        return answer

    @api.get("/login", include_in_schema=False)
    async def ask(request: Request) -> Response:
        return page(request, "", 200) if access.signed_in_only else RedirectResponse("/", 303)

    @api.post("/login", include_in_schema=False)
    async def sign_in(request: Request) -> Response:
        name, password = await _form(request)
        who = [f"address {access.from_where(request.headers, peer_of(request.scope))}", *([f"name {name}"] if name else [])]
        # A name that nobody has may be a password in the wrong field.
        whoever = Caller(name if access.known(name) else "unknown", frozenset(), "session")
        if (tries := await sessions.attempt(who)) > TRIES:
            if tries == TRIES + 1:  # once: whoever goes on trying must not fill the audit topic
                await auditor.should(whoever, "session.locked")
            return page(request, "locked", 429)
        session = await access.signed_in(name, password)
        if session is None:
            await auditor.should(whoever, "session.refused")
            return page(request, "wrong", 401)
        await sessions.forgive(who)
        return await enter(request, session)

    @api.get("/login/{code}", include_in_schema=False)
    async def once(code: Annotated[str, Path(max_length=64)], request: Request) -> Response:
        who = [f"address {access.from_where(request.headers, peer_of(request.scope))}"]
        if await sessions.attempt(who) > TRIES:
            return page(request, "locked", 429)
        session = await sessions.redeem(code) if access.signed_in_only else None
        if session is None:
            return page(request, "used", 401)
        await sessions.forgive(who)
        return await enter(request, session)

    @api.post("/logout", status_code=204, response_class=Response, openapi_extra=answers(None, "Signed out.", 401, 403))
    async def sign_out(request: Request) -> Response:
        """Nobody is signed in by this session any more, on any replica."""
        if word := session_word(request.headers):
            await sessions.end(word)
            await auditor.should(request.state.caller, "session.end")
        answer = Response(status_code=204)
        answer.delete_cookie(COOKIE, httponly=True, samesite="strict")
        return answer

    @api.get("/v1/session", openapi_extra=answers(Me, "Who asks.", 401), response_class=Response)
    async def me(request: Request) -> Response:
        """Who one is, what one may do, and the word that every request that changes something repeats in `x-csrf-token`."""
        caller: Caller = request.state.caller
        roles = sorted(caller.roles | {"viewer"})
        return json_response(Me(caller.name, roles, caller.via, caller.csrf, caller.via == "session"))

    return api


async def _form(request: Request) -> tuple[str, str]:
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > _FORM_BYTES:
            raise Problem(413, "that is no name and no password")
    fields = parse_qs(body.decode("ascii", errors="replace"), keep_blank_values=True, max_num_fields=8)
    return fields.get("name", [""])[0], fields.get("password", [""])[0]
