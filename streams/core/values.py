"""What the value of a property says: a text, a number, a truth, or whether it meets a condition. What is of no use is None."""

from collections.abc import Callable
from typing import Final

import msgspec
import xxhash

from streams.core.properties import TEXT_MAX, Aggregated
from streams.core.rules import DAY_MS, Bounds, Condition

__all__ = ["FIELDS", "aggregated", "meets", "needs_truth", "text_of", "truth"]

_Value = str | float | None

#: Numbers are aggregated by the thousandth, up to 10**9 on both sides: sums of them are exact.
_THOUSANDTHS: Final = 1000
_AGGREGATED_MAX: Final = 10**9
#: Bytes of a text that an aggregate keeps.
_KEPT: Final = 24

_QUANTITY_MAX: Final = 1_000_000.0
_SCALE_MAX: Final = 1000


def needs_truth(condition: Condition) -> bool:
    """Whether a condition asks for true or false."""
    return any(isinstance(each, bool) for each in (condition if isinstance(condition, tuple) else (condition,)))


def truth(said: object, value: _Value) -> _Value | bool:
    """The value, or the truth that its JSON text says in its place."""
    if isinstance(said, msgspec.Raw):
        text = bytes(said)
        return True if text == b"true" else False if text == b"false" else value
    return value


def meets(value: _Value | bool, condition: Condition) -> bool:
    """Whether a value is what a condition asks for. What is not there meets none."""
    if value is None:
        return False
    if isinstance(condition, tuple):
        return any(meets(value, each) for each in condition)
    if isinstance(condition, bool):
        return value is condition or (isinstance(value, str) and value.casefold() == str(condition).casefold())
    if isinstance(value, bool):
        return False
    if isinstance(condition, str):
        return (text_of(value) or "").casefold() == condition.strip()[:TEXT_MAX].casefold()
    number = _number(value)
    if number is None:
        return False
    if isinstance(condition, Bounds):
        return (condition.at_least is None or number >= condition.at_least) and (condition.at_most is None or number <= condition.at_most)
    return number == condition


def text_of(value: _Value) -> str | None:
    """A text cut to `TEXT_MAX`; a whole number without a point, so that 7 and 7.0 are one thing."""
    if value is None:
        return None
    if not isinstance(value, str):
        value = str(int(value)) if value == value // 1 else repr(value)
    return value.strip()[:TEXT_MAX]


def aggregated(slot: int, is_text: bool, value: _Value) -> Aggregated | None:
    """The value as the aggregate at `slot` sees it, None for one that it does not."""
    if not is_text:
        number = _number(value)
        return Aggregated(slot, round(number * _THOUSANDTHS), None, 0) if number is not None and abs(number) <= _AGGREGATED_MAX else None
    text = text_of(value)
    if not text:
        return None
    # A lone surrogate is no text, but a property may hold one. Cut where a character ends.
    said = text.encode("utf-8", "replace")
    kept = said[:_KEPT].decode("utf-8", "ignore").encode().ljust(_KEPT, b"\0")
    a, b, c = (int.from_bytes(kept[at : at + 8], "big") for at in (0, 8, 16))
    return Aggregated(slot, 0, (a, b, c), xxhash.xxh32_intdigest(said))


def _number(value: _Value) -> float | None:
    """A finite number, also when it is written as a text."""
    try:
        number = float(value) if value is not None else None
    except (ValueError, OverflowError):
        return None
    return number if number is not None and abs(number) < float("inf") else None


def _quantity(value: _Value) -> float | None:
    number = _number(value)
    return number if number is not None and 0 < number <= _QUANTITY_MAX else None


def _engaged(value: _Value) -> int | None:
    number = _number(value)
    return int(number) if number is not None and 0 < number <= DAY_MS else None


def _scale(value: _Value) -> int | None:
    number = _number(value)
    return int(number) if number is not None and 0 < number <= _SCALE_MAX and number == number // 1 else None


#: What a value becomes in its field; `plan` is read exactly, from its own text.
FIELDS: Final[dict[str, Callable[[_Value], str | float | None]]] = dict.fromkeys(
    ("page", "category", "feature", "item", "order", "campaign", "message", "survey"), text_of
) | {"score": _number, "scale": _scale, "quantity": _quantity, "engaged": _engaged, "plan": _number}
