"""Who may do what: the roles, and what every route asks for. A route that is not named here cannot be reached."""

from collections.abc import Mapping
from typing import Final, Literal, NamedTuple

from starlette.routing import compile_path

__all__ = ["MATRIX", "ROLES", "Caller", "Door", "Doors"]

#: What a person can be. `operator` and `privacy` may read all that a `viewer` may.
ROLES: Final = ("viewer", "operator", "privacy")


class Caller(NamedTuple):
    """Who asks.

    via   local: somebody on this machine. session: signed in. token: a program. proxy: a trusted proxy has said who.
    csrf  what a request that changes something repeats in `x-csrf-token`; "" when no browser sends this caller's word by itself
    """

    name: str
    roles: frozenset[str]
    via: Literal["local", "session", "token", "proxy"]
    csrf: str = ""


class Door(NamedTuple):
    """What a route asks for: a role (None: nothing, it is open to everybody), and whether it changes something."""

    role: str | None
    changes: bool = False


def _open(*, changes: bool = False) -> Door:
    return Door(None, changes)


def _reads(role: str = "viewer") -> Door:
    return Door(role)


def _changes(role: str) -> Door:
    return Door(role, True)


#: Method and path of every route, as the router spells it and in its order. Only signing in is open to somebody who is nobody yet.
MATRIX: Final[Mapping[str, Door]] = {
    "GET /health": _open(),
    "GET /login": _open(),
    "POST /login": _open(changes=True),
    "GET /login/{code}": _open(),
    "GET /page/style.css": _open(),
    "GET /page/icon.svg": _open(),
    "POST /logout": _changes("viewer"),
    "GET /": _reads(),
    "GET /page/{name}": _reads(),
    "GET /ready": _reads(),
    "GET /metrics": _reads(),
    "GET /openapi.json": _reads(),
    "GET /asyncapi.json": _reads(),
    "GET /v1/session": _reads(),
    "GET /v1/status": _reads(),
    "GET /v1/metrics/now": _reads(),
    "GET /v1/stream": _reads(),
    "GET /v1/inspector": _reads(),
    "GET /v1/collector": _reads(),
    "GET /v1/whole": _reads(),
    "GET /v1/funnel": _reads(),
    "GET /v1/metrics": _reads(),
    "GET /v1/metrics/definitions": _reads(),
    "GET /v1/funnel/choices": _reads(),
    "GET /v1/alerts": _reads(),
    "POST /v1/alerts/{alert_id}/acknowledge": _changes("operator"),
    "POST /v1/alerts/{alert_id}/snooze": _changes("operator"),
    "POST /v1/alerts/{alert_id}/assign": _changes("operator"),
    "POST /v1/alerts/{alert_id}/note": _changes("operator"),
    "GET /v1/dead": _reads(),
    "GET /v1/dead/{topic}/{partition}/{offset}": _reads("operator"),
    "POST /v1/dead:replay": _changes("operator"),
    "GET /v1/accounts/{account_id:path}": _reads(),
    "GET /v1/users/{user_id:path}/why": _reads(),
    "GET /v1/users/{user_id:path}/timeline": _reads(),
    "GET /v1/users/{user_id:path}/export": _reads("privacy"),
    "GET /v1/users/{user_id:path}": _reads(),
    "POST /v1/users:batch": _reads(),
}


class Doors:
    """The matrix, looked up by method and path in the order in which it stands. What is not in it is not reached at all."""

    def __init__(self, matrix: Mapping[str, Door] = MATRIX) -> None:
        self._matrix = matrix
        patterns = [name.partition(" ")[::2] for name in matrix if "{" in name]
        self._patterns = [(method, compile_path(path)[0], f"{method} {path}") for method, path in patterns]

    def find(self, method: str, path: str) -> tuple[str, Door] | None:
        """Name and door of a request; None when nothing answers there."""
        asked = "GET" if method == "HEAD" else method
        exact = f"{asked} {path}"
        if exact in self._matrix and "{" not in exact:
            return exact, self._matrix[exact]
        for of, pattern, name in self._patterns:
            if of == asked and pattern.match(path):
                return name, self._matrix[name]
        return None

    def methods(self, path: str) -> list[str]:
        """With which methods something answers at `path`."""
        return [method for method in ("GET", "POST", "PUT", "PATCH", "DELETE") if self.find(method, path)]
