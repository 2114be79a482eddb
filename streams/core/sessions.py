# cython: language_level=3, annotation_typing=False, wraparound=False
"""The session that one user is in: what the next event changes in the counts of sessions.

A session begins with a scored event more than the session gap after the newest scored one, so that what is done *to* a user begins none.
It is counted where it began. Each mark of it is counted once, as soon as it holds, so that no session has to be closed:

- **active**: an event of a type marked `active` happened in it
- **engaged** (GA4): it lasted, or was in focus, more than ten seconds, or has two page views, or an event of a type marked `key`
- **bounced**: it has exactly one page view; a second one takes the mark away

An earlier event belongs to a session that has been counted: it opens none and marks none. Time in a session is what passes between its
scored events; an event that says how long it was in focus says it better.
"""

from typing import Final

__all__ = ["ACTIVE", "BOUNCED", "ENGAGED", "Sessions", "marked"]

#: One mark each, as added up in the panes: 13 bits hold 30 days of sessions with a gap of six minutes.
ACTIVE: Final = 1
ENGAGED: Final = 1 << 13
BOUNCED: Final = 1 << 26
_MARK: Final = (1 << 13) - 1
_ACTIVE, _ENGAGED, _BOUNCED = ACTIVE, ENGAGED, BOUNCED

_ENGAGED_MS: Final = 10_000
_TIME: Final = (1 << 48) - 1
_MINUTE_MS: Final = 60_000

_PAGE, _ACTS, _KEY = 1, 2, 4  # as in `EventType`


def marked(sum_of_marks: int) -> tuple[int, int, int]:
    """Active, engaged and bounced sessions of a sum of marks."""
    return sum_of_marks & _MARK, sum_of_marks >> 13 & _MARK, sum_of_marks >> 26 & _MARK


class Sessions:
    """The newest session; `restore` begins another user.

    scored_ms   newest scored event, -1 when there is none
    began_ms    when the session began
    minute      after `see`: where what it says counts
    marks       after `see`: marks to add up
    dwell_ms    after `see`: time in the session to add up
    second_minute, second_marks   after `merge`: the beginning that was none, and the marks that were counted there
    """

    scored_ms: int
    began_ms: int
    minute: int
    marks: int
    dwell_ms: int
    second_minute: int
    second_marks: int

    def __init__(self, gap_ms: int) -> None:
        self._gap_ms = gap_ms
        self.restore(0, 0)

    def restore(self, first: int, second: int) -> None:
        """Two words as `first` and `second` gave them; zeros for a user without a session."""
        self.scored_ms = (first & _TIME) - 1
        self._flags = first >> 48 & 255
        self.began_ms = second & _TIME
        self._focus_ms = second >> 48 & 0x7FFF
        self.minute = self.marks = self.dwell_ms = 0
        self.second_minute = self.second_marks = 0

    def first(self) -> int:
        """Newest scored event and marks, as a word."""
        return self.scored_ms + 1 | self._flags << 48

    def second(self) -> int:
        """Beginning and time in focus, as a word."""
        return self.began_ms | self._focus_ms << 48

    def see(self, at_ms: int, scored: bool, kind: int, focus_ms: int) -> bool:
        """An event is in its session; True when it opened one. kind: 1 a page view, 2 active, 4 a key event, added up."""
        opened = False
        self.marks = self.dwell_ms = 0
        self.minute = at_ms // _MINUTE_MS
        if scored:
            if self.scored_ms < 0 or at_ms - self.scored_ms > self._gap_ms:
                opened = True
                self.began_ms = at_ms
                self._flags = self._focus_ms = 0
                self.scored_ms = at_ms
            elif at_ms > self.scored_ms:
                self.dwell_ms = at_ms - self.scored_ms
                self.scored_ms = at_ms
        if focus_ms > 0:
            self.dwell_ms = min(focus_ms, self._gap_ms)
        if self.scored_ms < 0 or at_ms < self.began_ms or at_ms - self.scored_ms > self._gap_ms:
            return False
        self.minute = self.began_ms // _MINUTE_MS
        self._focus_ms = min(self._focus_ms + focus_ms, _ENGAGED_MS + 1)
        self._mark(kind)
        return opened

    def _mark(self, kind: int) -> None:
        """What the event makes of the session. Flags: 1, 2 one and two page views; 4 active; 8 engaged."""
        if kind & _PAGE and not self._flags & 2:
            if self._flags & 1:
                self._flags ^= 3
                self.marks -= _BOUNCED
            else:
                self._flags |= 1
                self.marks += _BOUNCED
        if kind & _ACTS and not self._flags & 4:
            self._flags |= 4
            self.marks += _ACTIVE
        if not self._flags & 8 and (
            self._flags & 2 or kind & _KEY or self._focus_ms > _ENGAGED_MS or self.scored_ms - self.began_ms > _ENGAGED_MS
        ):
            self._flags |= 8
            self.marks += _ENGAGED

    def merge(self, other: "Sessions") -> bool:
        """The newest session of the same person under another id is here, too. True when the two are one session: then `minute`, `marks`
        and `dwell_ms` say what to add up where it began, and `second_minute` where a session with `second_marks` was one too many."""
        if other.scored_ms < 0:
            return False
        first, last = (self, other) if self.scored_ms >= 0 and self.began_ms <= other.began_ms else (other, self)
        if last.scored_ms < 0 or last.began_ms - first.scored_ms > self._gap_ms:
            self._copy(last if last.scored_ms >= 0 else first)
            return False
        began_ms, scored_ms = first.began_ms, max(first.scored_ms, last.scored_ms)
        pages = _pages_of(first._flags) + _pages_of(last._flags)
        flags = 2 if pages > 1 else pages
        flags |= (first._flags | last._flags) & 12
        self.second_minute, self.second_marks = last.began_ms // _MINUTE_MS, _marks_of(last._flags)
        self.marks = -_marks_of(first._flags)
        self.dwell_ms = scored_ms - began_ms - (first.scored_ms - first.began_ms) - (last.scored_ms - last.began_ms)
        self._focus_ms = min(first._focus_ms + last._focus_ms, _ENGAGED_MS + 1)
        if flags & 2 or self._focus_ms > _ENGAGED_MS or scored_ms - began_ms > _ENGAGED_MS:
            flags |= 8
        self.marks += _marks_of(flags)
        self.began_ms, self.scored_ms, self._flags = began_ms, scored_ms, flags
        self.minute = began_ms // _MINUTE_MS
        return True

    def _copy(self, other: "Sessions") -> None:
        self.scored_ms, self.began_ms, self._flags, self._focus_ms = other.scored_ms, other.began_ms, other._flags, other._focus_ms


def _marks_of(flags: int) -> int:
    """The marks that a session with these flags has been counted with."""
    return (_BOUNCED if flags & 1 else 0) + (_ACTIVE if flags & 4 else 0) + (_ENGAGED if flags & 8 else 0)


def _pages_of(flags: int) -> int:
    return 2 if flags & 2 else 1 if flags & 1 else 0
