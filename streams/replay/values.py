"""Values as files spell them: times as milliseconds, floats as the decimals they stand for, and what is wrong with the others."""

import math
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from struct import Struct
from typing import Any, Final
from zoneinfo import ZoneInfo

from streams.errors import ConfigError

__all__ = ["Bad", "calendar_ms", "iso_ms", "shortest", "time_ms"]

#: Year 3138, and as far before 1970: what `rfc3339` can spell. Which years are believed is for the reader of the topic to say.
_LAST_MS: Final = 36_860_000_000_000
_FLOAT: Final = Struct("<f")


class Bad(Exception):
    """Why a row is no event, and in which column that shows."""

    def __init__(self, message: str, column: str = "") -> None:
        self.message, self.column = message, column

    def at(self, path: Path, place: str) -> ConfigError:
        return ConfigError(self.message, file=str(path), path=f"{place}, column {self.column}" if self.column else place)


@lru_cache(8192)  # prices come again and again
def shortest(value: float) -> str:
    """The shortest decimal that names `value`. A column of 32-bit floats holds 2.55 as 2.549999952316284, and means 2.55."""
    for digits in (6, 7, 8):
        text = f"{value:.{digits}g}"
        if _single(float(text)) == value:
            return text
    return repr(value)


def _single(value: float) -> float:
    """`value` rounded to 32 bits; infinity where that is too small for it."""
    try:
        single: float = _FLOAT.unpack(_FLOAT.pack(value))[0]
    except OverflowError:
        return math.inf
    return single


def time_ms(value: Any, unit: str, zone: ZoneInfo | None, column: str) -> int:
    """A time in a file as ms UTC."""
    if type(value) is int and unit != "iso":
        return calendar_ms(value * 1000 if unit == "s" else value, column)
    if value is None or value == "":
        raise Bad("is empty", column)
    if isinstance(value, date):
        return _instant_ms(value, zone, column)
    if unit == "iso":
        return iso_ms(value, zone, column)
    try:
        number = Decimal(value) * (1000 if unit == "s" else 1)
        if not number.is_finite() or abs(number) >= _LAST_MS:  # before it becomes an int: 1e999999999 would take all memory
            raise ValueError
        return int(number.to_integral_value())
    except (ArithmeticError, ValueError, TypeError):
        raise Bad(f"is no number of {unit} since 1970: {value!r}", column) from None


def calendar_ms(at_ms: int, column: str) -> int:
    """`at_ms`, if the calendar has it."""
    if not -_LAST_MS < at_ms < _LAST_MS:
        raise Bad(f"lies in no year that the calendar has: {at_ms} ms since 1970", column)
    return at_ms


def iso_ms(value: Any, zone: ZoneInfo | None, column: str) -> int:
    try:
        return _instant_ms(datetime.fromisoformat(value), zone, column)
    except (ValueError, TypeError):
        raise Bad(f"is no RFC 3339 time: {value!r}", column) from None


def _instant_ms(value: date, zone: ZoneInfo | None, column: str) -> int:
    if not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day)  # noqa: DTZ001 - its zone comes next
    if value.tzinfo is None:
        if zone is None:
            raise Bad("has no offset: say `zone` in the mapping (UTC, Europe/Berlin, ...)", column)
        value = value.replace(tzinfo=zone)
    since = value.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * 1000 + since.microseconds // 1000
