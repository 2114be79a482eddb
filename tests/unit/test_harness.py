"""The switches of the test run do what tests/conftest.py says."""

import os
import subprocess
import sys
from pathlib import Path

from tests.conftest import _SourceOnly

ROOT = Path(__file__).resolve().parents[2]


def test_the_interpreted_core_is_found_beside_a_compiled_one(tmp_path: Path) -> None:
    """With STREAMS_INTERPRETED=1 the .py file is imported, whatever lies beside it; other packages are left alone."""
    (tmp_path / "user.py").touch()
    (tmp_path / "user.cpython-311-x86_64-linux-gnu.so").touch()
    (tmp_path / "user.abi3.so").touch()
    spec = _SourceOnly().find_spec("streams.user", [str(tmp_path)])
    assert spec is not None
    assert spec.origin == str(tmp_path / "user.py")
    assert _SourceOnly().find_spec("other.user", [str(tmp_path)]) is None


def test_without_servers_a_run_is_green_and_says_not_run(tmp_path: Path) -> None:
    """Tests that lack a server are skipped, counted, and named with the reason at the very end."""
    done = run_without_java(tmp_path, required=False)
    assert done.returncode == 0, done.stdout
    assert done.stdout.splitlines()[-2].startswith("1 tests NOT RUN: Apache Kafka needs a Java runtime")


def test_where_servers_are_required_their_lack_is_a_failure(tmp_path: Path) -> None:
    """STREAMS_REQUIRE_SERVICES=1: nothing is skipped."""
    done = run_without_java(tmp_path, required=True)
    assert done.returncode == 1, done.stdout
    assert "services are required here" in done.stdout


def run_without_java(folder: Path, *, required: bool) -> "subprocess.CompletedProcess[str]":
    """One test that needs Kafka, run on a machine whose path is empty."""
    only = "tests/integration/test_stack.py::test_two_tests_never_share_a_topic"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--basetemp", str(folder / "run"), only]
    environment = {**os.environ, "PATH": str(folder), "STREAMS_REQUIRE_SERVICES": "1" if required else "0"}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
