"""What the types of risk.yaml cannot say of the watch over the whole and of accounts. The first fault found is raised."""

import re
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from streams.configfile import require
from streams.core.account_rules import Accounts
from streams.core.rules import Site
from streams.errors import ConfigError

__all__ = ["check_accounts", "check_site"]

_LOCAL: Final = re.compile(r"\d{4}-\d\d-\d\d([ T]\d\d:\d\d)?")


def check_site(site: Site, file: str) -> None:
    """Ticks that divide an hour, a time zone that there is, mutes that end after they begin."""
    ticks = (1, 2, 3, 5, 10, 15, 20, 30, 60)
    require(site.tick_minutes in ticks, file, "site.tick_minutes", f"must be one of {', '.join(map(str, ticks))}, got {site.tick_minutes}")
    try:
        ZoneInfo(site.time_zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ConfigError(f"`{site.time_zone}` is no time zone, such as Europe/Berlin or UTC", file=file, path="site.time_zone") from None
    for number, mute in enumerate(site.mutes):
        path = f"site.mutes[{number}]"
        for name, text in (("from", mute.begin), ("to", mute.end)):
            require(_is_local(text), file, f"{path}.{name}", f"must be a local time such as 2026-12-24 or 2026-12-24 18:00, got {text}")
        require(mute.yearly or mute.begin < mute.end, file, f"{path}.to", f"must be after from ({mute.begin}), got {mute.end}")


def check_accounts(accounts: Accounts, file: str) -> None:
    """Every member counts for something, and an alert ends where it does not begin."""
    require("default" in accounts.weights, file, "accounts.weights.default", "is missing: members without a role must count for something")
    for role, weight in accounts.weights.items():
        require(role == role.casefold(), file, f"accounts.weights.{role}", "must be lower case: roles are compared without regard to it")
        require(1 <= weight <= 100, file, f"accounts.weights.{role}", f"must be between 1 and 100, got {weight}")
    for low, high in (("h_off", "h_on"), ("fall_to", "back_at"), ("min_days", "baseline_days")):
        least, most = getattr(accounts, low), getattr(accounts, high)
        enough = least <= most if low == "min_days" else least < most
        require(enough, file, f"accounts.{high}", f"must be above {low} ({least:g}), got {most:g}")


def _is_local(text: str) -> bool:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return bool(_LOCAL.fullmatch(text))
