"""Tasks end, whatever they make of a cancel."""

import asyncio
from contextlib import suppress

from streams.tasks import ended


async def _forgetful(seen: list[str]) -> None:
    """Loses its first cancel, as Python's own `wait_for` did."""
    with suppress(asyncio.CancelledError):
        await asyncio.sleep(3600)
    seen.append("lost")
    await asyncio.sleep(3600)


async def _failing() -> None:
    try:
        await asyncio.sleep(3600)
    finally:
        raise ValueError("on the way out")


async def test_a_task_that_loses_a_cancel_ends_by_the_next_one() -> None:
    seen = list[str]()
    tasks = [asyncio.create_task(_forgetful(seen)), asyncio.create_task(asyncio.sleep(0)), asyncio.create_task(_failing())]
    await asyncio.sleep(0)
    await ended(tasks)
    assert seen == ["lost"]
    assert tasks[0].cancelled()
    assert isinstance(tasks[2].exception(), ValueError)


async def test_no_tasks_have_ended() -> None:
    await ended([])
