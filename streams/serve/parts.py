"""Parts of the users by what their states say of them: a funnel is told by them, or of one of them."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import msgspec

from streams.core.identity import ANONYMOUS
from streams.core.measures import CHANNEL_NAMES, DEVICES, OTHER, country_code, country_name
from streams.core.rfm import CELLS
from streams.core.rules import DAY_MS, Rules
from streams.core.user import User
from streams.core.usermetrics import STAGES, buyer_of, stage_of

__all__ = ["Part", "Parts"]

_RECENCY: Final = ("today", "7d", "30d", "longer")
_NO_ORDER: Final = "no_order"


class Part(msgspec.Struct, frozen=True):
    """The users whose `dimension` has this value; written `device:mobile`."""

    dimension: str
    value: str

    def __str__(self) -> str:
        return f"{self.dimension}:{self.value}"


class Parts:
    """Says which part of each dimension `user` belongs to, whoever is loaded there. `values`: dimension -> its values in their order;
    none where they are found as they come (countries)."""

    def __init__(self, user: User, rules: Rules) -> None:
        self._user, self._rules = user, rules
        bands = rules.scoring.band_names
        self._of: dict[str, tuple[Sequence[str], Callable[[int], str]]] = {
            "band": (bands, lambda at_ms: bands[user.band(at_ms)]),
            "stage": (STAGES, lambda at_ms: stage_of(user, rules, at_ms)),
            "buyer": ((*(name for name, _, _ in CELLS), _NO_ORDER), self._buyer),
            "device": (DEVICES, lambda _: DEVICES[user.activity.device]),
            "country": ((), lambda _: country_name(user.activity.country)),
            "channel": (CHANNEL_NAMES, lambda _: CHANNEL_NAMES[user.activity.channel]),
            "recency": (_RECENCY, self._recency),
            "identity": (("known", "anonymous"), lambda _: "anonymous" if user.key.startswith(ANONYMOUS) else "known"),
        }
        self.values: Mapping[str, Sequence[str]] = {name: values for name, (values, _) in self._of.items()}

    def of(self, dimension: str) -> Callable[[int], str]:
        """The value of `dimension` for the loaded user at a time, which must not lie before its newest event."""
        return self._of[dimension][1]

    def read(self, text: str) -> Part:
        """`device:mobile` as a part. Raises `ValueError` that says why there is no such part."""
        dimension, _, value = text.partition(":")
        if dimension not in self.values:
            raise ValueError(f"{dimension} is none of {', '.join(self.values)}")
        values = self.values[dimension]
        if values and value not in values:
            raise ValueError(f"{value} is none of {', '.join(values)}")
        code = country_code(value)
        if not values and country_name(code) != value and not (code == OTHER and value == "unknown"):
            raise ValueError(f"{value} is no country of two letters, nor unknown, nor other")
        return Part(dimension, value)

    def _buyer(self, at_ms: int) -> str:
        cell = buyer_of(self._user, self._rules, at_ms)
        return _NO_ORDER if cell is None else cell.cell

    def _recency(self, at_ms: int) -> str:
        days = (at_ms - self._user.newest_ms) / DAY_MS
        return "today" if days < 1 else "7d" if days < 7 else "30d" if days < 30 else "longer"
