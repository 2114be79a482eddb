"""The garbage collector of a process that runs for long."""

import gc

__all__ = ["collect_seldom"]


def collect_seldom(young: int, middle: int, old: int) -> None:
    """What is there now stays for ever and is not looked at again; the thresholds of the three generations are those."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(young, middle, old)
