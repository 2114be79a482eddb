"""`streams demo`: the engine at work, on servers of its own."""

import asyncio

import msgspec

from streams.commands.console import console, machine

__all__ = ["run"]


def run(*, seconds: int | None, users: int, rate: float, seed: int, plain: bool, as_json: bool) -> int:
    """0 when the demo ran to its end, or was asked to stop. The last line is the JSON of its totals.

    Raises `ConfigError` without the wheels of the servers.
    """
    from streams.demo.run import Options, perform
    from streams.demo.screen import screen_for

    totals, first_s = asyncio.run(perform(Options(seconds, users, rate, seed), screen_for(plain=plain, silent=as_json)))
    if not as_json:
        came = "No live score came yet." if first_s is None else f"The first live score came {first_s:.0f} s after the start."
        console().print(f"\n{came} Nothing is left running.\n", style="dim")
    machine(msgspec.to_builtins(totals))
    return 0
