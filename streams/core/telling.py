"""What a member tells its account because of a counted event: that it came, came back, grew, has another role, or left."""

from streams.core.account import Act, Standing
from streams.core.record import Event
from streams.core.rules import DAY_MS, Rules
from streams.core.state import State
from streams.core.user import User

__all__ = ["acts_of", "acts_of_merge"]


def acts_of(user: User, event: Event, rules: Rules) -> list[Act]:
    """What the loaded user, who has just counted `event`, has to tell; the state knows then that it was told.

    A user is a member of the account that the newest `group` event names (of two of one instant: the later one), and of no other. Its first
    visit after it joined is the first that counts there. A user who has left in so many words is at risk at once.
    """
    mine, rhythm, group, acts = user.membership, user.rhythm, event.group, list[Act]()
    before = Standing(mine.weight, mine.told_points, mine.told_day) if mine.weight else None
    today, cause, name = event.at_ms // DAY_MS, "", ""
    # Nothing has come yet: none as of the day before it joined.
    points, day = (rhythm.points, rhythm.last_day) if rhythm.x else (0.0, mine.told_day if mine.weight else today - 1)
    visited = rhythm.x > 0 and day > mine.told_day
    if group is not None and event.at_ms >= mine.since_ms:
        cause, name = "joined", group.name
        if group.account == mine.account:
            mine.join(mine.account, event.at_ms, group.weight or mine.weight)
        else:
            if before is not None:
                acts.append(Act(mine.account, user.key, event.at_ms, "left", before=before))
            mine.join(group.account, event.at_ms, group.weight or rules.accounts.weight("default"))
            before, visited = None, rhythm.x > 0 and day >= today
            if rhythm.x == 0:
                day = today - 1
    elif mine.has_news(rhythm.points, rhythm.last_day):
        cause = "visit" if visited else "points"
    risk_day = user.risk_day()
    if user.leaves[event.type_id]:
        cause, risk_day = cause or "cancelled", today
    if not cause or not mine.weight:
        return acts
    mine.tell(points, day)
    acts.append(
        Act(mine.account, user.key, event.at_ms, cause, Standing(mine.weight, points, day, risk_day), before, day if visited else -1, name)
    )
    return acts


def acts_of_merge(user: User, other: State, at_ms: int) -> list[Act]:
    """What accounts are told when the loaded user has absorbed `other`: that one is no member any more, and the user is one where the newer
    of the two `group` events says so."""
    mine, theirs, rhythm, acts = user.membership, other.membership, user.rhythm, list[Act]()
    before = Standing(mine.weight, mine.told_points, mine.told_day) if mine.weight else None
    if theirs.weight:
        gone = Standing(theirs.weight, theirs.told_points, theirs.told_day)
        acts.append(Act(theirs.account, other.key, at_ms, "merged", before=gone))
        if theirs.since_ms > mine.since_ms:
            if before is not None and theirs.account != mine.account:
                acts.append(Act(mine.account, user.key, at_ms, "left", before=before))
                before = None
            mine.join(theirs.account, theirs.since_ms, theirs.weight)
    if not mine.weight:
        return acts
    points, day = (rhythm.points, rhythm.last_day) if rhythm.x else (0.0, at_ms // DAY_MS - 1)
    # A day on which the anonymous id was a visit there already is no second one.
    seen = max(before.last_day if before is not None else -1, theirs.told_day if theirs.weight else -1)
    mine.tell(points, day)
    standing = Standing(mine.weight, points, day, user.risk_day())
    acts.append(Act(mine.account, user.key, at_ms, "merged", standing, before, day if rhythm.x > 0 and day > seen else -1))
    return acts
