"""What a process says while it runs: one line for each event, for people or as JSON; no payload, no id of a user, no traceback's text.

Messages are ours and say what happened; what a library raises may hold whatever it was handling, so of an exception only its type and
the places it passed through are told.
"""

import json
import logging
import sys
import time
import traceback
from collections.abc import Mapping
from types import TracebackType
from typing import Final, Literal, TextIO

from streams.errors import ConfigError

__all__ = ["FORMATS", "Format", "bug", "last_word", "log_format", "set_up"]

Format = Literal["text", "json"]

FORMATS: Final[tuple[Format, ...]] = ("text", "json")

_REPEAT_S: Final = 30.0
_REMEMBERED: Final = 1000

#: What every record has: anything beside it was given with `extra`, and is told.
_OWN: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "color_message"}


def log_format(option: str | None, env: Mapping[str, str]) -> Format:
    """The format that the command line asks for, else `STREAMS_LOG_FORMAT`, else text. Raises `ConfigError`."""
    text = option or env.get("STREAMS_LOG_FORMAT") or "text"
    for known in FORMATS:
        if text == known:
            return known
    file, path = ("--log-format", "") if option else ("environment", "STREAMS_LOG_FORMAT")
    raise ConfigError(f"must be text or json, got {text!r}", file=file, path=path)


def set_up(form: Format, *, instance: str = "", stream: TextIO | None = None) -> None:
    """Whatever is logged from here on is one line on standard error (or `stream`): our own from INFO on, of libraries warnings."""
    root = logging.getLogger()
    for earlier in [each for each in root.handlers if isinstance(each.formatter, _Text | _Json)]:
        root.removeHandler(earlier)
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(_Json(instance) if form == "json" else _Text())
    handler.addFilter(_Calm())
    root.addHandler(handler)
    root.setLevel(logging.WARNING)
    logging.getLogger("streams").setLevel(logging.INFO)


def last_word(prefix: str, text: str, exit_code: int) -> None:
    """Why the process ends, in one line on standard error: JSON where that was asked for, else behind `prefix`."""
    line = _one_line(" ".join(text.split()))
    handlers = logging.getLogger().handlers
    if any(isinstance(handler.formatter, _Json) for handler in handlers):
        logging.getLogger("streams").error(line, extra={"exit_code": exit_code})
    else:
        sys.stderr.write(f"{prefix}: {line}\n")
        sys.stderr.flush()


class _Calm(logging.Filter):
    """The same line again within half a minute is not said: whoever waits tries often. The next one says how often it was left out."""

    def __init__(self) -> None:
        super().__init__()
        self._said: dict[tuple[object, ...], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        line = (record.name, record.levelno, record.getMessage(), str(_given(record)))
        at_s, left_out = self._said.get(line, (0.0, 0))
        if record.created - at_s < _REPEAT_S:
            self._said[line] = at_s, left_out + 1
            return False
        if len(self._said) >= _REMEMBERED:
            self._said.clear()
        self._said[line] = record.created, 0
        if left_out:
            record.left_out = left_out
        return True


class _Text(logging.Formatter):
    """`2026-01-31T08:00:00.123Z warning waiting for Redis: OOM ... partition=3`"""

    def format(self, record: logging.LogRecord) -> str:
        parts = [_instant(record.created), record.levelname.lower(), record.getMessage()]
        parts += [f"{name}={value}" for name, value in _given(record).items()]
        if (kind := _type(record)) is not None:
            parts.append(f"({kind} at {next(reversed(_way(record)), '?')})")
        return _one_line(" ".join(parts))


class _Json(logging.Formatter):
    """One object: at, level, logger, message, instance, what was given with the event, and of an exception its type and its way."""

    def __init__(self, instance: str) -> None:
        super().__init__()
        self._instance = instance

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "at": _instant(record.created),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if self._instance:
            line["instance"] = self._instance
        line |= _given(record)
        if (kind := _type(record)) is not None:
            line["exception"] = {"type": kind, "at": _way(record)}
        return json.dumps(line, ensure_ascii=False, default=str)


def _given(record: logging.LogRecord) -> dict[str, object]:
    return {name: value for name, value in vars(record).items() if name not in _OWN}


def _type(record: logging.LogRecord) -> str | None:
    return record.exc_info[0].__name__ if record.exc_info and record.exc_info[0] is not None else None


def bug(error: BaseException) -> str:
    """What is told of an error that nobody expected: its type and where it was raised. Its text may hold a payload."""
    return f"a bug: {type(error).__name__} at {next(reversed(_places(error.__traceback__)), '?')}"


def _way(record: logging.LogRecord) -> list[str]:
    """The places that an exception passed through, innermost last."""
    return _places(record.exc_info[2] if record.exc_info else None)


def _places(trace: TracebackType | None) -> list[str]:
    frames = traceback.extract_tb(trace)
    return [f"{frame.filename.rpartition('/')[2]}:{frame.lineno} {frame.name}" for frame in frames]


def _instant(seconds: float) -> str:
    whole = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
    return f"{whole}.{int(seconds * 1000) % 1000:03d}Z"


def _one_line(text: str) -> str:
    """Line breaks and control characters, which a name may smuggle in, are spelled out."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
