"""Accounts for tests: what members do as records, a recount by definition, and whether accounts know what their members told."""

import json
from collections import Counter
from collections.abc import Mapping

from streams.core.account import ROW, decode_account
from streams.core.identity import home_partition
from streams.core.rules import DAY_MS, Rules
from streams.core.user import User
from streams.shell.heads import is_user
from tests.feed import Sent

__all__ = ["Recount", "known", "said", "told"]

#: Of a member: weight, points, last active day, as the account knows them.
Known = tuple[int, float, int]


def said(user: str, at_ms: int, rules: Rules, *, group: str = "", role: str = "", shift: int = 0) -> Sent:
    """A page view, or a `group` call; `shift`: so many partitions from where the user lives."""
    fields = {"userId": user, "timestamp": at_ms, "messageId": f"{user}/{at_ms}/{group}"}
    fields |= {"type": "group", "groupId": group, "traits": {"role": role, "name": group.title()}} if group else {"type": "page"}
    partition = (home_partition(user, rules.partitions) + shift) % rules.partitions
    return Sent(rules.topics.clickstream, partition, user.encode(), json.dumps(fields).encode())


class Recount:
    """Members and visits by definition, of events in the order of their times."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._belongs: dict[str, tuple[str, int]] = {}
        self._active: dict[str, int] = {}
        self.visits: Counter[tuple[str, int]] = Counter()

    def add(self, user: str, at_ms: int, group: str = "", role: str = "") -> None:
        """A page view is a visit of the user's account if it is the first of its day there; who joins after it brings it along."""
        day, before = at_ms // DAY_MS, self._belongs.get(user)
        if group:
            self._belongs[user] = (group, self._rules.accounts.weight(role))
            if (before is None or before[0] != group) and self._active.get(user) == day:
                self.visits[group, day] += self._belongs[user][1]
        elif self._active.get(user) != day:
            self._active[user] = day
            if before is not None:
                self.visits[before[0], day] += before[1]

    def members(self, ident: str) -> dict[str, int]:
        """User -> weight."""
        return {user: weight for user, (group, weight) in self._belongs.items() if group == ident}

    def days(self, ident: str) -> dict[int, int]:
        """Day -> visits."""
        return {day: n for (account, day), n in self.visits.items() if account == ident}


def told(rows: Mapping[str, bytes], rules: Rules) -> dict[str, dict[str, Known]]:
    """Account -> member -> what its state says that it told; of the users in `rows`."""
    user, found = User(rules), dict[str, dict[str, Known]]()
    for key, blob in rows.items():
        if not is_user(key.encode(), blob):
            continue
        user.load(key, blob)
        if (mine := user.membership).weight:
            found.setdefault(mine.account, {})[key] = (mine.weight, mine.told_points, mine.told_day)
    return found


def known(rows: Mapping[str, bytes], rules: Rules) -> dict[str, dict[str, Known]]:
    """Account -> member -> what the account knows; of the accounts in `rows` that have any, and keep all of them one by one."""
    found: dict[str, dict[str, Known]] = {}
    for key, blob in rows.items():
        if key.startswith(ROW):
            shares = decode_account(blob).rolled(0, rules, rules.scoring.a_ref).shares
            members = {share.user: (share.standing.weight, share.standing.points, share.standing.last_day) for share in shares}
            if members:
                found[key.removeprefix(ROW)] = members
    return found
