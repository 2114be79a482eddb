"""What Kafka may have of requests that were answered 503: so that a tracker's next try does not put it there twice."""

from collections import Counter
from collections.abc import Sequence

from xxhash import xxh3_128_hexdigest

from streams.collect.delivery import Parcel
from streams.collect.dialects.event import Incoming

__all__ = ["Memory"]


class Memory:
    """Parcels by what a tracker calls them, the youngest `most` of them. Empty in good times, when nothing looks into it."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._parcels: dict[str, Parcel] = {}

    def __len__(self) -> int:
        return len(self._parcels)

    def remember(self, source: str, events: Sequence[Incoming], parcels: Sequence[Parcel]) -> None:
        """Those of `parcels` that Kafka has or may have yet."""
        for ident, parcel in zip(_idents(source, events), parcels, strict=True):
            if parcel.may_be_there:
                self._parcels.pop(ident, None)
                self._parcels[ident] = parcel
                if len(self._parcels) > self._most:
                    del self._parcels[next(iter(self._parcels))]

    def recall(self, source: str, events: Sequence[Incoming]) -> list[Parcel | None]:
        """For each event the parcel that is it, and is remembered no longer; None for those that must be sent."""
        if not self._parcels:
            return [None] * len(events)
        found = [self._parcels.pop(ident, None) for ident in _idents(source, events)]
        return [parcel if parcel is not None and parcel.may_be_there else None for parcel in found]


def _idents(source: str, events: Sequence[Incoming]) -> list[str]:
    """A name for each event that is the same in every try: its own, else its content, and which of the equal ones in the request it is."""
    times: Counter[str] = Counter()
    idents = []
    for event in events:
        name = f"{source}\n{event.message_id or xxh3_128_hexdigest(event.raw)}"
        times[name] += 1
        idents.append(f"{name}\n{times[name]}")
    return idents
