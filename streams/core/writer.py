# cython: language_level=3, annotation_typing=False, wraparound=False, cdivision=True
"""Text written piece by piece into one buffer that is used again and again."""

import cython

if cython.compiled:  # pragma: no cover
    from cython.cimports.libc.string import memcpy

__all__ = ["Writer", "varint_size"]

_ROOM = 4096
#: The longest number that `integer` and `fixed` write.
_NUMBER = 24


class Writer:
    """A text under construction: `begin`, any number of pieces, `done`."""

    size: int

    def __init__(self, room: int = _ROOM) -> None:
        """There is room for so many bytes; it grows when that is not enough."""
        self._text = memoryview(bytearray(room))
        self.size = 0

    def begin(self) -> None:
        """The text is empty."""
        self.size = 0

    def raw(self, piece: bytes) -> None:
        """`piece` follows as it is."""
        length = len(piece)
        if self.size + length > len(self._text):
            self._grow(length)
        if not cython.compiled:
            self._text[self.size : self.size + length] = piece
        elif length:  # pragma: no cover
            memcpy(cython.address(self._text[self.size]), cython.cast(cython.p_char, piece), length)
        self.size += length

    def byte(self, value: int) -> None:
        """One byte follows, 0 to 255."""
        if self.size == len(self._text):
            self._grow(1)
        self._text[self.size] = value
        self.size += 1

    def varint(self, value: int) -> None:
        """`value` follows as Kafka writes it."""
        rest = _zigzag(value)
        while rest > 127:
            self.byte(rest & 127 | 128)
            rest >>= 7
        self.byte(rest)

    def text(self, other: "Writer", start: int, size: int) -> None:
        """`size` bytes of the text of `other` follow, those from `start` on."""
        if self.size + size > len(self._text):
            self._grow(size)
        if not cython.compiled:
            self._text[self.size : self.size + size] = other._text[start : start + size]
        elif size:  # pragma: no cover
            memcpy(cython.address(self._text[self.size]), cython.address(other._text[start]), size)
        self.size += size

    def integer(self, value: int) -> None:
        """`value` follows in decimal."""
        if value < 0:
            self.raw(b"-")
            value = -value
        width = 1
        rest = value // 10
        while rest:
            rest //= 10
            width += 1
        self.digits(value, width)

    def digits(self, value: int, width: int) -> None:
        """The last `width` decimal digits of `value`, which is not negative, follow: `digits(7, 3)` is `007`."""
        if self.size + width > len(self._text):
            self._grow(width)
        at = self.size + width
        self.size = at
        while width > 0:
            at -= 1
            width -= 1
            self._text[at] = 48 + value % 10
            value //= 10

    def fixed(self, value: int, unit: int) -> None:
        """`value / unit` follows with at least one decimal: of unit 100, 300 is `3.0` and -5 is `-0.05`. `unit` is a power of ten."""
        if value < 0:
            self.raw(b"-")
            value = -value
        self.integer(value // unit)
        self.raw(b".")
        part = value % unit
        unit //= 10
        self.digits(part // unit, 1)
        part %= unit
        while part:
            unit //= 10
            self.digits(part // unit, 1)
            part %= unit

    def done(self) -> bytes:
        """The text."""
        if not cython.compiled:
            return bytes(self._text[: self.size])
        text: bytes = cython.cast(cython.p_char, cython.address(self._text[0]))[: self.size]  # pragma: no cover
        return text  # pragma: no cover

    def copy(self) -> bytearray:
        """The text, to be changed."""
        return bytearray(self._text[: self.size])

    def part(self, start: int, size: int) -> bytes:
        """`size` bytes of the text, those from `start` on."""
        return bytes(self._text[start : start + size])

    def _grow(self, length: int) -> None:
        text = memoryview(bytearray(2 * (self.size + length)))
        text[: self.size] = self._text[: self.size]
        self._text = text


def varint_size(value: int) -> int:
    """Bytes that `varint` takes for `value`."""
    rest, size = _zigzag(value), 1
    while rest > 127:
        rest >>= 7
        size += 1
    return size


def _zigzag(value: int) -> int:
    """Kafka's order of the integers, 0, -1, 1, -2, ...: what is near 0 is short, also below it."""
    return value << 1 if value >= 0 else (-value << 1) - 1
