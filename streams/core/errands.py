"""Errands: what one partition asks of another because of a record that it has read. They travel on the rerouted topic alone.

An errand is a JSON object, told by the header `reroute-errand` that names its kind. The header is honoured on the rerouted topic only, and
no record takes it there from elsewhere (`streams.core.reroute`), so no client can send one.

A record may cause more than one sending to the same partition: itself, and errands. Each kind has a guard of its own, under the sender
`topic/partition~kind`, so that of each, one offset causes at most one record per partition.
"""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple, get_args

import msgspec

from streams.core.account import Act
from streams.core.deadletter import origin_of
from streams.core.headers import (
    REROUTE_APPENDED_AT,
    REROUTE_ERRAND,
    REROUTE_FROM,
    REROUTE_ORIGIN,
    REROUTE_USER,
    STREAMS_CLOCK,
    TRACEPARENT,
    header,
    traceparent,
)
from streams.core.identity import ANONYMOUS, home_partition
from streams.core.record import Event, Output, Record, Rejected
from streams.core.rules import DAY_MS

__all__ = [
    "Alias",
    "Claim",
    "Errand",
    "Forwarded",
    "Gone",
    "Left",
    "Link",
    "Merge",
    "Over",
    "Share",
    "Told",
    "cause_of",
    "day_over",
    "errand_of",
    "forwarded",
    "parted",
    "sending",
]


class Errand(msgspec.Struct, frozen=True, tag_field="errand"):
    """user      key of the user whose partition does it, and whose row it needs
    at_ms     time of the event that it goes back to
    because   where that event was first appended
    """

    user: str
    at_ms: int
    because: str

    @property
    def raw_id(self) -> str:
        """The id that says on which partition it is done."""
        return _raw(self.user)

    def home(self, partitions: int) -> int:
        """The partition on which it is done."""
        return home_partition(self.raw_id, partitions)


class Alias(Errand, frozen=True, tag="alias"):
    """`user` may be another name of the known user `target`: a client says so, and does not know whether `user` was known already."""

    target: str


class Link(Errand, frozen=True, tag="link"):
    """The anonymous `user` is the known user `target`."""

    target: str


class Claim(Errand, frozen=True, tag="claim"):
    """`target` has given the name `other`, which is somebody else's already: are both one person? `user` is asked where its row leads
    (`streams.core.ways`).

    passed   users asked before on this way
    met      the owner's way, once it has been walked
    """

    target: str
    other: str
    passed: tuple[str, ...] = ()
    met: tuple[str, ...] = ()


class Share(Errand, frozen=True, tag="share"):
    """The anonymous `user` belongs to several people: `target` is the second one."""

    target: str


class Merge(Errand, frozen=True, tag="merge", omit_defaults=True):
    """The known `user` gets the state of `source`, which has none any more.

    passed   users whose rows have sent it on, `source` the first of them; empty before there was any
    """

    source: str
    state: bytes
    passed: tuple[str, ...] = ()


class Told(Errand, frozen=True, tag="told"):
    """A member tells its account something (`streams.core.telling`). `user` is the row of the account.

    sender   the partition that it comes from
    over     the last day that was over there
    """

    sender: int
    over: int
    act: Act

    @property
    def raw_id(self) -> str:
        return self.act.account


class Left(Told, frozen=True, tag="left"):
    """A member has left the account: another kind, since the event that it leaves with makes it a member elsewhere."""


class Gone(Told, frozen=True, tag="gone"):
    """A member was merged into another user: a third kind, since that one may leave and join because of the same record."""


class Over(Errand, frozen=True, tag="over"):
    """A day is over at `sender`, for everything that it tells `target` (`streams.core.horizon`). No row is needed."""

    sender: int
    over: int
    target: int

    def home(self, partitions: int) -> int:
        return self.target


class Forwarded(NamedTuple):
    """An event of an id that has been merged into a known user: `event` names that one."""

    event: Event

    @property
    def user(self) -> str:
        return self.event.user

    def home(self, partitions: int) -> int:
        """The partition of that user."""
        return home_partition(self.event.raw_id, partitions)


