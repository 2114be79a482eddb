# What profile.py is to the C compiler; interpreted, this file is not read.

cimport cython

cdef int _FEATURES, _STREAKS, _DAY_BITS, _DAYS_KEPT
cdef unsigned long long _DAY


@cython.final
cdef class Profile:
    cdef public long long order_first, order_last, order_days, returned, zone
    cdef public double order_sum
    cdef public bint power
    cdef readonly Py_ssize_t features, streaks
    cdef double _order_half_life, _power_on, _power_off
    cdef long long _dormant_days
    cdef unsigned long long[::1] _used, _runs

    cpdef void clear(self)
    cpdef void order(self, long long day)
    @cython.locals(oldest=cython.Py_ssize_t, i=cython.Py_ssize_t)
    cpdef void use(self, unsigned long long feature, unsigned long long day)
    cpdef merge(self, Profile other, list common, bint later)
    cpdef void score_moved(self, double before, double after)
    cpdef void came(self, long long day, long long last_day)
    @cython.locals(at=cython.Py_ssize_t, i=cython.Py_ssize_t, word=cython.ulonglong, last=cython.ulonglong, run=cython.ulonglong, days=cython.ulonglong, longest=cython.ulonglong, today=cython.ulonglong)
    cpdef void match(self, unsigned long long rule, unsigned long long day)
    @cython.locals(i=cython.Py_ssize_t, longest=cython.ulonglong)
    cdef unsigned long long _longest(self, unsigned long long run, unsigned long long days) noexcept
    @cython.locals(i=cython.Py_ssize_t, n=cython.Py_ssize_t)
    cpdef Py_ssize_t used_since(self, unsigned long long day)
    cpdef Py_ssize_t size(self) noexcept
    @cython.locals(i=cython.Py_ssize_t, orders=cython.ulonglong, zoned=cython.ulonglong, power=cython.ulonglong, returned=cython.ulonglong, features=cython.ulonglong, order_days=cython.ulonglong, first=cython.ulonglong, last=cython.ulonglong)
    cpdef Py_ssize_t write(self, unsigned long long[::1] image, double[::1] reals, Py_ssize_t at) except -1
    @cython.locals(i=cython.Py_ssize_t, head=cython.ulonglong, orders=cython.Py_ssize_t, zoned=cython.Py_ssize_t)
    cpdef Py_ssize_t read(self, unsigned long long[::1] image, double[::1] reals, Py_ssize_t at, Py_ssize_t end) except -2
