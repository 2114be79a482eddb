# What user.py is to the C compiler; interpreted, this file is not read.

cimport cython

from streams.core.lifetime cimport Lifetime
from streams.core.panes cimport Panes
from streams.core.recent cimport RecentIds
from streams.core.rhythm cimport Rhythm

cdef long long _SESSION, _REVENUE, _CUSTOM
cdef int _COUNTED, _DUPLICATE, _LATE
cdef int _CHURN_ON, _CHURN_OFF, _DROP_ON, _DROP_OFF, _BAND, _EXPIRED
cdef long long _DAY_MS, _MINUTE_MS, _NEVER_MS
cdef Py_ssize_t _FIXED, _SAID, _SLOT, _HEADER_MAX, _WORDS_MAX, _EVENT_WORDS, _ROOM_WORDS, _PANES_MIN
cdef int _VERSION, _TYPES
cdef int _FLAG_SAID, _FLAG_CHURN, _FLAG_DROP, _FLAG_CHURN_FIRING, _FLAG_DROP_FIRING


@cython.final
cdef class User:
    cdef public str key
    cdef public long long due_ms, entry_ms, newest_ms, last_offset, turn_ms
    cdef public int last_topic, turns
    cdef public long long last_partition
    cdef readonly object rules
    cdef readonly list names, band_names
    cdef readonly Panes panes
    cdef readonly Rhythm rhythm
    cdef public double[::1] weights

    cdef Py_ssize_t _limit
    cdef RecentIds _recent
    cdef Lifetime _lifetime
    cdef int _bands, _band, _said_band, _firing
    cdef long long _gap_ms, _ttl_ms, _churn_rearm_ms, _drop_rearm_ms, _max_interval_ms, _fingerprint
    cdef long long _churn_at_ms, _drop_at_ms, _churn_due_ms, _drop_due_ms, _band_due_ms, _expiry_ms, _said_ms
    cdef double _theta_off, _h_off, _min_delta, _said_score
    cdef double[::1] _edges, _reals
    cdef long long[::1] _signed, _slots
    cdef unsigned long long[::1] _image

    @cython.locals(size=cython.Py_ssize_t)
    cpdef load(self, str key, bytes blob)
    cpdef bytes dump(self)
    @cython.locals(newest_ms=cython.longlong, day=cython.longlong, minute=cython.longlong, weight=cython.double)
    cpdef int fold(self, int type_id, long long at_ms, unsigned long long id_hash, long long amount, int topic, long long partition, long long offset) except -1
    @cython.locals(at_ms=cython.longlong)
    cdef void _come_back(self)
    @cython.locals(turn=cython.int, at_ms=cython.longlong, exact_ms=cython.longlong)
    cpdef int turn(self, long long bound_ms) except -1
    cdef void _fire(self, int rule, long long at_ms)
    cdef long long _band_at_ms(self, long long at_ms)
    cdef void _cross(self)
    @cython.locals(after_ms=cython.longlong)
    cdef void _settle(self)
    cdef void _next(self)
    @cython.locals(score=cython.double)
    cpdef int emission(self, long long at_ms)
    cpdef emitted(self, long long at_ms)
    cpdef double engagement(self, long long at_ms)
    @cython.locals(score=cython.double, band=cython.int)
    cpdef int band(self, long long at_ms)
    cpdef double churn(self, long long at_ms)
    cpdef double drop(self, long long at_ms)
    cpdef object alert(self, int rule)
    @cython.locals(panes=Panes, at=cython.Py_ssize_t, i=cython.Py_ssize_t, n=cython.longlong)
    cpdef dict counts(self, str window, long long at_ms)
    @cython.locals(at=cython.Py_ssize_t)
    cpdef double ces(self, str window, long long at_ms)
    cpdef dict lifetime(self)
    @cython.locals(panes=Panes, total=cython.double, i=cython.Py_ssize_t)
    cpdef double tallied_ces(self, Py_ssize_t window)
    cdef void _count(self, long long minute, unsigned long long type_id, long long value)
    cdef Py_ssize_t _free(self) noexcept
    cdef void _make_room(self)
    @cython.locals(i=cython.Py_ssize_t)
    cdef void _empty(self, str key)
    @cython.locals(i=cython.Py_ssize_t, head=cython.ulonglong, sizes=cython.ulonglong, flags=cython.int, today=cython.Py_ssize_t, ids=cython.Py_ssize_t, size=cython.Py_ssize_t, lives=cython.Py_ssize_t, panes=Panes, rhythm=Rhythm, recent=RecentIds, lifetime=Lifetime, at=cython.Py_ssize_t)
    cdef void _decode(self, Py_ssize_t words)
    @cython.locals(slot=cython.Py_ssize_t)
    cdef Py_ssize_t _decode_slot(self, int rule, Py_ssize_t at, int there)
    @cython.locals(i=cython.Py_ssize_t, ids=cython.ulonglong, flags=cython.ulonglong, at=cython.Py_ssize_t, today=cython.ulonglong, band=cython.ulonglong, said_band=cython.ulonglong, lives=cython.ulonglong, size=cython.ulonglong, panes=Panes, rhythm=Rhythm, recent=RecentIds, lifetime=Lifetime, fingerprint=cython.ulonglong)
    cdef Py_ssize_t _encode(self)
    @cython.locals(slot=cython.Py_ssize_t)
    cdef Py_ssize_t _encode_slot(self, int rule, Py_ssize_t at)
    cdef void _read(self, bytes blob, Py_ssize_t size)
    cdef bytes _write(self, Py_ssize_t words)
