# What pending.py is to the C compiler; interpreted, this file is not read.

cimport cython

from streams.core.correction cimport Correction
from streams.core.rhythm cimport Rhythm

cdef Py_ssize_t _FEATURES, _LOOK
cdef long long _DAY_MS, _NEVER_MS, _MINUTE_MS, _WEEK, _MINUTES, _LEFT


@cython.locals(lot=cython.ulonglong)
cpdef bint sampled(bytes user, long long week, unsigned long long one_in) except -1


@cython.final
cdef class Pending:
    cdef readonly long long day, back
    cdef long long _minute, _one_in, _least, _whole
    cdef bint _enabled
    cdef double[::1] _look

    cpdef void clear(self)
    @cython.locals(user=bytes, last=cython.longlong, lot=cython.ulonglong, weekday=cython.longlong, week=cython.longlong)
    cpdef draw(self, str key, Rhythm rhythm, long long from_day)
    cpdef long long due_ms(self) noexcept
    cpdef bint awaits(self, long long day) noexcept
    cpdef returned(self, long long day, Rhythm rhythm, Correction correction)
    cpdef left(self, long long day, Rhythm rhythm, Correction correction)
    cpdef object lesson(self, Rhythm rhythm, Correction correction)
    @cython.locals(r=cython.double, look=cython.double[::1], i=cython.Py_ssize_t)
    cdef void _take(self, Rhythm rhythm, Correction correction)
    cpdef Py_ssize_t size(self) noexcept
    @cython.locals(i=cython.Py_ssize_t)
    cpdef Py_ssize_t write(self, long long[::1] signed, double[::1] reals, Py_ssize_t at)
    @cython.locals(word=cython.ulonglong, i=cython.Py_ssize_t)
    cpdef Py_ssize_t read(self, long long[::1] signed, double[::1] reals, Py_ssize_t at)
