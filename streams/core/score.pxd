# What score.py is to the C compiler; interpreted, this file is not read.

cimport cython
from libc.math cimport floor

from streams.core.panes cimport Panes
from streams.core.user cimport User
from streams.core.writer cimport Writer

cdef Writer _out
cdef bytes _CE_ID, _CE_SUBJECT, _CE_TIME, _TRACEPARENT
cdef Py_ssize_t _HEADERS
cdef double[::1] _points
cdef long long[::1] _ranked, _shares
cdef tuple _KEYS
cdef Py_ssize_t _TIME_BYTES, _TOP, _COUNT, _WINDOW_24H, _WINDOW_7D, _WINDOW_30D, _SESSION, _REVENUE, _CUSTOM, _FIRST_TYPE
cdef long long _DAY_MS

cdef list _last
cdef class _Spelled:
    cdef readonly object rules
    cdef tuple inputs
    cdef bytes fixed, horizon, version, key, quoted, date
    cdef str user
    cdef long long day
    cdef str topic
    cdef Py_ssize_t time_at
    cdef int of(self, str user) except -1
    cdef bytes on(self, long long day)
cdef _Spelled _spelled(rules)
@cython.locals(out=Writer, body=Writer, start=Py_ssize_t, key=bytes, tail=bytes, spelled=_Spelled)
cpdef score_output(
    User user, rules, int partition, str cause, long long as_of_ms, due_ms, long long rev, bytes trace=*
)
@cython.locals(out=Writer)
cdef bytes _tail(User user, _Spelled spelled, long long due_ms)
@cython.locals(panes=Panes, out=Writer, window=cython.Py_ssize_t)
cdef int _write(User user, _Spelled spelled, bytes tail, bytes cause, long long as_of_ms, long long rev) except -1
@cython.locals(panes=Panes, first=cython.bint, i=cython.Py_ssize_t, kind=cython.Py_ssize_t, n=cython.longlong)
cdef int _counts(Writer out, User user, Py_ssize_t window) except -1
@cython.locals(
    panes=Panes, i=cython.Py_ssize_t, rank=cython.Py_ssize_t, best=cython.Py_ssize_t, kind=cython.Py_ssize_t, rest=cython.longlong, others=cython.longlong, others_count=cython.longlong
)
cdef int _contributions(Writer out, User user) except -1
cdef int _contribution(Writer out, bytes name, long long count, long long points) except -1
cdef long long _parts(double value, long long unit) noexcept
@cython.locals(day=cython.longlong, rest=cython.longlong)
cdef int _time(Writer out, _Spelled spelled, long long at_ms) except -1
