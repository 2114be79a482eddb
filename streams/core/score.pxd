# What score.py is to the C compiler; interpreted, this file is not read.

cimport cython
from libc.math cimport floor

from streams.core.panes cimport Panes
from streams.core.user cimport User
from streams.core.writer cimport Writer

cdef Writer _out
cdef tuple _KEYS
cdef Py_ssize_t _TOP, _COUNT, _WINDOW_24H, _WINDOW_7D, _WINDOW_30D, _SESSION, _REVENUE, _CUSTOM
cdef long long _DAY_MS

cdef list _last
cdef class _Spelled:
    cdef readonly object rules
    cdef tuple inputs
    cdef bytes horizon, version
cdef _Spelled _spelled(rules)
@cython.locals(panes=Panes, out=Writer, window=cython.Py_ssize_t, key=bytes)
cdef bytes _write(User user, _Spelled spelled, bytes tail, bytes cause, long long as_of_ms, long long rev)
@cython.locals(panes=Panes, first=cython.bint, i=cython.Py_ssize_t, kind=cython.Py_ssize_t, n=cython.longlong)
cdef void _counts(Writer out, User user, Py_ssize_t window)
@cython.locals(
    panes=Panes, top=list, i=cython.Py_ssize_t, kind=cython.Py_ssize_t, rest=cython.longlong, share=cython.longlong, largest=cython.longlong,
    others=cython.longlong, others_count=cython.longlong
)
cdef void _contributions(Writer out, User user)
cdef void _contribution(Writer out, bytes name, long long count, long long points)
@cython.locals(
    panes=Panes, i=cython.Py_ssize_t, kind=cython.Py_ssize_t, found=cython.Py_ssize_t, limit=cython.double, most=cython.double, points=cython.double
)
cdef Py_ssize_t _next(User user, Py_ssize_t after)
cdef long long _parts(double value, long long unit)
@cython.locals(day=cython.longlong, rest=cython.longlong)
cdef void _time(Writer out, long long at_ms)
