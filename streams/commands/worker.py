"""`streams worker`: counts events until it is told to stop."""

from streams.commands.configured import configured, logged

__all__ = ["run"]


def run(*, log_format: str | None = None) -> int:
    """The exit code of the worker, once it has ended."""
    logged(log_format)
    settings = configured()  # before the engine is there: a wrong configuration is answered at once
    from streams.app import run_worker

    return run_worker(settings)
