"""What is logged: one line for each event, in words or as JSON, and nothing of what it was about."""

import io
import json
import logging
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from streams.errors import ConfigError
from streams.logs import Format, last_word, log_format, set_up

CANARY = "canary-email@example.test"


@pytest.fixture(autouse=True)
def loggers() -> Iterator[None]:
    """The root logger is as it was."""
    root, ours = logging.getLogger(), logging.getLogger("streams")
    before, levels = list(root.handlers), (root.level, ours.level)
    yield
    root.handlers[:] = before
    root.setLevel(levels[0])
    ours.setLevel(levels[1])


def said(form: Format, level: int = logging.WARNING, message: str = "waiting for %s", *values: object, **options: object) -> str:
    out = io.StringIO()
    set_up(form, instance="w1", stream=out)
    logging.getLogger("streams.shell.trouble").log(level, message, *values, **options)  # type: ignore[arg-type]
    return out.getvalue()


def test_a_line_for_people_has_its_time_its_level_and_what_was_given() -> None:
    line = said("text", logging.WARNING, "waiting for %s", "Redis", extra={"partition": 3})
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z warning waiting for Redis partition=3\n", line)


def test_a_line_for_machines_is_an_object_with_the_same() -> None:
    line = json.loads(said("json", logging.INFO, "batch saved", extra={"partition": 3, "records": 200}))
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line.pop("at"))
    told = {"level": "info", "logger": "streams.shell.trouble", "message": "batch saved", "instance": "w1", "partition": 3, "records": 200}
    assert line == told


@pytest.mark.parametrize("form", ["text", "json"])
def test_of_an_exception_only_type_and_place_are_told(form: Format) -> None:
    """Its text may hold the record that it failed on."""
    out = io.StringIO()
    set_up(form, stream=out)
    try:
        raise ValueError(CANARY)
    except ValueError:
        logging.getLogger("streams").exception("a step failed")
    assert CANARY not in out.getvalue()
    assert "ValueError" in out.getvalue()
    assert "test_logs.py:" in out.getvalue()
    assert out.getvalue().count("\n") == 1


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_line_stays_one_line_whatever_a_name_smuggles_in(form: Format) -> None:
    line = said(form, logging.WARNING, "topic %s", "a\nerror: forged\x1b[31m")
    assert line.count("\n") == 1
    assert "\x1b" not in line


@pytest.mark.parametrize("form", ["text", "json"])
def test_libraries_are_heard_from_warnings_on(form: Format) -> None:
    out = io.StringIO()
    set_up(form, stream=out)
    logging.getLogger("aiokafka.x").info("joined group")
    assert out.getvalue() == ""
    logging.getLogger("aiokafka.x").warning("lost group")
    assert "lost group" in out.getvalue()


def test_the_same_line_is_said_once_in_half_a_minute_and_then_with_how_often_it_was_left_out() -> None:
    out = io.StringIO()
    set_up("json", stream=out)
    handler = next(each for each in logging.getLogger().handlers if isinstance(each, logging.StreamHandler) and each.stream is out)
    for after_s in (0, 1, 2, 31):
        record = logging.LogRecord("streams.x", logging.WARNING, "", 0, "waiting for %s", ("Kafka",), None)
        record.created = 1_000_000 + after_s
        handler.handle(record)
    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    assert [(line["message"], line.get("left_out")) for line in lines] == [("waiting for Kafka", None), ("waiting for Kafka", 2)]


def test_lines_about_something_else_are_all_said() -> None:
    out = io.StringIO()
    set_up("text", stream=out)
    for partition in (1, 2):
        logging.getLogger("streams.x").warning("a line that cannot be read", extra={"partition": partition})
    assert out.getvalue().count("\n") == 2


def test_setting_up_twice_says_everything_once() -> None:
    set_up("text", stream=io.StringIO())
    assert said("json", logging.WARNING, "once").count("once") == 1


def test_the_format_is_the_flag_else_the_environment_else_text() -> None:
    assert log_format(None, {}) == "text"
    assert log_format(None, {"STREAMS_LOG_FORMAT": "json"}) == "json"
    assert log_format("text", {"STREAMS_LOG_FORMAT": "json"}) == "text"
    with pytest.raises(ConfigError, match=r"^--log-format: must be text or json, got 'xml'"):
        log_format("xml", {})
    with pytest.raises(ConfigError, match=r"^environment: STREAMS_LOG_FORMAT: must be text or json, got 'xml'"):
        log_format(None, {"STREAMS_LOG_FORMAT": "xml"})


def test_the_last_word_is_spelled_like_the_others(capsys: pytest.CaptureFixture[str]) -> None:
    last_word("streams", "two\nlines", 4)
    assert capsys.readouterr().err == "streams: two lines\n"
    set_up("json")
    last_word("streams", "two\nlines", 4)
    line = json.loads(capsys.readouterr().err)
    assert (line["level"], line["message"], line["exit_code"]) == ("error", "two lines", 4)


def test_a_worker_that_may_not_start_says_so_in_json(tmp_path: Path) -> None:
    env = {**os.environ, "STREAMS_CONFIG": str(tmp_path / "nowhere"), "STREAMS_INSTANCE": "w9"}
    done = subprocess.run([sys.executable, "-m", "streams", "worker", "--log-format", "json"], capture_output=True, text=True, env=env)
    line = json.loads(done.stderr)
    assert (done.returncode, line["exit_code"], line["instance"]) == (2, 2, "w9")
    assert line["message"].endswith("nowhere: is not a folder")
