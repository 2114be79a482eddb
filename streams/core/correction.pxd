# What correction.py is to the C compiler; interpreted, this file is not read.

cimport cython
from libc.math cimport exp, log, pow

from streams.core.rhythm cimport Rhythm

cdef long long _DAY_MS, _NEVER_MS, _HORIZON_DAYS, _GRAIN_MS
cdef Py_ssize_t _COUNT
cdef double _CLIP, _P_MIN


@cython.final
cdef class Correction:
    cdef readonly bint on
    cdef readonly double[::1] x
    cdef double[::1] _w, _mean, _deviation
    cdef double _a, _b, _horizon, _half_life_2h

    cpdef void use(self, model) except *
    @cython.locals(h=cython.double, m=cython.double, tenure=cython.double, x=cython.double[::1])
    cpdef void look(self, Rhythm rhythm, double r)
    @cython.locals(p0=cython.double, logit=cython.double, odds=cython.double, i=cython.Py_ssize_t)
    cpdef double churn(self, Rhythm rhythm, double r)
    @cython.locals(low=cython.longlong, high=cython.longlong, low_ms=cython.longlong, high_ms=cython.longlong, middle_ms=cython.longlong)
    cpdef long long churn_at_ms(self, Rhythm rhythm, double theta_on)


cdef double _clipped(double value) noexcept