_Kind = Alias | Link | Claim | Share | Merge | Told | Left | Gone | Over
#: How each kind is called in headers: as in its JSON.
_NAMES: Final[dict[type[Errand], str]] = {kind: kind.__struct_config__.tag for kind in get_args(_Kind)}
_KINDS: Final = {name.encode(): kind for kind, name in _NAMES.items()}
_decode: Final = msgspec.json.Decoder(_Kind).decode
_encode: Final = msgspec.json.Encoder().encode


def _raw(user: str) -> str:
    """The id that says on which partition a user lives."""
    return user.removeprefix(ANONYMOUS)


def sending(errand: Errand, cause: Record, topic: str, partitions: int) -> Output:
    """The errand on its way to the partition of its user, sent because of `cause`."""
    kind = _NAMES[type(errand)]
    appended_at = header(cause, REROUTE_APPENDED_AT) or str(cause.timestamp).encode()
    headers = [
        (REROUTE_ERRAND, kind.encode()),
        (REROUTE_FROM, f"{cause.topic}/{cause.partition}~{kind}/{cause.offset}".encode()),
        (REROUTE_ORIGIN, "/".join(origin_of(cause)).encode()),
        (REROUTE_APPENDED_AT, appended_at),
    ]
    if (clock := header(cause, STREAMS_CLOCK)) is not None:
        headers.append((STREAMS_CLOCK, clock))
    if (trace := traceparent(cause)) is not None:
        headers.append((TRACEPARENT, trace))
    return Output(topic, errand.home(partitions), errand.raw_id.encode(), _encode(errand), headers)


def parted(sent: Sequence[Output]) -> tuple[list[Output], list[Output]]:
    """Of what a step sends to other partitions, in its order: what leaves at once; and what waits until that is acknowledged: a state, and
    what follows it.

    Whoever receives a state tells the account of its sender that this one is gone. The account must have heard by then what the sender told
    in the same step; two partitions may get their parts of a step in either order, and a crash may lie between them.
    """
    if not sent:  # as nearly always
        return [], []
    at = next((n for n, output in enumerate(sent) if _kind_of(output) is Merge), len(sent))
    early, late = [*sent[:at]], list[Output]()
    for output in sent[at:]:
        kind = _kind_of(output)
        (early if kind is not None and issubclass(kind, Told) else late).append(output)
    return early, late


def _kind_of(output: Output) -> type[Errand] | None:
    name, value = output.headers[0]
    return _KINDS.get(value) if name == REROUTE_ERRAND else None


def cause_of(record: Record) -> str:
    """The coordinates of the record that an errand was sent because of."""
    place, _, rest = (header(record, REROUTE_FROM) or b"").decode("utf-8", "replace").partition("~")
    return f"{place}/{rest.partition('/')[2]}"


def day_over(sender: int, day: int, target: int, topic: str) -> Output:
    """The news that a day is over, on its way to the partition `target`. No record causes it: the days themselves are counted by."""
    errand = Over("", (day + 1) * DAY_MS, "", sender, day, target)
    kind = _NAMES[Over]
    headers = [(REROUTE_ERRAND, kind.encode()), (REROUTE_FROM, f"day/{sender}~{kind}/{day}".encode())]
    return Output(topic, target, str(sender).encode(), _encode(errand), headers)


def errand_of(record: Record) -> Errand | Rejected | None:
    """The errand that a record of the rerouted topic is; why it is none that could be done; None for any other record."""
    kind = header(record, REROUTE_ERRAND)
    if kind is None:
        return None
    try:
        errand: Errand = _decode(record.value or b"")
    except (msgspec.DecodeError, RecursionError):
        return Rejected("wrong_type", "$")
    return errand if _NAMES[type(errand)].encode() == kind else Rejected("wrong_type", f"$headers.{REROUTE_ERRAND}")


def forwarded(record: Record, event: Event) -> Forwarded | None:
    """The event as one of the user whom a record of the rerouted topic names beside it; None when it names none."""
    user = header(record, REROUTE_USER)
    if user is None:
        return None
    name = user.decode("utf-8", "replace")
    said: dict[str, Any] = {"user": name, "raw_id": _raw(name)}
    return Forwarded(msgspec.structs.replace(event, **said))
