"""How times are said to people, wherever they read it: a terminal, an alert, a page."""

from streams.core.envelope import rfc3339
from streams.core.rules import DAY_MS

__all__ = ["ago", "date_of", "instant"]


def instant(at_ms: int) -> str:
    """An instant of a state as RFC 3339; empty where it says -1: never."""
    return rfc3339(at_ms) if at_ms >= 0 else ""


def date_of(day: int) -> str:
    """The date of a UTC day number of a state; empty where it says -1: never."""
    return instant(day * DAY_MS)[:10]


def ago(span_ms: float) -> str:
    """A span in the largest unit that says it well: `4 s`, `3 min`, `5 hours`, `12 days`."""
    seconds = max(0.0, span_ms / 1000)
    for size, name in ((86_400, "day"), (3600, "hour")):
        if seconds >= size:
            whole = round(seconds / size)
            return f"{whole} {name}" + ("" if whole == 1 else "s")
    return f"{seconds / 60:.0f} min" if seconds >= 60 else f"{seconds:.0f} s"
