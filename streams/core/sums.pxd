# What sums.py is to the C compiler; interpreted, this file is not read.

cimport cython

cdef int _MEASURE, _DAY, _PART, _DIMENSION
cdef unsigned long long _WORD, _SPREAD


@cython.final
cdef class Sums:
    cdef unsigned long long[::1] _keys, _log_keys
    cdef long long[::1] _values, _used, _log_values
    cdef Py_ssize_t _size, _logged, _logs
    cdef unsigned long long _capacity
    cdef int _shift

    cdef _grow(self, long long capacity)
    @cython.locals(key=cython.ulonglong)
    cpdef void add(self, unsigned long long measure, unsigned long long day, unsigned long long part, unsigned long long dimension, unsigned long long value, long long n)
    cpdef void mark(self)
    @cython.locals(i=cython.Py_ssize_t)
    cpdef void undo(self)
    @cython.locals(i=cython.Py_ssize_t, slot=cython.Py_ssize_t)
    cpdef list take(self)
    @cython.locals(slot=cython.ulonglong)
    cdef void _put(self, unsigned long long key, long long n)
    @cython.locals(i=cython.Py_ssize_t, keys=cython.ulonglong[::1], values=cython.longlong[::1], used=cython.longlong[::1], log_keys=cython.ulonglong[::1], log_values=cython.longlong[::1], size=cython.Py_ssize_t, logged=cython.Py_ssize_t, logs=cython.Py_ssize_t)
    cdef void _widen(self)
    @cython.locals(i=cython.Py_ssize_t, keys=cython.ulonglong[::1], values=cython.longlong[::1])
    cdef void _lengthen(self)
