"""The real sets that churn is measured on: their visits, and the protocol that each is judged by."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import NamedTuple

__all__ = ["SETS", "Absent", "Protocol", "Target", "Visit"]


class Absent(Exception):
    """A set, or what reads it, is not on this machine; says how to get it."""


class Visit(NamedTuple):
    """One event. `event` is a name of the catalogue; what is in none counts as `custom`."""

    user: str
    at_ms: int
    event: str
    amount_minor: int = 0


class Target(NamedTuple):
    """What must be reached."""

    auc_prior: float
    auc_online: float
    ece: float | None = None


class Protocol(NamedTuple):
    """How a set is judged. Days count from the set's first day.

    horizon_days   H: churned is who has no active day in (t, t+H]
    silence_days   A: eligible is whose last activity is at most A days ago ...
    active_days    ... and who has at least so many active days
    cuts           the days t on which users are judged; labels learned from are known before the first
    """

    name: str
    title: str
    read: Callable[[Path], Iterator[Visit]]
    horizon_days: int
    silence_days: int
    active_days: int
    cuts: range
    target: Target


def _parquet(path: Path, columns: list[str]) -> Iterator[tuple[object, ...]]:
    if not path.is_file():
        raise Absent(f"{path.name} is not in {path.parent}")
    try:
        import pyarrow.parquet
    except ImportError:
        raise Absent("pyarrow is needed: pip install 'streams[evaluate]'") from None
    for batch in pyarrow.parquet.ParquetFile(path).iter_batches(columns=columns):
        yield from zip(*(batch.column(column).to_pylist() for column in columns), strict=True)


def _mathoverflow(folder: Path) -> Iterator[Visit]:
    """Answers and comments. Their names are in no catalogue, so each counts as `custom`."""
    for ts, user, event in _parquet(folder / "mathoverflow_events.parquet", ["ts", "user_id", "event_type"]):
        yield Visit(f"mo-{user}", int(ts) * 1000, str(event))  # type: ignore[call-overload]


def _retail(folder: Path) -> Iterator[Visit]:
    """Invoice lines. A return is no active day: its weight in the catalogue is 0."""
    names = {"purchase": "order_completed", "return": "order_refunded"}
    columns = ["ts", "user_id", "event_type", "qty", "unit_price"]
    for ts, user, event, quantity, price in _parquet(folder / "online_retail_events.parquet", columns):
        yield Visit(f"or-{user}", int(ts) * 1000, names[str(event)], round(quantity * price * 100))  # type: ignore[call-overload,operator]


def _cdnow(_: Path) -> Iterator[Visit]:
    """Purchases of a music shop by day: customer, date, pieces, dollars. Only the file is read; the package is not imported."""
    try:
        path = Path(str(distribution("Lifetimes").locate_file("lifetimes/datasets/CDNOW_master.txt")))
    except PackageNotFoundError:
        raise Absent("the wheel Lifetimes holds it: pip install 'streams[evaluate]'") from None
    visits = []
    for line in path.read_text().splitlines():
        fields = line.split()
        if len(fields) != 4 or not fields[0].isdigit():  # the first line names the columns
            continue
        customer, date, _pieces, dollars = fields
        noon = datetime.strptime(date, "%Y%m%d").replace(hour=12, tzinfo=UTC)
        visits.append(Visit(f"cd-{customer}", int(noon.timestamp()) * 1000, "order_completed", round(float(dollars) * 100)))
    yield from sorted(visits, key=lambda visit: visit.at_ms)


SETS = (
    Protocol("mathoverflow", "MathOverflow", _mathoverflow, 30, 30, 3, range(1440, 2311, 30), Target(0.80, 0.82, 0.06)),
    Protocol("retail", "Online Retail", _retail, 60, 120, 2, range(245, 314, 17), Target(0.68, 0.71)),
    Protocol("cdnow", "CDNOW", _cdnow, 90, 180, 2, range(325, 456, 26), Target(0.70, 0.70)),
)
