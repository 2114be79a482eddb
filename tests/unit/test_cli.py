"""The command line: how commands are told apart, how they end, and that errors are one line."""

import os
import socket
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from streams.cli import main
from streams.commands.configured import instant_ms
from streams.errors import ConfigError

NOWHERE = {"STREAMS_BROKER": "127.0.0.1:1", "STREAMS_REDIS": "redis://:secret@127.0.0.1:1/0", "STREAMS_DEBUG": ""}


def end_of(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of one command."""
    with pytest.raises(SystemExit) as end:
        main(arguments)
    said = capsys.readouterr()
    return int(end.value.code or 0), said.out, said.err


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """No Kafka and no Redis."""
    for name, value in NOWHERE.items():
        monkeypatch.setenv(name, value)


def test_the_version_is_printed_alone(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = end_of(capsys, "--version")
    assert (code, err) == (0, "")
    assert out.strip().count(".") == 2


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = end_of(capsys, "--help")
    assert code == 0
    for name in ("worker", "demo", "check", "topics", "replay", "explain", "dead", "quarantine", "stats", "serve"):
        assert f" {name} " in out


def test_help_imports_neither_faust_nor_kafka_nor_redis() -> None:
    """`streams --help` answers at once: what a command needs is imported when it is called."""
    script = (
        "import sys\nfrom streams.cli import main\n"
        "try: main(['--help'])\nexcept SystemExit: pass\n"
        "print([m for m in ('faust', 'aiokafka', 'redis', 'streams.core.user', 'asyncio') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_a_worker_reads_its_configuration_before_the_engine_is_imported(tmp_path: Path) -> None:
    """A wrong one is answered in a fraction of a second: nobody waits for Faust to hear of a typo."""
    script = (
        "import sys\nfrom streams.cli import main\n"
        "try: main(['worker'])\nexcept SystemExit as end: code = end.code\n"
        "print(code, [m for m in ('faust', 'aiokafka', 'redis', 'streams.core.user') if m in sys.modules])"
    )
    env = {**os.environ, "STREAMS_CONFIG": str(tmp_path / "nowhere")}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, env=env)
    assert done.stdout.splitlines()[-1] == "2 []"


@pytest.mark.parametrize("arguments", [["bogus"], ["explain"], ["demo", "--seconds", "x"], ["dead", "list", "--limit", "0"]])
def test_a_wrong_flag_ends_with_2(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    assert end_of(capsys, *arguments)[0] == 2


@pytest.mark.usefixtures("nowhere")
@pytest.mark.parametrize(
    "arguments",
    [
        ["stats"],
        ["explain", "u1"],
        ["dead", "list"],
        ["dead", "show", "engagement.clickstream.v1/0/1"],
        ["dead", "replay", "--reason", "future"],
        ["quarantine", "list"],
        ["quarantine", "release", "--user", "u1"],
        ["topics", "create"],
    ],
    ids=" ".join,
)
def test_without_servers_a_command_ends_with_3_and_one_line_that_names_the_address(
    capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    code, out, err = end_of(capsys, *arguments)
    assert (code, out) == (3, "")
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert "127.0.0.1:1" in err
    assert "STREAMS_BROKER" in err or "STREAMS_REDIS" in err


@pytest.mark.usefixtures("nowhere")
def test_an_error_never_shows_the_password_of_redis(capsys: pytest.CaptureFixture[str]) -> None:
    assert "secret" not in "".join(end_of(capsys, "stats")[1:])


def test_a_wrong_configuration_ends_with_2_and_names_file_and_path_first(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    tmp_path.joinpath("topics.yaml").write_text("partitions: none\n", encoding="utf-8")
    monkeypatch.setenv("STREAMS_CONFIG", str(tmp_path))
    code, _, err = end_of(capsys, "stats")
    assert code == 2
    assert err.startswith("error: topics.yaml: partitions")
    assert err.count("\n") == 1


@pytest.mark.usefixtures("nowhere")
@pytest.mark.parametrize(
    ("arguments", "place"),
    [
        (["dead", "list", "--reason", "because"], "--reason"),
        (["dead", "list", "--topic", "other"], "--topic"),
        (["dead", "list", "--since", "yesterday"], "--since"),
        (["dead", "list", "--until", "12:99"], "--until"),
        (["dead", "show", "7"], "COORDINATES"),
        (["dead", "show", "topic/x/1"], "COORDINATES"),
        (["dead", "replay"], "dead replay"),
        (["quarantine", "list", "--reason", "future"], "--reason"),
        (["quarantine", "release"], "quarantine release"),
    ],
    ids=lambda it: it if isinstance(it, str) else " ".join(it),
)
def test_a_wrong_value_is_named_before_any_server_is_asked(capsys: pytest.CaptureFixture[str], arguments: list[str], place: str) -> None:
    code, _, err = end_of(capsys, *arguments)
    assert code == 2
    assert err.startswith(f"error: {place}: ")


@pytest.mark.parametrize(
    ("text", "ahead", "expected"),
    [
        ("15m", False, 1_000_000_000_000 - 900_000),
        ("2d", False, 1_000_000_000_000 - 172_800_000),
        ("1.5h", True, 1_000_000_000_000 + 5_400_000),
        ("2001-09-09T01:46:40Z", False, 1_000_000_000_000),
        ("2001-09-09T03:46:40+02:00", False, 1_000_000_000_000),
        ("2001-09-09", False, 999_993_600_000),
    ],
)
def test_times_are_spans_or_rfc_3339_and_utc_without_an_offset(text: str, ahead: bool, expected: int) -> None:
    assert instant_ms(text, "--at", now_ms=1_000_000_000_000, ahead=ahead) == expected


@pytest.mark.parametrize("text", ["", "soon", "5", "-3d", "2026-13-01", "1e9d"])
def test_what_is_no_time_is_an_error_that_names_the_flag(text: str) -> None:
    with pytest.raises(ConfigError, match=r"^--since: "):
        instant_ms(text, "--since", now_ms=0)


def test_serving_to_other_machines_without_a_token_ends_with_2(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STREAMS_SERVE_TOKEN", raising=False)
    code, out, err = end_of(capsys, "serve", "--host", "0.0.0.0")
    assert (code, out) == (2, "")
    assert err.startswith("error: --host: 0.0.0.0 can be reached from other machines")


def test_a_port_that_is_taken_ends_with_2_and_names_it(capsys: pytest.CaptureFixture[str]) -> None:
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        code, _, err = end_of(capsys, "serve", "--port", str(port))
    assert (code, err) == (2, f"error: --port: cannot listen on 127.0.0.1 port {port}: Address already in use\n")
