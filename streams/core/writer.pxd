# What writer.py is to the C compiler; interpreted, this file is not read.

cimport cython


@cython.final
cdef class Writer:
    cdef readonly Py_ssize_t size
    cdef unsigned char[::1] _text

    # Integers, so that an error shows in what is returned: after a void one, Python would be asked each time whether there was one.
    cpdef int begin(self) except -1
    @cython.locals(length=cython.Py_ssize_t)
    cpdef int raw(self, bytes piece) except -1
    cpdef int byte(self, unsigned char value) except -1
    @cython.locals(rest=cython.ulonglong)
    cpdef int varint(self, long long value) except -1
    cpdef int text(self, Writer other, Py_ssize_t start, Py_ssize_t size) except -1
    @cython.locals(width=cython.int, rest=cython.longlong)
    cpdef int integer(self, long long value) except -1
    @cython.locals(at=cython.Py_ssize_t)
    cpdef int digits(self, long long value, Py_ssize_t width) except -1
    @cython.locals(part=cython.longlong)
    cpdef int fixed(self, long long value, long long unit) except -1
    cpdef bytes done(self)
    cpdef bytearray copy(self)
    cpdef bytes part(self, Py_ssize_t start, Py_ssize_t size)
    cdef int _grow(self, Py_ssize_t length) except -1


@cython.locals(rest=cython.ulonglong, size=cython.Py_ssize_t)
cpdef Py_ssize_t varint_size(long long value) noexcept
cdef unsigned long long _zigzag(long long value) noexcept
