"""The business metrics of one day, counted a second time: slowly, from every event, with sets and lists in place of rings and sums.

Nothing here is shared with what the worker counts by (`core/business.py`, `core/ledger.py`) but the rules, the decoded events, and the
names of countries, devices and channels. Users are kept whole, so it needs memory for everybody who ever came.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

from streams.core.catalogue import CHANNELS
from streams.core.ledger import month_window, rolling_window
from streams.core.measures import CHANNEL_NAMES, DEVICES, channel_codes, country_code, country_name, device_code
from streams.core.record import Event
from streams.core.rules import DAY_MS, Rules

__all__ = ["Recount"]

HOUR_MS: Final = 3_600_000
#: A state knows of a longer visit only that it was longer.
_REMEMBERED_MS: Final = 65_535
#: Days before the newest one that a user's segment still changes for, when it becomes known; answers stay open longer.
_OPEN: Final = {"active": 30, "orders": 30, "converted": 30, "answers": 61}

Label = tuple[str, str, str]
#: What is divided, and by what; None where nothing divides it.
Pair = tuple[float, float | None]


class _Visit:
    def __init__(self, at_ms: int, channel: str) -> None:
        self.began_ms = self.last_ms = at_ms
        self.views, self.engaged, self.channel = 0, False, channel


def _remembered_ms(visit: _Visit) -> int:
    """When the visit began, as far as a state remembers it."""
    return max(visit.began_ms, visit.last_ms - _REMEMBERED_MS)


class _Person:
    """Everything that one user ever did, by day."""

    def __init__(self) -> None:
        self.newest = self.newest_ms = -1
        self.label: Label = ("unknown", "unknown", "unknown")
        self.days: dict[str, dict[int, Label]] = {kind: {} for kind in _OPEN}
        self.orders: Counter[int] = Counter()
        self.answers: dict[int, str] = {}
        self.answered_ms = -1
        self.features: dict[str, set[int]] = defaultdict(set)
        self.visit: _Visit | None = None
        self.known_orders: list[str] = []
        self.messages: list[tuple[str, set[str]]] = []
        self.cart_ms = self.signed_ms = self.activated_ms = -1
        self.cancelled = False

    def learn(self, country: str, device: str, channel: str) -> None:
        """The first of each that is known is the user's, also for the days that are still open."""
        said = (country, device, channel)
        label = tuple(new if old == "unknown" else old for old, new in zip(self.label, said, strict=True))
        if label != self.label:
            self.label = (label[0], label[1], label[2])
            for kind, days in self.days.items():
                for day in days:
                    if self.newest - day <= _OPEN[kind]:
                        days[day] = self.label


class Line(NamedTuple):
    """Something that was counted, when and in which segments."""

    what: str
    at_ms: int
    n: int
    segments: tuple[str, ...]


