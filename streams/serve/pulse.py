"""How many records were counted in each second, from the journal: the fates of each step, by the time it was told."""

import msgspec

__all__ = ["SPAN_S", "Pulse"]

#: Seconds that are kept, and drawn.
SPAN_S = 180
#: The rate of now is the mean of so many whole seconds: calm enough to read.
_RATE_S = 5


class _Line(msgspec.Struct, frozen=True):
    """The field of a journal line that is looked at."""

    fates: dict[str, int]


class Pulse:
    """Records per second of the last `SPAN_S` seconds."""

    def __init__(self) -> None:
        self._seconds: dict[int, int] = {}
        self._first_s: int | None = None
        self._decode = msgspec.json.Decoder(_Line).decode

    def begin(self, at_ms: int) -> None:
        """From then on everything is heard: a second without a step is a zero, before it is unknown."""
        second = at_ms // 1000
        self._first_s = second if self._first_s is None else min(self._first_s, second)

    def take(self, value: bytes, at_ms: int) -> None:
        """One journal line, told at `at_ms`. Raises `msgspec.DecodeError` for bytes that are none."""
        second = at_ms // 1000
        self._seconds[second] = self._seconds.get(second, 0) + sum(self._decode(value).fates.values())

    def series(self, now_ms: int) -> list[int | None]:
        """Records of each whole second, the last one just over; None for those that were not heard."""
        now_s = now_ms // 1000
        for second in [each for each in self._seconds if each < now_s - SPAN_S]:
            del self._seconds[second]
        first_s = min([now_s, *self._seconds, *([] if self._first_s is None else [self._first_s])])
        return [self._seconds.get(second, 0) if second >= first_s else None for second in range(now_s - SPAN_S, now_s)]

    def rate(self, now_ms: int) -> float:
        """Records per second, the mean of the last few whole seconds that were heard."""
        last = [n for n in self.series(now_ms)[-_RATE_S:] if n is not None]
        return sum(last) / len(last) if last else 0.0
