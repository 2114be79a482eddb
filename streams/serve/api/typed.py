"""Answers as typed structs: encoded once, and described in the OpenAPI document by the same types."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from starlette.responses import Response

__all__ = ["JSON", "answers", "describe", "json_response", "takes"]

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


def answers(kind: type, text: str, *problems: int) -> dict[str, Any]:
    """`openapi_extra` of a route that answers with `kind`, or with one of `problems`."""
    _described[kind.__name__] = kind
    good = {"description": text, "content": {JSON: {"schema": {"$ref": _REF.format(name=kind.__name__)}}}}
    return {"responses": {"200": good} | {str(status): _PROBLEM for status in problems}}


def takes(kind: type) -> dict[str, Any]:
    """`openapi_extra` of a route whose body is a `kind`."""
    _described[kind.__name__] = kind
    return {"requestBody": {"required": True, "content": {JSON: {"schema": {"$ref": _REF.format(name=kind.__name__)}}}}}


def describe(app: FastAPI) -> None:
    """`/openapi.json` names the types of all routes."""

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            found = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
            _, schemas = msgspec.json.schema_components(list(_described.values()), ref_template=_REF)
            found.setdefault("components", {}).setdefault("schemas", {}).update(schemas)
            app.openapi_schema = found
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]
