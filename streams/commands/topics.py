"""`streams topics create`: the topics of topics.yaml exist."""

import asyncio
from typing import TYPE_CHECKING

import msgspec

from streams.commands.configured import configured
from streams.commands.console import console, machine

if TYPE_CHECKING:
    from streams.shell.topics import TopicsReport

__all__ = ["create"]


def create(*, as_json: bool) -> int:
    """0: every topic is there. Raises `Unavailable`."""
    from streams.commands.connect import greet_kafka, kafka_trouble
    from streams.shell.topics import create_topics

    settings = configured()

    async def greet_and_create() -> "TopicsReport":
        await greet_kafka(settings)
        return await create_topics(settings)

    with kafka_trouble(settings):
        report = asyncio.run(greet_and_create())
    if as_json:
        machine(msgspec.to_builtins(report))
        return 0
    out = console()
    for name in report.created:
        out.print(f"made    {name}", soft_wrap=True)
    for name in report.existing:
        out.print(f"exists  {name}", soft_wrap=True)
    return 0
