# What ticks.py is to the C compiler; interpreted, this file is not read.

cimport cython

cdef int _TYPES, _ELSEWHERE


cdef class Ticks:
    cdef object _dimensions
    cdef int _minutes, _limit
    cdef long long _tick_ms
    cdef dict _events, _topics
    cdef long long[::1] _counts

    @cython.locals(ticks=dict, said=dict, found=list, counts=cython.longlong[::1], waiting=cython.bint, at_ms=cython.longlong, low_ms=cython.longlong, high_ms=cython.longlong, tick=cython.longlong, home=cython.longlong, type_id=cython.Py_ssize_t)
    cpdef tuple of(self, records, says, homes, long long partition)
    @cython.locals(counts=cython.longlong[::1], type_id=cython.Py_ssize_t, n=cython.longlong, names=list)
    cdef _add(self, dict sums, str topic, dict said)
    cdef _tell(self, dict sums, str dimension, str value, long long n)
