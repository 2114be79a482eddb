"""`streams replay FILE...`: old events into the topics, or straight through the rules to a report."""

from collections.abc import Sequence
from pathlib import Path

__all__ = ["run"]


def run(files: Sequence[Path], *, mapping: Path | None, keep_event_clock: bool, straight: bool, as_json: bool) -> int:
    """0 when every event was delivered. Raises `ConfigError` that names file, line and column, `Unavailable`."""
    raise NotImplementedError
