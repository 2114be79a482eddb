"""What the collector answers: ASGI messages, with the headers that let any page read them."""

from collections.abc import Awaitable, Callable, Sequence
from http import HTTPStatus
from typing import Any, Final

import msgspec

from streams.core.record import Rejected

__all__ = ["PIXEL", "Answer", "failed", "preflight", "taken"]

Send = Callable[[Any], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

#: A transparent GIF of one pixel.
PIXEL: Final = bytes.fromhex("47494638396101000100800000000000ffffff21f90401000000002c00000000010001000002024401003b")

_ANYBODY: Final[Headers] = [(b"access-control-allow-origin", b"*"), (b"access-control-expose-headers", b"retry-after")]
_KINDS: Final = {
    "json": (b"content-type", b"application/json"),
    "text": (b"content-type", b"text/plain; charset=utf-8"),
    "gif": (b"content-type", b"image/gif"),
}
_NOT_STORED: Final = (b"cache-control", b"no-store")
_NO_SNIFFING: Final = (b"x-content-type-options", b"nosniff")
#: What a browser may remember of a preflight; Chromium keeps it for two hours at the most.
_PREFLIGHT_S: Final = b"7200"
_ASKED: Final = 500


class Answer(msgspec.Struct, frozen=True):
    """A whole answer."""

    status: int
    body: bytes = b""
    kind: str = "json"
    more: tuple[tuple[bytes, bytes], ...] = ()

    async def send(self, send: Send) -> None:
        headers = [*_ANYBODY, _NOT_STORED, _NO_SNIFFING, (b"content-length", str(len(self.body)).encode()), *self.more]
        if self.body:
            headers.append(_KINDS[self.kind])
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": self.body})


_SEGMENT: Final = Answer(200, b'{"success":true}')
_POSTHOG: Final = Answer(200, b'{"status":1}')
_TEXT: Final = Answer(200, b"ok", "text")
_PIXEL: Final = Answer(200, PIXEL, "gif")
_NOTHING: Final = Answer(204)
_TAKEN: Final = {"segment": _SEGMENT, "posthog": _POSTHOG, "text": _TEXT, "pixel": _PIXEL, "nothing": _NOTHING}


def taken(kind: str, refused: Sequence[tuple[int, Rejected]], *, strict: bool) -> Answer:
    """Everything is in Kafka. `refused` events are there as dead letters; a `strict` path says so with 400."""
    if kind == "debug":
        messages = [
            {"fieldPath": why.at, "description": f"event {number}: {why.reason}", "validationCode": why.reason} for number, why in refused
        ]
        return Answer(200, msgspec.json.encode({"validationMessages": messages}))
    if not refused or kind in ("text", "pixel", "nothing"):
        return _TAKEN[kind]
    said = [{"event": number, "reason": why.reason, "at": why.at} for number, why in refused]
    if strict:
        return Answer(400, msgspec.json.encode(_failure(400, "set aside as a dead letter") | {"refused": said}))
    return Answer(200, msgspec.json.encode({"success": True, "status": 1, "refused": said}))


def failed(status: int, why: str, retry_s: int = 0) -> Answer:
    """Nothing was taken, or not everything, and `why`. `retry_s`: worth trying again after so long."""
    more = ((b"retry-after", str(retry_s).encode()),) if retry_s else ()
    if status == 401:
        more = (*more, (b"www-authenticate", b'Basic realm="write key"'))
    return Answer(status, msgspec.json.encode(_failure(status, why)), more=more)


def _failure(status: int, why: str) -> dict[str, Any]:
    """`code` and `message` are what Segment's libraries look for."""
    return {"success": False, "code": HTTPStatus(status).name.lower(), "message": why}


def preflight(asked: bytes) -> Answer:
    """Any page may send, with the headers it asks for: the write key decides, not the browser."""
    allowed = asked if asked and len(asked) <= _ASKED and asked.isascii() else b"authorization, content-type, content-encoding"
    return Answer(
        204,
        more=(
            (b"access-control-allow-methods", b"GET, POST, OPTIONS"),
            (b"access-control-allow-headers", allowed),
            (b"access-control-max-age", _PREFLIGHT_S),
            (b"vary", b"access-control-request-headers"),
        ),
    )
