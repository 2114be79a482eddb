"""A server of the tests: one child process with a port, a folder and a log file; it may be killed, paused and started again."""

import asyncio
import ctypes
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from abc import ABC, abstractmethod
from contextlib import closing
from pathlib import Path
from typing import Final, Self

__all__ = ["READY_TIMEOUT_S", "NotRun", "Server", "ended", "free_port"]

#: A start takes 3 to 6 s on an idle machine. This only ends hangs.
READY_TIMEOUT_S: Final = 90.0
_PR_SET_PDEATHSIG: Final = 1
_handed_out: set[int] = set()


class NotRun(Exception):
    """What a server needs is not on this machine; the message says what."""


def free_port() -> int:
    """A loopback port that nobody listens on, and that this process has not handed out before."""
    while True:
        with closing(socket.socket()) as listener:
            listener.bind(("127.0.0.1", 0))
            port = int(listener.getsockname()[1])
        if port not in _handed_out:
            _handed_out.add(port)
            return port


def ended(pid: int) -> bool:
    """The process has ended, or does within ten seconds (bounded by the kernel's own wait, no polling)."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([handle], [], [], 10)[0])
    finally:
        os.close(handle)


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


class Server(ABC):
    """One child process with a port, a folder and a log file."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.folder.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self.log = folder / "server.log"
        self.process: subprocess.Popen[bytes] | None = None

    @abstractmethod
    def command(self) -> list[str]: ...

    @abstractmethod
    def answers(self) -> bool:
        """Whether the server does its work, as its protocol tells."""

    @property
    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    @property
    def pid(self) -> int:
        assert self.process is not None, "not started"
        return self.process.pid

    def spawn(self) -> None:
        """The process runs; whether it answers is another question (`wait`)."""
        assert not self.alive, "already running"
        # The kernel watches the *thread* that forks. A pool thread ends before its children should.
        guard = _die_with_parent if sys.platform == "linux" and threading.current_thread() is threading.main_thread() else None
        with self.log.open("ab") as out:
            self.process = subprocess.Popen(
                self.command(), cwd=self.folder, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True, preexec_fn=guard
            )

    def wait(self) -> None:
        """The server answers. AssertionError with the end of its log when it died or never did."""
        deadline = time.monotonic() + READY_TIMEOUT_S
        while not self.answers():
            assert self.alive, f"{type(self).__name__} ended with {self.process and self.process.returncode}:\n{self.tail()}"
            assert time.monotonic() < deadline, f"{type(self).__name__} did not answer in {READY_TIMEOUT_S} s:\n{self.tail()}"
            time.sleep(0.05)

    def start(self) -> Self:
        self.spawn()
        self.wait()
        return self

    async def started(self) -> Self:
        """`start()` for coroutines: the loop stays free."""
        self.spawn()
        await asyncio.to_thread(self.wait)
        return self

    def kill(self, how: signal.Signals = signal.SIGKILL) -> None:
        """The process is gone, by `how`; the folder stays."""
        if self.process is not None:
            if self.alive:
                self.process.send_signal(signal.SIGCONT)
                self.process.send_signal(how)
            self.process.wait(30)

    def stop(self) -> None:
        """The server had the time to finish its files (SIGTERM), else is killed."""
        try:
            self.kill(signal.SIGTERM)
        except subprocess.TimeoutExpired:
            self.kill()

    def pause(self) -> None:
        assert self.process is not None, "not started"
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        assert self.process is not None, "not started"
        self.process.send_signal(signal.SIGCONT)

    def tail(self, characters: int = 4000) -> str:
        return self.log.read_text(errors="replace")[-characters:] if self.log.exists() else ""
