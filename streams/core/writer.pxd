# What writer.py is to the C compiler; interpreted, this file is not read.

cimport cython


@cython.final
cdef class Writer:
    cdef readonly Py_ssize_t size
    cdef unsigned char[::1] _text

    cpdef void begin(self)
    @cython.locals(length=cython.Py_ssize_t)
    cpdef void raw(self, bytes piece)
    @cython.locals(width=cython.int, rest=cython.longlong)
    cpdef void integer(self, long long value)
    @cython.locals(at=cython.Py_ssize_t)
    cpdef void digits(self, long long value, Py_ssize_t width)
    @cython.locals(part=cython.longlong)
    cpdef void fixed(self, long long value, long long unit)
    cpdef bytes done(self)
    cdef void _grow(self, Py_ssize_t length)
