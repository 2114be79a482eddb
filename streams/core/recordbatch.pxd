# What recordbatch.py is to the C compiler; interpreted, this file is not read.

cimport cython

from streams.core.writer cimport Writer


cdef bytes _ROOM
cdef Writer _out, _body

cdef class Packed:
    cdef readonly str topic
    cdef readonly int partition
    cdef readonly bytes body
    cdef readonly long long timestamp_ms

@cython.locals(
    out=Writer, body=bytes, packed=Packed, count=Py_ssize_t, place=Py_ssize_t, size=Py_ssize_t,
    first_ms=cython.longlong, newest_ms=cython.longlong, at_ms=cython.longlong
)
cpdef encode(outputs, Py_ssize_t at, Py_ssize_t limit_bytes, long long now_ms)

cpdef bytes prefixed(bytes text)
@cython.locals(body=Writer)
cdef bytes _packed(output)
cdef int _write(Writer body, bytes text) except -1
@cython.locals(rest=cython.ulonglong, width=Py_ssize_t)
cdef Py_ssize_t _width(long long value) noexcept
