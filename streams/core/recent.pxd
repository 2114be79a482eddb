# What recent.py is to the C compiler; interpreted, this file is not read.

cimport cython


@cython.final
cdef class RecentIds:
    cdef public unsigned long long[::1] ids
    cdef public Py_ssize_t start, day, end
    cdef Py_ssize_t _limit, _capacity

    cpdef void clear(self)
    cpdef void restore(self, Py_ssize_t size, Py_ssize_t today)
    cpdef Py_ssize_t size(self) noexcept
    @cython.locals(i=cython.Py_ssize_t)
    cpdef bint knows(self, unsigned long long id_hash)
    @cython.locals(i=cython.Py_ssize_t)
    cpdef void remember(self, unsigned long long id_hash)
    cpdef void new_day(self)
