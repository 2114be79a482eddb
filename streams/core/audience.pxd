# What audience.py is to the C compiler; interpreted, this file is not read.

cimport cython

from streams.core.activity cimport Activity
from streams.core.sums cimport Sums

cdef int _M_ACTIVE, _M_RETAINED, _M_BUYERS, _M_REPEATERS, _M_CONVERTERS, _M_PROMOTERS, _M_PASSIVES, _M_DETRACTORS
cdef int _ACTIVE, _ORDERED, _REORDERED, _CONVERTED, _ANSWERED, _PROMOTED, _DETRACTED, _OPEN_DAYS, _DAYS, _LONG


@cython.final
cdef class Audience:
    cdef Sums _sums
    cdef Activity _activity

    @cython.locals(back=cython.int, there=cython.bint, alone=cython.bint)
    cpdef void set(self, Activity activity, long long day, int ring)
    @cython.locals(back=cython.int)
    cpdef void answer(self, Activity activity, long long day, int kind)
    cpdef void settle(self, Activity activity, int sign)
    @cython.locals(bit=cython.ulonglong, rings=cython.ulonglong[::1])
    cdef void _write(self, int ring, int back, bint there)
    @cython.locals(activity=Activity, word=cython.ulonglong, later=cython.int, back=cython.int)
    cdef void _spread(self, int ring, int sign)
    @cython.locals(activity=Activity, day=cython.longlong, gap=cython.int, age=cython.longlong, kind=cython.int)
    cdef void _spread_day(self, int ring, int back, int later, int sign)
    @cython.locals(activity=Activity, twice=cython.ulonglong, before=cython.int, high=cython.int, low=cython.int, day=cython.longlong)
    cdef void _repeat(self, int back, int sign)
    @cython.locals(activity=Activity)
    cdef void _users(self, int measure, long long day, int part, long long n)
