# What membership.py is to the C compiler; interpreted, this file is not read.

cimport cython

cdef Py_ssize_t _FIXED, _ID_MAX


@cython.final
cdef class Membership:
    cdef readonly str account
    cdef readonly long long since_ms, told_day
    cdef readonly int weight
    cdef readonly double told_points
    cdef double _step
    cdef bytes _id

    cpdef void clear(self)
    cpdef join(self, str account, long long since_ms, int weight)
    cpdef void tell(self, double points, long long day)
    cpdef bint has_news(self, double points, long long day) noexcept
    cpdef Py_ssize_t size(self) noexcept
    @cython.locals(size=cython.Py_ssize_t, i=cython.Py_ssize_t, j=cython.Py_ssize_t, weight=cython.ulonglong, since=cython.longlong, day=cython.ulonglong, word=cython.ulonglong, byte=cython.ulonglong)
    cpdef Py_ssize_t write(self, unsigned long long[::1] image, double[::1] reals, Py_ssize_t at) except -1
    @cython.locals(size=cython.Py_ssize_t, i=cython.Py_ssize_t, ident=bytearray)
    cpdef Py_ssize_t read(self, unsigned long long[::1] image, double[::1] reals, Py_ssize_t at, Py_ssize_t end) except -2
