# What recent.py is to the C compiler; interpreted, this file is not read.

cimport cython


@cython.final
cdef class RecentIds:
    cdef public unsigned long long[::1] ids
    cdef public Py_ssize_t start, day, end
    cdef Py_ssize_t _limit, _capacity

    cpdef int clear(self) except -1
    cpdef int restore(self, Py_ssize_t size, Py_ssize_t today) except -1
    cpdef Py_ssize_t size(self) noexcept
    @cython.locals(i=cython.Py_ssize_t)
    cpdef bint knows(self, unsigned long long id_hash)
    @cython.locals(i=cython.Py_ssize_t)
    cpdef int remember(self, unsigned long long id_hash) except -1
    cpdef int new_day(self) except -1
    cpdef merge(self, RecentIds other, bint earlier, bint later)