class Recount:
    """`add` every counted event, of each user in the order in which it was counted; then ask for `figures`."""

    def __init__(self, rules: Rules) -> None:
        self._rules, self._business = rules, rules.business
        self._names = {entry.id: entry.name for entry in rules.catalogue.types}
        self._weights = {entry.id: entry.weight for entry in rules.catalogue.types}
        self._channels = {entry.id: entry.channel for entry in rules.catalogue.types if entry.channel in CHANNELS}
        self._roles = {setting: frozenset(names) for setting, names in rules.business.events().items()}
        self._sources = channel_codes(rules.business.channels)
        self._people: dict[str, _Person] = {}
        self._gone: list[_Person] = []
        self._on_the_way: dict[str, _Person] = {}
        self._lines: list[Line] = []
        self._named: Counter[tuple[int, str]] = Counter()

    # -- events -----------------------------------------------------------------------------------------------------

    def add(self, event: Event) -> None:
        """The event has been counted."""
        person, day = self._person(event), event.at_ms // DAY_MS
        person.newest, person.newest_ms = max(person.newest, day), max(person.newest_ms, event.at_ms)
        context, about = event.context, event.properties
        country = country_name(country_code(context.country)) if context else "unknown"
        device = DEVICES[device_code(context.device)] if context else "unknown"
        person.learn(country, device, "unknown")
        here = (country if country != "unknown" else person.label[0], device if device != "unknown" else person.label[1])
        name = self._names.get(event.type_id, "")
        is_a = {setting for setting, names in self._roles.items() if name in names}
        if self._weights.get(event.type_id, self._rules.catalogue.custom_weight) > 0:
            self._visit(person, event, is_a, here)
            person.days["active"].setdefault(day, person.label)
        channel = self._channels.get(event.type_id) or (person.visit.channel if person.visit else "unknown")
        segments = [f"country={here[0]}", f"device={here[1]}", f"channel={channel}"]
        if about and about.category:
            known = {category.casefold() for category in self._business.page_categories}
            category = about.category.casefold()
            segments.append(f"category={category if category in known else 'other'}")

        def say(what: str, n: int = 1, at_ms: int = event.at_ms) -> None:
            self._lines.append(Line(what, at_ms, n, tuple(segments)))

        verb = name.removeprefix(f"{channel}_")
        if event.type_id in self._channels and verb in ("send", "delivery", "open", "click"):
            self._message(person, event, verb, say)
        else:
            self._act(person, event, is_a, name, say)
        self._money(person, event, is_a, say)
        if about and about.feature:
            person.features[about.feature.casefold()].add(day)

    def left(self, source: str) -> None:
        """The state of an id has left for a known user: who comes under the id from now on is somebody else."""
        if (person := self._people.pop(source, None)) is not None:
            if (before := self._on_the_way.get(source)) is not None:  # names that led in a circle, and were taken up again
                self._unite(person, before)
            self._on_the_way[source] = person

    def came(self, source: str, target: str) -> None:
        """It has come there: both are one person."""
        if (other := self._on_the_way.pop(source, None)) is not None:
            self._unite(self._people.setdefault(target, _Person()), other)

    def _unite(self, person: _Person, other: _Person) -> None:
        mine, theirs = min(person.days["active"], default=1 << 40), min(other.days["active"], default=1 << 40)
        first, second = (person, other) if mine <= theirs else (other, person)
        label = tuple(a if a != "unknown" else b for a, b in zip(first.label, second.label, strict=True))
        if other.visit is not None:
            self._unite_visits(person, other, other.visit, (label[0], label[1]))
        person.label = (label[0], label[1], label[2])
        person.newest, person.newest_ms = max(person.newest, other.newest), max(person.newest_ms, other.newest_ms)
        for kind, days in other.days.items():
            held = person.days[kind]
            for day, there in days.items():
                if kind != "answers" or day not in held or other.answered_ms > person.answered_ms:
                    held.setdefault(day, there)
            for day in held:
                if person.newest - day <= _OPEN[kind]:
                    held[day] = person.label
        for day, answer in other.answers.items():
            if day not in person.answers or other.answered_ms > person.answered_ms:
                person.answers[day] = answer
        person.orders += other.orders
        person.answered_ms, person.cart_ms = max(person.answered_ms, other.answered_ms), max(person.cart_ms, other.cart_ms)
        person.activated_ms = max(person.activated_ms, other.activated_ms)
        signed = [each for each in (person.signed_ms, other.signed_ms) if each >= 0]
        person.signed_ms = min(signed, default=-1)
        person.known_orders = list(dict.fromkeys([*other.known_orders, *person.known_orders]))[-4:]
        marks: dict[str, set[str]] = {}
        for ident, verbs in (*other.messages, *person.messages):
            marks.setdefault(ident, set()).update(verbs)
        person.messages = list(marks.items())[-8:]

    def _unite_visits(self, person: _Person, other: _Person, theirs: _Visit, label: tuple[str, str]) -> None:
        """The later visit counts; both are one where they touch, as when somebody logs in."""
        mine = person.visit
        if mine is None or theirs.last_ms > mine.last_ms:
            person.cancelled, person.visit = other.cancelled, theirs
        if mine is None:
            return
        first, last = (theirs, mine) if _remembered_ms(mine) > _remembered_ms(theirs) else (mine, theirs)
        if _remembered_ms(last) - first.last_ms > self._rules.scoring.session_gap_ms:
            return
        if last.last_ms - last.began_ms < _REMEMBERED_MS:  # else nobody remembers where it was counted
            owner = person if last is mine else other
            place = _place((owner.label[0], owner.label[1]), last.channel)
            self._lines += [Line(what, last.began_ms, -1, place) for what in ("visits", *(("engaged_visits",) if last.engaged else ()))]
        one = _Visit(first.began_ms, first.channel)
        one.last_ms, one.views = max(first.last_ms, last.last_ms), first.views + last.views
        one.engaged = first.engaged or last.engaged or one.views > 1 or one.last_ms - one.began_ms > 10_000
        if one.engaged and not first.engaged:
            self._lines.append(Line("engaged_visits", one.began_ms, 1, _place(label, one.channel)))
        person.visit = one

    def _person(self, event: Event) -> _Person:
        """The user; somebody else when nothing was heard for as long as states are kept."""
        person = self._people.get(event.user)
        if person is None or event.at_ms >= person.newest_ms + self._rules.scoring.state_ttl_days * DAY_MS:
            if person is not None:
                self._gone.append(person)
            person = self._people[event.user] = _Person()
        return person

    def _visit(self, person: _Person, event: Event, is_a: set[str], here: tuple[str, str]) -> None:
        visit, source = person.visit, event.context.source if event.context else ""
        if visit is None or event.at_ms - visit.last_ms > self._rules.scoring.session_gap_ms:
            code = self._sources.get(source.casefold(), CHANNEL_NAMES.index("referral")) if source else CHANNEL_NAMES.index("direct")
            visit = person.visit = _Visit(event.at_ms, CHANNEL_NAMES[code] if event.context else "unknown")
            person.learn("unknown", "unknown", visit.channel)
            self._lines.append(Line("visits", event.at_ms, 1, _place(here, visit.channel)))
            if source:
                self._named[event.at_ms // DAY_MS, f"visits/source={source.casefold()}"] += 1
                if source.casefold() in {each.casefold() for each in self._business.share_sources}:
                    self._lines.append(Line("share_visits", event.at_ms, 1, _place(here, visit.channel)))
        elif event.at_ms > visit.last_ms:
            visit.last_ms = event.at_ms
        elif event.at_ms < visit.began_ms:
            return
        visit.views += "page_views" in is_a
        if not visit.engaged and (visit.last_ms - visit.began_ms > 10_000 or visit.views >= 2 or "key_events" in is_a):
            visit.engaged = True
            self._lines.append(Line("engaged_visits", visit.began_ms, 1, _place(here, visit.channel)))

    def _message(self, person: _Person, event: Event, verb: str, say: Callable[..., None]) -> None:
        about, channel = event.properties, self._channels[event.type_id]
        if about and (about.campaign or about.message):
            ident = f"{channel}/{about.campaign}/{about.message}"
            known = next((each for each in person.messages if each[0] == ident), None)
            if known is None:
                known = (ident, set())
                person.messages = [*person.messages, known][-8:]
            if verb in known[1]:
                return
            known[1].add(verb)
        what = {"send": "sends", "delivery": "deliveries", "open": "opens", "click": "clicks"}[verb]
        say(what)
        if about and about.campaign:
            self._named[event.at_ms // DAY_MS, f"{what}/campaign={channel}/{about.campaign}"] += 1

    def _act(self, person: _Person, event: Event, is_a: set[str], name: str, say: Callable[..., None]) -> None:
        at_ms, about = event.at_ms, event.properties
        for setting in ("page_views", "interactions", "shares", "opt_ins", "opt_outs"):
            if setting in is_a:
                say(setting)
        if "interactions" in is_a:
            say("points", round(1000 * self._business.interactions[name]))
        if "carts" in is_a and (person.cart_ms < 0 or at_ms - person.cart_ms > self._business.cart_days * DAY_MS):
            person.cart_ms = at_ms
            say("carts")
        within_ms = self._business.activation.days * DAY_MS
        if "sign_ups" in is_a and person.signed_ms < 0:
            person.signed_ms = at_ms
            say("sign_ups")
            if person.activated_ms >= 0 and 0 <= person.activated_ms - at_ms <= within_ms:
                say("activations")
            else:
                person.activated_ms = -1
        if "activation.events" in is_a:
            if person.signed_ms < 0:
                person.activated_ms = max(person.activated_ms, at_ms)
            elif person.activated_ms < 0 and 0 <= at_ms - person.signed_ms <= within_ms:
                person.activated_ms = at_ms
                say("activations", 1, person.signed_ms)
        if "cancellations" in is_a:
            if not person.cancelled:
                say("cancellations")
            person.cancelled = True
        elif is_a & {"sign_ups", "orders"}:
            person.cancelled = False
        if "surveys.events" in is_a and about and about.score is not None:
            self._answer(person, event, about.score)

    def _answer(self, person: _Person, event: Event, score: float) -> None:
        about, day = event.properties, event.at_ms // DAY_MS
        assert about is not None
        surveys, survey = self._business.surveys, about.survey.casefold()
        if survey in {each.casefold() for each in surveys.nps}:
            if score in range(11) and (day != person.answered_ms // DAY_MS or event.at_ms >= person.answered_ms):
                person.answered_ms = max(person.answered_ms, event.at_ms)
                person.answers[day] = "promoters" if score >= 9 else "detractors" if score <= 6 else "passives"
                person.days["answers"].setdefault(day, person.label)
            return
        scale = about.scale or surveys.default_scale
        if scale in surveys.csat_scales and 1 <= score <= scale:
            self._named[day, f"answers/survey={survey or 'csat'}/{scale}"] += 1
            self._named[day, f"thousandths/survey={survey or 'csat'}/{scale}"] += round(1000 * score)

    def _money(self, person: _Person, event: Event, is_a: set[str], say: Callable[..., None]) -> None:
        about, day = event.properties, event.at_ms // DAY_MS
        if event.amount:
            say("sales" if event.amount > 0 else "returns", abs(event.amount))
        if about and about.plan_minor:
            say("expansion" if about.plan_minor > 0 else "contraction", abs(about.plan_minor))
        kinds = is_a & {"orders", "refunds", "conversions"}
        if not kinds:
            return
        if about and about.order:
            ident = f"{sorted(kinds)} {about.order}"
            if ident in person.known_orders:
                return
            person.known_orders = [*person.known_orders, ident][-4:]
        for kind in kinds:
            say(kind)
        if "conversions" in kinds:
            person.days["converted"].setdefault(day, person.label)
        if "orders" in kinds:
            person.orders[day] += 1
            person.days["orders"].setdefault(day, person.label)
            if person.cart_ms >= 0:
                person.cart_ms = -1
                say("cart_orders")

    # -- figures ----------------------------------------------------------------------------------------------------

    def figures(self, day: int, today: int) -> dict[str, Pair]:
        """Series (as the metrics topic names them) -> numerator and denominator, for the day, the windows that end with it, and its month.
        `today` is the day that is not over yet."""
        found: dict[str, Pair] = {}
        month = month_window(day)
        for kind, window in (("day", rolling_window("day", day)), ("7d", rolling_window("7d", day)), ("30d", rolling_window("30d", day))):
            for segment, pairs in self._of(kind, window.first, window.last, today).items():
                for name, pair in pairs.items():
                    found["/".join(part for part in (name, kind, window.label, segment) if part)] = pair
        for segment, pairs in self._of("month", month.first, month.last, today).items():
            for name, pair in pairs.items():
                found["/".join(part for part in (name, "month", month.label, segment) if part)] = pair
        return found

    def _of(self, kind: str, first: int, last: int, today: int) -> dict[str, dict[str, Pair]]:
        """Segment -> metric -> numerator and denominator."""
        sums: dict[str, Counter[str]] = defaultdict(Counter)
        for line in self._lines:
            if first <= line.at_ms // DAY_MS <= last:
                for segment in ("", *line.segments):
                    sums[segment][line.what] += line.n
        for term, users in self._users(first, last, today).items():
            for label, n in users.items():
                for segment in ("", *_user_segments(label)):
                    sums[segment][term] += n
        found = {segment: _pairs(kind, each) for segment, each in sums.items()}
        found.setdefault("", _pairs(kind, Counter()))
        if kind != "month":
            for segment, name, pair in self._by_name(first, last, sums[""]["active"]):
                found.setdefault(segment, {})[name] = pair
        return found

    def _users(self, first: int, last: int, today: int) -> dict[str, Counter[Label]]:
        """What is counted once per user -> users by their label."""
        found: dict[str, Counter[Label]] = defaultdict(Counter)
        silence = self._business.silence_days
        for person in (*self._people.values(), *self._gone):
            active = person.days["active"]
            _first_of(found["active"], active, first, last)
            _first_of(found["active_on_last_day"], active, last, last)
            _first_of(found["at_start"], active, first - silence, first - 1)
            _first_of(found["buyers"], person.days["orders"], first, last)
            _first_of(found["converters"], person.days["converted"], first, last)
            beginning = min(active, default=-1)
            for after in (1, 7, 30):
                if first <= beginning + after <= last and active:
                    found[f"cohort_{after}"][active[beginning]] += 1
                    if beginning + after in active:
                        found[f"retained_{after}"][active[beginning + after]] += 1
            if active and first <= beginning <= last:
                found["new"][active[beginning]] += 1
            for day in range(first, min(last, today - 1) + 1):
                _first_of(found["lost"], active, day - silence, day)
                _first_of(found["lost"], active, day - silence + 1, day, -1)
            n = 0
            for day in sorted(person.orders):
                if first <= day <= last:
                    n += person.orders[day]
                    if n >= 2:
                        found["repeaters"][person.days["orders"][day]] += 1
                        break
            answered = [day for day in person.answers if first <= day <= last]
            if answered:
                found[person.answers[max(answered)]][person.days["answers"][max(answered)]] += 1
        return found

    def _by_name(self, first: int, last: int, active: int) -> Iterable[tuple[str, str, Pair]]:
        sums: dict[str, Counter[str]] = defaultdict(Counter)
        for (day, text), n in self._named.items():
            if first <= day <= last:
                what, _, segment = text.partition("/")
                sums[segment][what] += n
        for segment, of in sums.items():
            if segment.startswith("source="):
                yield segment, "referrals", (of["visits"], None)
            elif segment.startswith("campaign="):
                yield segment, "ctr", (of["clicks"], of["deliveries"])
                yield segment, "ctr_sent", (of["clicks"], of["sends"])
                yield segment, "open_rate", (of["opens"], of["deliveries"])
                yield segment, "open_rate_sent", (of["opens"], of["sends"])
            else:
                yield segment, "csat", (of["thousandths"] / 1000, of["answers"])
        users = Counter({name.casefold(): 0 for name in self._business.features})
        for person in (*self._people.values(), *self._gone):
            for name, days in person.features.items():
                users[name] += any(first <= day <= last for day in days)
        listed = {name.casefold() for name in self._business.features}
        for name, n in users.items():
            if n or name in listed:
                yield f"feature={name}", "feature_usage", (n, active)


def _place(here: tuple[str, str], channel: str) -> tuple[str, ...]:
    return (f"country={here[0]}", f"device={here[1]}", f"channel={channel}")


def _user_segments(label: Label) -> tuple[str, ...]:
    return (f"country={label[0]}", f"device={label[1]}", f"channel={label[2]}")


def _first_of(found: Counter[Label], days: dict[int, Label], first: int, last: int, n: int = 1) -> None:
    """A user with a day in [first, last] is counted, under the label of the first of them."""
    inside = [day for day in days if first <= day <= last]
    if inside:
        found[days[min(inside)]] += n


def _pairs(kind: str, of: Counter[str]) -> dict[str, Pair]:
    """Metric -> what is divided by what."""
    net = of["sales"] - of["returns"]
    if kind == "month":
        return {
            "churn_rate_silence": (of["lost"], of["at_start"]),
            "churn_rate_cancelled": (of["cancellations"], of["at_start"]),
            "retention_rate": (of["at_start"] - of["lost"], of["at_start"]),
            "orders": (of["orders"], None),
            "revenue": (net, None),
            "sales": (of["sales"], None),
            "returns": (of["returns"], None),
            "refunds": (of["refunds"], None),
            "average_order": (of["sales"], of["orders"]),
            "expansion_revenue": (of["expansion"], None),
            "contraction_revenue": (of["contraction"], None),
        }
    answers = of["promoters"] + of["passives"] + of["detractors"]
    pairs: dict[str, Pair] = {
        {"day": "dau", "7d": "wau", "30d": "mau"}[kind]: (of["active"], None),
        "new_users": (of["new"], None),
        "returning_share": (of["active"] - of["new"], of["active"]),
        "retention_d1": (of["retained_1"], of["cohort_1"]),
        "retention_d7": (of["retained_7"], of["cohort_7"]),
        "retention_d30": (of["retained_30"], of["cohort_30"]),
        "visits": (of["visits"], None),
        "referrals": (of["visits"], None),
        "engaged_session_rate": (of["engaged_visits"], of["visits"]),
        "interaction_rate": (of["interactions"], of["visits"]),
        "interaction_rate_weighted": (of["points"] / 1000, of["visits"]),
        "page_views": (of["page_views"], None),
        "shares": (of["shares"], None),
        "k_factor": (of["share_visits"], of["shares"]),
        "orders": (of["orders"], None),
        "cvr_events": (of["conversions"], of["visits"]),
        "cvr_users": (of["converters"], of["active"]),
        "revenue": (net, None),
        "sales": (of["sales"], None),
        "returns": (of["returns"], None),
        "refunds": (of["refunds"], None),
        "average_order": (of["sales"], of["orders"]),
        "arpu": (net, of["active"]),
        "buyers": (of["buyers"], None),
        "repeat_buyers": (of["repeaters"], of["buyers"]),
        "orders_per_user": (of["orders"], of["buyers"]),
        "expansion_revenue": (of["expansion"], None),
        "contraction_revenue": (of["contraction"], None),
        "abandonment_rate": (of["carts"] - of["cart_orders"], of["carts"]),
        "ctr": (of["clicks"], of["deliveries"]),
        "ctr_sent": (of["clicks"], of["sends"]),
        "open_rate": (of["opens"], of["deliveries"]),
        "open_rate_sent": (of["opens"], of["sends"]),
        "nps": (100 * (of["promoters"] - of["detractors"]), answers),
        "sign_ups": (of["sign_ups"], None),
        "activation_rate": (of["activations"], of["sign_ups"]),
        "opt_in_rate": (of["opt_ins"], of["opt_ins"] + of["opt_outs"]),
    }
    if kind == "30d":
        pairs["stickiness"] = (of["active_on_last_day"], of["active"])
    return pairs
