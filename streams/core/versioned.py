"""How a value lies in the store: a version byte, then MessagePack. Equal values have equal bytes."""

from typing import Final, Generic, TypeVar

import msgspec

from streams.errors import StreamsError, UnknownStateVersion

__all__ = ["Versioned"]

T = TypeVar("T")

_encode: Final = msgspec.msgpack.Encoder().encode


class Versioned(Generic[T]):
    """Writes and reads values of one type; `what` names them in errors."""

    def __init__(self, kind: type[T], version: int, what: str) -> None:
        self._version, self._what = version, what
        self._decode = msgspec.msgpack.Decoder(kind).decode

    def encode(self, value: T) -> bytes:
        """The value as bytes."""
        return bytes([self._version]) + _encode(value)

    def decode(self, blob: bytes) -> T:
        """The value as `encode` left it. `UnknownStateVersion` for one of a later release, `StreamsError` for bytes that are none."""
        if blob and blob[0] != self._version:
            raise UnknownStateVersion(f"{self._what}: stored in version {blob[0]}, this release reads up to version {self._version}")
        try:
            return self._decode(blob[1:])
        except msgspec.DecodeError as error:
            raise StreamsError(f"{self._what}: what is stored is damaged: {error}") from None
