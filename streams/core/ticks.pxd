# What ticks.py is to the C compiler; interpreted, this file is not read.

cimport cython


cdef class Ticks:
    cdef object _dimensions
    cdef int _minutes, _limit
    cdef long long _tick_ms
    cdef dict _events, _topics

    @cython.locals(here=_Seen, seen=dict, ticks=dict, at_ms=cython.longlong, low_ms=cython.longlong, high_ms=cython.longlong, tick=cython.longlong, home=cython.longlong)
    cpdef tuple of(self, records, says, homes, long long partition)
    cdef _add(self, dict sums, str topic, _Seen seen)
    cdef _tell(self, dict sums, str dimension, str value, long long n)


cdef class _Seen:
    cdef dict types, told, contexts, properties

    cdef see(self, event)
