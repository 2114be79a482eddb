"""The live view of the demo: what it adds up, and that it fits the terminal."""

import io
from typing import Any

import msgspec
import pytest
from rich.cells import cell_len
from rich.console import Console

from streams.demo.screen import PlainScreen, alert_line, status_line
from streams.demo.tally import ActiveAlert, Latencies, Resolved, Tally
from streams.demo.view import Picture, Progress, bar, draw, milliseconds, spark

ALERT = {
    "alert_id": "a1",
    "user_id": "u1",
    "rule": "engagement_drop",
    "status": "firing",
    "cause": "silence",
    "severity": "warning",
    "risk": 0.31,
    "reasons": [{"code": "silence", "text": "12 days without a visit", "value": 12.0, "baseline": 2.0, "contribution": 4.8}],
    "clears_when": "one visit",
    "starts_at": "2026-01-31T08:00:00.000Z",
}
SITE_DROP = {
    **ALERT,
    "alert_id": "s1",
    "user_id": "",
    "series": "all",
    "rule": "site_drop",
    "reasons": [{"code": "count", "text": "all events: 57 in one hour", "value": 57.0, "baseline": 128.0, "contribution": -71.0}],
    "clears_when": "about 128 events in one hour",
}


def alert(**other: Any) -> bytes:
    return msgspec.json.encode(ALERT | other)


def score(band: str, rev: int = 1) -> bytes:
    return msgspec.json.encode({"score_id": f"u1@t/0/{rev}", "band": band, "rev": rev, "cause": "event"})


def picture(**other: Any) -> Picture:
    reason, clears = "12.3 days without a visit; usually comes every 2.5 days", "regular visits for more than 14 days"
    active = [
        ActiveAlert(name, name, "engagement_drop", "high", reason, clears, "", 1_000_000 - n * 9000, n < 3)
        for n, name in enumerate(f"a-customer-with-a-rather-long-id-{n}" for n in range(20))
    ]
    fields: dict[str, Any] = {
        "phase": "live, 2,000 people, seed 7",
        "elapsed_s": 42.0,
        "of_s": 60.0,
        "people": 2000,
        "history": None,
        "rates": [float(n) for n in range(150)],
        "bands": {"cold": 402, "cool": 633, "warm": 801, "hot": 122, "core": 3},
        "band_from": (0.0, 20.0, 40.0, 60.0, 80.0),
        "read": 301_223,
        "fates": {"counted": 299_800, "duplicate": 612, "late": 311, "rejected": 400, "rerouted": 90, "erased": 6, "control": 4},
        "lag": 12,
        "p50_ms": 14.0,
        "p99_ms": 48.0,
        "active": active,
        "firing_now": 97,
        "fired": 7,
        "ended": 3,
        "resolved": [Resolved("u77", "churn_risk", "came_back", 990_000, True)],
        "trouble": ["waiting for Redis: " + "connection refused, " * 10],
        "hint": ". /tmp/streams-demo-abcdefgh/env; streams explain user-000413",
        "now_ms": 1_000_000,
    }
    return Picture(**(fields | other))


def lines(it: Picture, width: int, height: int) -> list[str]:
    out = io.StringIO()
    Console(file=out, width=width, height=height, highlight=False).print(draw(it, width, height))
    return out.getvalue().splitlines()


@pytest.mark.parametrize("width", [80, 100, 120, 200])
@pytest.mark.parametrize("history", [None, Progress(210_000, 150_000, 260_000)], ids=["live", "history"])
def test_no_line_is_wider_than_the_terminal(width: int, history: Progress | None) -> None:
    assert max(cell_len(line) for line in lines(picture(history=history), width, 40)) <= width


@pytest.mark.parametrize("height", [24, 36, 50])
def test_the_picture_fits_the_height_of_the_terminal(height: int) -> None:
    assert len(lines(picture(trouble=()), 80, height)) <= height


def test_the_fates_stand_beside_their_sum_and_what_was_read() -> None:
    shown = lines(picture(), 80, 40)
    head = next(n for n, line in enumerate(shown) if "counted" in line and "read" in line)
    assert shown[head].split() == ["counted", "duplicate", "late", "rejected", "rerouted", "erased", "control", "sum", "read"]
    assert shown[head + 1].split() == ["299,800", "612", "311", "400", "90", "6", "4", "301,223", "301,223"]


def test_the_command_to_look_closer_is_whole_at_80_columns() -> None:
    assert ". /tmp/streams-demo-abcdefgh/env; streams explain user-000413" in "\n".join(lines(picture(), 80, 24))


def test_an_alert_says_why_and_what_would_clear_it() -> None:
    text = "\n".join(lines(picture(), 120, 40))
    assert "regular visits for more than 14 days would clear it" in text
    assert "12.3 days without a visit; usually comes every 2.5 days" in text


def test_bars_are_exact_to_an_eighth_and_never_hide_something_small() -> None:
    assert (bar(0.0, 4), bar(0.5, 4), bar(1.0, 4), bar(0.0001, 4), bar(5 / 32, 4)) == ("", "██", "████", "▏", "▋")


def test_the_sparkline_shows_the_newest_values_at_the_right() -> None:
    assert spark([0.0, 4.0, 8.0], 5) == "  ▁▄█"
    assert spark([1.0, 2.0, 4.0, 8.0], 2) == "▄█"
    assert spark([], 3) == "   "


