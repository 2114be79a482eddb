# cython: language_level=3, annotation_typing=False, wraparound=False
"""What one counted event adds to the business sums, as far as its user's activity makes it: each visit, order, reader ... once.

Definitions: docs/scoring.md. An event belongs to a country and device (its own, else the user's) and to a channel (of its campaign, else of
its visit); distinct users belong to the first country, device and channel that were known of them.
"""

from array import array
from typing import Final

from xxhash import xxh3_64_intdigest

from streams.core.activity import ACTIVE, CONVERTED, ORDERED, Activity
from streams.core.audience import OPEN_DAYS, Audience
from streams.core.catalogue import CHANNELS
from streams.core.measures import (
    CHANNEL_NAMES,
    DEVICES,
    DIMENSIONS,
    MEASURES,
    Measure,
    channel_codes,
    country_code,
    country_name,
    device_code,
)
from streams.core.properties import Context, Properties
from streams.core.record import Increments
from streams.core.rules import DAY_MS, Rules
from streams.core.sums import FIRST_HOUR, WHOLE_DAY, Sums, unpacked

__all__ = ["Business"]

_DAY_MS, _HOUR_MS = DAY_MS, 3_600_000
_WHOLE, _FIRST_HOUR = WHOLE_DAY, FIRST_HOUR

# Roles of an event type, as bits.
_PAGE, _INTERACTION, _SHARE, _ORDER, _REFUND, _CONVERSION, _CART, _KEY = 1, 2, 4, 8, 16, 32, 64, 128
_SIGN_UP, _CANCEL, _OPT_IN, _OPT_OUT, _ACTIVATE, _ANSWER = 256, 512, 1024, 2048, 4096, 8192
_SENT, _DELIVERED, _OPENED, _CLICKED = 16_384, 32_768, 65_536, 131_072
_MESSAGE: Final = _SENT | _DELIVERED | _OPENED | _CLICKED
_ROLES: Final = {
    "page_views": _PAGE,
    "interactions": _INTERACTION,
    "shares": _SHARE,
    "orders": _ORDER,
    "refunds": _REFUND,
    "conversions": _CONVERSION,
    "carts": _CART,
    "key_events": _KEY,
    "sign_ups": _SIGN_UP,
    "cancellations": _CANCEL,
    "opt_ins": _OPT_IN,
    "opt_outs": _OPT_OUT,
    "activation.events": _ACTIVATE,
    "surveys.events": _ANSWER,
}
_VERBS: Final = {"send": _SENT, "delivery": _DELIVERED, "open": _OPENED, "click": _CLICKED}

# Rings, days and the usual measures as C has them.
_R_ACTIVE, _R_ORDERED, _R_CONVERTED = ACTIVE, ORDERED, CONVERTED
_OPEN_DAYS = OPEN_DAYS
_PAGE_VIEWS, _VISITS, _SALES = Measure.PAGE_VIEWS, Measure.VISITS, Measure.SALES
#: A visit is engaged after ten seconds, two views or a key event (as GA4 has it).
_ENGAGED_MS: Final = 10_000
_VISIT_MS_MAX: Final = 65_535
_MEMO: Final = 4096
#: Segments are bounded, and with them the sums of a day.
_NO_LIMIT: Final = 1 << 30
#: Channels that a visit may come from; the ones before are those of campaigns.
_DIRECT, _REFERRAL = CHANNEL_NAMES.index("direct"), CHANNEL_NAMES.index("referral")


#: Channel, name of the sum of its visits, whether it is a share.
_Source = tuple[int, str, bool]
#: Context, country, device, source.
_Place = tuple[Context, int, int, _Source | None]


