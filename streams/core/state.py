# cython: language_level=3, wraparound=False, annotation_typing=False
"""The state of one user: its parts, how they rest as bytes, and what can be read off them.

Nothing happens to a user here: that is `streams.core.user`. Compiled or interpreted, the bytes are equal.
"""

from array import array
from typing import Final

import cython
import msgspec

from streams.core.activity import ACTIVE, Activity
from streams.core.aggregates import AGGREGATES_MAX, Aggregates
from streams.core.lifetime import Lifetime
from streams.core.membership import Membership
from streams.core.panes import Panes
from streams.core.pending import Pending
from streams.core.profile import Profile
from streams.core.recent import RecentIds
from streams.core.record import NEVER_MS
from streams.core.rhythm import Rhythm, SharedDay
from streams.core.room import FIXED, HEADER_MAX, IDS_MAX, SAID, TYPES, WORDS_MAX, event_words, least_words, room_words
from streams.core.rules import CUSTOM, DAY_MS, DWELL, FIRST_TYPE, MARKS, SESSION, WINDOWS, Rules
from streams.core.sessions import Sessions
from streams.core.slots import Slots
from streams.core.ties import Ties
from streams.core.zones import local
from streams.errors import ConfigError, StreamsError, UnknownStateVersion

if cython.compiled:  # pragma: no cover
    from cython.cimports.libc.string import memcpy

__all__ = ["STATE_VERSION", "State"]

#: First byte of every state. Version 1 was never released, and is not read.
STATE_VERSION: Final = 2

_json = msgspec.json.Encoder().encode
_NAMES: Final = tuple(WINDOWS)
_CUSTOM, _DWELL, _MARKS, _SESSION, _FIRST_TYPE = CUSTOM, DWELL, MARKS, SESSION, FIRST_TYPE
_DAY_MS, _MINUTE_MS, _NEVER_MS = DAY_MS, 60_000, NEVER_MS
_VERSION: Final = STATE_VERSION

# A state is 64-bit words, little endian. Fixed part:
#   0  version (8 bits), flags (8), band (8), band last emitted (8), ids (12), aggregates (4), ids since the last active day began (16)
#   1  lifetime counters (9), ties (7), panes (16), fingerprint of the rules and parameters that the two crossings were computed by (32)
#   2  newest_ms   3  entry_ms   4  churn crossing   5  drop crossing   6  last partition, member (4), last topic (4)   7  last offset
#   8  truncated_day   9  first_day   10  last_day   11  x   12..21  points wday s_q s_h s_2h s_4h gm gw cus pc   22..23  session
# then, by flag: what was last emitted (score, time), the two alerts (partition, marks (4) and topic (4), offset, starts, ends) and the
# pending lesson;
# then the profile, the activity, the ties, the aggregates and the membership, if there is one; then ids, lifetime counters and panes, each
# as its module has them.
_FIXED, _SAID, _HEADER_MAX, _WORDS_MAX, _TYPES = FIXED, SAID, HEADER_MAX, WORDS_MAX, TYPES

_FLAG_SAID, _FLAG_CHURN, _FLAG_DROP, _FLAG_LESSON, _FLAG_LOST, _FLAG_LEFT = 1, 2, 4, 32, 64, 128  # between them: which alerts fire
_MEMBER: Final = 16


