"""Whether a browser is a robot, by the list of crawlers that the package crawler-user-agents keeps."""

from typing import Final

from crawleruseragents import is_crawler

__all__ = ["Robots"]

#: Real ones have 60 to 250 characters; the list is only asked about so many.
_CHARACTERS: Final = 512
#: Each browser version of each device is one; a look into the list costs 50 to 500 us.
_KNOWN: Final = 20_000


class Robots:
    """Remembers its answers, as few browsers send most events."""

    def __init__(self) -> None:
        self._known: dict[str, bool] = {"": False}

    def sent(self, agent: str) -> bool:
        """Whether `agent`, as a browser calls itself, is a robot."""
        agent = agent[:_CHARACTERS]
        answer = self._known.get(agent)
        if answer is None:
            if len(self._known) >= _KNOWN:
                self._known = {"": False}
            answer = self._known[agent] = is_crawler(agent)
        return answer
