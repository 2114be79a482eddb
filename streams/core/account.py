"""An account: its members with what each of them adds, its visits by day, and its drop alert. It rests as bytes, at most 8 KiB.

Members tell it what they are (`core/membership.py`); it never looks into a user. Points decay in a way that is known, so the roll-up can
be read as of any time. Only so many members are kept one by one; of the others there are sums, by the month of their last active day: who
tells something also says what it told before, so sums stay exact.
"""

from bisect import bisect_left
from typing import Final, Literal, NamedTuple

import msgspec

from streams.core.identity import home_partition
from streams.core.record import NEVER_MS
from streams.core.rules import DAY_MS, Emit, Rules
from streams.core.versioned import Versioned
from streams.core.visits import LOOK_DAYS, Judged, Visits

__all__ = [
    "ACCOUNT",
    "ROW",
    "Account",
    "Act",
    "Rolled",
    "Said",
    "Share",
    "Standing",
    "Verdict",
    "account_home",
    "decode_account",
    "encode_account",
    "row_of",
]

#: What an account is called where users are called by their keys: on topics, by people.
ACCOUNT: Final = "account:"
#: Prefix of the rows of accounts in the store. No user key holds a control character, so no user can be taken for one.
ROW: Final = "\x01account:"

#: A row is at most so long (tests hold it to that): the sums and the fixed part fit into `_REST_BYTES`, members into the others.
STATE_BYTES: Final = 8192
_REST_BYTES: Final = 2600
#: Of a member beside its key: prefixes, weight, points, two days.
_MEMBER_BYTES: Final = 24
_MONTH_DAYS: Final = 28
_ACTIVE_DAYS: Final = 30
_NEVER_DAY: Final = NEVER_MS // DAY_MS


def row_of(account: str) -> str:
    """The row of an account in the users of its home partition."""
    return ROW + account


def account_home(account: str, rules: Rules) -> int:
    """The partition that the account lives on: found as that of a user is."""
    return home_partition(account, rules.partitions)


