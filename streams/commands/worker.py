"""`streams worker`: counts events until it is told to stop."""

from streams.commands.configured import configured

__all__ = ["run"]


def run() -> int:
    """The exit code of the worker, once it has ended."""
    from streams.app import run_worker

    return run_worker(configured())
