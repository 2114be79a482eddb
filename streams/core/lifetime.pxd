# What lifetime.py is to the C compiler; interpreted, this file is not read.

cimport cython

cdef int _SHIFT
cdef long long _BIAS
cdef unsigned long long _MASK


@cython.final
cdef class Lifetime:
    cdef public unsigned long long[::1] entries
    cdef public Py_ssize_t size

    @cython.locals(at=cython.Py_ssize_t, i=cython.Py_ssize_t, total=cython.longlong)
    cpdef int add(self, unsigned long long type_id, long long value) except -1
    cpdef merge(self, Lifetime other)
    @cython.locals(i=cython.Py_ssize_t, value=cython.longlong)
    cpdef dict counts(self)
