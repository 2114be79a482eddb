"""One user, kept in plain dictionaries and lists, by the definitions of SCORING.md and nothing else."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from math import log
from typing import Any, Final, NamedTuple
from uuid import UUID, uuid5

import xxhash

from tests.logs import Place
from tests.oracle_events import Said
from tests.oracle_kept import Kept

__all__ = ["COUNTED", "DUPLICATE", "LATE", "NEVER_MS", "OracleUser", "Spoken"]

COUNTED, DUPLICATE, LATE = "counted", "duplicate", "late"
NEVER_MS: Final = 1 << 52
DAY_MS: Final = 86_400_000
MINUTE_MS: Final = 60_000
SESSION, REVENUE, CUSTOM = 1, 2, 3
#: name -> (panes, minutes of a pane)
WINDOWS: Final = {"5m": (5, 1), "1h": (60, 1), "24h": (24, 60), "7d": (7, 1440), "30d": (30, 1440)}
DAY_WINDOWS: Final = ("7d", "30d")
#: 64-bit words of a state besides ids, counters and panes, at the most: header, profile, activity, other names, account, aggregates; and
#: what is kept free for the next event.
HEAD_WORDS: Final = 49 + 76 + 74 + 51 + 11 + 8 + 57 + 73
NAMESPACE: Final = UUID("6f0d6c34-6f5b-5f0e-9d0c-1f4c7e0b7a52")
RULES: Final = ("churn_risk", "engagement_drop")


class Spoken(NamedTuple):
    """A record that must be on a topic: its id, and the fields that are judged."""

    ident: str
    user: str
    rev: int
    fields: dict[str, Any]


@dataclass
class Slot:
    """One alert rule of one user."""

    firing: bool = False
    opened: Place | None = None
    starts_at_ms: int = 0
    ends_at_ms: int = -NEVER_MS
    judged: bool = False  # it is known whether the alert was right


class OracleUser:
    """A user as the definitions have it: panes by minute and type, ids in a list, decayed sums by formula."""

    def __init__(self, key: str, rules: dict[str, Any]) -> None:
        self.key, self.rules = key, rules
        self.scoring, self.churn_rules, self.drop_rules = rules["scoring"], rules["churn"], rules["drop"]
        self.weights = {entry["id"]: entry["weight"] for entry in rules["catalogue"]["types"]} | {3: rules["catalogue"]["custom_weight"]}
        self.leaving = {entry["id"] for entry in rules["catalogue"]["types"] if entry.get("leaves")}
        self.kept = Kept(rules)
        self.panes: Counter[tuple[int, int]] = Counter()  # (minute, type) -> count
        self.lifetime: Counter[int] = Counter()
        self.accepted: dict[str, int] = {}  # id -> active days so far when it was accepted, oldest first
        self.newest_ms = self.scored_ms = -1
        self.last: Place | None = None
        self.first_day = self.last_day = -1
        self.x, self.gm, self.gw, self.cus, self.pc = 0, 0.0, 0.0, 0.0, 0.0
        horizon = self.churn_rules["horizon_days"]
        self.half_lives = (horizon / 4, horizon, 2 * horizon, 4 * horizon)
        self.s = [0.0] * 4
        self.points, self.wday = 0.0, 0.0
        self.slots = (Slot(), Slot())
        self.said: tuple[float, int, int] | None = None  # score, band and time as last emitted
        self.band_now = 0
        self.entry_ms = NEVER_MS
        self.expired = False
        self.left = False  # in so many words
        self.lost = False  # silent for the horizon
        self.lesson_ms = NEVER_MS  # when the pending lesson is learned
        #: More panes than a state has room for: minutes, then hours may have been given up early, so only the windows of days are exact.
        self.crowded = False
        #: Day -> types that need a pane there; days before `exact_from` may have been given up, too: what comes late fills many days.
        self._days: dict[int, set[int]] = {}
        self.exact_from = -1
        self._event_turns: list[tuple[int, int, str]] = []
        self._known: dict[str, tuple[object, int]] = {}  # crossings computed before: name -> (what they follow from, instant)

    # -- folding ------------------------------------------------------------------------------------------------------

    def fold(self, said: Said, place: Place) -> str:
        """The event's fate; a counted one is in the state, once."""
        day, weight = said.at_ms // DAY_MS, self.weights.get(said.type_id, 0.0)
        if self.newest_ms >= 0 and self._too_old(said.at_ms):
            return LATE
        if self._is_duplicate(said.ident):
            return DUPLICATE
        if weight > 0:
            self._count_session(said.at_ms)
        self._count(said.at_ms, said.type_id, 1)
        self.kept.see(said.type_name, said.at_ms, said.properties)
        if said.amount:
            self._count(said.at_ms, REVENUE, said.amount)
        for counter in said.counters:
            self._count(said.at_ms, counter, 1)
        self.newest_ms = max(self.newest_ms, said.at_ms)
        if weight > 0:
            self._score_points(day, weight)
            self.band_now = max(self.band_now, self.band(self.engagement(self.r(self.newest_ms))))
        self._remember(said.ident)
        self.last = place
        if said.type_id in self.leaving:
            self._leave(said.at_ms)
        self._resolve(said.at_ms, "bought" if said.amount > 0 else "came_back")
        return COUNTED

    def _count(self, at_ms: int, type_id: int, n: int) -> None:
        self.panes[at_ms // MINUTE_MS, type_id] += n
        self.lifetime[type_id] += n
        room = self.scoring["state_bytes"] // 8 - HEAD_WORDS - len(self.accepted) - len(self.lifetime)
        self.crowded = self.crowded or (3 * len(self.panes) > room and self._panes_needed() > room)
        day = self._days.setdefault(at_ms // DAY_MS, set())
        if type_id not in day:
            day.add(type_id)
            self._give_up(room)

    def _give_up(self, room: int) -> None:
        """From the newest day on, as many days as surely fit."""
        needed, newest = 0, max(self._days)
        for day in sorted(self._days, reverse=True):
            if day <= newest - WINDOWS["30d"][0]:
                del self._days[day]
                continue
            needed += len(self._days[day]) + 2 * (SESSION in self._days[day])
            if needed > room:
                self.exact_from = max(self.exact_from, day + 1)

    def exact_windows(self, from_day: int) -> tuple[str, ...]:
        """Windows that a state is exact in as of the user's newest event, when it holds all days from `from_day` on."""
        if not self.crowded:
            return tuple(WINDOWS)
        newest = self.newest_ms // DAY_MS
        return tuple(window for window in DAY_WINDOWS if newest - WINDOWS[window][0] + 1 >= from_day)

    def _panes_needed(self) -> int:
        """Panes of a state that keeps minutes for an hour, hours for a day, and days for a month."""
        newest = self.newest_ms // MINUTE_MS
        needed = set()
        for minute, type_id in self.panes:
            width = 1 if minute > newest - 60 else 60 if minute // 60 > newest // 60 - 24 else 1440
            if minute // 1440 > newest // 1440 - 30:
                needed.add((minute // width * width, type_id))
        # Time and marks of a session are panes, too, and lie where it began.
        return len(needed) + 2 * sum(type_id == SESSION for _, type_id in needed)

    def _score_points(self, day: int, weight: float) -> None:
        if self.x == 0:
            self.first_day = self.last_day = day
            self.x, self.s, self.points, self.wday = 1, [1.0] * 4, log(1 + weight), weight
            self._draw(day)
        elif day > self.last_day:
            self._new_day(day)
            self.points, self.wday = self.points * 2 ** (-self._gap / self.scoring["half_life_days"]) + log(1 + weight), weight
        else:
            self.points += log(1 + self.wday + weight) - log(1 + self.wday)
            self.wday += weight

    def _new_day(self, day: int) -> None:
        g = self._gap = day - self.last_day
        rho, lam, m = self.drop_rules["rho"], self.lam(), self.m()
        self.pc = min(40.0, max(0.0, self.pc + lam * (1 - rho) * g + log(rho)))
        self.cus = max(0.0, self.cus + g / m - 1.5)
        self.gm, self.gw = 0.8 * self.gm + g, 0.8 * self.gw + 1
        self.s = [s * 2 ** (-g / h) + 1 for s, h in zip(self.s, self.half_lives, strict=True)]
        self.x, self.last_day, self.left, self.lost = self.x + 1, day, False, False
        for slot in self.slots:
            slot.judged = slot.judged or slot.firing
        if self.lesson_ms == NEVER_MS:
            self._draw(day)

    def _draw(self, from_day: int) -> None:
        """The next day on which user and week are drawn by lot; the lesson is learned when the horizon after it has ended."""
        learning, horizon = self.rules["learning"], int(self.churn_rules["horizon_days"])
        self.lesson_ms = NEVER_MS
        if not learning["enabled"] or self.x < learning["min_active_days"]:
            return
        lot = xxhash.xxh3_64_intdigest(self.key.encode())
        for day in range(max(from_day, self.last_day), self.last_day + horizon + 1):
            week, weekday = divmod(day - lot % 7, 7)
            if weekday == 0 and xxhash.xxh3_64_intdigest(f"{self.key}\0{week}".encode()) % learning["sample_one_in"] == 0:
                self.lesson_ms = (day + horizon + 1) * DAY_MS + lot // 7 % 1440 * MINUTE_MS
                return

    def _take_stock(self, what: str, at_ms: int) -> None:
        """The end of a horizon told what came of the user; nobody is told."""
        if what == "lesson":
            self._draw(at_ms // DAY_MS)
        elif what == "lost":
            self.lost = True
        else:
            next(slot for slot in self.slots if self._right_ms(slot) == at_ms).judged = True

    def _right_ms(self, slot: Slot) -> int:
        """When an alert that fires will have been right."""
        horizon_ms = round(self.churn_rules["horizon_days"] * DAY_MS)
        return NEVER_MS if not slot.firing or slot.judged else max(slot.starts_at_ms + horizon_ms, self.newest_ms + 1)

    def _lost_ms(self) -> int:
        """When an engaged user will have been silent for the horizon."""
        if self.lost or self.x < self.churn_rules["min_active_days"] or self.m() > self.churn_rules["engaged_gap_days"]:
            return NEVER_MS
        return max((self.last_day + 1) * DAY_MS + round(self.churn_rules["horizon_days"] * DAY_MS), self.newest_ms + 1)

    def _leave(self, event_ms: int) -> None:
        """Nothing fires before the next active day, and what fires is over."""
        self.left = True
        for slot in self.slots:
            slot.judged = slot.judged or slot.firing
        for rule, slot in enumerate(self.slots):
            if slot.firing:
                self._close(rule, max(self.newest_ms, slot.starts_at_ms))
                self._event_turns.append((rule, event_ms, "cancelled"))

    # -- reading ------------------------------------------------------------------------------------------------------

    def r(self, at_ms: int) -> float:
        """Days of silence: none on the last active day itself, a day is one visit whatever the hour."""
        since_ms = at_ms - self.last_day * DAY_MS
        return 0.0 if self.x == 0 or since_ms < DAY_MS else since_ms / DAY_MS

    def exposure(self, j: int, tenure: float) -> float:
        """E_j: what S_j would be after `tenure` days with a visit on each."""
        h = self.half_lives[j]
        return float((1 - 2 ** (-max(tenure, 1.0) / h)) / (1 - 2 ** (-1 / h)))

    def m(self) -> float:
        return float((self.churn_rules["m0_days"] + self.gm) / (1 + self.gw))

    def lam(self) -> float:
        return float((self.s[3] + 0.5) / (self.exposure(3, self.last_day - self.first_day) + 14))

    def p0(self, r: float) -> float:
        """Churn probability after `r` days of silence."""
        if self.x == 0:
            return 0.0
        horizon = self.churn_rules["horizon_days"]
        s = self.s[2] * 2 ** (-r / self.half_lives[2])
        e = self.exposure(2, self.last_day - self.first_day + r)
        base = (2 * horizon + e) / (2 * horizon + e + horizon)
        return float(base ** (self.churn_rules["r0"] + s))

    def drop(self, r: float) -> float:
        return float(self.pc + self.lam() * (1 - self.drop_rules["rho"]) * r)

    def engagement(self, r: float) -> float:
        a = self.points * 2 ** (-r / self.scoring["half_life_days"])
        return float(100 * a / (a + self.scoring["a_ref"])) if a else 0.0

    def band(self, score: float) -> int:
        """How many edges the score has reached."""
        return sum(score >= edge for edge in self.scoring["bands"])

    def counts(self, window: str, at_ms: int) -> dict[int, int]:
        """Type -> count in the panes floor(t/w)-n+1 .. floor(t/w)."""
        return self.all_counts(at_ms)[window]

    def all_counts(self, at_ms: int) -> dict[str, dict[int, int]]:
        """`counts` of every window; panes that no window can hold any more are forgotten."""
        totals: dict[str, Counter[int]] = {window: Counter() for window in WINDOWS}
        for (minute, type_id), n in list(self.panes.items()):
            for window, (panes, width) in WINDOWS.items():
                last = at_ms // MINUTE_MS // width
                if last - panes + 1 <= minute // width <= last:
                    totals[window][type_id] += n
            if self._too_old(minute * MINUTE_MS):
                del self.panes[minute, type_id]
        return {window: {type_id: n for type_id, n in total.items() if n} for window, total in totals.items()}

    # -- what an event is to the user ---------------------------------------------------------------------------------

    def _too_old(self, at_ms: int) -> bool:
        """Older than the longest window before the user's newest event: of a day that no window holds any more."""
        return at_ms // DAY_MS < self.newest_ms // DAY_MS - (WINDOWS["30d"][0] - 1)

    def _is_duplicate(self, ident: str) -> bool:
        """Among the last 256 accepted ids, of those accepted since the previous active day began."""
        return ident in self.accepted

    def _remember(self, ident: str) -> None:
        self.accepted[ident] = self.x
        for known in [known for known, x in self.accepted.items() if x < self.x - 1] or list(self.accepted)[: -self.scoring["dedup_ids"]]:
            del self.accepted[known]

    def _count_session(self, at_ms: int) -> None:
        """A session begins with a scored event more than the session gap after the newest scored one."""
        if self.scored_ms < 0 or at_ms - self.scored_ms > self.scoring["session_gap_ms"]:
            self._count(at_ms, SESSION, 1)
        self.scored_ms = max(self.scored_ms, at_ms)

    # -- timers and alerts --------------------------------------------------------------------------------------------

    def due_ms(self) -> int:
        """The next instant at which silence changes something."""
        return min(at_ms for at_ms, _, _ in self._timers())

    def turns_until(self, bound_ms: int, rev: int, now_ms: int) -> tuple[list[Spoken], int | None]:
        """Every timer up to `bound_ms` has fired, in order; what was said, and the instant of the last one."""
        spoken: list[Spoken] = []
        last_ms = None
        stock_ms = min(self.lesson_ms, *map(self._right_ms, self.slots), self._lost_ms())
        if bound_ms < min((self.last_day + 1) * DAY_MS, self.newest_ms + DAY_MS, stock_ms):
            return spoken, last_ms  # on the last active day nothing is silent yet
        while not self.expired:
            at_ms, order, what = min(self._timers())
            if at_ms > bound_ms:
                break
            if what in ("lesson", "right", "lost"):
                self._take_stock(what, at_ms)
                continue
            last_ms = at_ms
            if what == "expired":
                self.expired = True
                for rule in (0, 1):
                    if self.slots[rule].firing:
                        self._close(rule, at_ms)
                        spoken.append(self._alert(rule, "resolved", at_ms, "expired", rev, now_ms))
            elif what == "band":
                self.band_now = self.band(self.engagement(self.r(at_ms)))
            else:
                slot = self.slots[order]
                slot.firing, slot.opened, slot.starts_at_ms, slot.judged = True, self.last, at_ms, False
                spoken.append(self._alert(order, "firing", at_ms, "silence", rev, now_ms))
        return spoken, last_ms

    def take_event_turns(self, rev: int, now_ms: int) -> list[Spoken]:
        """What the last counted event has resolved. The records are dated by the event."""
        turns, self._event_turns = self._event_turns, []
        return [self._alert(rule, "resolved", at_ms, cause, rev, now_ms) for rule, at_ms, cause in turns]

    def _resolve(self, event_ms: int, cause: str) -> None:
        """An event may end an alert, judged at the latest instant that is known: a late event from before the silence does not end it."""
        for rule, slot in enumerate(self.slots):
            at_ms = max(self.newest_ms, slot.starts_at_ms)
            r = self.r(at_ms)
            over = self.p0(r) >= self.churn_rules["theta_off"] if rule == 0 else self.drop(r) >= self.drop_rules["h_off"]
            if slot.firing and not over:
                self._close(rule, at_ms)
                self._event_turns.append((rule, event_ms, cause))

    def _close(self, rule: int, at_ms: int) -> None:
        self.slots[rule].firing, self.slots[rule].ends_at_ms = False, at_ms

    def _timers(self) -> list[tuple[int, int, str]]:
        """(instant, order among equals, what) of everything that silence will bring."""
        timers = [
            (self.crossing_ms(0), 0, "churn"),
            (self.crossing_ms(1), 1, "drop"),
            (max(self.lesson_ms, self.newest_ms + 1), 3, "lesson"),
            (self.newest_ms + self.scoring["state_ttl_days"] * DAY_MS if self.newest_ms >= 0 else NEVER_MS, 6, "expired"),
            *((self._right_ms(slot), 4, "right") for slot in self.slots),
            (self._lost_ms(), 5, "lost"),
        ]
        if self.x and self.band_now > 0:
            edge = self.scoring["bands"][self.band_now - 1]
            timers.append(
                (
                    max(self._first("band", (self.points, self.last_day, edge), lambda r: self.engagement(r) < edge), self.newest_ms + 1),
                    2,
                    "band",
                )
            )
        return timers

    def crossing_ms(self, rule: int) -> int:
        """When silence raises the alert of `rule`; never, while it is firing or where the user is not one to be alerted."""
        numbers, slot = (self.churn_rules, self.drop_rules)[rule], self.slots[rule]
        if slot.firing or self.left or self.x < numbers["min_active_days"] or (rule == 0 and self.m() > numbers["engaged_gap_days"]):
            return NEVER_MS
        crossed = (lambda r: self.p0(r) >= numbers["theta_on"]) if rule == 0 else (lambda r: self.drop(r) >= numbers["h_on"])
        at_ms = self._first(RULES[rule], (self.x, self.last_day), crossed)
        at_ms = max(at_ms, self.newest_ms + 1, slot.ends_at_ms + round(numbers["rearm_days"] * DAY_MS))
        return at_ms if at_ms >= NEVER_MS else self._spaced(at_ms)

    def _spaced(self, at_ms: int) -> int:
        """Not within the cooldown of an alert that has begun, and not on a day on which enough have begun."""
        alerts = self.rules["alerts"]
        begun = [slot.starts_at_ms for slot in self.slots if slot.opened]
        at_ms = max([at_ms, *(start + round(alerts["cooldown_hours"] * 3_600_000) for start in begun)])
        same_day = [start for start in begun if start // DAY_MS == at_ms // DAY_MS]
        return (at_ms // DAY_MS + 1) * DAY_MS if len(same_day) >= alerts["max_per_day"] else at_ms

    def _first(self, name: str, state: object, crossed: Callable[[float], bool]) -> int:
        """The first millisecond after the last active day at which `crossed`, which never turns back; by halving, once for each `state`."""
        if self._known.get(name, (None, 0))[0] != state:
            low, high = (self.last_day + 1) * DAY_MS, (self.last_day + 36_500) * DAY_MS
            if not crossed(self.r(high)):
                low = high = NEVER_MS
            while low < high:
                middle = (low + high) // 2
                if crossed(self.r(middle)):
                    high = middle
                else:
                    low = middle + 1
            self._known[name] = (state, low)
        return self._known[name][1]

    # -- records ------------------------------------------------------------------------------------------------------

    def emission(self, at_ms: int) -> str:
        """Why a score leaves after a step, or an empty text."""
        score = self.engagement(self.r(at_ms))
        if self.said is None or abs(score - self.said[0]) >= self.rules["emit"]["min_delta"]:
            return "event"
        if self.band(score) != self.said[1]:
            return "band"
        return "interval" if at_ms - self.said[2] >= self.rules["emit"]["max_interval_s"] * 1000 else ""

    def score(self, cause: str, as_of_ms: int, rev: int) -> Spoken:
        """The score record as of `as_of_ms`, which counts as said from now on."""
        r = self.r(as_of_ms)
        score = self.engagement(r)
        self.said = (score, self.band(score), as_of_ms)
        ident = f"{self.key}@{self.last}" + (f"+{as_of_ms}" if cause == "timer" else "")
        catalogue = self.rules["catalogue"]
        names = {entry["id"]: entry["name"] for entry in (*catalogue["types"], *catalogue["counters"])} | {CUSTOM: "custom"}
        windows = self.all_counts(as_of_ms)
        events = {window: {type_id: n for type_id, n in counts.items() if type_id >= CUSTOM} for window, counts in windows.items()}
        fields = {
            "user_id": self.key,
            "as_of_ms": as_of_ms,
            "engagement_score": score,
            "band": self.scoring["band_names"][self.band(score)],
            "churn_probability": self.p0(r),
            "ces": {window: sum(self.weights.get(type_id, 0.0) * n for type_id, n in counts.items()) for window, counts in events.items()},
            "counts": {window: {names[type_id]: n for type_id, n in events[window].items()} for window in ("24h", "30d")},
            "sessions_30d": windows["30d"].get(SESSION, 0),
            "revenue_30d_minor": windows["30d"].get(REVENUE, 0),
            "cause": cause,
            "exact_windows": self.exact_windows(self.exact_from),
        }
        return Spoken(ident, self.key, rev, fields)

    def _alert(self, rule: int, status: str, at_ms: int, cause: str, rev: int, now_ms: int) -> Spoken:
        slot, r = self.slots[rule], self.r(at_ms)
        risk, alerts = self.p0(r), self.rules["alerts"]
        revenue = self.counts("30d", at_ms).get(REVENUE, 0) or self.lifetime[REVENUE]
        value = sum(revenue >= step for step in alerts["value_steps_minor"])
        level = value + sum(risk >= step for step in alerts["risk_steps"])
        ident = str(uuid5(NAMESPACE, f"{self.rules['app_id']}|{self.key}|{RULES[rule]}|{slot.opened}"))
        fields = {
            "user_id": self.key,
            "rule": RULES[rule],
            "status": status,
            "cause": cause,
            "risk": risk,
            "judged": risk if rule == 0 else self.drop(r),
            "band": self.scoring["band_names"][self.band(self.engagement(r))],
            "value_band": alerts["value_bands"][value],
            "severity": alerts["severities"][min(level, len(alerts["severities"]) - 1)],
            "starts_at_ms": slot.starts_at_ms,
            "ends_at_ms": max(at_ms, slot.starts_at_ms) if status == "resolved" else None,
            "stale": now_ms - at_ms > self.rules["emit"]["alert_max_age_s"] * 1000,
        }
        return Spoken(ident, self.key, rev, fields)
