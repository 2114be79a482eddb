# cython: language_level=3, annotation_typing=False, wraparound=False
"""What the business metrics must know of one user: on which of the last days what happened, and what has been counted already.

A *ring* is a 64-bit word: bit i says that something happened i days before `base`, the day of the user's newest event. 62 days are kept:
an event may be 29 days late, and the 30 days before it decide how it is counted.
"""

from array import array
from typing import Final

from streams.errors import StreamsError

__all__ = [
    "ACTIVE",
    "ANSWERED",
    "CONVERTED",
    "DETRACTED",
    "EVENT_MAX",
    "FEATURES_MAX",
    "ORDERED",
    "PROMOTED",
    "REORDERED",
    "SIZE_MAX",
    "Activity",
]

ACTIVE: Final = 0
ORDERED: Final = 1
REORDERED: Final = 2  # ... twice on that day
CONVERTED: Final = 3
ANSWERED: Final = 4
PROMOTED: Final = 5
DETRACTED: Final = 6

# The same numbers as C has them.
_ACTIVE, _ORDERED, _REORDERED, _CONVERTED, _ANSWERED, _PROMOTED, _DETRACTED = range(7)
_RINGS: Final = 7
_DAYS: Final = 62
_LONG: Final = 31
_DAYS_MASK: Final = (1 << 62) - 1
_ORDER_IDS: Final = 4
FEATURES_MAX: Final = 24
_FEATURES: Final = FEATURES_MAX
_MESSAGES: Final = 8
_FIXED: Final = 4
#: Words that are there where something has happened: rings (that of active days is always there), and times.
_HAPPENED: Final = _RINGS - 1 + 4
#: Words of the section: beside these, ids of orders, features with their rings, messages.
SIZE_MAX: Final = _FIXED + _HAPPENED + _ORDER_IDS + 2 * FEATURES_MAX + _MESSAGES
#: Words that an event may add: all of these, the id of an order, and a feature. An event about a message is about nothing else.
EVENT_MAX: Final = _HAPPENED + 1 + 2

_HAS_ORDERS, _HAS_CONVERSIONS, _HAS_ANSWERS, _HAS_CART, _HAS_SIGN_UP, _HAS_ACTIVATION = 1, 2, 4, 8, 16, 32


