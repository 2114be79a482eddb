"""How users make up accounts, and when an account is said to drop, as a frozen struct (`accounts` in config/risk.yaml)."""

from collections.abc import Mapping

import msgspec

from streams.core.frozen import Frozen

__all__ = ["Accounts"]


class Accounts(Frozen, frozen=True):
    """Accounts: docs/accounts.md. A `group` event makes its user a member of the account `groupId`.

    role        traits of the `group` event that say what the user is there; of several the first one present counts
    weights     role -> what this member counts for in the account, 1 to 100; `default` for every other member
    members     most members that are kept one by one; of the others the account has sums
    told_points a member tells its account when its points have grown by so much since it told last, and with each new active day
    baseline_days   most days of the usual level, and
    min_days    the fewest: they end where the last four weeks begin
    h_on        evidence (a log-likelihood ratio) at which the drop alert begins, if
    fall_to     the visits of a window are at most this share of the usual; below h_off it ends,
    h_off       and as soon as seven days have
    back_at     this share of the usual again
    rearm_days  after an alert has ended, none for this account for so many days
    """

    enabled: bool = True
    role: tuple[str, ...] = ("role", "user_role")
    weights: Mapping[str, int] = msgspec.field(default_factory=lambda: {"default": 1})
    members: int = 100
    told_points: float = 0.5
    baseline_days: int = 84
    min_days: int = 28
    h_on: float = 6.2
    fall_to: float = 0.5
    h_off: float = 3.1
    back_at: float = 0.75
    rearm_days: int = 14

    def weight(self, role: str) -> int:
        """What a member with this role counts for; without regard to case."""
        return self.weights.get(role.casefold(), self.weights["default"])
