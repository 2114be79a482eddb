"""What every command begins with: the configuration, and the times that people write."""

import os
import re
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from streams.errors import ConfigError

if TYPE_CHECKING:
    from streams.settings import Settings

__all__ = ["configured", "instant_ms", "logged", "now_ms"]

_UNITS_MS: Final = {"s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}


def configured() -> "Settings":
    """The settings that the environment names. Raises `ConfigError` with file and path."""
    from streams.settings import load

    return load(None, os.environ)


def logged(option: str | None) -> None:
    """What this process logs is spelled as `option` (--log-format) or the environment says: for commands that run until they are stopped.

    Raises `ConfigError` for a format that is none.
    """
    from streams.environment import instance
    from streams.logs import log_format, set_up

    set_up(log_format(option, os.environ), instance=instance(os.environ))


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def instant_ms(text: str, flag: str, *, now_ms: int, ahead: bool = False) -> int:
    """`text` as ms UTC: a time (`2026-01-31`, `2026-01-31T08:00Z`; without an offset it is UTC) or a span (`15m`, `2d`) before now, or
    after it if `ahead`.

    Raises `ConfigError` that names `flag`.
    """
    span = re.fullmatch(r"([0-9]{1,6}(?:\.[0-9]+)?)([smhdw])", text.strip())
    if span:
        size_ms = round(float(span[1]) * _UNITS_MS[span[2]])
        return now_ms + size_ms if ahead else now_ms - size_ms
    try:
        at = datetime.fromisoformat(text.strip())
    except ValueError:
        raise ConfigError(f"neither a time (2026-01-31T08:00Z) nor a span (15m, 6h, 2d): {text!r}", file=flag) from None
    return round((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1000)
