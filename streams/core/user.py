# cython: language_level=3, wraparound=False, annotation_typing=False
"""The state of one user: events are folded into it, silence turns it, and it rests as bytes.

There is one `User` per process: `load`, `fold` or `turn`, `dump`; it never holds two users. Compiled or interpreted, the bytes are equal.

Definitions that the formulas leave open:

- **Late**: of a day that the longest window before the user's newest event does not hold. Judged first, so a late duplicate is late.
- **Duplicate**: the id is among the last `dedup_ids` accepted, of those accepted since the previous active day began.
- **Session**: begins with an event more than `session_gap_ms` after the newest one so far. An earlier event belongs to a session that has
  been counted, also when it comes late.
- **Came back**: an event never raises an alert, it may resolve one. It is judged at the latest instant the state knows of (the newest
  event, or the beginning of the alert), so that a late event from before the silence does not end it.
- **Turns** happen after the newest event, and on a day after the last active one. A resolved alert rests for `rearm_days`.
- **Band**: rises with events, falls by `turn` only.
"""

from array import array
from typing import Final, NamedTuple
from zlib import crc32

import cython
import msgspec

from streams.core.facts import Facts, facts_of
from streams.core.lifetime import Lifetime
from streams.core.panes import Panes
from streams.core.recent import RecentIds
from streams.core.record import NEVER_MS, Fate
from streams.core.rhythm import Rhythm
from streams.core.rules import CUSTOM, DAY_MS, REVENUE, SESSION, WINDOWS, Rules
from streams.errors import ConfigError, StreamsError, UnknownStateVersion

if cython.compiled:  # pragma: no cover
    from cython.cimports.libc.string import memcpy

__all__ = ["COMPILED", "STATE_VERSION", "Alert", "Facts", "Turn", "User"]

#: Whether this module runs compiled.
COMPILED: Final[bool] = cython.compiled

#: First byte of every state.
STATE_VERSION: Final = 1


class Turn:
    """What happens to a user, as bits."""

    CHURN_ON: Final = 1
    CHURN_OFF: Final = 2
    DROP_ON: Final = 4
    DROP_OFF: Final = 8
    BAND: Final = 16
    EXPIRED: Final = 32


class Alert(NamedTuple):
    """One alert rule of one user. `opened`: topic index, partition, offset of the last counted record when it fired; times: -1 before."""

    firing: bool
    opened: tuple[int, int, int]
    starts_at_ms: int
    ends_at_ms: int


_json = msgspec.json.Encoder().encode
_NAMES: Final = tuple(WINDOWS)
_SESSION, _REVENUE, _CUSTOM = SESSION, REVENUE, CUSTOM
_COUNTED, _DUPLICATE, _LATE = Fate.COUNTED, Fate.DUPLICATE, Fate.LATE
_CHURN_ON, _CHURN_OFF, _DROP_ON, _DROP_OFF, _BAND, _EXPIRED = 1, 2, 4, 8, 16, 32
_DAY_MS, _MINUTE_MS, _NEVER_MS = DAY_MS, 60_000, NEVER_MS
_VERSION: Final = STATE_VERSION

# A state is 64-bit words, little endian. Fixed part:
#   0  version (8 bits), flags (8), band (8), band last emitted (8), ids (16), ids since the last active day began (16)
#   1  lifetime counters (16), panes (16), fingerprint of the rules that the two crossings were computed by (32)
#   2  newest_ms   3  entry_ms   4  churn crossing   5  drop crossing   6  last partition, last topic (8)   7  last offset
#   8  truncated_day   9  first_day   10  last_day   11  x   12..21  points wday s_q s_h s_2h s_4h gm gw cus pc
# then, by flag: what was last emitted (score, time) and the two alerts (partition and topic, offset, starts, ends);
# then ids, lifetime counters and panes, each as its module has them.
_FIXED: Final = 22
_SAID: Final = 2
_SLOT: Final = 4
_HEADER_MAX: Final = 32  # _FIXED + _SAID + 2 * _SLOT
_WORDS_MAX: Final = 8192
#: Words that one event can add: an id, three lifetime counters, three panes.
_EVENT_WORDS: Final = 8
#: Panes given up at once when the state is full, so that a full state does not widen its panes again with every event.
_ROOM_WORDS: Final = 32
_TYPES: Final = 256
#: Smallest number of panes that must fit whatever else is there: every type once.
_PANES_MIN: Final = 256 + _ROOM_WORDS

_FLAG_SAID, _FLAG_CHURN, _FLAG_DROP, _FLAG_CHURN_FIRING, _FLAG_DROP_FIRING = 1, 2, 4, 8, 16


