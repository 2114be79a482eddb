"""How commands speak to people: one accent colour, aligned numbers, and nothing of a terminal's control codes from foreign bytes."""

import re
import sys
from datetime import UTC, datetime
from typing import Final

import orjson
from rich import box
from rich.console import Console
from rich.table import Table

from streams.wording import ago

__all__ = ["ACCENT", "TROUBLE", "ago", "console", "count", "machine", "plain_table", "printable", "short_time"]

#: The one colour that carries meaning beside red for trouble; everything else is bold, plain or dim.
ACCENT: Final = "cyan"
TROUBLE: Final = "red"

#: C0, DEL and C1 controls, and what reorders or hides text (bidirectional overrides, zero width, line separators).
_HOSTILE: Final = re.compile("[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]")


def console() -> Console:
    """Standard output for people. Without a terminal: no colour, and lines as long as they are (a pipe has no width)."""
    wide = None if sys.stdout.isatty() else 160
    return Console(highlight=False, soft_wrap=False, emoji=False, markup=False, width=wide)


def machine(answer: object) -> None:
    """Prints `answer` as one line of JSON."""
    sys.stdout.write(orjson.dumps(answer, option=orjson.OPT_NON_STR_KEYS).decode() + "\n")
    sys.stdout.flush()


def plain_table(*columns: str, right: tuple[int, ...] = ()) -> Table:
    """A table without walls: a dim head, two spaces between columns, numbers (`right`) aligned at the right."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, header_style="dim", border_style="dim")
    for number, column in enumerate(columns):
        table.add_column(column, justify="right" if number in right else "left", no_wrap=number in right)
    return table


def printable(text: str) -> str:
    """`text` on one line, with every character that could steer a terminal or reorder text spelled out."""
    return _HOSTILE.sub(lambda found: _spelled(ord(found[0])), text)


def count(n: float) -> str:
    """Whole number with thin groups of three: `1,234,567`."""
    return f"{n:,.0f}"


def short_time(at_ms: int) -> str:
    """`2026-01-31 08:00:00` UTC."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")


def _spelled(code: int) -> str:
    known = {9: "\\t", 10: "\\n", 13: "\\r"}
    if code in known:
        return known[code]
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"
