"""Where the demo's picture goes: a live view in a terminal, a line every few seconds elsewhere, or nowhere."""

import os
import sys
import time
from typing import Final, Protocol

from rich.live import Live

from streams.commands.console import console, count, printable
from streams.demo.tally import ActiveAlert, Resolved
from streams.demo.view import Picture, draw, milliseconds

__all__ = ["LiveScreen", "PlainScreen", "Screen", "Silent", "screen_for"]

#: Seconds between two plain lines.
_LINE_EVERY_S: Final = 5.0


class Screen(Protocol):
    """Shows pictures, and tells of alerts as they begin and end."""

    def show(self, picture: Picture) -> None: ...
    def told(self, change: ActiveAlert | Resolved) -> None: ...
    def close(self, last: Picture | None) -> None:
        """Nothing is drawn any more; `last` stays on the screen."""


def screen_for(*, plain: bool, silent: bool) -> Screen:
    """The live view where a terminal can show it, plain lines elsewhere."""
    if silent:
        return Silent()
    if plain or not sys.stdout.isatty() or os.environ.get("TERM", "dumb") in ("dumb", ""):
        return PlainScreen()
    return LiveScreen()


class Silent:
    """Shows nothing: for `--json`."""

    def show(self, picture: Picture) -> None: ...

    def told(self, change: ActiveAlert | Resolved) -> None: ...

    def close(self, last: Picture | None) -> None: ...


class LiveScreen:
    """The whole terminal, redrawn a few times a second."""

    def __init__(self) -> None:
        self._console = console()
        self._live = Live(console=self._console, screen=True, auto_refresh=False)

    def show(self, picture: Picture) -> None:
        if not self._live.is_started:
            self._live.start()
        width, height = self._console.size
        self._live.update(draw(picture, width, height - 1), refresh=True)

    def told(self, change: ActiveAlert | Resolved) -> None: ...

    def close(self, last: Picture | None) -> None:
        self._live.stop()
        if last is not None:
            width, height = self._console.size
            self._console.print(draw(last, width, height - 3))


class PlainScreen:
    """The address of the page first, then one line every few seconds, and one for each alert: for logs, pipes and terminals that cannot
    move their cursor."""

    def __init__(self) -> None:
        self._phase = ""
        self._next_s = 0.0
        self._hinted = self._linked = False

    def show(self, picture: Picture) -> None:
        now_s = time.monotonic()
        if not self._linked:
            if picture.url_comes:
                return
            self._linked = True
            missing = "   no page: the extra `serve` is not installed, or it ended (serve.log)"
            _say(f"   the page:  {picture.url}" if picture.url else missing)
        if picture.phase == self._phase and now_s < self._next_s:
            return
        if picture.phase != self._phase:
            _say(f"-- {picture.phase}")
            if picture.hint and not self._hinted:
                self._hinted = True
                _say(f"   look closer, in another terminal:  {printable(picture.hint)}")
                if picture.first_event:
                    _say(f"   send an event of your own:  {picture.first_event}")
        self._phase, self._next_s = picture.phase, now_s + _LINE_EVERY_S
        _say(status_line(picture))
        for line in picture.trouble:
            _say(f"! {printable(line)}")

    def told(self, change: ActiveAlert | Resolved) -> None:
        _say(alert_line(change))

    def close(self, last: Picture | None) -> None:
        if last is not None:
            _say(status_line(last))


def status_line(picture: Picture) -> str:
    """The picture in one line of less than 120 columns."""
    rate = picture.rates[-1] if picture.rates else 0.0
    parts = [f"{picture.elapsed_s:5.0f} s"]
    if picture.history is not None:
        parts.append(f"history {count(picture.history.written)} written, {count(picture.history.counted)} counted")
    parts += [f"{count(rate)} events/s", f"{count(sum(picture.bands.values()))} people"]
    if picture.history is None:
        parts += [
            f"alerts {count(picture.firing_now)} firing, {count(picture.fired)} new, {count(picture.ended)} resolved",
            f"p50 {milliseconds(picture.p50_ms)}, p99 {milliseconds(picture.p99_ms)}",
        ]
    return "  ".join(parts)


def alert_line(change: ActiveAlert | Resolved) -> str:
    """What began or ended, in one line."""
    rule = change.rule.replace("_", " ")
    if isinstance(change, ActiveAlert):
        return f"  alert     {printable(change.about)}: {rule}; {printable(change.reason)}; {change.clears_when} would clear it"
    return f"  resolved  {printable(change.about)}: {rule}; {change.cause.replace('_', ' ')}"


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
