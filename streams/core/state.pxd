# What state.py is to the C compiler; interpreted, this file is not read.

cimport cython

from streams.core.activity cimport Activity
from streams.core.aggregates cimport Aggregates
from streams.core.lifetime cimport Lifetime
from streams.core.membership cimport Membership
from streams.core.panes cimport Panes
from streams.core.pending cimport Pending
from streams.core.profile cimport Profile
from streams.core.recent cimport RecentIds
from streams.core.rhythm cimport Rhythm
from streams.core.sessions cimport Sessions
from streams.core.slots cimport Slots
from streams.core.ties cimport Ties

cdef long long _SESSION, _CUSTOM, _FIRST_TYPE, _DWELL, _MARKS, _DAY_MS, _MINUTE_MS, _NEVER_MS
cdef Py_ssize_t _FIXED, _SAID, _HEADER_MAX, _WORDS_MAX
cdef int _VERSION, _TYPES
cdef long long _MEMBER
cdef int _FLAG_SAID, _FLAG_CHURN, _FLAG_DROP, _FLAG_LESSON, _FLAG_LOST, _FLAG_LEFT


cdef class State:
    cdef public str key
    cdef public long long entry_ms, newest_ms, last_offset, last_partition
    cdef public int last_topic
    cdef readonly object rules
    cdef readonly list names, band_names
    cdef readonly Panes panes
    cdef readonly Activity activity
    cdef readonly Aggregates aggregates
    cdef readonly Membership membership
    cdef readonly Rhythm rhythm
    cdef readonly Sessions sessions
    cdef readonly Profile profile
    cdef readonly Slots slots
    cdef readonly Ties ties
    cdef public double[::1] weights

    cdef Py_ssize_t _limit, _event_words, _room_words
    cdef dict _zones
    cdef RecentIds _recent
    cdef Lifetime _lifetime
    cdef Pending _pending
    cdef bint _left, _lost
    cdef int _bands, _band, _said_band
    cdef long long _fingerprint, _churn_at_ms, _drop_at_ms, _said_ms
    cdef double _said_score
    cdef double[::1] _edges, _reals
    cdef long long[::1] _signed
    cdef unsigned long long[::1] _image

    @cython.locals(size=cython.Py_ssize_t)
    cdef bint _take(self, str key, bytes blob) except -1
    cpdef take(self, str key, bytes blob)
    cpdef bytes dump(self)
    cpdef dict day_weights(self)
    cpdef list days_with(self, State other)
    @cython.locals(rhythm=Rhythm, theirs=Rhythm, later=cython.bint)
    cdef _unite(self, State other, list days, list orders)
    @cython.locals(sessions=Sessions, panes=Panes)
    cdef _unite_sessions(self, State other)
    cpdef double engagement(self, long long at_ms)
    cpdef int band(self, long long at_ms)
    @cython.locals(band=cython.int)
    cdef int _band_of(self, double score)
    @cython.locals(panes=Panes, at=cython.Py_ssize_t, i=cython.Py_ssize_t, n=cython.longlong)
    cpdef dict counts(self, str window, long long at_ms)
    @cython.locals(at=cython.Py_ssize_t)
    cpdef double ces(self, str window, long long at_ms)
    @cython.locals(panes=Panes, total=cython.double, i=cython.Py_ssize_t)
    cpdef double tallied_ces(self, Py_ssize_t window)
    cpdef dict lifetime(self)
    @cython.locals(membership=Membership, rhythm=Rhythm)
    cpdef bint has_news(self, int left) except -1
    cpdef long long risk_day(self) except? -1
    cdef int _count(self, long long minute, unsigned long long type_id, long long value) except -1
    @cython.locals(held=cython.Py_ssize_t)
    cdef Py_ssize_t _free(self) noexcept
    cdef int _make_room(self) except -1
    @cython.locals(i=cython.Py_ssize_t)
    cdef int _empty(self, str key) except -1
    @cython.locals(i=cython.Py_ssize_t, head=cython.ulonglong, sizes=cython.ulonglong, flags=cython.int, today=cython.Py_ssize_t, ids=cython.Py_ssize_t, size=cython.Py_ssize_t, lives=cython.Py_ssize_t, panes=Panes, rhythm=Rhythm, recent=RecentIds, lifetime=Lifetime, slots=Slots, at=cython.Py_ssize_t)
    cdef int _decode(self, Py_ssize_t words) except -1
    @cython.locals(i=cython.Py_ssize_t, ids=cython.ulonglong, flags=cython.ulonglong, at=cython.Py_ssize_t, today=cython.ulonglong, band=cython.ulonglong, said_band=cython.ulonglong, lives=cython.ulonglong, aggregates=cython.ulonglong, size=cython.ulonglong, panes=Panes, rhythm=Rhythm, recent=RecentIds, lifetime=Lifetime, slots=Slots, ties=cython.ulonglong, member=cython.longlong, fingerprint=cython.ulonglong)
    cdef Py_ssize_t _encode(self)
    cdef int _read(self, bytes blob, Py_ssize_t size) except -1
    cdef bytes _write(self, Py_ssize_t words)
