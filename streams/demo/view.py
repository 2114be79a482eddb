"""The live view: one picture of the demo for a terminal of a given size. Pure: a `Picture` in, something that rich can draw out."""

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from streams.commands.console import ACCENT, TROUBLE, ago, count, printable
from streams.demo.tally import ActiveAlert, Resolved

__all__ = ["Picture", "Progress", "bar", "draw", "milliseconds", "spark"]

_BLOCKS: Final = " ▁▂▃▄▅▆▇█"
_PARTS: Final = " ▏▎▍▌▋▊▉█"
_NAME_WIDTH: Final = 19
#: Lines that are always there: title, figures, fates, bands' frame, heads of the lists.
_FRAME_LINES: Final = 21


class Progress(msgspec.Struct, frozen=True):
    """How far the history is: events written and counted, of about `of`."""

    written: int
    counted: int
    of: int


class Picture(msgspec.Struct, frozen=True):
    """What is to be seen at one moment.

    phase       what is going on, in a few words
    elapsed_s   since the phase began, and `of_s` how long it lasts (None: until Ctrl-C)
    rates       events counted per second, oldest first, one figure a second
    hint        what to type in another terminal to look closer, "" when there is nothing to see yet
    url         where the page is, "" when there is none; `url_comes`: not yet
    collect_url where the collector takes events, "" when there is none
    bands       band -> users, lowest band first; `band_from` its lower edge
    """

    phase: str
    elapsed_s: float
    of_s: float | None
    people: int
    history: Progress | None
    rates: Sequence[float]
    bands: Mapping[str, int]
    band_from: Sequence[float]
    read: int
    fates: Mapping[str, int]
    lag: int
    p50_ms: float | None
    p99_ms: float | None
    active: Sequence[ActiveAlert]
    firing_now: int
    fired: int
    ended: int
    resolved: Sequence[Resolved]
    trouble: Sequence[str]
    hint: str
    now_ms: int
    url: str = ""
    url_comes: bool = False
    collect_url: str = ""

    @property
    def first_event(self) -> str:
        """What to type to send an event of one's own, "" when nobody takes it."""
        return f"""curl {self.collect_url}v1/track -d '{{"event": "Product Viewed", "userId": "me"}}'""" if self.collect_url else ""


def draw(picture: Picture, width: int, height: int) -> RenderableType:
    """The picture, at most `width` columns and about `height` lines."""
    width = max(40, min(width, 120))
    parts: list[RenderableType] = [_title(picture, width)]
    if picture.url:
        parts.append(Text.assemble(("open  ", "dim"), (picture.url, f"bold {ACCENT}")))
    parts += [Text.assemble(("! ", f"bold {TROUBLE}"), (_cut(line, width - 4), TROUBLE)) for line in picture.trouble]
    if picture.history is not None:
        parts += [Text(), _progress(picture.history, width)]
    parts += [Text(), _figures(picture, width), Text(), _fates(picture, width), Text(), _bands(picture, width), Text()]
    above = (
        (3 if picture.history is not None else 0) + len(picture.trouble) + bool(picture.url) + bool(picture.hint and picture.first_event)
    )
    room = max(2, height - _FRAME_LINES - len(picture.bands) - above)
    parts += _alerts(picture, width, room)
    if picture.hint:
        parts += [Text(), Text.assemble(("look closer  ", "dim"), printable(picture.hint), no_wrap=True, overflow="ellipsis")]
        if picture.first_event:
            parts.append(Text.assemble(("your event   ", "dim"), picture.first_event, no_wrap=True, overflow="ellipsis"))
    return Padding(Group(*parts), (0, 1))


def spark(values: Sequence[float], width: int) -> str:
    """The last `width` values as one line of blocks, the highest of them full; an empty place where there is no value yet."""
    shown = list(values)[-width:]
    top = max(shown, default=0.0)
    line = "".join(
        _BLOCKS[min(8, max(1, round(8 * value / top)))] if top > 0 and value > 0 else _BLOCKS[0 if top <= 0 else 1] for value in shown
    )
    return line.rjust(width)


def bar(share: float, width: int) -> str:
    """`share` (0..1) of `width` columns, exact to an eighth of a column; something, however little, is never nothing."""
    eighths = round(min(max(share, 0.0), 1.0) * width * 8)
    if share > 0:
        eighths = max(1, eighths)
    whole, part = divmod(eighths, 8)
    return "█" * whole + (_PARTS[part] if part else "")


def milliseconds(value: float | None) -> str:
    """A latency for people: `14 ms`, `1.2 s`, `-` when there is none yet."""
    if value is None:
        return "-"
    return f"{value:.0f} ms" if value < 1000 else f"{value / 1000:.1f} s"


def _title(picture: Picture, width: int) -> RenderableType:
    clock = _clock(picture.elapsed_s) + (f" of {_clock(picture.of_s)}" if picture.of_s is not None else "")
    row = Table.grid(expand=False, padding=0)
    row.add_column(width=width - 24, no_wrap=True, overflow="ellipsis")
    row.add_column(width=22, justify="right", no_wrap=True)
    row.add_row(Text.assemble(("streams demo", f"bold {ACCENT}"), f"   {picture.phase}"), Text(clock, style="dim"))
    return Group(row, Rule(style="dim", characters="─"))