class Business:
    """The sums of one step. `count` adds an event, `take` says what they are and begins another step."""

    def __init__(self, rules: Rules) -> None:
        business = rules.business
        types = {entry.name: entry for entry in rules.catalogue.types}
        self.roles = array("Q", bytes(8 * 256))
        self.channels = array("q", bytes(8 * 256))
        self.points = array("q", bytes(8 * 256))
        for setting, names in business.events().items():
            for name in names:
                if name in types:
                    self.roles[types[name].id] |= _ROLES[setting]
        for name, points in business.interactions.items():
            if name in types:
                self.points[types[name].id] = round(points * 1000)
        for entry in rules.catalogue.types:
            if entry.channel in CHANNELS:
                self.channels[entry.id] = CHANNEL_NAMES.index(entry.channel)
                self.roles[entry.id] |= _VERBS.get(entry.name.removeprefix(f"{entry.channel}_"), 0)
        self._gap_ms = rules.scoring.session_gap_ms
        self._cart_ms = round(business.cart_days * DAY_MS)
        self._activation_ms = round(business.activation.days * DAY_MS)
        self._surveys = business.surveys
        self._nps = {name.casefold() for name in business.surveys.nps}
        self._share_sources = {name.casefold() for name in business.share_sources}
        self._sources = channel_codes(business.channels)
        self._categories = ("unknown", "other", *(name.casefold() for name in business.page_categories))
        self._category_codes = {name: number for number, name in enumerate(self._categories)}
        self._keep = {"d": business.keep_days * 86_400, "h": business.keep_hours_days * 86_400, "n": business.keep_days * 86_400}
        self._named_limit = business.named_limit
        self.sums = Sums()
        self._audience = Audience(self.sums)
        self._named: dict[tuple[int, str], int] = {}
        self._named_log: list[tuple[tuple[int, str], int]] = []
        self._places: dict[int, _Place] = {}
        self._known_categories: dict[str, int] = {}
        self._spelled: dict[int, tuple[str, str]] = {}
        self._day = self._hour = self._country = self._device = self._channel = self._category = 0

    # -- a step -----------------------------------------------------------------------------------------------------

    def mark(self) -> None:
        """What was counted so far stays."""
        self.sums.mark()
        if self._named_log:
            self._named_log.clear()

    def undo(self) -> None:
        """What was counted since the mark is taken back."""
        self.sums.undo()
        for name, n in self._named_log:
            self._named[name] -= n
        self._named_log.clear()

    def take(self) -> tuple[Increments, ...]:
        """What the step adds, hash by hash; another step begins."""
        hashes: dict[str, dict[str, int]] = {}
        for key, n in self.sums.take():
            spelled = self._spelled.get(key)
            if spelled is None:
                spelled = self._spell(key)
            fields = hashes.get(spelled[0])
            if fields is None:
                fields = hashes[spelled[0]] = {}
            fields[spelled[1]] = n
        for (day, text), n in self._named.items():
            if n:
                hashes.setdefault(f"n{day}", {})[text] = n
        self._named.clear()
        self._named_log.clear()
        # No generators: a method that C calls holds no closure.
        return tuple(
            [
                Increments(name, fields, self._keep[name[0]], self._named_limit if name[0] == "n" else _NO_LIMIT)
                for name, fields in hashes.items()
            ]
        )

    def _spell(self, key: int) -> tuple[str, str]:
        """The hash of a sum, and how it is called there: `orders`, `orders|country=DE`, `active|7|country=DE`, in hashes of hours
        `14|orders`."""
        measure, day, part, dimension, value = unpacked(key)
        text = MEASURES[measure]
        if part < WHOLE_DAY:
            text = f"{text}|{part}"
        elif part >= FIRST_HOUR:
            text = f"{part - FIRST_HOUR}|{text}"
        if dimension:
            names = {"device": DEVICES, "channel": CHANNEL_NAMES, "category": self._categories}
            label = DIMENSIONS[dimension]
            text = f"{text}|{label}={country_name(value) if label == 'country' else names[label][value]}"
        if len(self._spelled) >= 16 * _MEMO:  # a key names its day: what was remembered longest is of days that are over
            self._spelled.clear()
        spelled = self._spelled[key] = (f"h{day}" if part >= FIRST_HOUR else f"d{day}", text)
        return spelled

    def unite(self, activity: Activity, other: Activity) -> None:
        """Two users turn out to be one: `activity` has what `other` had, and distinct users are counted once on the days that are open.
        A visit that both were in, as when somebody logs in, is one as long as it is known where the second one was counted."""
        activity.reach(other.base)
        other.reach(activity.base)
        self._audience.settle(activity, -1)
        self._audience.settle(other, -1)
        first, last = activity, other
        began_ms, other_ms = activity.visit_last_ms - activity.visit_ms, other.visit_last_ms - other.visit_ms
        if began_ms > other_ms:
            first, last, began_ms, other_ms = other, activity, other_ms, began_ms
        one = first.visit_last_ms >= 0 and last.visit_last_ms >= 0 and other_ms - first.visit_last_ms <= self._gap_ms
        if one and last.visit_ms < _VISIT_MS_MAX:
            self._unvisit(last, other_ms)
        last_ms, channel, views = max(first.visit_last_ms, last.visit_last_ms), first.visit_channel, first.visit_views + last.visit_views
        long_ms = min(_VISIT_MS_MAX, max(first.visit_ms, last_ms - began_ms))
        was_engaged, engaged = first.visit_engaged, first.visit_engaged or last.visit_engaged or views > 1 or long_ms > _ENGAGED_MS
        activity.merge(other)
        if one:
            activity.visit_last_ms, activity.visit_ms, activity.visit_channel = last_ms, long_ms, channel
            activity.visit_views, activity.visit_engaged = min(2, views), 1 if engaged else 0
            if engaged and not was_engaged:
                self._engage(activity, began_ms, 1)
        self._audience.settle(activity, 1)

    def _unvisit(self, activity: Activity, began_ms: int) -> None:
        """The visit of a user that began at `began_ms` was none of its own."""
        self._engage(activity, began_ms, -1 if activity.visit_engaged else 0)
        self._add(_VISITS, -1)

    def _engage(self, activity: Activity, began_ms: int, n: int) -> None:
        """So many more visits of the user that began at `began_ms` are engaged ones."""
        self._day, self._hour, self._category = began_ms // _DAY_MS, began_ms // _HOUR_MS % 24, 0
        self._country, self._device, self._channel = activity.country, activity.device, activity.visit_channel
        if n:
            self._add(Measure.ENGAGED_VISITS, n)

    # -- an event ---------------------------------------------------------------------------------------------------

    def count(
        self,
        activity: Activity,
        type_id: int,
        at_ms: int,
        amount: int,
        active: bool,
        properties: Properties | None,
        context: Context | None,
    ) -> None:
        """A counted event of the user with this activity is in the sums. `active`: a person did it."""
        roles = self.roles[type_id]
        self._day, self._hour, self._category = at_ms // _DAY_MS, at_ms // _HOUR_MS % 24, 0
        activity.reach(self._day)
        source = self._place(activity, type_id, context)
        if active:
            self._visit(activity, at_ms, roles, source, context is not None)
            self._audience.set(activity, self._day, _R_ACTIVE)
        self._channel = self.channels[type_id] or activity.visit_channel
        if not roles and not amount and properties is None:
            return
        if properties is not None and properties.category:
            category = self._known_categories.get(properties.category)
            self._category = self._read_category(properties.category) if category is None else category
        if roles & _MESSAGE:
            self._message(activity, type_id, roles, properties)
        elif roles:
            self._act(activity, type_id, at_ms, roles, properties)
        self._money(activity, amount, roles, properties)
        if properties is not None:
            self._say(activity, properties)

    def _place(self, activity: Activity, type_id: int, context: Context | None) -> _Source | None:
        """Country and device of the event are known; and the user's, from now on, if they were not. Returns where the visit came from."""
        country = device = 0
        source = None
        if context is not None:
            # Contexts are interned, so most events share one: found by identity, and held, so that no other one can take its place.
            place = self._places.get(id(context))
            if place is None or place[0] is not context:
                place = self._read(context)
            country, device, source = place[1], place[2], place[3]
        if (country and not activity.country) or (device and not activity.device):
            self._audience.settle(activity, -1)
            activity.country = activity.country or country
            activity.device = activity.device or device
            self._audience.settle(activity, 1)
        self._country, self._device = country or activity.country, device or activity.device
        return source

    def _read(self, context: Context) -> _Place:
        name = context.source.casefold()
        source = None
        if name:
            source = (self._sources.get(name, _REFERRAL), f"visits|source={name}", name in self._share_sources)
        place = (context, country_code(context.country), device_code(context.device), source)
        if len(self._places) < _MEMO:
            self._places[id(context)] = place
        return place

    def _read_category(self, text: str) -> int:
        code = self._category_codes.get(text.casefold(), 1)
        if len(self._known_categories) < _MEMO:
            self._known_categories[text] = code
        return code

    def _visit(self, activity: Activity, at_ms: int, roles: int, source: _Source | None, told: bool) -> None:
        """The event begins a visit or is part of one; a visit becomes engaged once."""
        last_ms = activity.visit_last_ms
        began_ms = last_ms - activity.visit_ms  # as long as it matters: a visit that is not engaged is shorter than ten seconds
        if last_ms < 0 or at_ms - last_ms > self._gap_ms:
            activity.visit_last_ms, activity.visit_ms, activity.visit_views, activity.visit_engaged = at_ms, 0, 0, 0
            began_ms = at_ms
            activity.visit_channel = source[0] if source is not None else _DIRECT if told else 0
            if activity.visit_channel and not activity.channel:
                self._audience.settle(activity, -1)
                activity.channel = activity.visit_channel
                self._audience.settle(activity, 1)
            self._channel = activity.visit_channel
            self._add(_VISITS, 1)
            if source is not None:
                self._name(source[1], 1)
                if source[2]:
                    self._add(Measure.SHARE_VISITS, 1)
        elif at_ms > last_ms:
            activity.visit_ms = min(_VISIT_MS_MAX, activity.visit_ms + at_ms - last_ms)
            activity.visit_last_ms = at_ms
        elif at_ms < began_ms:
            return  # of an earlier visit, which has been counted
        if roles & _PAGE and activity.visit_views < 2:
            activity.visit_views += 1
        if not activity.visit_engaged and (activity.visit_ms > _ENGAGED_MS or activity.visit_views > 1 or roles & _KEY):
            activity.visit_engaged = 1
            self._channel = activity.visit_channel
            day, hour = self._day, self._hour
            self._day, self._hour = began_ms // _DAY_MS, began_ms // _HOUR_MS % 24
            self._add(Measure.ENGAGED_VISITS, 1)
            self._day, self._hour = day, hour

    def _act(self, activity: Activity, type_id: int, at_ms: int, roles: int, properties: Properties | None) -> None:
        """What the roles of the event's type ask for, orders and messages aside."""
        if roles & _PAGE:
            self._add(_PAGE_VIEWS, 1)
        if roles & _INTERACTION:
            self._add(Measure.INTERACTIONS, 1)
            self._add(Measure.INTERACTION_POINTS, self.points[type_id])
        if roles & _SHARE:
            self._add(Measure.SHARES, 1)
        if roles & _OPT_IN:
            self._add(Measure.OPT_INS, 1)
        if roles & _OPT_OUT:
            self._add(Measure.OPT_OUTS, 1)
        if roles & _CART and (activity.cart_ms < 0 or at_ms - activity.cart_ms > self._cart_ms):
            activity.cart_ms = at_ms
            self._add(Measure.CARTS, 1)
        if roles & (_SIGN_UP | _ACTIVATE):
            self._sign_up(activity, at_ms, roles)
        if roles & _CANCEL:
            if not activity.cancelled:
                self._add(Measure.CANCELLATIONS, 1)
            activity.cancelled = 1
        elif roles & (_SIGN_UP | _ORDER):
            activity.cancelled = 0
        if roles & _ANSWER and properties is not None and properties.score is not None:
            self._answer(activity, at_ms, properties)

    def _sign_up(self, activity: Activity, at_ms: int, roles: int) -> None:
        """The first sign-up counts, and the first activation within its time, on the day of the sign-up. Before the sign-up has been read
        only the last activation is remembered."""
        if roles & _SIGN_UP and activity.sign_up_ms < 0:
            activity.sign_up_ms = at_ms
            self._add(Measure.SIGN_UPS, 1)
            if 0 <= activity.activation_ms - at_ms <= self._activation_ms:
                self._add(Measure.ACTIVATIONS, 1)
            else:
                activity.activation_ms = -1
        if not roles & _ACTIVATE:
            return
        signed_ms = activity.sign_up_ms
        if signed_ms < 0:
            activity.activation_ms = max(activity.activation_ms, at_ms)
        elif activity.activation_ms < 0 and 0 <= at_ms - signed_ms <= self._activation_ms:
            activity.activation_ms = at_ms
            day, hour = self._day, self._hour
            self._day, self._hour = signed_ms // _DAY_MS, signed_ms // _HOUR_MS % 24
            self._add(Measure.ACTIVATIONS, 1)
            self._day, self._hour = day, hour

    def _money(self, activity: Activity, amount: int, roles: int, properties: Properties | None) -> None:
        """Orders and refunds, each once however many lines it has, and what they are worth."""
        if amount > 0:
            self._add(_SALES, amount)
        elif amount < 0:
            self._add(Measure.RETURNS, -amount)
        if properties is not None and properties.plan_minor:
            if properties.plan_minor > 0:
                self._add(Measure.EXPANSION, properties.plan_minor)
            else:
                self._add(Measure.CONTRACTION, -properties.plan_minor)
        if not roles & (_ORDER | _REFUND | _CONVERSION):
            return
        if properties is not None and properties.order:
            # An order and its refund carry the same id, and are two things.
            if not activity.new_order(_hash(properties.order) ^ roles & (_ORDER | _REFUND | _CONVERSION)):
                return
        if roles & _REFUND:
            self._add(Measure.REFUNDS, 1)
        if roles & _CONVERSION:
            self._add(Measure.CONVERSIONS, 1)
            self._audience.set(activity, self._day, _R_CONVERTED)
        if roles & _ORDER:
            self._add(Measure.ORDERS, 1)
            self._audience.set(activity, self._day, _R_ORDERED)
            if activity.cart_ms >= 0:
                activity.cart_ms = -1
                self._add(Measure.CART_ORDERS, 1)

    def _message(self, activity: Activity, type_id: int, roles: int, properties: Properties | None) -> None:
        """Sent, delivered, opened and clicked, each once per user and message."""
        campaign = properties.campaign if properties is not None else ""
        channel = CHANNEL_NAMES[self.channels[type_id]]
        mark = 1 if roles & _SENT else 2 if roles & _DELIVERED else 4 if roles & _OPENED else 8
        if properties is not None and (campaign or properties.message):
            if not activity.new_mark(_hash(f"{channel}/{campaign}/{properties.message}"), mark):
                return
        measure = Measure.SENDS if mark == 1 else Measure.DELIVERIES if mark == 2 else Measure.OPENS if mark == 4 else Measure.CLICKS
        self._add(measure, 1)
        if campaign:
            self._name(f"{MEASURES[measure]}|campaign={channel}/{campaign}", 1)

    def _answer(self, activity: Activity, at_ms: int, properties: Properties) -> None:
        """An answer to a survey: of how likely one is to recommend, the user's last one of a day; of satisfaction, each one."""
        score, survey = properties.score, properties.survey.casefold()
        assert score is not None
        if survey in self._nps:
            if not 0 <= score <= 10 or score != int(score):
                self._add(Measure.WRONG_ANSWERS, 1)
            elif at_ms // _DAY_MS != activity.answer_ms // _DAY_MS or at_ms >= activity.answer_ms:
                activity.answer_ms = max(activity.answer_ms, at_ms)
                self._audience.answer(activity, self._day, 1 if score >= 9 else -1 if score <= 6 else 0)
            return
        scale = properties.scale or self._surveys.default_scale
        if scale in self._surveys.csat_scales and 1 <= score <= scale:
            self._name(f"csat_answers|survey={survey or 'csat'}/{scale}", 1)
            self._name(f"csat_thousandths|survey={survey or 'csat'}/{scale}", round(score * 1000))
        else:
            self._add(Measure.WRONG_ANSWERS, 1)

    def _say(self, activity: Activity, properties: Properties) -> None:
        """The feature that was used."""
        if not properties.feature:
            return
        name = properties.feature.casefold()
        at = activity.feature(_hash(name))
        if at < 0:
            self._add(Measure.UNTRACKED_FEATURES, 1)
            return
        back = activity.base - self._day
        ring = activity.features[2 * at + 1]
        if ring >> back & 1:
            return
        self._spread_feature(activity, name, ring, -1)
        bit: int = 1
        ring |= bit << back
        activity.features[2 * at + 1] = ring
        self._spread_feature(activity, name, ring, 1)

    # -- sums -------------------------------------------------------------------------------------------------------

    def _add(self, measure: int, n: int) -> None:
        """An additive sum has grown, by day and by hour, over all and in each segment of the event."""
        sums, day, hour = self.sums, self._day, _FIRST_HOUR + self._hour
        sums.add(measure, day, _WHOLE, 0, 0, n)
        sums.add(measure, day, hour, 0, 0, n)
        sums.add(measure, day, _WHOLE, 1, self._country, n)
        sums.add(measure, day, hour, 1, self._country, n)
        sums.add(measure, day, _WHOLE, 2, self._device, n)
        sums.add(measure, day, hour, 2, self._device, n)
        sums.add(measure, day, _WHOLE, 3, self._channel, n)
        sums.add(measure, day, hour, 3, self._channel, n)
        if self._category:
            sums.add(measure, day, _WHOLE, 4, self._category, n)
            sums.add(measure, day, hour, 4, self._category, n)

    def _name(self, text: str, n: int) -> None:
        """A sum by name has grown."""
        key = (self._day, text)
        self._named[key] = self._named.get(key, 0) + n
        self._named_log.append((key, n))

    def _spread_feature(self, activity: Activity, name: str, ring: int, sign: int) -> None:
        """What the ring of a feature is in the sums for: one for each of its open days."""
        for back in range(_OPEN_DAYS + 1):
            if ring >> back & 1:
                key = (activity.base - back, f"feature|{activity.gap(ring, back)}|{name}")
                self._named[key] = self._named.get(key, 0) + sign
                self._named_log.append((key, sign))


def _hash(text: str) -> int:
    # A lone surrogate is no text, but an id may hold one.
    digest: int = xxh3_64_intdigest(text.encode("utf-8", "surrogatepass"))
    return digest
