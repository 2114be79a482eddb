"""What a broker remembers of our last request, so that the next one says only what is new, and so does its answer (KIP-227).

Of 36 topic-partitions most have nothing new from one request to the next, fifty times a second.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final

from aiokafka import TopicPartition

__all__ = ["FetchSession"]

#: Session numbers of a broker without one for us, and of who asks for a new one.
_NONE: Final = 0
_FIRST: Final = 0
#: Numbers of requests have 31 bits, and begin again behind the first.
_EPOCHS: Final = (1 << 31) - 1

Asked = list[tuple[str, list[tuple[int, int, int]]]]
"""Topic, and of each partition its number, the position, and the most bytes of it in one answer."""


class FetchSession:
    """One connection's memory, as far as we know it. It begins with a request that says all, and after every failure another one begins."""

    def __init__(self) -> None:
        self._id, self._epoch = _NONE, _FIRST
        self._positions: Mapping[TopicPartition, int] = {}
        #: How far the logs went as it was told last: whoever is not mentioned in an answer has stayed where it was.
        self.ends: dict[TopicPartition, int] = {}

    @property
    def number(self) -> tuple[int, int]:
        """Which session a request belongs to, and which one of its requests it is."""
        return self._id, self._epoch

    @property
    def new(self) -> bool:
        """Whether the next request says all: the broker knows nothing of us."""
        return self._id == _NONE

    def news(self, positions: Mapping[TopicPartition, int], limit_bytes: int) -> tuple[Asked, list[tuple[str, list[int]]]]:
        """What the next request has to say so that it asks for `positions` (kept, not copied), and which partitions it takes back."""
        known = {} if self.new else self._positions
        new = [(tp, at) for tp, at in positions.items() if known.get(tp) != at]
        asked: dict[str, list[tuple[int, int, int]]] = {}
        for tp, at in new:
            asked.setdefault(tp.topic, []).append((tp.partition, at, limit_bytes))
        dropped: dict[str, list[int]] = {}
        if len(known) + len(new) > len(positions):  # else nothing can have been dropped
            for tp in [tp for tp in known if tp not in positions]:
                dropped.setdefault(tp.topic, []).append(tp.partition)
                self.ends.pop(tp, None)
        self._positions = positions
        return list(asked.items()), list(dropped.items())

    def goes_on(self, response: Any) -> bool:
        """Takes in what an answer says of the session. False when it says nothing else: the broker has forgotten it."""
        if response.API_VERSION < 7:
            return True
        if response.error_code:
            return False
        self._id = response.session_id
        self._epoch = _FIRST if self._id == _NONE else self._epoch % _EPOCHS + 1
        return True

    def unmentioned(self, asked: Iterable[TopicPartition], mentioned: Collection[TopicPartition]) -> list[tuple[TopicPartition, int]]:
        """Of those asked for the ones with no news, and how far their logs go."""
        return [(tp, self.ends[tp]) for tp in asked if tp not in mentioned and tp in self.ends]
