"""The only source of chance in the world."""

from random import Random

__all__ = ["dice"]


def dice(*seed: object) -> Random:
    """A generator that gives the same numbers for the same `seed`, on every machine and in every process."""
    return Random("/".join(map(str, seed)))  # noqa: S311 - a shop is simulated, no secret made