@pytest.mark.parametrize(("ms", "said"), [(None, "-"), (14.0, "14 ms"), (999.0, "999 ms"), (1234.0, "1.2 s")])
def test_latencies_are_said_in_the_unit_that_fits(ms: float | None, said: str) -> None:
    assert milliseconds(ms) == said


def test_a_quantile_is_the_smallest_value_that_so_many_do_not_exceed() -> None:
    latencies = Latencies()
    assert latencies.quantile(0.5) is None
    for ms in range(1, 101):
        latencies.add(ms)
    assert (latencies.quantile(0.5), latencies.quantile(0.99), latencies.quantile(1.0)) == (50.0, 99.0, 100.0)


def test_a_latency_is_never_below_zero_nor_beyond_a_minute() -> None:
    latencies = Latencies()
    latencies.add(-3)
    latencies.add(1e9)
    assert (latencies.quantile(0.5), latencies.quantile(1.0)) == (0.0, 60_000.0)


def test_each_user_is_in_the_band_of_the_score_with_the_highest_revision() -> None:
    tally = Tally(("cold", "hot"))
    tally.score(b"u1", score("cold", 1))
    tally.score(b"u1", score("hot", 3))
    assert tally.score(b"u1", score("cold", 2)) is None
    assert (tally.bands, tally.users) == ({"cold": 0, "hot": 1}, 1)


def test_a_tombstone_takes_the_user_away() -> None:
    tally = Tally(("cold", "hot"))
    tally.score(b"u1", score("hot"))
    tally.score(b"u1", None)
    tally.score(b"u2", None)
    assert (tally.bands, tally.users) == ({"cold": 0, "hot": 0}, 0)


def test_an_alert_that_is_told_twice_counts_once() -> None:
    tally = Tally(())
    tally.go_live(5)
    assert tally.alert(alert(), 5) is not None
    assert tally.alert(alert(), 5) is None
    assert tally.alert(alert(status="resolved", cause="came_back"), 7) == Resolved("u1", "engagement_drop", "came_back", 7, True)
    assert tally.alert(alert(status="resolved", cause="came_back"), 7) is None
    assert (tally.totals(), tally.active) == ({"firing": 1, "resolved": 1}, {})


def test_alerts_of_the_history_are_shown_but_not_counted_as_live() -> None:
    tally = Tally(())
    tally.alert(alert(), 5)
    tally.go_live(6)
    tally.alert(alert(alert_id="a2", user_id="u2", starts_at="2026-01-30T08:00:00.000Z"), 6)
    assert tally.totals() == {"firing": 1, "resolved": 0}
    assert [it.user_id for it in tally.newest(5)] == ["u2", "u1"]


def test_what_is_said_of_the_history_when_it_is_over_is_not_live_either() -> None:
    """The watch over the whole judges the last hours of the history when all of it is counted."""
    tally = Tally(())
    tally.go_live(6)
    drop, over = tally.alert(msgspec.json.encode(SITE_DROP), 5), tally.alert(msgspec.json.encode(SITE_DROP | {"status": "resolved"}), 5)
    assert drop is not None
    assert over is not None
    assert (drop.live, over.live, list(tally.resolved)) == (False, False, [])
    assert tally.totals() == {"firing": 0, "resolved": 0}


def test_plain_lines_say_the_same_in_one_line() -> None:
    assert status_line(picture()) == "   42 s  149 events/s  1,961 people  alerts 97 firing, 7 new, 3 resolved  p50 14 ms, p99 48 ms"
    assert (
        status_line(picture(history=Progress(10_000, 9_000, 20_000)))
        == "   42 s  history 10,000 written, 9,000 counted  149 events/s  1,961 people"
    )
    assert len(status_line(picture())) < 120


def test_the_first_plain_line_is_where_the_page_is(capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever started it waits for that; nothing is said before, and it is said once."""
    screen = PlainScreen()
    screen.show(picture(phase="starting", url_comes=True))
    assert capsys.readouterr().out == ""
    url = "http://127.0.0.1:8080/login/once"
    screen.show(picture(phase="starting", url=url))
    screen.show(picture(phase="live", url=url))
    said = capsys.readouterr().out.splitlines()
    assert said[0] == f"   the page:  {url}"
    assert [url in line for line in said].count(True) == 1
    PlainScreen().show(picture(phase="starting"))
    assert capsys.readouterr().out.startswith("   no page: ")


def test_a_plain_alert_line_cannot_steer_the_terminal() -> None:
    assert alert_line(Resolved("u\x1b[2J", "churn_risk", "came_back", 0, True)) == "  resolved  u\\x1b[2J: churn risk; came back"


@pytest.mark.parametrize(
    ("series", "about"),
    [("all", "all events"), ("country:DE", "country DE"), ("account:acme", "account acme"), ("users", "many users")],
)
def test_an_alert_about_no_user_says_what_it_is_about(series: str, about: str) -> None:
    told = Tally(()).alert(msgspec.json.encode(SITE_DROP | {"series": series}), 0)
    assert told is not None
    assert alert_line(told).startswith(f"  alert     {about}: site drop; all events: 57 in one hour; ")
