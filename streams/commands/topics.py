"""`streams topics create`: the topics of topics.yaml exist."""

import asyncio

import msgspec

from streams.commands.configured import configured
from streams.commands.console import console, machine

__all__ = ["create"]


def create(*, as_json: bool) -> int:
    """0: every topic is there. Raises `Unavailable`."""
    from streams.commands.connect import kafka_trouble
    from streams.shell.topics import create_topics

    settings = configured()
    with kafka_trouble(settings):
        report = asyncio.run(create_topics(settings))
    if as_json:
        machine(msgspec.to_builtins(report))
        return 0
    out = console()
    for name in report.created:
        out.print(f"made    {name}", soft_wrap=True)
    for name in report.existing:
        out.print(f"exists  {name}", soft_wrap=True)
    return 0
