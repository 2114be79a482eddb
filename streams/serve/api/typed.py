"""Answers as typed structs: encoded once, and described in the OpenAPI document by the same types."""

from collections.abc import Mapping
from typing import Any, Final, TypeVar

import msgspec
from fastapi import FastAPI, Request
from fastapi.openapi.utils import get_openapi
from starlette.responses import Response

from streams.serve.access import COOKIE
from streams.serve.problems import Problem
from streams.serve.roles import MATRIX, Door

__all__ = ["JSON", "answers", "body_of", "describe", "json_response", "takes"]

JSON: Final = "application/json"
_REF: Final = "#/components/schemas/{name}"
_PROBLEM: Final = {
    "description": "What went wrong (RFC 9457).",
    "content": {"application/problem+json": {"schema": {"$ref": _REF.format(name="ProblemDetails")}}},
}
_encode = msgspec.json.Encoder().encode


class ProblemDetails(msgspec.Struct, frozen=True):
    """Every error is one of these."""

    type: str
    title: str
    status: int
    detail: str


#: Every type that a route answers with or takes.
_described: dict[str, type] = {"ProblemDetails": ProblemDetails}


def json_response(answer: object, headers: Mapping[str, str] | None = None) -> Response:
    return Response(_encode(answer), headers=dict(headers or {}), media_type=JSON)


def answers(kind: type | None, text: str, *problems: int) -> dict[str, Any]:
    """`openapi_extra` of a route that answers with `kind` (None: 204, with nothing), or with one of `problems`."""
    if kind is None:
        return {"responses": {"204": {"description": text}} | {str(status): _PROBLEM for status in problems}}
    _described[kind.__name__] = kind
    good = {"description": text, "content": {JSON: {"schema": {"$ref": _REF.format(name=kind.__name__)}}}}
    return {"responses": {"200": good} | {str(status): _PROBLEM for status in problems}}


B = TypeVar("B")


async def body_of(request: Request, kind: type[B], most_bytes: int) -> B:
    """The body of `request` as a `kind`. Raises `Problem`: 413 for a larger one, 400 for one that is none."""
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > most_bytes:
            raise Problem(413, f"at most {most_bytes} bytes")
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as wrong:
        raise Problem(400, str(wrong)) from wrong


def takes(kind: type) -> dict[str, Any]:
    """`openapi_extra` of a route whose body is a `kind`."""
    _described[kind.__name__] = kind
    return {"requestBody": {"required": True, "content": {JSON: {"schema": {"$ref": _REF.format(name=kind.__name__)}}}}}


def describe(app: FastAPI) -> None:
    """`/openapi.json` names the types of all routes, every status that they answer with, and who may ask."""

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            found = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
            _, schemas = msgspec.json.schema_components(list(_described.values()), ref_template=_REF)
            # Without FastAPI's own shape of a wrong request: ours is a problem with status 400.
            found["components"] = {"schemas": schemas, "securitySchemes": _WAYS_IN}
            for path, operations in found["paths"].items():
                for method, operation in operations.items():
                    _complete(operation, _door(method.upper(), path))
            app.openapi_schema = found
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]


_WAYS_IN: Final = {
    "session": {"type": "apiKey", "in": "cookie", "name": COOKIE},
    "token": {"type": "http", "scheme": "bearer"},
}


def _door(method: str, path: str) -> Door:
    """The door of a route, whose path the document spells without the kind of its parameters."""
    spelled = {name.replace(":path}", "}"): door for name, door in MATRIX.items()}
    return spelled[f"{method} {path}"]


def _complete(operation: dict[str, Any], door: Door) -> None:
    """What can be answered besides what the route itself says: by the door before it, and by a question that is none."""
    responses = operation["responses"]
    responses.pop("422", None)
    parameters = operation.get("parameters", ())
    also = {"400"} if parameters else set()
    if any(each["in"] == "path" for each in parameters):  # some texts cannot be part of any path
        also.add("404")
    if door.role is not None:
        also |= {"401", "403", "421", "503"}
        operation["security"] = [{"session": []}, {"token": []}]
        operation["x-role"] = door.role
    if door.changes:
        header = {"name": "x-csrf-token", "in": "header", "required": False, "schema": {"type": "string"}}
        operation.setdefault("parameters", []).append(header | {"description": "`csrf` of `GET /v1/session`, unless a token is sent."})
    for status in sorted(also - responses.keys()):
        responses[status] = _PROBLEM
