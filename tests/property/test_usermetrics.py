"""The metrics of one user under random histories equal a recount over every counted event, with late and repeated ones among them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.core.metric_rules import Metrics, Streak
from streams.core.properties import Context, Properties
from streams.core.record import Fate
from streams.core.rules import DAY_MS, EventType, Rules
from streams.core.usermetrics import metrics_of
from streams.core.zones import local
from streams.timezones import all_zones
from tests.examples import examples
from tests.histories import EMAIL, ORDER, VIEW, at, fresh, make_rules

MINUTE_MS = 60_000
GAP_MS = 30 * MINUTE_MS
#: name -> (panes, minutes of a pane)
WINDOWS = {"5m": (5, 1), "1h": (60, 1), "24h": (24, 60), "7d": (7, 1440), "30d": (30, 1440)}
LOGIN, PAGE, USED, KEY = 21, 11, 60, 20
TYPES = (
    EventType(id=LOGIN, name="signed_in", login=True),
    EventType(id=PAGE, name="screen_view", page=True),
    EventType(id=USED, name="feature_used", active=True),
    EventType(id=KEY, name="signed_up", key=True, active=True),
)
ZONES = all_zones()
PLAIN = make_rules(types=TYPES)
RULES: Rules = msgspec.structs.replace(
    PLAIN,
    zones=ZONES,
    metrics=Metrics(streaks=(Streak(id=9, name="early", event="signed_in", days=3, after="04:00", before="12:00"),)),
)


class Sent(NamedTuple):
    kind: int
    at_ms: int
    ident: int
    amount: int
    focus_ms: int
    feature: str
    zone: str


@dataclass
class Session:
    """A session as the definitions have it."""

    began_ms: int
    last_ms: int
    pages: int = 0
    active: bool = False
    key: bool = False
    focus_ms: int = 0

    def engaged(self) -> bool:
        return self.key or self.pages >= 2 or self.focus_ms > 10_000 or self.last_ms - self.began_ms > 10_000


@dataclass
class Recount:
    """Everything counted, in lists."""

    events: list[Sent] = field(default_factory=list)
    sessions: list[Session] = field(default_factory=list)
    dwell: list[tuple[int, int]] = field(default_factory=list)  # when it counts, milliseconds
    features: dict[str, int] = field(default_factory=dict)
    early: set[int] = field(default_factory=set)
    zone: str = ""

    def add(self, sent: Sent) -> None:
        self.events.append(sent)
        dwell_ms, session = 0, self.sessions[-1] if self.sessions else None
        if sent.kind != EMAIL:
            if session is None or sent.at_ms - session.last_ms > GAP_MS:
                session = Session(sent.at_ms, sent.at_ms)
                self.sessions.append(session)
            elif sent.at_ms > session.last_ms:
                dwell_ms, session.last_ms = sent.at_ms - session.last_ms, sent.at_ms
        if sent.focus_ms:
            dwell_ms = min(sent.focus_ms, GAP_MS)
        inside = session is not None and session.began_ms <= sent.at_ms <= session.last_ms + GAP_MS
        if session is not None and inside:
            session.pages += sent.kind == PAGE
            session.active |= sent.kind in (USED, KEY)
            session.key |= sent.kind == KEY
            session.focus_ms += sent.focus_ms
        self.dwell.append((session.began_ms if session is not None and inside else sent.at_ms, dwell_ms))
        if sent.feature:
            self.features[sent.feature] = max(self.features.get(sent.feature, 0), sent.at_ms // DAY_MS)
        self.zone = sent.zone or self.zone
        if sent.kind == LOGIN:
            day, minute = local(ZONES.tables[ZONES.names[self.zone]] if self.zone else None, sent.at_ms)
            if 240 <= minute < 720:
                self.early.add(day)

    def streak(self) -> int:
        """Days in a row that end with the last one."""
        day = last = max(self.early)
        while day - 1 in self.early:
            day -= 1
        return last - day + 1

    def longest(self) -> int:
        return max(len([d for d in range(day, day + 400) if set(range(day, d + 1)) <= self.early]) for day in self.early)


STEPS = st.one_of(
    st.integers(0, 12_000),
    st.integers(0, 40 * MINUTE_MS),
    st.integers(0, 3 * DAY_MS),
    st.sampled_from([0, GAP_MS, GAP_MS + 1, DAY_MS, 29 * DAY_MS, 40 * DAY_MS]),
    st.integers(-3 * DAY_MS, 0),
)


@st.composite
def histories(draw: st.DrawFn) -> list[Sent]:
    sent: list[Sent] = []
    now_ms = at(0)
    for number in range(draw(st.integers(1, 40))):
        now_ms = max(at(-20), now_ms + draw(STEPS))
        kind = draw(st.sampled_from([PAGE, PAGE, LOGIN, USED, KEY, ORDER, EMAIL, VIEW]))
        ident = draw(st.integers(max(0, number - 4), number)) if draw(st.integers(0, 4)) == 0 else number
        focus_ms = draw(st.sampled_from([0, 0, 0, 4_000, 11_000, 3_600_000]))
        feature = draw(st.sampled_from(["", "a", "b", "c"])) if kind == USED else ""
        zone = draw(st.sampled_from(["", "", "Europe/Berlin", "Pacific/Auckland", "America/New_York"]))
        sent.append(Sent(kind, now_ms, ident, draw(st.integers(0, 20_000)) if kind == ORDER else 0, focus_ms, feature, zone))
    return sent


@settings(max_examples=examples(60))
@given(histories(), st.sampled_from([0, MINUTE_MS, DAY_MS, 5 * DAY_MS]))
def test_metrics_equal_a_recount(sent: Sequence[Sent], later_ms: int) -> None:
    user, recount = fresh(RULES), Recount()
    for offset, each in enumerate(sent):
        said = Properties(engaged_ms=each.focus_ms, feature=each.feature) if each.focus_ms or each.feature else None
        context = Context(timezone=each.zone) if each.zone else None
        if user.fold(each.kind, each.at_ms, each.ident, each.amount, 0, 3, offset, said, context) == Fate.COUNTED:
            recount.add(each)
        user.load("ann", user.dump())
    at_ms = user.newest_ms + later_ms
    metrics = metrics_of(user, RULES, at_ms)
    for window, (panes, minutes) in WINDOWS.items():
        width_ms = minutes * MINUTE_MS
        low_ms, high_ms = (at_ms // width_ms - panes + 1) * width_ms, (at_ms // width_ms + 1) * width_ms
        mine = [session for session in recount.sessions if low_ms <= session.began_ms < high_ms]
        pages = sum(each.kind == PAGE and low_ms <= each.at_ms < high_ms for each in recount.events)
        figures = metrics.sessions[window]
        assert (figures.sessions, figures.active, figures.page_views) == (len(mine), sum(each.active for each in mine), pages), window
        assert figures.logins == sum(each.kind == LOGIN and low_ms <= each.at_ms < high_ms for each in recount.events)
        if mine:
            dwell_ms = sum(ms for when, ms in recount.dwell if low_ms <= when // MINUTE_MS * MINUTE_MS < high_ms)
            assert figures.bounce == sum(each.pages == 1 for each in mine) / len(mine), window
            assert figures.ga_bounce == sum(not each.engaged() for each in mine) / len(mine), window
            assert figures.dwell_s is not None
            assert abs(figures.dwell_s - dwell_ms / len(mine) / 1000) < 1e-6, window
    today = at_ms // DAY_MS
    for window, days in (("7d", 7), ("30d", 30)):
        assert metrics.features_used[window] == sum(day > today - days for day in recount.features.values()), window
    orders = [each.amount for each in recount.events if each.kind == ORDER]
    assert (metrics.orders, metrics.revenue_minor) == (len(orders), sum(orders))
    if recount.early:
        last, days, longest = user.profile.streak(9)
        assert (last, days, longest) == (max(recount.early), recount.streak(), recount.longest())
