"""How a worker process ends: by which signal or error, with which exit code, and with what on standard error."""

import logging
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from streams.shell.hosting import quiet_loggers

ROOT = Path(__file__).resolve().parents[2]

#: A worker whose Kafka is not there: it has started and waits. `{body}` runs in its place before the app is hosted.
WORKER = """
import asyncio, os, signal, sys, time
from contextlib import asynccontextmanager
import faust
from streams.errors import MissingHistory, StreamsError
from streams.shell.hosting import Host

@asynccontextmanager
async def build(host):
    loop = asyncio.get_running_loop()
    def say():
        if {again}:
            loop.call_later(0.05, say)
        {body}
    loop.call_later(0.1, say)
    yield faust.App("nobody", broker="kafka://127.0.0.1:1", web_enabled=False)
    print("closed")

sys.exit(Host({host}).run(build))
"""


def run(body: str, host: str = "", *, again: bool = False) -> tuple[int, str, str]:
    """Exit code, standard error without the word about Kafka, standard output."""
    script = textwrap.dedent(WORKER).format(body=body, host=host, again=again)
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=60)
    errors = [line for line in done.stderr.splitlines() if not line.startswith("waiting for Kafka")]
    return done.returncode, "\n".join(errors), done.stdout


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
def test_a_signal_is_an_orderly_end(name: str) -> None:
    assert run(f"os.kill(os.getpid(), signal.{name})") == (0, "", "closed\n")


def test_a_second_signal_changes_nothing() -> None:
    assert run("os.kill(os.getpid(), signal.SIGTERM)", again=True) == (0, "", "closed\n")


def test_a_known_error_ends_with_its_exit_code_and_its_text() -> None:
    assert run("host.fatal(MissingHistory('the log begins at 7'))") == (4, "streams: the log begins at 7", "closed\n")


def test_an_unknown_error_ends_with_1_and_its_name() -> None:
    assert run("host.fatal(KeyError('x'))") == (1, "streams: a bug: KeyError at ? (STREAMS_DEBUG=1 shows all of it)", "closed\n")


def test_the_first_error_counts() -> None:
    assert run("host.fatal(MissingHistory('first')); host.fatal(KeyError('second'))") == (4, "streams: first", "closed\n")


def test_what_the_watch_says_ends_the_process() -> None:
    assert run("pass", host="watch=lambda: 'lane 3 stands still'") == (1, "streams: lane 3 stands still", "closed\n")


def test_an_end_that_hangs_is_cut_short() -> None:
    """The loop is busy for ever while it should end: a thread leaves by force, and says what it did not wait for."""
    code, errors, _ = run("host.stop(); time.sleep(3600)", host="stop_s=0.3")
    *waiting, last = errors.splitlines()
    assert (code, last) == (1, "streams: did not stop within 0.3 s")
    assert any(line.startswith("still under way: ") and "Host._start > _kafka" in line for line in waiting), waiting


def test_a_loop_that_answers_nobody_ends_the_process_and_says_where_it_is() -> None:
    code, errors, _ = run("time.sleep(3600)", host="deaf_s=0.5")
    assert code == 1
    assert "in say" in errors
    assert errors.splitlines()[-1] == "streams: the event loop has not answered for 0.5 s"


def test_a_service_of_ours_is_as_quiet_as_those_of_the_library() -> None:
    """Mode logs under the name of the class's module, and some of these are ours."""
    handler = logging.Handler()
    logging.getLogger().addHandler(handler)
    try:
        quiet_loggers()
        kept = [
            handler.filter(logging.LogRecord("streams.shell.engine", level, "", 0, text, (), None))
            for level, text in (
                (logging.INFO, "[^StreamsApp]: Starting..."),
                (logging.ERROR, "[^-Consumer]: Crashed reason=ValueError('payload')"),
                (logging.WARNING, "[^-Consumer]: something else"),
                (logging.INFO, "metrics at http://127.0.0.1:9464/metrics"),
            )
        ]
        assert [bool(each) for each in kept] == [False, False, True, True]
    finally:
        logging.getLogger().removeHandler(handler)