class State:
    """The state that is loaded.

    key         user key
    entry_ms    the entry that the store's queue of due times holds for this user; the caller's to set
    newest_ms   newest event, -1 when there is none
    last_topic, last_partition, last_offset   the last counted record; topic is an index into `rules.topics.inputs`
    names       type id -> name as JSON; the number in place of a name that the catalogue has lost
    band_names  names of the bands as JSON
    weights     type id -> weight, 0 where the catalogue has none
    slots       the alerts
    ties        other names of the user
    activity    what the business metrics must know of the user; theirs to change
    aggregates  what is kept over properties
    membership  of an account; the caller's to change
    """

    key: str
    entry_ms: int
    newest_ms: int
    last_topic: int
    last_partition: int
    last_offset: int
    _band: int
    _said_band: int
    _said_ms: int
    _said_score: float
    _churn_at_ms: int
    _drop_at_ms: int
    _left: bool
    _lost: bool

    def __init__(self, rules: Rules) -> None:
        scoring = rules.scoring
        self._limit = scoring.state_bytes // 8
        if not 0 < scoring.dedup_ids <= IDS_MAX:
            raise ConfigError(f"must be 1 to {IDS_MAX}", file="streams.yaml", path="state.dedup_ids")
        catalogue = rules.catalogue
        if len(catalogue.aggregates) > AGGREGATES_MAX:
            raise ConfigError(f"must be {AGGREGATES_MAX} at most", file="catalogue.yaml", path="aggregates")
        self._event_words, self._room_words = event_words(catalogue), room_words(catalogue)
        least = least_words(catalogue, scoring.dedup_ids)
        if not least <= self._limit <= _WORDS_MAX:
            why = f"must be {8 * least} to {8 * _WORDS_MAX} bytes, for so many types, counters and aggregates"
            raise ConfigError(why, file="streams.yaml", path="state.max_bytes")
        self.rules = rules
        self.panes = Panes(2 * _WORDS_MAX)  # while two full states become one
        self.rhythm = Rhythm(rules)
        self._pending = Pending(rules)
        self.sessions = Sessions(scoring.session_gap_ms)
        self.profile = Profile(rules)
        self._recent = RecentIds(scoring.dedup_ids, _WORDS_MAX)
        self._lifetime = Lifetime()
        self.activity = Activity()
        self.aggregates = Aggregates(catalogue.aggregates)
        self.membership = Membership(rules.accounts.told_points)
        self.slots = Slots(rules)
        self.ties = Ties()
        self.names = [f'"type_{number}"'.encode() for number in range(_TYPES)]
        self.band_names = [_json(name) for name in scoring.band_names]
        self.weights = array("d", bytes(8 * _TYPES))
        self.names[CUSTOM], self.weights[CUSTOM] = b'"custom"', catalogue.custom_weight
        for entry in catalogue.types:
            self.names[entry.id], self.weights[entry.id] = _json(entry.name), entry.weight
        for counter in catalogue.counters:
            self.names[counter.id] = _json(counter.name)
        self._bands = len(scoring.bands)
        self._edges = array("d", [*scoring.bands, 0.0])
        self._zones = rules.zones.by_code()
        self._fingerprint = 0
        image = array("Q", bytes(8 * _WORDS_MAX))
        self._image = image
        self._signed = memoryview(image).cast("B").cast("q")
        self._reals = memoryview(image).cast("B").cast("d")
        self._empty("")

    # -- at rest ----------------------------------------------------------------------------------------------------

    def _take(self, key: str, blob: bytes) -> bool:
        """The user `key` is here, as `dump` left it. True when the crossings were computed by other rules or parameters.

        Raises `UnknownStateVersion` for a state of a release after this one, `StreamsError` for bytes that are no state.
        """
        size = len(blob)
        if size and blob[0] != _VERSION:
            raise UnknownStateVersion(f"a state has version {blob[0]}, this release reads up to version {_VERSION}")
        if size < 8 * _FIXED or size > 8 * _WORDS_MAX or size % 8:
            raise StreamsError(f"a state is damaged: {size} bytes")
        self.key = key
        self._read(blob, size)
        return self._decode(size // 8)

    def take(self, key: str, blob: bytes) -> None:
        """The user `key` is here to be read or merged, as `dump` left it. Raises as `User.load` does."""
        self._take(key, blob)

    def dump(self) -> bytes:
        """The user as bytes, at most `state_bytes` of them. Equal states have equal bytes."""
        return self._write(self._encode())

    # -- reading ----------------------------------------------------------------------------------------------------

    def engagement(self, at_ms: int) -> float:
        """Engagement score, 0 to 100."""
        return self.rhythm.engagement(at_ms)

    def local(self, at_ms: int) -> tuple[int, int]:
        """Day and minute of the day by the user's own clock; by UTC where no time zone is known."""
        return local(self._zones.get(self.profile.zone), at_ms)

    def band(self, at_ms: int) -> int:
        """Index into `band_names`."""
        return self._band_of(self.rhythm.engagement(at_ms))

    def _band_of(self, score: float) -> int:
        band = 0
        while band < self._bands and score >= self._edges[band]:
            band += 1
        return band

    def counts(self, window: str, at_ms: int) -> dict[int, int]:
        """Type id -> count in a window as of `at_ms` (the newest event or later), `SESSION` and `REVENUE` among them; no zeros.

        What else sessions are counted by is not: `tallied` has it."""
        at = _NAMES.index(window)
        panes = self.panes
        panes.tally(at_ms // _MINUTE_MS)
        counts: dict[int, int] = {}
        for i in range(panes.seen):
            n = panes.count(at, panes.types[i])
            if n and (panes.types[i] <= _CUSTOM or panes.types[i] >= _FIRST_TYPE):
                counts[panes.types[i]] = n
        return counts

    def tallied(self, window: str, at_ms: int) -> dict[int, int]:
        """As `counts`, with everything that sessions are counted by."""
        counts = self.counts(window, at_ms)
        for kind in (_DWELL, _MARKS):
            counts[kind] = self.panes.count(_NAMES.index(window), kind)
        return counts

    def ces(self, window: str, at_ms: int) -> float:
        """Sum of weight times count over the types of a window as of `at_ms`."""
        at = _NAMES.index(window)
        self.panes.tally(at_ms // _MINUTE_MS)
        return self.tallied_ces(at)

    def tallied_ces(self, window: int) -> float:
        """`ces` of a window (index) as of the last tally of the panes."""
        panes = self.panes
        total = 0.0
        for i in range(panes.seen):
            total += self.weights[panes.types[i]] * panes.count(window, panes.types[i])
        return total

    def day_weights(self) -> dict[int, float]:
        """Day -> weights of what was done on it, of the days that the panes hold."""
        return {
            day: float(sum([self.weights[type_id] * n for type_id, n in counts.items() if self.weights[type_id] > 0.0]))
            for day, counts in self.panes.by_day().items()
        }

    def lifetime(self) -> dict[int, int]:
        """Type id -> count since the user's first event; `SESSION` and `REVENUE` are types too."""
        return self._lifetime.counts()

    def purchase(self, at_ms: int) -> float:
        """Probability of an order within the horizon: the churn formula on order days, the time since the first active day as exposure."""
        mine, rhythm, profile = self.rules.metrics.purchase, self.rhythm, self.profile
        day = at_ms / 86_400_000.0
        orders = 0.0
        if profile.order_days:
            orders = profile.order_sum * 2.0 ** (-max(0.0, day - profile.order_last) / mine.half_life_days)
        first = rhythm.first_day if rhythm.x else day
        if profile.order_days:
            first = min(first, profile.order_first)
        known = mine.a0_days + rhythm.exposure(mine.half_life_days, max(0.0, day - first))
        return float(1.0 - (known / (known + mine.horizon_days)) ** (mine.r0 + orders))

    # -- another id of the same person ------------------------------------------------------------------------------

    def days_with(self, other: "State") -> list[SharedDay]:
        """The days of the last two months on which one of both was active, ascending. The activities of both have the same `base` after."""
        mine, theirs = self.activity, other.activity
        mine.reach(theirs.base)
        theirs.reach(mine.base)
        my_weights, their_weights = self.day_weights(), other.day_weights()
        my_days, their_days = set(mine.days(ACTIVE)), set(theirs.days(ACTIVE))
        return [
            SharedDay(day, day in my_days, day in their_days, my_weights.get(day, -1.0), their_weights.get(day, -1.0))
            for day in sorted(my_days | their_days)
        ]

    def _unite(self, other: "State", days: list[SharedDay], orders: list[int]) -> None:
        """The parts of `other` are in these, the activity aside. What follows from them is not looked at."""
        rhythm, theirs = self.rhythm, other.rhythm
        later = self.newest_ms >= other.newest_ms
        self.newest_ms = max(self.newest_ms, other.newest_ms)
        self._recent.merge(other._recent, rhythm.last_day < theirs.last_day, rhythm.last_day > theirs.last_day)
        self._lifetime.merge(other._lifetime)
        self.panes.merge(other.panes)
        self._unite_sessions(other)
        self.profile.merge(other.profile, orders, later)
        self.aggregates.merge(other.aggregates)
        self.slots.merge(other.slots)
        self.ties.merge(other.ties)
        rhythm.merge(theirs, days)

    def _unite_sessions(self, other: "State") -> None:
        """Both were in one session, perhaps: then it is counted once, where it began."""
        sessions, panes = self.sessions, self.panes
        if not sessions.merge(other.sessions):
            return
        self._lifetime.add(_SESSION, -1)
        if panes.holds(sessions.second_minute):
            panes.add(sessions.second_minute, _SESSION, -1)
            panes.add(sessions.second_minute, _MARKS, -sessions.second_marks)
        if panes.holds(sessions.minute):
            panes.add(sessions.minute, _MARKS, sessions.marks)
            panes.add(sessions.minute, _DWELL, sessions.dwell_ms)

    def has_news(self, left: int) -> bool:
        """Whether the user is a member of an account that should be told what an event has done. left: the event was the user's leave."""
        membership, rhythm = self.membership, self.rhythm
        if membership.weight == 0:
            return False
        return left != 0 or membership.has_news(rhythm.points, rhythm.last_day)

    def risk_day(self) -> int:
        """The day on which the churn probability reaches the threshold if the user stays away; far in the future if it never does."""
        return self._churn_at_ms // _DAY_MS

    # -- counters, room ---------------------------------------------------------------------------------------------

    def _count(self, minute: int, type_id: int, value: int) -> None:
        """`value` is in the panes and in the lifetime counter of the type."""
        self.panes.add(minute, type_id, value)
        self._lifetime.add(type_id, value)

    def _free(self) -> int:
        """Words that the state may still grow by."""
        held = self.profile.size() + self.activity.size() + self.ties.size() + self.membership.size()
        held += self._recent.size() + self._lifetime.size + self.panes.size
        if self.aggregates.used:
            held += self.aggregates.size()
        return self._limit - _HEADER_MAX - held

    def _make_room(self) -> None:
        self.panes.shrink(max(0, self.panes.size + self._free() - self._room_words))

    # -- words ------------------------------------------------------------------------------------------------------

    def _empty(self, key: str) -> None:
        self.key = key
        self.newest_ms = self._said_ms = -1
        self.entry_ms = self._churn_at_ms = self._drop_at_ms = _NEVER_MS
        self.last_topic = self.last_partition = self.last_offset = 0
        self._said_score = 0.0
        self._said_band = self._band = 0
        self._recent.clear()
        self._lifetime.size = 0
        self.activity.clear()
        self.aggregates.clear()
        self.membership.clear()
        self.slots.clear()
        self.ties.clear()
        self._left = self._lost = False
        self.panes.clear()
        self.rhythm.clear()
        self._pending.clear()
        self.sessions.restore(0, 0)
        self.profile.clear()

    def _decode(self, words: int) -> bool:
        """The first `words` words of the image are this user. True when the crossings were computed by other rules or parameters."""
        rhythm, panes, recent, lifetime, slots = self.rhythm, self.panes, self._recent, self._lifetime, self.slots
        head = self._image[0]
        sizes = self._image[1]
        today = head >> 48
        flags = head >> 8 & 255
        ids = head >> 32 & 4095
        size = sizes >> 16 & 65535
        at = _FIXED
        self._band, self._said_band = head >> 16 & 255, head >> 24 & 255
        self._band = min(self._band, self._bands)
        lives = sizes & 511
        self.newest_ms, self.entry_ms = self._signed[2], self._signed[3]
        self._churn_at_ms, self._drop_at_ms = self._signed[4], self._signed[5]
        self.last_topic, self.last_partition = self._signed[6] & 15, self._signed[6] >> 8
        self.last_offset = self._signed[7]
        rhythm.first_day, rhythm.last_day, rhythm.x = self._signed[9], self._signed[10], self._signed[11]
        rhythm.points, rhythm.wday = self._reals[12], self._reals[13]
        rhythm.s_q, rhythm.s_h, rhythm.s_2h, rhythm.s_4h = self._reals[14], self._reals[15], self._reals[16], self._reals[17]
        rhythm.gm, rhythm.gw, rhythm.cus, rhythm.pc = self._reals[18], self._reals[19], self._reals[20], self._reals[21]
        self.sessions.restore(self._signed[22], self._signed[23])
        self._said_score, self._said_ms = 0.0, -1
        if flags & _FLAG_SAID:
            self._said_score, self._said_ms = self._reals[at], self._signed[at + 1]
            at += _SAID
        slots.clear()
        slots.firing = flags >> 3 & 3
        if flags & _FLAG_CHURN:
            at = slots.read(0, self._signed, at)
        if flags & _FLAG_DROP:
            at = slots.read(1, self._signed, at)
        self._left, self._lost = flags & _FLAG_LEFT != 0, flags & _FLAG_LOST != 0
        self._pending.clear()
        if flags & _FLAG_LESSON:
            at = self._pending.read(self._signed, self._reals, at)
        at = self.profile.read(self._image, self._reals, at, words)
        if at >= 0:
            at = self.activity.decode(self._image, at, words)
        if at >= 0:
            at = self.ties.read(sizes >> 9 & 127, self._image, at, words)
        if at >= 0:
            at = self.aggregates.read(self._image, at, words, head >> 44 & 15)
        self.membership.clear()
        if at >= 0 and self._signed[6] & _MEMBER:
            at = self.membership.read(self._image, self._reals, at, words)
        if at < 0 or at + ids + lives + size != words or lives > _TYPES:
            raise StreamsError(f"a state is damaged: its parts do not make {words} words")
        for i in range(ids):
            recent.ids[i] = self._image[at + i]
        at += ids
        recent.restore(ids, today)
        for i in range(lives):
            lifetime.entries[i] = self._image[at + i]
        lifetime.size = lives
        at += lives
        for i in range(size):
            panes.entries[i] = self._image[at + i]
        panes.restore(size, self.newest_ms // _MINUTE_MS if self.newest_ms >= 0 else -1, self._signed[8])
        return bool(sizes >> 32 != self._fingerprint)

    def _encode(self) -> int:
        """This user is in the image; returns the number of words."""
        rhythm, panes, recent, lifetime, slots = self.rhythm, self.panes, self._recent, self._lifetime, self.slots
        ids = recent.size()
        flags = slots.firing << 3
        at = _FIXED
        self._signed[2], self._signed[3] = self.newest_ms, self.entry_ms
        self._signed[4], self._signed[5] = self._churn_at_ms, self._drop_at_ms
        member = _MEMBER if self.membership.size() else 0
        self._signed[6], self._signed[7] = self.last_partition << 8 | member | self.last_topic, self.last_offset
        self._signed[8] = panes.truncated_day
        self._signed[9], self._signed[10], self._signed[11] = rhythm.first_day, rhythm.last_day, rhythm.x
        self._reals[12], self._reals[13] = rhythm.points, rhythm.wday
        self._reals[14], self._reals[15], self._reals[16], self._reals[17] = rhythm.s_q, rhythm.s_h, rhythm.s_2h, rhythm.s_4h
        self._reals[18], self._reals[19], self._reals[20], self._reals[21] = rhythm.gm, rhythm.gw, rhythm.cus, rhythm.pc
        self._signed[22], self._signed[23] = self.sessions.first(), self.sessions.second()
        if self._said_ms >= 0:
            flags |= _FLAG_SAID
            self._reals[at], self._signed[at + 1] = self._said_score, self._said_ms
            at += _SAID
        if slots.used(0):
            flags |= _FLAG_CHURN
            at = slots.write(0, self._signed, at)
        if slots.used(1):
            flags |= _FLAG_DROP
            at = slots.write(1, self._signed, at)
        if self._left:
            flags |= _FLAG_LEFT
        if self._lost:
            flags |= _FLAG_LOST
        if self._pending.day >= 0:
            flags |= _FLAG_LESSON
            at = self._pending.write(self._signed, self._reals, at)
        at = self.profile.write(self._image, self._reals, at)
        at = self.activity.encode(self._image, at)
        at = self.ties.write(self._image, at)
        at = self.aggregates.write(self._image, at)
        at = self.membership.write(self._image, self._reals, at)
        for i in range(recent.start, recent.end):
            self._image[at] = recent.ids[i]
            at += 1
        for i in range(lifetime.size):
            self._image[at] = lifetime.entries[i]
            at += 1
        for i in range(panes.size):
            self._image[at] = panes.entries[i]
            at += 1
        today = recent.end - recent.day
        band = self._band
        said_band = self._said_band
        lives = lifetime.size
        aggregates = self.aggregates.used
        size = panes.size
        fingerprint = self._fingerprint
        self._image[0] = _VERSION | flags << 8 | band << 16 | said_band << 24 | ids << 32 | aggregates << 44 | today << 48
        ties = self.ties.head()
        self._image[1] = lives | ties << 9 | size << 16 | fingerprint << 32
        return at

    def _read(self, blob: bytes, size: int) -> None:
        """The first `size` bytes of the image are `blob`."""
        if not cython.compiled:
            memoryview(self._image).cast("B")[:size] = blob
        else:  # pragma: no cover
            memcpy(cython.address(self._image[0]), cython.cast(cython.p_char, blob), size)

    def _write(self, words: int) -> bytes:
        """The first `words` words of the image."""
        if not cython.compiled:
            return self._image[:words].tobytes()
        image: bytes = cython.cast(cython.p_char, cython.address(self._image[0]))[: 8 * words]  # pragma: no cover
        return image  # pragma: no cover
