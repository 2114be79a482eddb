"""The body of a request, whole and inflated, or the reason why it is not taken: never more than so many bytes in memory."""

import asyncio
import zlib
from collections.abc import Awaitable, Callable
from typing import Any, Final

from streams.collect.dialects.event import Unreadable

__all__ = ["inflated", "read"]

Receive = Callable[[], Awaitable[Any]]

_GZIP: Final = b"\x1f\x8b"
#: zlib's word for "gzip, or zlib, whichever it is".
_EITHER: Final = 32 + zlib.MAX_WBITS
#: Who sends 500 KB more slowly than this has no connection to speak of, and would hold ours.
_READ_S: Final = 20.0


async def read(receive: Receive, most: int) -> bytes:
    """The body as it came, at most `most` bytes. Raises `Unreadable`."""
    message = await receive()
    body = bytes(message.get("body", b""))
    if message.get("more_body"):
        try:
            async with asyncio.timeout(_READ_S):
                body = await _rest(receive, body, most)
        except TimeoutError:
            raise Unreadable(408, f"the body did not come within {_READ_S:g} s") from None
    elif message["type"] == "http.disconnect":
        raise Unreadable(400, "the connection was closed")
    if len(body) > most:
        raise Unreadable(413, f"the body is larger than {most} bytes")
    return body


async def _rest(receive: Receive, body: bytes, most: int) -> bytes:
    parts, size = [body], len(body)
    while size <= most:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Unreadable(400, "the connection was closed")
        parts.append(bytes(message.get("body", b"")))
        size += len(parts[-1])
        if not message.get("more_body"):
            break
    return b"".join(parts)


def inflated(body: bytes, encoding: bytes, most: int) -> bytes:
    """`body` without its compression; it says itself that it is gzip, whatever the header says. Raises `Unreadable`."""
    if not body.startswith(_GZIP) and encoding not in (b"gzip", b"x-gzip", b"deflate"):
        if encoding not in (b"", b"identity"):
            raise Unreadable(415, "of the content encodings gzip and deflate are understood")
        return body
    inflater = zlib.decompressobj(_EITHER)
    try:
        plain = inflater.decompress(body, most + 1)
    except zlib.error:
        raise Unreadable(400, "the body is not the gzip that it says it is") from None
    if len(plain) > most:
        raise Unreadable(413, f"the body is larger than {most} bytes, inflated")
    if not inflater.eof:
        raise Unreadable(400, "the gzip of the body is cut off")
    return plain
