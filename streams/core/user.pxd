# What user.py is to the C compiler; interpreted, this file is not read.

cimport cython

from streams.core.correction cimport Correction
from streams.core.panes cimport Panes
from streams.core.profile cimport Profile
from streams.core.rhythm cimport Rhythm
from streams.core.sessions cimport Sessions
from streams.core.slots cimport Slots
from streams.core.state cimport State

cdef long long _SESSION, _REVENUE, _DWELL, _MARKS
cdef int _COUNTED, _DUPLICATE, _LATE
cdef int _CHURN_ON, _CHURN_OFF, _DROP_ON, _DROP_OFF, _BAND, _EXPIRED, _LESSON, _CHURN_RIGHT, _DROP_RIGHT, _LOST
cdef long long _DAY_MS, _MINUTE_MS, _NEVER_MS
cdef int _TYPES, _ORDER, _STREAK, _AGGREGATE


@cython.final
cdef class User(State):
    cdef public long long due_ms, turn_ms
    cdef public int turns
    cdef readonly Correction correction
    cdef Rhythm _trial
    cdef readonly object lesson
    cdef readonly unsigned char[::1] leaves
    cdef unsigned char[::1] _kinds
    cdef dict _codes, _streaks
    cdef bytes _ruled
    cdef readonly bytes learned
    cdef readonly object rfm
    cdef readonly int wrong, right
    cdef long long _horizon_ms, _ttl_ms, _max_interval_ms, _since_ms
    cdef long long _churn_due_ms, _drop_due_ms, _band_due_ms, _lesson_due_ms, _verdict_due_ms, _expiry_ms
    cdef double _theta_on, _theta_off, _h_off, _min_delta

    cpdef use(self, parameters)
    cpdef load(self, str key, bytes blob)
    @cython.locals(newest_ms=cython.longlong, day=cython.longlong, minute=cython.longlong, weight=cython.double, kind=cython.int, focus_ms=cython.longlong, counter=cython.ulonglong)
    cpdef int fold(self, int type_id, long long at_ms, unsigned long long id_hash, long long amount, int topic, long long partition, long long offset, properties=*, context=*) except -1
    cpdef int take_in(self, unsigned long long ident, long long at_ms) except -2
    cpdef share(self, long long at_ms)
    cpdef absorb(self, State other, list days, list orders, int topic, long long partition, long long offset)
    @cython.locals(slots=Slots, rule=cython.int)
    cdef int _leave(self, long long day) except -1
    cdef int _end(self, int rule, long long at_ms) except -1
    @cython.locals(slots=Slots, rule=cython.int)
    cdef int _judge_return(self, long long at_ms) except -1
    @cython.locals(rule=cython.int)
    cdef int _verdict(self, long long at_ms) except -1
    cdef long long _verdict_at_ms(self, int rule) noexcept
    @cython.locals(rhythm=Rhythm, profile=Profile, last_day=cython.longlong, before=cython.double, score=cython.double)
    cdef int _score_event(self, long long at_ms, long long day, double weight) except -1
    @cython.locals(sessions=Sessions, panes=Panes)
    cdef void _in_session(self, long long at_ms, bint scored, int kind, long long focus_ms)
    cdef _streak(self, int type_id, long long at_ms)
    @cython.locals(slots=Slots, at_ms=cython.longlong)
    cdef int _come_back(self) except -1
    @cython.locals(turn=cython.int, at_ms=cython.longlong, exact_ms=cython.longlong)
    cpdef int turn(self, long long bound_ms) except -1
    cdef int _fire(self, int rule, long long at_ms) except -1
    cdef long long _band_at_ms(self, long long at_ms)
    cdef void _cross(self)
    @cython.locals(slots=Slots, after_ms=cython.longlong, moved_ms=cython.longlong, gone_ms=cython.longlong, known_ms=cython.longlong, rule=cython.int)
    cdef int _settle(self) except -1
    @cython.locals(alerts_ms=cython.longlong)
    cdef int _next(self) except -1
    @cython.locals(score=cython.double)
    cpdef int emission(self, long long at_ms)
    cpdef emitted(self, long long at_ms)
    cpdef double churn(self, long long at_ms)
    cpdef tuple thetas(self)
    cpdef double drop(self, long long at_ms)
    @cython.locals(trial=Rhythm, day=cython.longlong, visits=cython.longlong)
    cpdef object visits_to_clear(self, int rule, long long at_ms, long long most)
    cpdef object alert(self, int rule)
