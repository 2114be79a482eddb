# What activity.py is to the C compiler; interpreted, this file is not read.

cimport cython

cdef int _ACTIVE, _ORDERED, _REORDERED, _CONVERTED, _ANSWERED, _PROMOTED, _DETRACTED
cdef int _LONG, _FEATURES, _RINGS, _DAYS, _ORDER_IDS, _MESSAGES
cdef int _HAS_ORDERS, _HAS_CONVERSIONS, _HAS_ANSWERS, _HAS_CART, _HAS_SIGN_UP, _HAS_ACTIVATION
cdef unsigned long long _DAYS_MASK


@cython.final
cdef class Activity:
    cdef public unsigned long long[::1] rings, order_ids, features, messages
    cdef public long long base, first_day, visit_last_ms, visit_ms, cart_ms, sign_up_ms, activation_ms, answer_ms
    cdef public unsigned long long country, device, channel, cancelled, visit_channel, visit_views, visit_engaged
    cdef public Py_ssize_t orders, used, sent

    @cython.locals(i=cython.Py_ssize_t)
    cpdef void clear(self)
    @cython.locals(i=cython.Py_ssize_t, gap=cython.longlong)
    cpdef void reach(self, long long day)
    @cython.locals(at=cython.int)
    cpdef int before(self, unsigned long long ring, int back) noexcept
    @cython.locals(before=cython.int)
    cpdef int gap(self, unsigned long long ring, int back) noexcept
    @cython.locals(i=cython.Py_ssize_t)
    cpdef bint new_order(self, unsigned long long ident)
    @cython.locals(i=cython.Py_ssize_t, at=cython.Py_ssize_t)
    cpdef bint new_mark(self, unsigned long long message, unsigned long long mark)
    @cython.locals(i=cython.Py_ssize_t)
    cpdef Py_ssize_t feature(self, unsigned long long name)
    cpdef merge(self, Activity other)
    cpdef list days(self, int ring)
    @cython.locals(size=cython.Py_ssize_t)
    cpdef Py_ssize_t size(self) noexcept
    @cython.locals(flags=cython.ulonglong, end=cython.Py_ssize_t, i=cython.Py_ssize_t, rings=cython.ulonglong[::1], base=cython.ulonglong, first=cython.ulonglong, used=cython.ulonglong, sent=cython.ulonglong, orders=cython.ulonglong, last=cython.ulonglong)
    cpdef Py_ssize_t encode(self, unsigned long long[::1] image, Py_ssize_t at)
    @cython.locals(flags=cython.ulonglong, head=cython.ulonglong, where=cython.ulonglong, visit=cython.ulonglong, end=cython.Py_ssize_t, i=cython.Py_ssize_t)
    cpdef Py_ssize_t decode(self, unsigned long long[::1] image, Py_ssize_t at, Py_ssize_t limit) except -1


cdef unsigned long long _older(unsigned long long ring, long long gap) noexcept