class User:
    """The scratch user.

    key         user key
    due_ms      earliest instant at which `turn` could return something; never late, may be early
    entry_ms    the entry that the store's queue of due times holds for this user; the caller's to set
    newest_ms   newest event, -1 when there is none
    last_topic, last_partition, last_offset   the last counted record; topic is an index into `rules.topics.inputs`
    turns       what the last counted event turned
    turn_ms     instant of the last turn
    names       type id -> name as JSON; the number in place of a name that the catalogue has lost
    band_names  names of the bands as JSON
    weights     type id -> weight, 0 where the catalogue has none
    """

    key: str
    due_ms: int
    entry_ms: int
    newest_ms: int
    last_topic: int
    last_partition: int
    last_offset: int
    turns: int
    turn_ms: int
    _band: int
    _said_band: int
    _said_ms: int
    _said_score: float
    _firing: int  # bit r: rule r
    _churn_at_ms: int
    _drop_at_ms: int
    _churn_due_ms: int
    _drop_due_ms: int
    _band_due_ms: int
    _expiry_ms: int

    def __init__(self, rules: Rules) -> None:
        scoring, churn, drop, emit = rules.scoring, rules.churn, rules.drop, rules.emit
        self._limit = scoring.state_bytes // 8
        if scoring.dedup_ids < 1:
            raise ConfigError("at least one id must be remembered", file="scoring.yaml", path="dedup_ids")
        least = _HEADER_MAX + scoring.dedup_ids + _TYPES + _PANES_MIN
        if not least <= self._limit <= _WORDS_MAX:
            raise ConfigError(f"must be {8 * least} to {8 * _WORDS_MAX} bytes", file="scoring.yaml", path="state_bytes")
        self.rules = rules
        self.panes = Panes(_WORDS_MAX)
        self.rhythm = Rhythm(rules)
        self.names = [f'"type_{number}"'.encode() for number in range(_TYPES)]
        self.band_names = [_json(name) for name in scoring.band_names]
        self.weights = array("d", bytes(8 * _TYPES))
        self.names[CUSTOM], self.weights[CUSTOM] = b'"custom"', rules.catalogue.custom_weight
        for entry in rules.catalogue.types:
            self.names[entry.id], self.weights[entry.id] = _json(entry.name), entry.weight
        self._bands = len(scoring.bands)
        self._edges = array("d", [*scoring.bands, 0.0])
        self._gap_ms = scoring.session_gap_ms
        self._ttl_ms = scoring.state_ttl_days * DAY_MS
        self._theta_off, self._h_off = churn.theta_off, drop.h_off
        self._churn_rearm_ms, self._drop_rearm_ms = round(churn.rearm_days * DAY_MS), round(drop.rearm_days * DAY_MS)
        self._min_delta, self._max_interval_ms = emit.min_delta, emit.max_interval_s * 1000
        self._fingerprint = crc32(_json((churn, drop)))
        image = array("Q", bytes(8 * _WORDS_MAX))
        self._image = image
        self._signed = memoryview(image).cast("B").cast("q")
        self._reals = memoryview(image).cast("B").cast("d")
        self._recent = RecentIds(scoring.dedup_ids, _WORDS_MAX)
        self._lifetime = Lifetime()
        self._slots = array("q", bytes(8 * 10))
        self._empty("")

    # -- at rest ----------------------------------------------------------------------------------------------------

    def load(self, key: str, blob: bytes | None) -> None:
        """The user `key` is here, as `dump` left it; a new user when `blob` is None.

        Raises `UnknownStateVersion` for a state of a release after this one, `StreamsError` for bytes that are no state.
        """
        if blob is None:
            self._empty(key)
            return
        size = len(blob)
        if size and blob[0] != _VERSION:
            raise UnknownStateVersion(f"a state has version {blob[0]}, this release reads up to version {_VERSION}")
        if size < 8 * _FIXED or size > 8 * _WORDS_MAX or size % 8:
            raise StreamsError(f"a state is damaged: {size} bytes")
        self.key = key
        self._read(blob, size)
        self._decode(size // 8)
        if self._free() < 0:  # written by rules that allowed more
            self._make_room()
        self._settle()

    def dump(self) -> bytes:
        """The user as bytes, at most `state_bytes` of them. Equal states have equal bytes."""
        return self._write(self._encode())

    # -- events -----------------------------------------------------------------------------------------------------

    def fold(self, type_id: int, at_ms: int, id_hash: int, amount: int, topic: int, partition: int, offset: int) -> int:
        """The fate of one event; a counted one is in the state, and what it turned is in `turns`.

        topic is an index into `rules.topics.inputs`. Raises `ValueError` or `OverflowError` for what no decoded event has; load again then.
        """
        if at_ms < 0 or not 0 < type_id < _TYPES:
            raise ValueError("no such time or type")
        newest_ms = self.newest_ms
        day = at_ms // _DAY_MS
        if newest_ms >= 0 and day < self.panes.oldest_day():
            return _LATE
        if self._recent.knows(id_hash):
            return _DUPLICATE
        if self._free() < _EVENT_WORDS:
            self._make_room()
        minute = at_ms // _MINUTE_MS
        if at_ms > newest_ms:
            self.newest_ms = at_ms
            self.panes.advance(minute)
        if newest_ms < 0 or at_ms - newest_ms > self._gap_ms:
            self._count(minute, _SESSION, 1)
        self._count(minute, type_id, 1)
        if amount:
            self._count(minute, _REVENUE, amount)
        self.last_topic, self.last_partition, self.last_offset = topic, partition, offset
        self.turns = 0
        weight = self.weights[type_id]
        if weight > 0.0:
            if self.rhythm.visit(day, weight):
                self._recent.new_day()
                self._cross()
            self._band = max(self._band, self.band(self.newest_ms))
        self._recent.remember(id_hash)
        if self._firing:
            self._come_back()
        self._settle()
        return _COUNTED

    def _come_back(self) -> None:
        """Alerts that the event has taken below their lower threshold are resolved."""
        if self._firing & 1:
            at_ms = max(self.newest_ms, self._slots[3])
            if self.churn(at_ms) < self._theta_off:
                self._firing &= ~1
                self._slots[4] = at_ms
                self.turns |= _CHURN_OFF
        if self._firing & 2:
            at_ms = max(self.newest_ms, self._slots[8])
            if self.drop(at_ms) < self._h_off:
                self._firing &= ~2
                self._slots[9] = at_ms
                self.turns |= _DROP_OFF

    # -- silence ----------------------------------------------------------------------------------------------------

    def turn(self, bound_ms: int) -> int:
        """The earliest turn that silence brings up to `bound_ms`, applied, as a bit of `Turn`; 0 when there is none.

        Its instant is in `turn_ms`. After `EXPIRED` the caller deletes the user. At equal instants: churn, drop, band, expiry.
        """
        while self.due_ms <= bound_ms and self.due_ms < _NEVER_MS:
            at_ms = self.due_ms
            if self._churn_due_ms == at_ms:
                turn = _CHURN_ON
                self._fire(0, at_ms)
            elif self._drop_due_ms == at_ms:
                turn = _DROP_ON
                self._fire(1, at_ms)
            elif self._band_due_ms == at_ms:
                exact_ms = self._band_at_ms(at_ms)
                if exact_ms != at_ms:
                    self._band_due_ms = exact_ms
                    self._next()
                    continue
                turn = _BAND
                self._band = self.band(at_ms)
            else:
                self.turn_ms = at_ms
                return _EXPIRED
            self.turn_ms = at_ms
            self._settle()
            return turn
        return 0

    def _fire(self, rule: int, at_ms: int) -> None:
        self._firing |= 1 << rule
        self._slots[5 * rule] = self.last_topic
        self._slots[5 * rule + 1] = self.last_partition
        self._slots[5 * rule + 2] = self.last_offset
        self._slots[5 * rule + 3] = at_ms
        self._slots[5 * rule + 4] = -1

    def _band_at_ms(self, at_ms: int) -> int:
        """The first millisecond from `at_ms` (never late, a little early) on at which the score is below the user's band."""
        while self.band(at_ms) >= self._band:
            at_ms += 1
        return at_ms

    def _cross(self) -> None:
        """The crossings of this silence: they change with active days only."""
        self._churn_at_ms = self.rhythm.churn_at_ms()
        self._drop_at_ms = self.rhythm.drop_at_ms()

    def _settle(self) -> None:
        """The due times follow from the state."""
        after_ms = self.newest_ms + 1
        self._churn_due_ms = self._drop_due_ms = self._band_due_ms = _NEVER_MS
        if not self._firing & 1 and self._churn_at_ms < _NEVER_MS:
            self._churn_due_ms = max(self._churn_at_ms, after_ms)
            if self._slots[4] >= 0:
                self._churn_due_ms = max(self._churn_due_ms, self._slots[4] + self._churn_rearm_ms)
        if not self._firing & 2 and self._drop_at_ms < _NEVER_MS:
            self._drop_due_ms = max(self._drop_at_ms, after_ms)
            if self._slots[9] >= 0:
                self._drop_due_ms = max(self._drop_due_ms, self._slots[9] + self._drop_rearm_ms)
        if self._band > 0:
            self._band_due_ms = max(self.rhythm.fade_at_ms(self._edges[self._band - 1]), after_ms)
        self._expiry_ms = self.newest_ms + self._ttl_ms if self.newest_ms >= 0 else _NEVER_MS
        self._next()

    def _next(self) -> None:
        self.due_ms = min(min(self._churn_due_ms, self._drop_due_ms), min(self._band_due_ms, self._expiry_ms))

    # -- emission ---------------------------------------------------------------------------------------------------

    def emission(self, at_ms: int) -> int:
        """Why a score should leave (mode "meaningful"): 1 it moved, or none ever left; 2 another band; 3 none for long; 0 no reason."""
        if self._said_ms < 0:
            return 1
        score = self.engagement(at_ms)
        if score - self._said_score >= self._min_delta or self._said_score - score >= self._min_delta:
            return 1
        if self.band(at_ms) != self._said_band:
            return 2
        return 3 if at_ms - self._said_ms >= self._max_interval_ms else 0

    def emitted(self, at_ms: int) -> None:
        """The score as of `at_ms` is the one that was last emitted."""
        self._said_score = self.engagement(at_ms)
        self._said_band = self.band(at_ms)
        self._said_ms = at_ms

    # -- reading ----------------------------------------------------------------------------------------------------

    def engagement(self, at_ms: int) -> float:
        """Engagement score, 0 to 100."""
        return self.rhythm.engagement(at_ms)

    def band(self, at_ms: int) -> int:
        """Index into `band_names`."""
        score = self.rhythm.engagement(at_ms)
        band = 0
        while band < self._bands and score >= self._edges[band]:
            band += 1
        return band

    def churn(self, at_ms: int) -> float:
        """Churn probability."""
        return self.rhythm.churn(self.rhythm.silence(at_ms))

    def drop(self, at_ms: int) -> float:
        """Drop statistic."""
        return self.rhythm.drop(self.rhythm.silence(at_ms))

    def alert(self, rule: int) -> Alert:
        """Alert rule 0 (churn_risk) or 1 (engagement_drop)."""
        at = 5 * rule
        opened = (int(self._slots[at]), int(self._slots[at + 1]), int(self._slots[at + 2]))
        return Alert(bool(self._firing >> rule & 1), opened, self._slots[at + 3], self._slots[at + 4])

    def counts(self, window: str, at_ms: int) -> dict[int, int]:
        """Type id -> count in a window as of `at_ms` (the newest event or later), `SESSION` and `REVENUE` among them; no zeros."""
        at = _NAMES.index(window)
        panes = self.panes
        panes.tally(at_ms // _MINUTE_MS)
        counts: dict[int, int] = {}
        for i in range(panes.seen):
            n = panes.count(at, panes.types[i])
            if n:
                counts[panes.types[i]] = n
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

    def lifetime(self) -> dict[int, int]:
        """Type id -> count since the user's first event; `SESSION` and `REVENUE` are types too."""
        return self._lifetime.counts()

    def facts(self, at_ms: int) -> Facts:
        """What the score and the alerts rest on, as of `at_ms`."""
        return facts_of(self.rhythm, self.rules.churn.horizon_days, at_ms, self.lifetime())

    # -- counters, room ------------------------------------------------------------------------------------------

    def _count(self, minute: int, type_id: int, value: int) -> None:
        """`value` is in the panes and in the lifetime counter of the type."""
        self.panes.add(minute, type_id, value)
        self._lifetime.add(type_id, value)

    def _free(self) -> int:
        """Words that the state may still grow by."""
        return self._limit - _HEADER_MAX - self._recent.size() - self._lifetime.size - self.panes.size

    def _make_room(self) -> None:
        self.panes.shrink(max(0, self.panes.size + self._free() - _ROOM_WORDS))

    # -- words ------------------------------------------------------------------------------------------------------

    def _empty(self, key: str) -> None:
        self.key = key
        self.newest_ms = self._said_ms = -1
        self.entry_ms = self._churn_at_ms = self._drop_at_ms = _NEVER_MS
        self.last_topic = self.last_partition = self.last_offset = 0
        self.turns = self.turn_ms = 0
        self._said_score = 0.0
        self._said_band = self._band = self._firing = 0
        self._recent.clear()
        self._lifetime.size = 0
        for i in range(10):
            self._slots[i] = -1 if i % 5 > 2 else 0
        self.panes.clear()
        self.rhythm.clear()
        self._settle()

    def _decode(self, words: int) -> None:
        """The first `words` words of the image are this user."""
        rhythm, panes, recent, lifetime = self.rhythm, self.panes, self._recent, self._lifetime
        head = self._image[0]
        sizes = self._image[1]
        today = head >> 48
        flags = head >> 8 & 255
        ids = head >> 32 & 65535
        size = sizes >> 16 & 65535
        at = _FIXED
        self._band, self._said_band = head >> 16 & 255, head >> 24 & 255
        self._band = min(self._band, self._bands)
        lives = sizes & 65535
        self.newest_ms, self.entry_ms = self._signed[2], self._signed[3]
        self._churn_at_ms, self._drop_at_ms = self._signed[4], self._signed[5]
        self.last_topic, self.last_partition = self._signed[6] & 255, self._signed[6] >> 8
        self.last_offset = self._signed[7]
        rhythm.first_day, rhythm.last_day, rhythm.x = self._signed[9], self._signed[10], self._signed[11]
        rhythm.points, rhythm.wday = self._reals[12], self._reals[13]
        rhythm.s_q, rhythm.s_h, rhythm.s_2h, rhythm.s_4h = self._reals[14], self._reals[15], self._reals[16], self._reals[17]
        rhythm.gm, rhythm.gw, rhythm.cus, rhythm.pc = self._reals[18], self._reals[19], self._reals[20], self._reals[21]
        self.turns = self.turn_ms = 0
        self._said_score, self._said_ms = 0.0, -1
        if flags & _FLAG_SAID:
            self._said_score, self._said_ms = self._reals[at], self._signed[at + 1]
            at += _SAID
        self._firing = flags >> 3 & 3
        at = self._decode_slot(0, at, flags & _FLAG_CHURN)
        at = self._decode_slot(1, at, flags & _FLAG_DROP)
        if at + ids + lives + size != words or lives > _TYPES:
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
        if sizes >> 32 != self._fingerprint:
            self._cross()

    def _decode_slot(self, rule: int, at: int, there: int) -> int:
        slot = 5 * rule
        if not there:
            self._slots[slot] = self._slots[slot + 1] = self._slots[slot + 2] = 0
            self._slots[slot + 3] = self._slots[slot + 4] = -1
            return at
        self._slots[slot], self._slots[slot + 1] = self._signed[at] & 255, self._signed[at] >> 8
        self._slots[slot + 2] = self._signed[at + 1]
        self._slots[slot + 3], self._slots[slot + 4] = self._signed[at + 2], self._signed[at + 3]
        return at + _SLOT

    def _encode(self) -> int:
        """This user is in the image; returns the number of words."""
        rhythm, panes, recent, lifetime = self.rhythm, self.panes, self._recent, self._lifetime
        ids = recent.size()
        flags = self._firing << 3
        at = _FIXED
        self._signed[2], self._signed[3] = self.newest_ms, self.entry_ms
        self._signed[4], self._signed[5] = self._churn_at_ms, self._drop_at_ms
        self._signed[6], self._signed[7] = self.last_partition << 8 | self.last_topic, self.last_offset
        self._signed[8] = panes.truncated_day
        self._signed[9], self._signed[10], self._signed[11] = rhythm.first_day, rhythm.last_day, rhythm.x
        self._reals[12], self._reals[13] = rhythm.points, rhythm.wday
        self._reals[14], self._reals[15], self._reals[16], self._reals[17] = rhythm.s_q, rhythm.s_h, rhythm.s_2h, rhythm.s_4h
        self._reals[18], self._reals[19], self._reals[20], self._reals[21] = rhythm.gm, rhythm.gw, rhythm.cus, rhythm.pc
        if self._said_ms >= 0:
            flags |= _FLAG_SAID
            self._reals[at], self._signed[at + 1] = self._said_score, self._said_ms
            at += _SAID
        if self._slots[3] >= 0:
            flags |= _FLAG_CHURN
            at = self._encode_slot(0, at)
        if self._slots[8] >= 0:
            flags |= _FLAG_DROP
            at = self._encode_slot(1, at)
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
        size = panes.size
        fingerprint = self._fingerprint
        self._image[0] = _VERSION | flags << 8 | band << 16 | said_band << 24 | ids << 32 | today << 48
        self._image[1] = lives | size << 16 | fingerprint << 32
        return at

    def _encode_slot(self, rule: int, at: int) -> int:
        slot = 5 * rule
        self._signed[at] = self._slots[slot + 1] << 8 | self._slots[slot]
        self._signed[at + 1] = self._slots[slot + 2]
        self._signed[at + 2], self._signed[at + 3] = self._slots[slot + 3], self._slots[slot + 4]
        return at + _SLOT

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
