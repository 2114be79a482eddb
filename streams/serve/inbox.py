"""The alerts, each once by its id, newest first: what is firing, what has ended, and pages of either.

Pure: records in, alerts out. Bounded: the oldest go, ended ones before those that are firing.
"""

import base64
import binascii
from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import msgspec

from streams.core.alert import AlertRecord
from streams.serve.triage import Triage, state_of

__all__ = ["Filter", "Firing", "Inbox", "InboxAlert", "Page"]


class InboxAlert(AlertRecord, frozen=True):
    """An alert, with what people have made of it (None: nothing yet). `series` is what one about the whole is about; then `user_id` is
    empty."""

    series: str = ""
    triage: Triage | None = None


class Filter(msgspec.Struct, frozen=True):
    """Which alerts; None: all of them."""

    status: str | None = None
    rule: str | None = None
    severity: str | None = None
    user_id: str | None = None
    state: str | None = None
    assignee: str | None = None

    def takes(self, alert: InboxAlert, triage: Triage | None, now: str) -> bool:
        return (
            (self.status is None or alert.status == self.status)
            and (self.rule is None or alert.rule == self.rule)
            and (self.severity is None or alert.severity == self.severity)
            and (self.user_id is None or alert.user_id == self.user_id)
            and (self.state is None or state_of(triage, now) == self.state)
            and (self.assignee is None or (triage is not None and triage.assignee == self.assignee))
        )


class Page(msgspec.Struct, frozen=True):
    """Some alerts, newest first.

    found   how many there are in all
    next    the cursor that the next page begins with; None on the last one
    whole   False when alerts older than the oldest one here have been left out
    after   where the live stream goes on from here: `GET /v1/stream?after=`
    """

    alerts: Sequence[InboxAlert]
    found: int
    next: str | None
    whole: bool
    after: str


class Firing(msgspec.Struct, frozen=True):
    """How many alerts are firing now."""

    firing: int
    by_rule: Mapping[str, int]
    by_severity: Mapping[str, int]


Key = tuple[str, str]


class Inbox:
    """Alerts by id, at most `most`."""

    def __init__(self, most: int = 20_000) -> None:
        self._most = most
        self._alerts: dict[str, InboxAlert] = {}
        self._order: list[Key] = []  # (starts_at, alert_id), oldest first; it never changes for an alert
        self._decode = msgspec.json.Decoder(InboxAlert).decode
        self.whole = True

    def take(self, value: bytes) -> InboxAlert | None:
        """The alert, when it says something new; None when it was told before. Raises `msgspec.DecodeError` for bytes that are none."""
        alert = self._decode(value)
        before = self._alerts.get(alert.alert_id)
        if before is not None and (before.status == "resolved" or before.status == alert.status):
            return None
        self._alerts[alert.alert_id] = alert
        if before is None:
            insort(self._order, (alert.starts_at, alert.alert_id))
            if len(self._order) > self._most:
                self._forget()
        elif before.starts_at != alert.starts_at:
            self._order.remove((before.starts_at, alert.alert_id))
            insort(self._order, (alert.starts_at, alert.alert_id))
        return alert

    def knows(self, alert_id: str) -> bool:
        return alert_id in self._alerts

    def of_user(self, user_id: str) -> list[InboxAlert]:
        """All alerts of a user that are here, newest first."""
        found = (self._alerts[ident] for _, ident in reversed(self._order))
        return [alert for alert in found if alert.user_id == user_id]

    def page(
        self,
        which: Filter,
        *,
        limit: int,
        cursor: str | None,
        after: str,
        triage: Mapping[str, Triage] = MappingProxyType({}),
        now: str = "",
    ) -> Page:
        """`limit` alerts of `which` from `cursor` on, with their `triage`. Raises `ValueError` for a cursor that no page gave."""
        end = len(self._order) if cursor is None else bisect_left(self._order, _key(cursor))
        chosen = [key for key in self._order if which.takes(self._alerts[key[1]], triage.get(key[1]), now)]
        left = chosen[: bisect_left(chosen, self._order[end])] if end < len(self._order) else chosen
        shown = left[-limit:][::-1]
        more = len(left) > len(shown)
        alerts = [msgspec.structs.replace(self._alerts[ident], triage=triage.get(ident)) for _, ident in shown]
        return Page(alerts, len(chosen), _cursor(shown[-1]) if more else None, self.whole, after)

    def firing(self) -> Firing:
        """What is firing now, counted."""
        firing = [alert for alert in self._alerts.values() if alert.status == "firing"]
        return Firing(len(firing), Counter(alert.rule for alert in firing), Counter(alert.severity for alert in firing))

    def newest(self, status: str, most: int, key: Callable[[InboxAlert], str] = lambda alert: alert.starts_at) -> list[InboxAlert]:
        """The `most` alerts of a status that come last by `key`, the last one first."""
        return sorted((alert for alert in self._alerts.values() if alert.status == status), key=key, reverse=True)[:most]

    def _forget(self) -> None:
        gone = next((key for key in self._order if self._alerts[key[1]].status == "resolved"), self._order[0])
        self._order.remove(gone)
        del self._alerts[gone[1]]
        self.whole = False


def _cursor(key: Key) -> str:
    return base64.urlsafe_b64encode("\n".join(key).encode()).rstrip(b"=").decode()


def _key(cursor: str) -> Key:
    try:
        at, ident = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode().split("\n")
    except (binascii.Error, UnicodeError, ValueError) as problem:
        raise ValueError("no cursor of ours") from problem
    return at, ident
