# What rhythm.py is to the C compiler; interpreted, this file is not read.

cimport cython
from libc.math cimport log, pow

cdef long long _DAY_MS, _NEVER_MS, _HORIZON_DAYS, _SECANT_STEPS
cdef double _PC_MAX, _LOG_2


@cython.final
cdef class Rhythm:
    cdef public long long first_day, last_day, x
    cdef public double points, wday, s_q, s_h, s_2h, s_4h, gm, gw, cus, pc
    cdef double _half_life, _a_ref, _horizon, _m0, _r0, _theta_on, _engaged_gap, _rho, _log_rho, _h_on
    cdef double _h_q, _h_h, _h_2h, _h_4h
    cdef long long _churn_days, _drop_days

    cpdef int clear(self) except -1
    cpdef int copy(self, Rhythm other) except -1
    cpdef merge(self, Rhythm other, list days)
    cpdef int use(self, double a_ref, double m0_days, double theta_on) except -1
    @cython.locals(gap=cython.double)
    cpdef bint visit(self, long long day, double weight)
    cpdef double silence(self, long long at_ms) noexcept
    cpdef double tenure(self, double r) noexcept
    cpdef double exposure(self, double half_life, double tenure) noexcept
    cpdef double gap_days(self) noexcept
    cpdef double rate(self) noexcept
    cpdef double decayed(self, long long at_ms) noexcept
    @cython.locals(decayed=cython.double)
    cpdef double engagement(self, long long at_ms) noexcept
    @cython.locals(known=cython.double)
    cpdef double churn(self, double r) noexcept
    cpdef double drop(self, double r) noexcept
    cpdef bint alertable(self) noexcept
    @cython.locals(low=cython.longlong, high=cython.longlong, middle=cython.longlong, step=cython.longlong)
    cpdef long long churn_at_ms(self)
    cdef bint _calm(self, long long after_ms) noexcept
    @cython.locals(before=cython.double, error_before=cython.double, r=cython.double, error=cython.double)
    cdef double _guess(self) noexcept
    @cython.locals(known=cython.double, visits=cython.double)
    cdef double _solved(self, double r) noexcept
    @cython.locals(days=cython.double, at=cython.longlong)
    cpdef long long drop_at_ms(self)
    @cython.locals(days=cython.double)
    cpdef long long fade_at_ms(self, double edge)