class Activity:
    """The section of one user; `clear` begins another.

    base           day of the newest event, first_day of the first active one; -1 before
    country, device, channel   the first ones known: they say which segment the user is counted in
    visit_last_ms, visit_ms   newest active event of the visit, and how long it lasts (at most 65,535 ms); -1 before the first
    visit_channel, visit_views (at most 2), visit_engaged   of that visit
    cart_ms, sign_up_ms, activation_ms, answer_ms   -1 when there is none
    rings          one word for each of `ACTIVE` ... `DETRACTED`
    order_ids      hashes of the last orders and refunds, the newest last
    features       pairs of a name's hash and its ring
    messages       hash of a message in the upper 60 bits, what was counted of it in the lower four; the newest last
    """

    base: int
    first_day: int
    country: int
    device: int
    channel: int
    cancelled: int
    visit_last_ms: int
    visit_ms: int
    visit_channel: int
    visit_views: int
    visit_engaged: int
    cart_ms: int
    sign_up_ms: int
    activation_ms: int
    answer_ms: int
    orders: int
    used: int
    sent: int

    def __init__(self) -> None:
        self.rings = array("Q", bytes(8 * _RINGS))
        self.order_ids = array("Q", bytes(8 * _ORDER_IDS))
        self.features = array("Q", bytes(16 * FEATURES_MAX))
        self.messages = array("Q", bytes(8 * _MESSAGES))
        self.clear()

    def clear(self) -> None:
        """Nothing has happened."""
        self.base = self.first_day = self.visit_last_ms = self.cart_ms = self.sign_up_ms = self.activation_ms = self.answer_ms = -1
        self.country = self.device = self.channel = self.cancelled = 0
        self.visit_ms = self.visit_channel = self.visit_views = self.visit_engaged = 0
        self.orders = self.used = self.sent = 0
        for i in range(_RINGS):
            self.rings[i] = 0

    # -- days -------------------------------------------------------------------------------------------------------

    def reach(self, day: int) -> None:
        """`base` is `day`, where that is later."""
        if day <= self.base:
            return
        gap = day - self.base if self.base >= 0 else _DAYS
        self.base = day
        for i in range(_RINGS):
            self.rings[i] = _older(self.rings[i], gap)
        for i in range(self.used):
            self.features[2 * i + 1] = _older(self.features[2 * i + 1], gap)

    def before(self, ring: int, back: int) -> int:
        """How many days before `base` the last set day of a ring word is that is more than `back` days before it; -1 when none is kept."""
        at = back + 1
        while at < _DAYS:
            if ring >> at & 1:
                return at
            at += 1
        return -1

    def gap(self, ring: int, back: int) -> int:
        """Days between the day that lies `back` days before `base` and the set day before it; 31 for more than 30, or for none."""
        before = self.before(ring, back)
        return min(before - back, _LONG) if before >= 0 else _LONG

    # -- what has been counted --------------------------------------------------------------------------------------

    def new_order(self, ident: int) -> bool:
        """Whether the order is none of the last ones; it is one of them now."""
        for i in range(self.orders):
            if self.order_ids[i] == ident:
                return False
        if self.orders == _ORDER_IDS:
            for i in range(1, _ORDER_IDS):
                self.order_ids[i - 1] = self.order_ids[i]
            self.orders -= 1
        self.order_ids[self.orders] = ident
        self.orders += 1
        return True

    def new_mark(self, message: int, mark: int) -> bool:
        """Whether the message (a hash) has not met `mark` (one of four bits) yet; it has now."""
        message &= ~15
        at = 0
        while at < self.sent and self.messages[at] & ~15 != message:
            at += 1
        if at == self.sent:
            if self.sent == _MESSAGES:
                for i in range(1, _MESSAGES):
                    self.messages[i - 1] = self.messages[i]
                self.sent -= 1
                at -= 1
            self.messages[at] = message
            self.sent += 1
        if self.messages[at] & mark:
            return False
        self.messages[at] |= mark
        return True

    def feature(self, name: int) -> int:
        """Where the feature (a hash) is; a new place when it is new, -1 when there is no room for it."""
        for i in range(self.used):
            if self.features[2 * i] == name:
                return i
        if self.used == _FEATURES:
            return -1
        self.features[2 * self.used] = name
        self.features[2 * self.used + 1] = 0
        self.used += 1
        return self.used - 1

    # -- another id of the same person ------------------------------------------------------------------------------

    def days(self, ring: int) -> list[int]:
        """The days that are set in a ring, ascending."""
        word = int(self.rings[ring])
        return [int(self.base) - back for back in range(61, -1, -1) if word >> back & 1]

    def merge(self, other: "Activity") -> None:
        """What happened under another id of the same person has happened here. Both have the same `base`.

        Features stay as they are: which of them the other id used is known by number only, and sums are named.
        """
        mine_first = other.first_day < 0 or 0 <= self.first_day <= other.first_day
        for field in ("country", "device", "channel"):
            first, second = (self, other) if mine_first else (other, self)
            setattr(self, field, getattr(first, field) or getattr(second, field))
        self.first_day = self.first_day if mine_first else other.first_day
        twice = int(self.rings[1]) & int(other.rings[1])
        both_answered = int(self.rings[4]) & int(other.rings[4])
        drop = both_answered if self.answer_ms >= other.answer_ms else 0
        lost = both_answered & ~drop
        for ring in range(7):
            mine, theirs = int(self.rings[ring]), int(other.rings[ring])
            if ring >= 5:  # of two answers on one day the later one holds
                mine, theirs = mine & ~lost, theirs & ~drop
            self.rings[ring] = mine | theirs | (twice if ring == 2 else 0)
        if other.visit_last_ms > self.visit_last_ms:
            self.cancelled = other.cancelled
            self.visit_last_ms, self.visit_ms, self.visit_channel = other.visit_last_ms, other.visit_ms, other.visit_channel
            self.visit_views, self.visit_engaged = other.visit_views, other.visit_engaged
        self.cart_ms = max(self.cart_ms, other.cart_ms)
        self.answer_ms = max(self.answer_ms, other.answer_ms)
        self.activation_ms = max(self.activation_ms, other.activation_ms)
        if other.sign_up_ms >= 0:
            self.sign_up_ms = min(self.sign_up_ms, other.sign_up_ms) if self.sign_up_ms >= 0 else other.sign_up_ms
        orders = [int(other.order_ids[i]) for i in range(other.orders)] + [int(self.order_ids[i]) for i in range(self.orders)]
        orders = list(dict.fromkeys(orders))[-4:]
        self.orders = len(orders)
        for i in range(self.orders):
            self.order_ids[i] = orders[i]
        marks: dict[int, int] = {}
        for each in (other, self):
            for i in range(each.sent):
                message = int(each.messages[i])
                marks[message & ~15] = marks.get(message & ~15, 0) | message & 15
        messages = [message | mark for message, mark in marks.items()][-8:]
        self.sent = len(messages)
        for i in range(self.sent):
            self.messages[i] = messages[i]

    # -- at rest ----------------------------------------------------------------------------------------------------

    def size(self) -> int:
        """Words that `encode` writes."""
        size = 4 + self.orders + 2 * self.used + self.sent
        size += 2 if self.rings[_ORDERED] else 0
        size += 1 if self.rings[_CONVERTED] else 0
        size += 4 if self.answer_ms >= 0 else 0
        return size + (self.cart_ms >= 0) + (self.sign_up_ms >= 0) + (self.activation_ms >= 0)

    def encode(self, image: "array[int]", at: int) -> int:
        """The section is in the image from `at` on; returns where it ends."""
        rings = self.rings
        flags = 0
        end = at + 4
        if rings[_ORDERED]:
            flags |= _HAS_ORDERS
            image[end], image[end + 1] = rings[_ORDERED], rings[_REORDERED]
            end += 2
        if rings[_CONVERTED]:
            flags |= _HAS_CONVERSIONS
            image[end] = rings[_CONVERTED]
            end += 1
        if self.answer_ms >= 0:
            flags |= _HAS_ANSWERS
            image[end], image[end + 1], image[end + 2] = rings[_ANSWERED], rings[_PROMOTED], rings[_DETRACTED]
            image[end + 3] = self.answer_ms
            end += 4
        if self.cart_ms >= 0:
            flags |= _HAS_CART
            image[end] = self.cart_ms
            end += 1
        if self.sign_up_ms >= 0:
            flags |= _HAS_SIGN_UP
            image[end] = self.sign_up_ms
            end += 1
        if self.activation_ms >= 0:
            flags |= _HAS_ACTIVATION
            image[end] = self.activation_ms
            end += 1
        for i in range(self.orders):
            image[end] = self.order_ids[i]
            end += 1
        for i in range(2 * self.used):
            image[end] = self.features[i]
            end += 1
        for i in range(self.sent):
            image[end] = self.messages[i]
            end += 1
        base = self.base + 1  # unsigned words of their own, so that C shifts 64 bits
        first = self.first_day + 1
        last = self.visit_last_ms + 1
        used, sent, orders = self.used, self.sent, self.orders
        image[at] = base | first << 18 | flags << 36 | used << 44 | sent << 51 | orders << 56
        image[at + 1] = (
            self.country
            | self.device << 16
            | self.channel << 24
            | self.visit_channel << 32
            | self.visit_views << 40
            | self.visit_engaged << 42
            | self.cancelled << 43
        )
        image[at + 2] = rings[_ACTIVE]
        image[at + 3] = last << 16 | self.visit_ms
        return end

    def decode(self, image: "array[int]", at: int, limit: int) -> int:
        """The section begins at `at` of an image of `limit` words; returns where it ends. Raises `StreamsError` for what is none."""
        if at + 4 > limit:
            raise StreamsError("a state is damaged: it ends within the activity of its user")
        head, where, visit = image[at], image[at + 1], image[at + 3]
        self.clear()
        flags = head >> 36 & 255
        self.used, self.sent, self.orders = head >> 44 & 127, head >> 51 & 31, head >> 56 & 15
        if self.used > _FEATURES or self.sent > _MESSAGES or self.orders > _ORDER_IDS:
            raise StreamsError("a state is damaged: more features, messages or orders than a user has")
        self.base, self.first_day = (head & 0x3FFFF) - 1, (head >> 18 & 0x3FFFF) - 1
        self.country, self.device, self.channel, self.visit_channel = where & 65535, where >> 16 & 255, where >> 24 & 255, where >> 32 & 255
        self.visit_views, self.visit_engaged, self.cancelled = where >> 40 & 3, where >> 42 & 1, where >> 43 & 1
        self.rings[_ACTIVE] = image[at + 2]
        self.visit_last_ms, self.visit_ms = (visit >> 16) - 1, visit & 65535
        end = at + 4
        if flags & _HAS_ORDERS:
            self.rings[_ORDERED], self.rings[_REORDERED] = image[end], image[end + 1]
            end += 2
        if flags & _HAS_CONVERSIONS:
            self.rings[_CONVERTED] = image[end]
            end += 1
        if flags & _HAS_ANSWERS:
            self.rings[_ANSWERED], self.rings[_PROMOTED], self.rings[_DETRACTED] = image[end], image[end + 1], image[end + 2]
            self.answer_ms = image[end + 3]
            end += 4
        if flags & _HAS_CART:
            self.cart_ms = image[end]
            end += 1
        if flags & _HAS_SIGN_UP:
            self.sign_up_ms = image[end]
            end += 1
        if flags & _HAS_ACTIVATION:
            self.activation_ms = image[end]
            end += 1
        for i in range(self.orders):
            self.order_ids[i] = image[end + i]
        end += self.orders
        for i in range(2 * self.used):
            self.features[i] = image[end + i]
        end += 2 * self.used
        for i in range(self.sent):
            self.messages[i] = image[end + i]
        return end + self.sent


def _older(ring: int, gap: int) -> int:
    """A ring word whose `base` has moved by `gap` days."""
    return ring << gap & _DAYS_MASK if gap < _DAYS else 0
