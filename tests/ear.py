"""Hears what a logger says, and lets a test wait for a line: tests never sleep."""

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

__all__ = ["Ear", "listening"]

#: Ends hangs; nothing takes that long.
HANG_S: Final = 90.0


class Ear(logging.Handler):
    """All lines since it began to listen."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []
        self._news = asyncio.Event()

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append(record.getMessage())
        self._news.set()

    async def hears(self, start: str) -> None:
        """A line that begins with `start` was or is said."""
        async with asyncio.timeout(HANG_S):
            while not any(line.startswith(start) for line in self.said):
                self._news.clear()
                await self._news.wait()


@contextmanager
def listening(logger: str) -> Iterator[Ear]:
    ear = Ear()
    logging.getLogger(logger).addHandler(ear)
    try:
        yield ear
    finally:
        logging.getLogger(logger).removeHandler(ear)
