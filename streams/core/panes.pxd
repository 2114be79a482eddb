# What panes.py is to the C compiler; interpreted, this file is not read.

cimport cython

cdef int _MINUTE_SHIFT, _KEY_SHIFT
cdef unsigned long long _VALUE_MASK
cdef long long _BIAS, _HOUR, _DAY, _FINE_PANES, _HOUR_PANES, _DAY_PANES, _LAST_MINUTES
cdef Py_ssize_t _WINDOWS


@cython.final
cdef class Panes:
    cdef public unsigned long long[::1] entries
    cdef public long long[::1] types
    cdef public Py_ssize_t size, seen
    cdef public long long newest, truncated_day
    cdef long long _base
    cdef unsigned char[::1] _marks
    cdef long long[::1] _tally, _edges, _panes, _widths

    cpdef int clear(self) except -1
    cpdef int restore(self, Py_ssize_t size, long long newest, long long truncated_day) except -1
    cpdef long long oldest_day(self) noexcept
    cpdef bint holds(self, long long minute) noexcept
    @cython.locals(hour_edge=cython.longlong, fine_edge=cython.longlong, shift=cython.longlong, end=cython.Py_ssize_t, middle=cython.Py_ssize_t)
    cpdef void advance(self, long long minute)
    @cython.locals(at=cython.longlong)
    cpdef int add(self, long long minute, long long type_id, long long value) except -1
    @cython.locals(i=cython.Py_ssize_t, entry=cython.ulonglong, minute=cython.longlong)
    cpdef int merge(self, Panes other) except -1
    cpdef dict by_day(self)
    @cython.locals(today=cython.longlong, last=cython.longlong, after=cython.longlong, day=cython.longlong)
    cpdef int shrink(self, Py_ssize_t limit) except -1
    @cython.locals(now=cython.longlong, i=cython.Py_ssize_t, w=cython.Py_ssize_t, kind=cython.longlong, at=cython.longlong, entry=cython.ulonglong)
    cpdef int tally(self, long long minute) except -1
    cpdef long long count(self, Py_ssize_t window, Py_ssize_t type_id)

    cdef long long _base_at(self, long long newest) noexcept
    cdef long long _fine_edge(self) noexcept
    cdef long long _hour_edge(self) noexcept
    @cython.locals(low=cython.Py_ssize_t, middle=cython.Py_ssize_t)
    cdef Py_ssize_t _find(self, long long minute, Py_ssize_t high)
    @cython.locals(i=cython.Py_ssize_t, less=cython.ulonglong)
    cdef int _rebase(self, long long shift) except -1
    @cython.locals(i=cython.Py_ssize_t)
    cdef int _drop(self, Py_ssize_t n) except -1
    @cython.locals(size=cython.Py_ssize_t, i=cython.Py_ssize_t, at=cython.longlong, entry=cython.ulonglong)
    cdef int _widen(self, Py_ssize_t start, Py_ssize_t end, long long hour_edge, long long fine_edge) except -1
    @cython.locals(at=cython.Py_ssize_t, i=cython.Py_ssize_t, total=cython.longlong)
    cdef Py_ssize_t _put(self, Py_ssize_t start, Py_ssize_t end, unsigned long long key, long long value)
    @cython.locals(at=cython.Py_ssize_t)
    cdef int _mark(self, long long kind) except -1
