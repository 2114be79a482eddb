"""Straight through the rules: the report adds up, and says what a worker would have said."""

from collections.abc import Iterator

from streams.core.envelope import rfc3339
from streams.core.rules import DAY_MS
from streams.replay.straight import StraightReport, straight
from streams.settings import load
from streams.sim.emission import Emission
from streams.sim.uniform import uniform_events
from streams.sim.world import World

RULES = load(None, {}).rules
MONDAY_MS = 1_763_942_400_000  # 2025-11-24 00:00 UTC


def visits(user: str, days: range, name: str = "Product Viewed") -> Iterator[Emission]:
    for day in days:
        at_ms = MONDAY_MS + day * DAY_MS
        value = f'{{"type":"track","event":"{name}","userId":"{user}","messageId":"{user}-{day}","timestamp":"{rfc3339(at_ms)}"}}'
        yield Emission(at_ms, "clickstream", user.encode(), value.encode())


def by_time(*streams: Iterator[Emission]) -> list[Emission]:
    return sorted((emission for stream in streams for emission in stream), key=lambda emission: emission.at_ms)


def test_report_adds_up() -> None:
    """Fates add up to the events read, users to the bands and to the scores, and panes to what was counted."""
    report = straight(uniform_events(9_000, 50, 1, 20), RULES)
    assert report.events == sum(report.fates.values()) == 9_000
    assert report.users == sum(report.bands.values()) == sum(report.scores) == 50
    assert sum(n for name, n in report.windows["30d"].items() if name != "session") == report.fates["counted"] == 9_000


def test_daily_user_who_falls_silent_is_alerted() -> None:
    """Forty daily visits and a silence of twelve days: one drop alert, still firing; the user who goes on has none."""
    report = straight(by_time(visits("silent", range(40)), visits("steady", range(53))), RULES)
    drop = report.alerts["engagement_drop"]
    assert (drop.fired, drop.resolved, drop.firing) == (1, 0, 1)
    assert report.alerts["churn_risk"].fired == 0


def test_who_comes_back_is_resolved() -> None:
    """A return takes the alert away: in the end none is firing."""
    report = straight(by_time(visits("silent", range(40)), visits("silent", range(50, 56)), visits("steady", range(57))), RULES)
    drop = report.alerts["engagement_drop"]
    assert (drop.fired, drop.resolved, drop.firing) == (1, 1, 0)


def test_the_same_file_again_is_duplicates() -> None:
    """Events that were counted lately meet the fate `duplicate`."""
    day = list(visits("a", range(1), "Signed In"))
    report = straight([*day, *day, *day], RULES)
    assert (report.fates["counted"], report.fates["duplicate"]) == (1, 2)


def test_alerts_do_not_depend_on_the_steps() -> None:
    """A world read in other pieces gives the same users, fates and alerts: only the number of scores told differs."""
    world = World(3, 60)
    emissions = list(world.history(60, MONDAY_MS))
    reports: list[StraightReport] = []
    seen: list[int] = []
    reports.append(straight(emissions, RULES, on_progress=lambda report: seen.append(report.events)))
    reports.append(straight(emissions, RULES, step=37))
    assert seen[-1] == len(emissions)
    assert reports[0].alerts == reports[1].alerts
    assert reports[0].alerts["engagement_drop"].fired >= 1
    assert reports[0].fates == reports[1].fates
    assert reports[0].users == sum(reports[0].bands.values()), "accounts and ids that were merged are no users"
    assert reports[0].rejects.keys() <= {"not_json", "wrong_type", "missing_field", "blocked_id"}


def test_nothing_in_nothing_out() -> None:
    """An empty file gives an empty report."""
    report = straight([], RULES)
    assert (report.events, report.users, report.rate) == (0, 0, 0.0)
