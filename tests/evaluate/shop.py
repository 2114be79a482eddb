"""Business figures of a real shop, counted twice: by the product from the events of Online Retail, and by definition from its lines.

The product reads the file as `streams replay` does (config/examples/online_retail.yaml), takes it in step by step, and tells its figures of
every day, of the 7 and the 30 days that end with it, and of every month. The second count shares nothing with it: pandas over the invoice
lines, and tables of users by days. Numerators and denominators must be equal, money to the cent.
"""

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from streams.core.ledger import Window, month_window, rolling_window
from streams.core.metrics import figures
from streams.replay.mapping import load_mapping
from streams.replay.sources import read
from streams.sim.emission import Emission
from tests.business import Business, shop_rules
from tests.evaluate.datasets import Absent

if TYPE_CHECKING:
    from numpy import ndarray

__all__ = ["FILE", "MAPPING", "Compared", "compare_shop"]

FILE: Final = "online_retail_events.parquet"
MAPPING: Final = Path(__file__).parents[2] / "config" / "examples" / "online_retail.yaml"
_STEP: Final = 8_000
_DAY_S: Final = 86_400

#: Series (metric, window, label of its end) -> numerator and denominator; None where nothing divides it.
Told = dict[tuple[str, str, str], tuple[float, float | None]]


class Compared(NamedTuple):
    """How many figures were compared, and those that differ: in words, with what the product told and what the lines say."""

    figures: int
    differences: tuple[str, ...]


def compare_shop(folder: Path, events: Iterable[Emission] | None = None) -> Compared:
    """The product's figures of the file in `folder` (or of `events`) against those of its lines. Raises `Absent`."""
    path = folder / FILE
    if not path.is_file():
        raise Absent(f"{FILE} is not in {folder}")
    try:
        import pandas  # noqa: F401
        import pyarrow.parquet  # noqa: F401
    except ImportError as missing:
        raise Absent(f"{missing.name} is needed: pip install 'streams[evaluate]'") from None
    lines = _Lines(path)
    again = {(name, *_place(window)): pair for window in _windows(lines.first, lines.last) for name, pair in lines.figures(window).items()}
    told = _told(read(path, load_mapping(MAPPING)) if events is None else events)
    wrong = [f"{'/'.join(at)}: told {told.get(at)}, lines say {pair}" for at, pair in again.items() if told.get(at) != pair]
    return Compared(len(again), tuple(wrong))


def _windows(first: int, last: int) -> Iterator[Window]:
    """Every window that ends with a day of the file, and the months that it touches."""
    for day in range(first, last + 1):
        yield from (rolling_window(kind, day) for kind in ("day", "7d", "30d"))
    yield from dict.fromkeys(month_window(day) for day in range(first, last + 1))


def _place(window: Window) -> tuple[str, str]:
    return window.kind, window.label or str(window.last)


def _told(events: Iterable[Emission]) -> Told:
    """What the product says of the events."""
    business, remaining = Business(shop_rules()), iter(events)
    while values := [event.value for event in islice(remaining, _STEP)]:
        business.take_values(values)
        business.counted.clear()
    ledger = business.ledger()
    days = ledger.days()
    told: Told = {}
    for window in _windows(days[0], days[-1]):
        for figure in figures(ledger, window, business.rules.business, segments=False):
            told[figure.metric.name, *_place(window)] = (figure.numerator, figure.denominator)
    return told


class _Lines:
    """The lines of the file, and what they say of a window. first, last: days since 1970."""

    def __init__(self, path: Path) -> None:
        import numpy
        import pandas

        lines = pandas.read_parquet(path, columns=["ts", "user_id", "event_type", "invoice", "qty", "unit_price"])
        days, bought = lines.ts // _DAY_S, lines.event_type == "purchase"
        self.first, self.last = int(days.min()), int(days.max())
        # Prices have three decimals at the most; a line is worth whole pennies, half of one goes to the even one.
        thousandths = (lines.unit_price.astype("float64") * 1000).round().astype("int64") * lines.qty.abs()
        pennies = (thousandths / 10).round().astype("int64")
        shape = (lines.user_id.nunique(), self.last - self.first + 1)
        rows = lines.user_id.astype("category").cat.codes
        first_lines = ~lines.duplicated(["invoice"])

        def table(chosen: "pandas.Series[bool]", values: "pandas.Series[int] | int" = 1) -> "ndarray":
            found = numpy.zeros(shape, dtype="int64")
            amounts = values if isinstance(values, int) else values[chosen]
            numpy.add.at(found, (rows[chosen], days[chosen] - self.first), amounts)
            return found

        self._orders, self._refunds = table(bought & first_lines), table(~bought & first_lines)
        self._sales, self._returns = table(bought, pennies), table(~bought, pennies)
        # A return is no visit: only who buys is active.
        self._active = table(bought) > 0

    def figures(self, window: Window) -> Mapping[str, tuple[float, float | None]]:
        """Metric -> numerator and denominator."""
        orders, refunds, sales, returns = (
            int(self._slice(each, window.first, window.last).sum()) for each in (self._orders, self._refunds, self._sales, self._returns)
        )
        found: dict[str, tuple[float, float | None]] = {
            "orders": (orders, None),
            "refunds": (refunds, None),
            "sales": (sales, None),
            "returns": (returns, None),
            "revenue": (sales - returns, None),
            "average_order": (sales, orders),
        }
        return found | (self._month(window) if window.kind == "month" else self._users(window, orders, sales - returns))

    def _users(self, window: Window, orders: int, net: int) -> dict[str, tuple[float, float | None]]:
        active = self._slice(self._active, window.first, window.last).any(1)
        each = self._slice(self._orders, window.first, window.last).sum(1)
        users, buyers, repeaters = int(active.sum()), int((each > 0).sum()), int((each > 1).sum())
        new = int((active & ~self._slice(self._active, self.first, window.first - 1).any(1)).sum())
        found: dict[str, tuple[float, float | None]] = {
            {"day": "dau", "7d": "wau", "30d": "mau"}[window.kind]: (users, None),
            "new_users": (new, None),
            "returning_share": (users - new, users),
            "arpu": (net, users),
            "buyers": (buyers, None),
            "repeat_buyers": (repeaters, buyers),
            "orders_per_user": (orders, buyers),
        }
        if window.kind == "30d":
            found["stickiness"] = (int(self._slice(self._active, window.last, window.last).sum()), users)
        return found

    def _month(self, window: Window) -> dict[str, tuple[float, float | None]]:
        """Lost is who, on a day of the month that has passed, has had no active day for thirty days, and had one on the day before."""
        at_start = int(self._slice(self._active, window.first - 30, window.first - 1).any(1).sum())
        lost = 0
        for day in range(window.first, min(window.last, self.last - 1) + 1):
            there = self._slice(self._active, day - 30, day - 30).any(1)
            lost += int((there & ~self._slice(self._active, day - 29, day).any(1)).sum())
        return {"churn_rate_silence": (lost, at_start), "retention_rate": (at_start - lost, at_start)}

    def _slice(self, table: "ndarray", first: int, last: int) -> "ndarray":
        return table[:, max(0, first - self.first) : max(0, last - self.first + 1)]
