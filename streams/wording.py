"""How spans of time are said to people, wherever they read it: a terminal, an alert, a page."""

__all__ = ["ago"]


def ago(span_ms: float) -> str:
    """A span in the largest unit that says it well: `4 s`, `3 min`, `5 hours`, `12 days`."""
    seconds = max(0.0, span_ms / 1000)
    for size, name in ((86_400, "day"), (3600, "hour")):
        if seconds >= size:
            whole = round(seconds / size)
            return f"{whole} {name}" + ("" if whole == 1 else "s")
    return f"{seconds / 60:.0f} min" if seconds >= 60 else f"{seconds:.0f} s"
