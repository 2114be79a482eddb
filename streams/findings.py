"""What a check has to say."""

from typing import Literal, NamedTuple

__all__ = ["Finding"]


class Finding(NamedTuple):
    """`where` is a file, `Kafka`, `Redis` or the name of a topic; `fix` says what to do, and is empty when all is well."""

    level: Literal["error", "warning", "ok"]
    where: str
    text: str
    fix: str = ""