class Standing(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """What a member counts for: points (P of docs/scoring.md) as of its last active day (none yet: the day on which it joined).
    risk_day: the day on which its churn probability reaches the threshold, if it stays away."""

    weight: int
    points: float
    last_day: int
    risk_day: int = _NEVER_DAY

    def decayed(self, at_ms: int, half_life_days: float) -> float:
        """A: the points as they count at `at_ms`. There is no silence on the last active day itself."""
        if at_ms < (self.last_day + 1) * DAY_MS:
            return self.points
        return float(self.points * 2.0 ** (-(at_ms / DAY_MS - self.last_day) / half_life_days))


class Act(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What a member tells an account.

    at_ms      event time of the event that it is told because of
    cause      joined | left | visit | points | merged
    now        what it counts for from now on; None: it is no member any more
    before     what it told last; None: nothing
    visit_day  the day of a visit that is new
    name       of the account, if the event said it
    """

    account: str
    user: str
    at_ms: int
    cause: str
    now: Standing | None = None
    before: Standing | None = None
    visit_day: int = -1
    name: str = ""


class _Member(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    user: str
    standing: Standing


class _Others(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Members that are not kept one by one, by the month of their last active day. points: sum of weight times points, as of its end."""

    month: int
    members: int
    weight: int
    points: float


class Share(NamedTuple):
    """A member in the roll-up. `points` of all members, and of `others`, add up to the account's score."""

    user: str
    standing: Standing
    engagement: float
    points: float


class Rolled(NamedTuple):
    """An account at one instant.

    score    weighted mean of the engagement scores of all members, 0 to 100
    shares   of the members that are kept one by one, the largest first
    others, others_points   how many there are beside them, and what they add
    active   members with an active day among the last 30 (of the others, to the month)
    at_risk  share of the weight whose churn probability is above the threshold, of the members kept one by one
    """

    score: float
    members: int
    weight: int
    shares: list[Share]
    others: int
    others_points: float
    active: int
    at_risk: float


class Verdict(NamedTuple):
    """The drop alert of an account begins, or ends, with the end of `day`: seen on the window that says it most clearly."""

    status: Literal["firing", "resolved"]
    cause: Literal["silence", "came_back", "usual"]
    day: int
    judged: Judged
    starts_ms: int

    @property
    def at_ms(self) -> int:
        """The end of the day."""
        return (self.day + 1) * DAY_MS


class Said(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """What an account told of itself: as users tell their scores, when it is worth it."""

    score: float
    band: int
    firing: bool
    at_ms: int

    def differs(self, before: "Said | None", emit: Emit) -> bool:
        """Whether this is worth telling after `before`."""
        if before is None or abs(self.score - before.score) >= emit.min_delta:
            return True
        return (self.band, self.firing) != (before.band, before.firing) or self.at_ms - before.at_ms >= emit.max_interval_s * 1000


class Account(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    """One account.

    newest_ms    newest event that something was told because of; -1 before
    entry_ms     the entry that the store's queue of due times holds for it
    last         coordinates of the last record that told something: part of the ids of what is said
    judged_day   the last day that was judged
    firing, starts_ms, ends_ms   of the drop alert; -1 before
    said         what was said last; None: nothing
    """

    name: str = ""
    newest_ms: int = -1
    entry_ms: int = NEVER_MS
    last: str = ""
    visits: Visits = msgspec.field(default_factory=Visits)
    judged_day: int = -1
    firing: bool = False
    starts_ms: int = -1
    ends_ms: int = -1
    said: Said | None = None
    members: list[_Member] = msgspec.field(default_factory=list)
    others: list[_Others] = msgspec.field(default_factory=list)

    # -- what members tell ----------------------------------------------------------------------------------------------

    def tell(self, act: Act, rules: Rules) -> None:
        """The account knows what one of its members has told."""
        if not self.judgeable():  # no day was waited for
            self.judged_day = max(self.judged_day, act.at_ms // DAY_MS - 1)
        self.newest_ms = max(self.newest_ms, act.at_ms)
        self.name = act.name or self.name
        if act.visit_day >= 0 and act.now is not None:
            self.visits.add(act.visit_day, act.now.weight)
        at = bisect_left(self.members, act.user, key=_user_of)
        if at < len(self.members) and self.members[at].user == act.user:
            if act.cause == "merged" and act.now is None and not _is_what_was_told(self.members[at].standing, act.before):
                return  # an id of several people, which has joined anew before the news came that its first state is another's
            del self.members[at]
        elif act.before is not None:
            self._among_others(act.before, -1, rules)
        if act.now is None:
            return
        if self._has_room(act.user, rules):
            self.members.insert(at, _Member(act.user, act.now))
        else:
            self._among_others(act.now, 1, rules)

    def _has_room(self, user: str, rules: Rules) -> bool:
        size = sum(len(member.user.encode()) + _MEMBER_BYTES for member in self.members) + len(user.encode()) + _MEMBER_BYTES
        return len(self.members) < rules.accounts.members and size <= STATE_BYTES - _REST_BYTES

    def _among_others(self, standing: Standing, sign: Literal[1, -1], rules: Rules) -> None:
        """The sums have a member more, or one less. One whose month was forgotten is in no sum."""
        month = standing.last_day // _MONTH_DAYS
        end_ms = _end_day(month) * DAY_MS
        at = bisect_left(self.others, month, key=_month_of)
        there = at < len(self.others) and self.others[at].month == month
        before = self.others[at] if there else _Others(month, 0, 0, 0.0)
        points = before.points + sign * standing.weight * standing.decayed(end_ms, rules.scoring.half_life_days)
        after = _Others(month, before.members + sign, before.weight + sign * standing.weight, points)
        self.others[at : at + there] = [after] if after.members > 0 else []

    # -- time -----------------------------------------------------------------------------------------------------------

    def judgeable(self) -> bool:
        """Whether the end of a day can say anything about it. If not, no alert fires either."""
        return bool(self.visits.sums) or self.firing

    def due_ms(self, rules: Rules) -> int:
        """When it is to be looked at again: at the end of the next day while it is judged by days; else when it is forgotten, as long after
        the last thing told as a user after the last event."""
        if self.judgeable():
            return (self.judged_day + 2) * DAY_MS
        return self.newest_ms + rules.scoring.state_ttl_days * DAY_MS

    def judge(self, rules: Rules) -> Verdict | None:
        """The next day is over for all members: whether the drop alert begins or ends with it. Members silent for so long that users are
        forgotten leave."""
        day = self.judged_day = self.judged_day + 1
        self.visits.reach(day)
        self._forget(day, rules)
        drop, found = rules.accounts, self.visits.judged(day, rules.accounts)
        clearest = max(found, key=lambda judged: judged.value, default=Judged(LOOK_DAYS, 0, 0.0, 0.0, 1.0))
        if not self.firing:
            rested = self.ends_ms < 0 or day * DAY_MS >= self.ends_ms + drop.rearm_days * DAY_MS
            low = [each for each in found if each.value >= drop.h_on and each.share <= drop.fall_to]
            if not low or not rested:
                return None
            self.firing, self.starts_ms, self.ends_ms = True, (day + 1) * DAY_MS, -1
            return Verdict("firing", "silence", day, max(low, key=lambda judged: judged.value), self.starts_ms)
        back = bool(found) and found[0].share >= drop.back_at
        if not back and any(each.value >= drop.h_off and each.share <= drop.back_at for each in found):
            return None
        self.firing, self.ends_ms = False, (day + 1) * DAY_MS
        return Verdict("resolved", "came_back" if back else "usual", day, found[0] if back else clearest, self.starts_ms)

    def _forget(self, day: int, rules: Rules) -> None:
        oldest = (day - rules.scoring.state_ttl_days) // _MONTH_DAYS
        if any(member.standing.last_day // _MONTH_DAYS < oldest for member in self.members):
            self.members = [member for member in self.members if member.standing.last_day // _MONTH_DAYS >= oldest]
        if self.others and self.others[0].month < oldest:
            self.others = [others for others in self.others if others.month >= oldest]

    # -- reading --------------------------------------------------------------------------------------------------------

    def rolled(self, at_ms: int, rules: Rules, a_ref: float) -> Rolled:
        """The roll-up as of `at_ms` (`newest_ms` or later)."""
        half_life, today = rules.scoring.half_life_days, at_ms // DAY_MS
        weight = sum(member.standing.weight for member in self.members) + sum(others.weight for others in self.others)
        shares, active, at_risk, kept = list[Share](), 0, 0, 0
        for member in self.members:
            standing = member.standing
            score = _engagement(standing.decayed(at_ms, half_life), a_ref)
            shares.append(Share(member.user, standing, score, score * standing.weight / weight))
            active += standing.last_day > today - _ACTIVE_DAYS
            at_risk += standing.weight if standing.risk_day <= today else 0
            kept += standing.weight
        others_points = 0.0
        for others in self.others:
            mean = others.points / others.weight * 2.0 ** (-max(0.0, at_ms / DAY_MS - _end_day(others.month)) / half_life)
            others_points += _engagement(mean, a_ref) * others.weight / weight
            active += others.members if _end_day(others.month) > today - _ACTIVE_DAYS else 0
        shares.sort(key=lambda share: (-share.points, share.user))
        many = sum(others.members for others in self.others)
        score = sum((share.points for share in shares), others_points)
        return Rolled(score, len(shares) + many, weight, shares, many, others_points, active, at_risk / kept if kept else 0.0)

    def clearest(self, rules: Rules) -> Judged | None:
        """The window of the last judged day that speaks most for a drop; None while too little is known."""
        return max(self.visits.judged(self.judged_day, rules.accounts), key=lambda judged: judged.value, default=None)


_stored: Final = Versioned(Account, 1, "an account")
encode_account: Final = _stored.encode
decode_account: Final = _stored.decode


def _engagement(decayed: float, a_ref: float) -> float:
    """The engagement score of docs/scoring.md."""
    return 100.0 * decayed / (decayed + a_ref)


def _end_day(month: int) -> int:
    return (month + 1) * _MONTH_DAYS - 1


def _is_what_was_told(standing: Standing, before: Standing | None) -> bool:
    """Whether a member counts for what it is said to have told last; its risk aside, which is not remembered where it was told."""
    return before is not None and (standing.weight, standing.points, standing.last_day) == (before.weight, before.points, before.last_day)


def _user_of(member: _Member) -> str:
    return member.user


def _month_of(others: _Others) -> int:
    return others.month
