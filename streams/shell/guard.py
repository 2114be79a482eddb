"""Runs server processes for as long as its parent lives, then ends them and removes their folder. Standard library only.

A program of its own, so that nothing is left behind however the parent ends (SIGKILL too). `python guard.py FOLDER` reads JSON lines and
answers one line each:

    ["command", "argument", ...]   starts a server: its process id, or `error: ...`
    process id                     asks after it: `running`, or `ended N`

When the input ends, as it does when the parent does, the servers get SIGTERM, after `_GRACE_S` SIGKILL, and FOLDER is removed.
"""

import ctypes
import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

_PR_SET_PDEATHSIG = 1
#: Both servers hold nothing worth saving: they end in milliseconds, or are killed.
_GRACE_S = 3.0


def main(folder: Path) -> None:
    """Serves standard input until it ends."""
    # A polite end is the same end as any other: what stands in `finally` happens.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    servers: dict[int, subprocess.Popen[bytes]] = {}
    try:
        for line in sys.stdin:
            print(_answer(json.loads(line), folder, servers), flush=True)  # noqa: T201  (this is the protocol)
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        _end(list(servers.values()))
        shutil.rmtree(folder, ignore_errors=True)


def _answer(request: list[str] | int, folder: Path, servers: "dict[int, subprocess.Popen[bytes]]") -> str:
    if isinstance(request, int):
        code = servers[request].poll()
        return "running" if code is None else f"ended {code}"
    try:
        server = _start(request, folder)
    except OSError as error:
        return f"error: {error}"
    servers[server.pid] = server
    return str(server.pid)


def _start(command: list[str], folder: Path) -> "subprocess.Popen[bytes]":
    with (folder / f"{Path(command[0]).name}.log").open("ab") as log:
        return subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=_die_with_guard)  # noqa: S603


def _die_with_guard() -> None:
    """The kernel kills this child when the guard itself is killed; elsewhere than on Linux nothing does."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _end(servers: "list[subprocess.Popen[bytes]]") -> None:
    for server in servers:
        server.send_signal(signal.SIGCONT)  # a stopped process would not hear the rest
        server.terminate()
    deadline_s = time.monotonic() + _GRACE_S
    for server in servers:
        try:
            server.wait(max(0.0, deadline_s - time.monotonic()))
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
