"""What is kept beside a user's panes, by definition: aggregates, and the sums of the business.

Like the rest of the oracle: rules as plain dictionaries, every value remembered, and nothing of the product.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, Final, NamedTuple

__all__ = ["SUMMED", "BusinessOracle", "Kept"]

DAY_MS: Final = 86_400_000
#: Sums of the business: how often events had a role, and how much was sold and given back.
_ROLES: Final = ("page_views", "interactions", "shares", "orders", "refunds", "conversions", "opt_ins", "opt_outs")
SUMMED: Final = (*_ROLES, "sales", "returns")
#: Kind of a day of a user -> windows in days that distinct users are compared over.
WINDOWS: Final = (1, 7, 30)


class Kept:
    """The values that each aggregate of one user has seen, with their times."""

    def __init__(self, rules: Mapping[str, Any]) -> None:
        self._declared = rules["catalogue"]["aggregates"]
        self.seen: dict[int, list[tuple[int, Any]]] = defaultdict(list)  # place of the aggregate -> (time, value)

    def see(self, type_name: str, at_ms: int, properties: Mapping[str, Any]) -> None:
        for slot, declared in enumerate(self._declared):
            if declared["event"] != type_name:
                continue
            spellings = [declared["of"]] if isinstance(declared["of"], str) else declared["of"]
            values = (_value(declared["kind"], properties.get(name)) for name in spellings)
            value = next((each for each in values if each is not None), None)
            if value is not None:
                self.seen[slot].append((at_ms, value))

    def figures(self, slot: int) -> tuple[object, ...] | None:
        """Numbers (in thousandths): n, sum, least, greatest, first, its time, last, its time. Texts: n, first, its time, last, its time,
        the most frequent, how often, how many different ones. None before the first."""
        seen = self.seen.get(slot)
        if not seen:
            return None
        values = [value for _, value in seen]
        (first_ms, first), (last_ms, last) = min(seen), max(seen)
        if self._declared[slot]["kind"] == "number":
            return len(seen), sum(values), min(values), max(values), first, first_ms, last, last_ms
        counts = Counter(values)
        most, n = min(counts.items(), key=lambda item: (-item[1], item[0]))
        return len(seen), first, first_ms, last, last_ms, most, n, len(counts)


def _value(kind: str, value: Any) -> Any:
    if kind == "text":
        return value.strip() or None if isinstance(value, str) else None
    try:
        return None if value is None or isinstance(value, bool) else round(Decimal(value) * 1000)
    except (InvalidOperation, TypeError, ValueError):
        return None


class Distinct(NamedTuple):
    """How many different users had such a day in a window that ends with `last`."""

    kind: str
    days: int
    last: int
    users: int


class BusinessOracle:
    """The sums of one partition. `count` every counted event, of whom it was."""

    def __init__(self, rules: Mapping[str, Any]) -> None:
        self._business = rules["business"]
        self._weights = {entry["id"]: entry["weight"] for entry in rules["catalogue"]["types"]}
        self._custom = rules["catalogue"]["custom_weight"]
        self.totals: Counter[tuple[str, int]] = Counter()  # (name, day) -> sum
        self._days: dict[str, dict[int, set[object]]] = defaultdict(lambda: defaultdict(set))  # kind -> day -> users

    def count(self, who: object, type_id: int, type_name: str, at_ms: int, amount: int) -> None:
        """An event of `who`, a user from the first event to being forgotten."""
        day = at_ms // DAY_MS
        if self._weights.get(type_id, self._custom) > 0:
            self._days["active"][day].add(who)
        if type_name in self._business["orders"]:
            self._days["buyers"][day].add(who)
        for role in _ROLES:
            if type_name in self._business[role]:
                self.totals[role, day] += 1
        if amount:
            self.totals["sales" if amount > 0 else "returns", day] += abs(amount)

    def distinct(self) -> Iterable[Distinct]:
        """For every day that anybody was there, and every window that ends with it."""
        for kind, by_day in self._days.items():
            for last in by_day:
                for days in WINDOWS:
                    users = set().union(*(by_day[day] for day in range(last - days + 1, last + 1) if day in by_day))
                    yield Distinct(kind, days, last, len(users))
