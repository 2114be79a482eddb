"""One user under random histories: against a brute force, through dumps and loads at any point, in any order, full to the brim."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec
from hypothesis import example, given, settings
from hypothesis import strategies as st

from streams.core.record import NEVER_MS, Fate
from streams.core.rules import DAY_MS, DWELL, MARKS, REVENUE, SESSION, Churn, Scoring
from streams.core.score import ScoreRecord, score_record
from streams.core.user import Turn, User
from tests.examples import examples
from tests.histories import ADDED, EMAIL, ORDER, VIEW, at, fresh, make_rules

MINUTE_MS = 60_000
#: name -> (panes, minutes of a pane), as DESIGN has them
WINDOWS = {"5m": (5, 1), "1h": (60, 1), "24h": (24, 60), "7d": (7, 1440), "30d": (30, 1440)}
WEIGHTS = {VIEW: 1.0, ADDED: 3.0, ORDER: 10.0, EMAIL: 0.0}
RULES = make_rules()
#: Few remembered ids, so that forgetting is tried, too.
FORGETFUL = make_rules(scoring=Scoring(dedup_ids=4))


class Sent(NamedTuple):
    """An event as the tests send it."""

    kind: int
    at_ms: int
    ident: int
    amount: int


@dataclass
class Brute:
    """A user by definition: every counted event in a list."""

    ids: int
    events: list[Sent] = field(default_factory=list)
    sessions: list[int] = field(default_factory=list)
    remembered: list[tuple[int, int]] = field(default_factory=list)  # id, number of active days when it was accepted
    newest_ms: int = -1
    scored_ms: int = -1
    last_day: int = -1
    active_days: int = 0

    def fold(self, sent: Sent) -> int:
        day = sent.at_ms // DAY_MS
        if self.newest_ms >= 0 and day < self.newest_ms // DAY_MS - 29:
            return Fate.LATE
        if sent.ident in [ident for ident, _ in self.remembered]:
            return Fate.DUPLICATE
        if WEIGHTS[sent.kind]:
            if self.scored_ms < 0 or sent.at_ms - self.scored_ms > 30 * MINUTE_MS:
                self.sessions.append(sent.at_ms)
            self.scored_ms = max(self.scored_ms, sent.at_ms)
        if WEIGHTS[sent.kind] and day > self.last_day:
            self.last_day, self.active_days = day, self.active_days + 1
        self.events.append(sent)
        self.newest_ms = max(self.newest_ms, sent.at_ms)
        self.remembered.append((sent.ident, self.active_days))
        self.remembered = [(ident, days) for ident, days in self.remembered if days >= self.active_days - 1][-self.ids :]
        return Fate.COUNTED

    def counts(self, window: str, at_ms: int) -> dict[int, int]:
        panes, minutes = WINDOWS[window]
        width_ms = minutes * MINUTE_MS
        low_ms, high_ms = (at_ms // width_ms - panes + 1) * width_ms, (at_ms // width_ms + 1) * width_ms
        return {kind: n for kind, n in self._sum(low_ms, high_ms).items() if n}

    def lifetime(self) -> dict[int, int]:
        return dict(self._sum(0, 1 << 62))

    def _sum(self, low_ms: int, high_ms: int) -> Counter[int]:
        total: Counter[int] = Counter()
        for kind, at_ms, _, amount in self.events:
            if low_ms <= at_ms < high_ms:
                total[kind] += 1
                if amount:
                    total[REVENUE] += amount
        if n := sum(low_ms <= at_ms < high_ms for at_ms in self.sessions):
            total[SESSION] = n
        return total


#: Steps of time between events: most of them forward, some back, near the edges of panes and windows.
STEPS = st.one_of(
    st.integers(0, 10 * MINUTE_MS),
    st.integers(0, 3 * 3_600_000),
    st.integers(0, 3 * DAY_MS),
    st.sampled_from([1, MINUTE_MS, 3_600_000, DAY_MS, 23 * 3_600_000, 29 * DAY_MS, 30 * DAY_MS, 45 * DAY_MS, 200 * DAY_MS]),
    st.integers(-31 * DAY_MS, 0),
)


@st.composite
def histories(draw: st.DrawFn, most: int = 60) -> list[Sent]:
    """Events with late ones and repeated ids among them."""
    start_ms = at(0) + draw(st.sampled_from([0, 3_599_999, DAY_MS - 1, 12 * 3_600_000]))
    sent: list[Sent] = []
    now_ms = start_ms
    for number in range(draw(st.integers(1, most))):
        now_ms = max(start_ms - 20 * DAY_MS, now_ms + draw(STEPS))
        kind = draw(st.sampled_from([VIEW, VIEW, ADDED, ORDER, EMAIL]))
        ident = draw(st.integers(max(0, number - 6), number)) if draw(st.integers(0, 4)) == 0 else number
        sent.append(Sent(kind, now_ms, ident, draw(st.integers(-5000, 20_000)) if kind == ORDER else 0))
    return sent


def fold(user: User, sent: Sent, offset: int) -> int:
    return user.fold(sent.kind, sent.at_ms, sent.ident, sent.amount, 0, 3, offset)


@settings(max_examples=examples(150))
@given(histories(), st.integers(0, 40 * DAY_MS), st.sampled_from([RULES, FORGETFUL]))
def test_fates_windows_sessions_and_counters_are_those_of_brute_force(sent: list[Sent], later_ms: int, rules: object) -> None:
    """After every event, at its time and at a later one."""
    user, brute = fresh(rules), Brute(4 if rules is FORGETFUL else 256)  # type: ignore[arg-type]
    for offset, each in enumerate(sent):
        assert fold(user, each, offset) == brute.fold(each)
        assert user.newest_ms == brute.newest_ms
        assert user.lifetime() == brute.lifetime()
        for at_ms in (user.newest_ms, user.newest_ms + later_ms):
            for window in WINDOWS:
                counts = brute.counts(window, at_ms)
                assert user.counts(window, at_ms) == counts, window
                assert user.ces(window, at_ms) == sum(WEIGHTS[kind] * n for kind, n in counts.items() if kind > REVENUE)


@settings(max_examples=examples(100))
@given(histories(), st.data())
def test_a_dump_and_a_load_at_any_point_change_nothing(sent: list[Sent], data: st.DataObject) -> None:
    """A user that rests between events, among others, becomes what the user that never rested becomes: fates, turns, bytes."""
    through, rested, rest = fresh(RULES), fresh(RULES), fresh(RULES)
    for offset, each in enumerate(sent):
        if data.draw(st.booleans()):
            blob = rested.dump()
            rest.load("bob", None)
            fold(rest, each, 0)
            rested.load("ann", blob)
            assert rested.dump() == blob
        bound_ms = each.at_ms - 1
        turns = [(turn, user.turn_ms) for user in (through, rested) if (turn := user.turn(bound_ms)) not in (0, Turn.EXPIRED)]
        assert turns[: len(turns) // 2] == turns[len(turns) // 2 :]
        assert fold(through, each, offset) == fold(rested, each, offset)
        assert (through.turns, through.dump()) == (rested.turns, rested.dump())


@settings(max_examples=examples(100))
@given(histories(most=25), st.randoms(use_true_random=False))
def test_the_order_of_events_within_the_window_leaves_no_trace_in_panes_and_counters(sent: list[Sent], draw: object) -> None:
    """Sessions aside, which are counted in the order of processing."""
    span = [each for each in sent if 0 <= each.at_ms - at(0) < 29 * DAY_MS]
    span = [each._replace(ident=number) for number, each in enumerate(span)]
    shuffled = list(span)
    draw.shuffle(shuffled)  # type: ignore[attr-defined]
    one, other = fresh(RULES), fresh(RULES)
    for offset, (left, right) in enumerate(zip(span, shuffled, strict=True)):
        assert fold(one, left, offset) == fold(other, right, offset) == Fate.COUNTED
    assert without_sessions(one.lifetime()) == without_sessions(other.lifetime())
    assert panes(one) == panes(other)


def without_sessions(counts: dict[int, int]) -> dict[int, int]:
    return {kind: n for kind, n in counts.items() if kind != SESSION}


def panes(user: User) -> list[int]:
    """The entries of the pane table, sessions aside."""
    return [entry for entry in user.panes.entries[: user.panes.size] if entry >> 40 & 255 not in (SESSION, DWELL, MARKS)]


ADVERSARIAL = st.tuples(st.integers(3, 255), st.sampled_from([0, MINUTE_MS, 7 * MINUTE_MS, 3_600_000, DAY_MS]), st.integers(1, 400))


@settings(max_examples=examples(25))
@given(st.lists(ADVERSARIAL, min_size=1, max_size=12), st.sampled_from([8000, 8192]))
@example([(3, DAY_MS, 30), (3, MINUTE_MS, 400), (3, 0, 400)], 8192)
def test_no_history_makes_a_state_larger_than_its_bound(runs: Sequence[tuple[int, int, int]], bound: int) -> None:
    """Runs of events of rising types, at once, by the minute, by the hour, by the day: lifetime counters are exact, and what is in
    the panes was there."""
    user = fresh(make_rules(scoring=Scoring(state_bytes=bound)))
    lifetime: Counter[int] = Counter()
    now_ms, number = at(0), 0
    for first, step_ms, length in runs:
        for i in range(length):
            now_ms, number, kind = now_ms + step_ms, number + 1, (first + i - 3) % 253 + 3
            assert user.fold(kind, now_ms, number, i % 3, 0, 3, number) == Fate.COUNTED
            lifetime[kind] += 1
            if number % 16 == 0:
                blob = user.dump()
                assert len(blob) <= bound
                user.load("ann", blob)
                assert user.dump() == blob
    assert {kind: n for kind, n in user.lifetime().items() if kind > REVENUE} == lifetime
    assert all(n <= lifetime[kind] for kind, n in user.counts("30d", now_ms).items() if kind > REVENUE)


@settings(max_examples=examples(100))
@given(histories(), st.integers(0, 90 * DAY_MS))
def test_a_timer_is_never_late_and_turns_are_in_order(sent: list[Sent], later_ms: int) -> None:
    """Whatever `turn` returns was due, comes at its instant, and not before the one before it; nothing is due after it has said so."""
    user = fresh(RULES)
    for offset, each in enumerate(sent):
        fold(user, each, offset)
    bound_ms, before_ms = user.newest_ms + later_ms, user.newest_ms
    while user.due_ms <= bound_ms:
        due_ms = user.due_ms
        turn = user.turn(bound_ms)
        if not turn:
            break
        assert due_ms <= user.turn_ms <= bound_ms
        assert user.turn_ms >= before_ms
        before_ms = user.turn_ms
        assert turn != Turn.EXPIRED, "ninety days are less than a life"
    assert user.due_ms > bound_ms
    assert user.turn(bound_ms) == 0


@settings(max_examples=examples(100))
@given(histories(most=40))
def test_a_score_record_is_what_the_encoder_makes_of_it(sent: list[Sent]) -> None:
    """The bytes are canonical JSON of `ScoreRecord`, and its numbers are those of the user."""
    user = fresh(RULES)
    for offset, each in enumerate(sent):
        fold(user, each, offset)
    as_of_ms = user.newest_ms
    _, value = score_record(user, RULES, cause="event", as_of_ms=as_of_ms, due_ms=None, rev=1)
    record = msgspec.json.decode(value, type=ScoreRecord)
    assert msgspec.json.encode(record) == value
    assert record.ces == {window: user.ces(window, as_of_ms) for window in WINDOWS}
    names = {VIEW: "page_view", ADDED: "product_added", ORDER: "order_completed", EMAIL: "email_send"}
    for window in ("24h", "30d"):
        assert record.counts[window] == {names[kind]: n for kind, n in user.counts(window, as_of_ms).items() if kind > REVENUE}
    assert sum(each.points for each in record.contributions) == record.ces["7d"]
    assert abs(record.engagement_score - user.engagement(as_of_ms)) <= 0.005
    assert abs(record.churn_probability - user.churn(as_of_ms)) <= 0.00005
    assert (record.sessions_30d, record.revenue_30d_minor) == tuple(
        user.counts("30d", as_of_ms).get(kind, 0) for kind in (SESSION, REVENUE)
    )


@settings(max_examples=examples(100))
@given(
    st.lists(st.integers(1, 40), max_size=60),
    st.sampled_from([0.05, 0.1, 0.3, 0.5, 0.8, 0.9, 0.95]),
    st.sampled_from([7.0, 30.0, 90.0]),
)
def test_the_churn_crossing_is_the_first_millisecond_at_the_threshold(gaps: list[int], theta: float, horizon: float) -> None:
    """For any rhythm, threshold and horizon, and after the last active day; never only where a hundred years do not reach it."""
    churn = Churn(theta_on=theta, theta_off=theta / 2, min_active_days=1, engaged_gap_days=1e9, horizon_days=horizon)
    user = fresh(make_rules(churn=churn))
    day = 0
    for number, gap in enumerate([*gaps, 1]):
        user.fold(ADDED, at(day), number, 0, 0, 3, number)
        day += gap
    crossing_ms, century_ms = user.rhythm.churn_at_ms(), user.newest_ms + 36_500 * DAY_MS
    if crossing_ms == NEVER_MS:
        assert user.churn(century_ms) < theta
    else:
        midnight_ms = (user.newest_ms // DAY_MS + 1) * DAY_MS
        assert user.churn(crossing_ms) >= theta
        assert crossing_ms == midnight_ms or (crossing_ms > midnight_ms and user.churn(crossing_ms - 1) < theta)
