"""What goes wrong is said as `application/problem+json` (RFC 9457): a title for the kind, a detail for the case, never a trace."""

import logging
from collections.abc import Mapping
from http import HTTPStatus

import orjson
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from redis.exceptions import RedisError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from streams.errors import StreamsError

__all__ = ["Problem", "install", "problem"]

log = logging.getLogger(__name__)


class Problem(Exception):
    """Ends the request with `status` and a detail for the one who asked."""

    def __init__(self, status: int, detail: str, *, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status, self.detail, self.headers = status, detail, dict(headers or {})


def problem(status: int, detail: str, headers: Mapping[str, str] | None = None) -> Response:
    """The answer that says so."""
    content = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail}
    return Response(orjson.dumps(content), status, dict(headers or {}), media_type="application/problem+json")


def install(app: FastAPI) -> None:
    """Every error of `app` is answered as a problem."""

    @app.exception_handler(Problem)
    async def _ours(_: Request, it: Problem) -> Response:
        return problem(it.status, it.detail, it.headers)

    @app.exception_handler(HTTPException)
    async def _http(_: Request, it: HTTPException) -> Response:
        detail = "there is nothing here" if it.status_code == HTTPStatus.NOT_FOUND else str(it.detail)
        return problem(it.status_code, detail, it.headers)

    @app.exception_handler(RequestValidationError)
    async def _validation(_: Request, it: RequestValidationError) -> Response:
        wrong = [f"{'.'.join(str(part) for part in each['loc'][1:])}: {each['msg']}" for each in it.errors()]
        return problem(HTTPStatus.BAD_REQUEST, "; ".join(wrong))

    @app.exception_handler(RedisError)
    @app.exception_handler(OSError)
    async def _away(_: Request, it: Exception) -> Response:
        return problem(HTTPStatus.SERVICE_UNAVAILABLE, f"the store does not answer ({type(it).__name__})", {"retry-after": "1"})

    @app.exception_handler(StreamsError)
    async def _state(_: Request, it: StreamsError) -> Response:
        log.error("%s", it)
        return problem(HTTPStatus.INTERNAL_SERVER_ERROR, "this cannot be told; the log says why")

    @app.exception_handler(Exception)
    async def _bug(_: Request, it: Exception) -> Response:
        log.error("a bug: %s", type(it).__name__)
        return problem(HTTPStatus.INTERNAL_SERVER_ERROR, "a bug of ours; the log names it")
