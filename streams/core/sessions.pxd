# What sessions.py is to the C compiler; interpreted, this file is not read.

cimport cython

cdef long long _ACTIVE, _ENGAGED, _BOUNCED, _TIME, _MINUTE_MS, _ENGAGED_MS
cdef int _PAGE, _ACTS, _KEY


@cython.final
cdef class Sessions:
    cdef public long long scored_ms, began_ms, minute, marks, dwell_ms
    cdef readonly long long second_minute, second_marks
    cdef long long _gap_ms, _focus_ms, _flags  # the flags are shifted by 48 bits

    cpdef void restore(self, long long first, long long second)
    cpdef long long first(self) noexcept
    cpdef long long second(self) noexcept
    @cython.locals(opened=cython.bint)
    cpdef bint see(self, long long at_ms, bint scored, int kind, long long focus_ms)
    cdef void _mark(self, int kind)
    @cython.locals(first=Sessions, last=Sessions, pages=cython.int, began_ms=cython.longlong, scored_ms=cython.longlong, flags=cython.longlong)
    cpdef bint merge(self, Sessions other) except -1
    cdef void _copy(self, Sessions other)


cdef long long _marks_of(long long flags) noexcept
cdef int _pages_of(long long flags) noexcept
