# What ties.py is to the C compiler; interpreted, this file is not read.

cimport cython

cdef Py_ssize_t _IDS


@cython.final
cdef class Ties:
    cdef readonly Py_ssize_t count
    cdef readonly bint shared
    cdef readonly long long since_ms
    cdef unsigned long long[::1] _ids

    cpdef void clear(self)
    @cython.locals(i=cython.Py_ssize_t)
    cpdef int take_in(self, unsigned long long ident, long long at_ms) except -2
    @cython.locals(i=cython.Py_ssize_t)
    cpdef void merge(self, Ties other)
    cpdef void share(self, long long at_ms)
    cpdef int head(self) noexcept
    cpdef Py_ssize_t size(self) noexcept
    @cython.locals(i=cython.Py_ssize_t)
    cpdef Py_ssize_t write(self, unsigned long long[::1] image, Py_ssize_t at) except -1
    @cython.locals(i=cython.Py_ssize_t, count=cython.Py_ssize_t)
    cpdef Py_ssize_t read(self, int head, unsigned long long[::1] image, Py_ssize_t at, Py_ssize_t end) except -2