def _progress(history: Progress, width: int) -> RenderableType:
    table = Table.grid(padding=(0, 1))
    table.add_column(width=_NAME_WIDTH, style="dim")
    table.add_column(width=max(10, width - _NAME_WIDTH - 16), no_wrap=True)
    table.add_column(width=10, justify="right", no_wrap=True)
    room = max(10, width - _NAME_WIDTH - 16)
    for name, n in (("history written", history.written), ("history counted", history.counted)):
        share = n / history.of if history.of else 0.0
        table.add_row(name, Text(bar(share, room), style=ACCENT), count(n))
    return table


def _figures(picture: Picture, width: int) -> RenderableType:
    table = Table.grid(padding=(0, 1))
    table.add_column(width=_NAME_WIDTH, style="dim", no_wrap=True)
    table.add_column(width=7, justify="right", no_wrap=True)
    table.add_column(no_wrap=True)
    room = min(60, width - _NAME_WIDTH - 13)
    rate = picture.rates[-1] if picture.rates else 0.0
    table.add_row("events per second", Text(count(rate), style=f"bold {ACCENT}"), Text(spark(picture.rates, room), style=ACCENT))
    table.add_row(
        "produce to score",
        Text(milliseconds(picture.p50_ms), style=f"bold {ACCENT}"),
        Text(f"half of all; 99 % within {milliseconds(picture.p99_ms)}"),
    )
    known = sum(picture.bands.values())
    table.add_row(
        "people scored",
        Text(count(known), style=f"bold {ACCENT}"),
        Text("anonymous visitors included" + (f"; {count(picture.lag)} events behind" if picture.lag else "")),
    )
    return table


def _fates(picture: Picture, width: int) -> RenderableType:
    """Every record's fate, and that they add up to what was read."""
    table = Table.grid(padding=(0, 2 if width >= 100 else 1))
    names = [name for name in picture.fates if picture.fates[name]] or ["counted"]
    for _ in range(len(names) + 2):
        table.add_column(justify="right", no_wrap=True)
    total = sum(picture.fates.values())
    table.add_row(*(Text(name, style="dim") for name in (*names, "sum", "read")))
    same = total == picture.read
    table.add_row(
        *(count(picture.fates.get(name, 0)) for name in names),
        Text(count(total), style="bold"),
        Text(count(picture.read), style=f"bold {ACCENT if same else TROUBLE}"),
    )
    return table


def _bands(picture: Picture, width: int) -> RenderableType:
    table = Table.grid(padding=(0, 1))
    room = max(10, width - _NAME_WIDTH - 12)
    table.add_column(width=_NAME_WIDTH, no_wrap=True)
    table.add_column(width=room, no_wrap=True)
    table.add_column(width=8, justify="right", no_wrap=True)
    top = max(picture.bands.values(), default=0)
    edges = list(picture.band_from)
    for number, (name, n) in reversed(list(enumerate(picture.bands.items()))):
        low = f"{edges[number]:.0f}+" if number < len(edges) else ""
        label = Text.assemble(f"{name:<10}", (f"{low:>5}", "dim"))
        table.add_row(label, Text(bar(n / top if top else 0.0, room), style=ACCENT), count(n))
    return Group(Text("engagement score", style="dim"), table)


def _alerts(picture: Picture, width: int, room: int) -> list[RenderableType]:
    """What is firing, why, and what would clear it; below, what has ended. Two lines for each alert."""
    head = Text.assemble(
        ("alerts ", "dim"),
        (count(picture.firing_now), f"bold {ACCENT}"),
        (" firing", "dim"),
        f"   {count(picture.fired)} new",
        f"   {count(picture.ended)} resolved",
    )
    ended = list(picture.resolved)[-min(3, max(1, room // 4)) :]
    shown = picture.active[: max(1, (room - len(ended)) // 2)]
    table = Table.grid(padding=(0, 1))
    table.add_column(width=2, no_wrap=True)
    table.add_column(width=_NAME_WIDTH - 3, no_wrap=True, overflow="ellipsis")
    table.add_column(width=width - _NAME_WIDTH - 4, no_wrap=True, overflow="ellipsis")
    for alert in shown:
        since = f"{ago(picture.now_ms - alert.at_ms)} ago" if alert.live else "earlier"
        what = Text.assemble((alert.rule.replace("_", " "), "bold"), (f" · {alert.clears_when} would clear it", "dim"))
        table.add_row(Text("●", style=TROUBLE if alert.severity in ("high", "critical") else ACCENT), printable(alert.about), what)
        table.add_row("", Text(since, style="dim"), printable(alert.reason))
    for end in reversed(ended):
        when = ago(picture.now_ms - end.at_ms)
        what = Text(f"{end.rule.replace('_', ' ')} resolved: {end.cause.replace('_', ' ')}, {when} ago", style="dim")
        table.add_row(Text("✓", style=ACCENT), Text(printable(end.about), style="dim"), what)
    return [head, table]


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes:02d}:{rest:02d}"


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"
