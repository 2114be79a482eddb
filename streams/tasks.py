"""The end of tasks that would run for ever."""

import asyncio
from collections.abc import Iterable
from typing import Any, Final

__all__ = ["ended"]

#: Time to clean up in, before the next cancel.
_CANCEL_S: Final = 1.0


async def ended(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """All of `tasks` are cancelled and have ended; what one raises stays in it.

    One cancel is not enough: before Python 3.12 `wait_for`, which the clients of Kafka and Redis use, loses it when an answer comes at the
    same moment.
    """
    left = set(tasks)
    while left:
        for task in left:
            task.cancel()
        done, left = await asyncio.wait(left, timeout=_CANCEL_S)
        for task in done:
            if not task.cancelled():
                task.exception()  # seen, as far as asyncio is concerned
