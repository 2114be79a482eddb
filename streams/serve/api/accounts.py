"""`/v1/accounts`: an account with its score, its members and its alert."""

import time

from fastapi import APIRouter, Request
from redis.asyncio import Redis
from starlette.responses import Response

from streams.account_explanation import AccountExplanation, explain_account
from streams.core.rules import Rules
from streams.serve.api.typed import answers, json_response
from streams.serve.language import language_of
from streams.serve.problems import Problem
from streams.shell.accounts import read_account

__all__ = ["router"]

_ANSWERS = answers(AccountExplanation, "The account.", 400, 404, 503)


def router(rules: Rules, redis: Redis) -> APIRouter:
    """Routes that read accounts from `redis`."""
    api = APIRouter(tags=["accounts"])
    most = rules.limits.id_bytes

    @api.get("/v1/accounts/{account_id:path}", openapi_extra=_ANSWERS, response_class=Response)
    async def account(account_id: str, request: Request) -> Response:
        """An account: its score as of now with what each member adds, visits beside what is usual, and its drop alert in words, English or
        German."""
        if not account_id.isprintable() or not 0 < len(account_id.encode()) <= most:
            raise Problem(400, f"the id of an account is 1 to {most} bytes of printable text")
        stored = await read_account(redis, rules, account_id, time.time_ns() // 1_000_000)
        if stored is None:
            raise Problem(404, "nobody is a member of this account: no group event with this groupId was counted, or it is forgotten")
        language = language_of(request)
        told = explain_account(stored.account, account_id, rules, stored.a_ref, stored.as_of_ms, language)
        return json_response(told, {"cache-control": "private, no-cache", "vary": "accept-language", "content-language": language})

    return api
