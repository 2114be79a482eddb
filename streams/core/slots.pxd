# What slots.py is to the C compiler; interpreted, this file is not read.

cimport cython

cdef long long _DAY_MS
cdef Py_ssize_t _RULES, _FIELDS, _WORDS, _TOPIC, _PARTITION, _OFFSET, _STARTS, _ENDS


@cython.final
cdef class Slots:
    cdef public int firing, judged, grouped
    cdef long long _cooldown_ms
    cdef int _max_per_day
    cdef long long[::1] _rearm_ms, _fields

    cpdef void clear(self)
    @cython.locals(at=cython.Py_ssize_t)
    cdef void _forget(self, int rule)
    @cython.locals(at=cython.Py_ssize_t)
    cpdef void fire(self, int rule, long long at_ms, long long topic, long long partition, long long offset)
    cpdef void end(self, int rule, long long at_ms)
    cpdef void judge(self, int rules)
    @cython.locals(i=cython.Py_ssize_t, at=cython.Py_ssize_t, rule=cython.int)
    cpdef void merge(self, Slots other)
    cpdef int unjudged(self) noexcept
    cpdef long long starts_ms(self, int rule)
    @cython.locals(at=cython.Py_ssize_t)
    cpdef object alert(self, int rule)
    @cython.locals(begun=cython.int, each=cython.int, ends_ms=cython.longlong, starts_ms=cython.longlong)
    cpdef long long earliest_ms(self, int rule, long long at_ms)
    cpdef bint used(self, int rule)
    @cython.locals(slot=cython.Py_ssize_t, marks=cython.longlong)
    cpdef Py_ssize_t write(self, int rule, long long[::1] signed, Py_ssize_t at)
    @cython.locals(slot=cython.Py_ssize_t)
    cpdef Py_ssize_t read(self, int rule, long long[::1] signed, Py_ssize_t at)
