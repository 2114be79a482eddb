"""Ways from a name that was given up to the one that holds: where known users are made one, a name may lead to another one that leads on.

Users may claim each other at once, two of them or more, and their rows then lead in a circle. Such a circle is always found: the state of
whoever closed it goes round in it, ahead of every event that this one sends on. It ends at the id of the circle that sorts first, whoever
finds it and however often, so that one user has everything.
"""

from typing import Final

import msgspec

from streams.core.errands import Claim

__all__ = ["RENAMES_MAX", "asked_on", "onward"]

#: So often an event may be sent on because of given-up names, beside what partitions alone need. Nobody has so many names in a row, and a
#: circle of ten is found before an event has gone round three times.
RENAMES_MAX: Final = 32


def onward(at: str, leads_to: str, passed: tuple[str, ...]) -> tuple[str, tuple[str, ...]] | None:
    """Where a state goes from `at`, whose row leads to `leads_to`, and the ids that it has passed by then. None: the way is a circle, and
    this is where it ends.

    passed  the ids whose rows have sent it on, in their order; the first of them is where it comes from
    """
    if at not in passed:
        return leads_to, (*passed, at)
    place = passed.index(at)
    circle = passed[place:]
    if circle[1 % len(circle)] != leads_to:  # that circle has ended since, and this way is another one
        return leads_to, (*passed[:place], at)
    first = circle.index(min(circle))
    return None if first == 0 else (circle[first], circle[first:] + circle[:first])


def asked_on(claim: Claim, leads_to: str | None) -> Claim | bool:
    """The next question of a claim that has come to the user `claim.user`, whose row leads to `leads_to` (None: nowhere); or the answer,
    whether both are one person.

    First the owner's way is walked to its end, then the claimant's: they are one person if the second way meets the first one.
    """
    passed = (*claim.passed, claim.user)
    if leads_to is not None:
        if leads_to in (claim.met or (claim.target,)):
            return True
        if leads_to not in passed:
            return msgspec.structs.replace(claim, user=leads_to, passed=passed)
    return False if claim.met else msgspec.structs.replace(claim, user=claim.target, passed=(), met=passed)
