# What recordbatch.py is to the C compiler; interpreted, this file is not read.

cimport cython

from streams.core.writer cimport Writer, varint_size


cdef bytes _ROOM
cdef Py_ssize_t _ARENA_BYTES, _ROOM_BYTES
cdef Writer _out, _body
cdef list _arenas

cdef class Packed:
    cdef readonly str topic
    cdef readonly int partition
    cdef readonly long long timestamp_ms
    cdef readonly Writer arena
    cdef readonly Py_ssize_t start, size

@cython.locals(
    out=Writer, packed=Packed, count=Py_ssize_t, place=Py_ssize_t, size=Py_ssize_t,
    first_ms=cython.longlong, newest_ms=cython.longlong, at_ms=cython.longlong
)
cpdef encode(outputs, Py_ssize_t at, Py_ssize_t limit_bytes, long long now_ms)

@cython.locals(last=Writer)
cpdef Writer arena()
cpdef bytes prefixed(bytes text)
@cython.locals(body=Writer)
cdef Packed _packed(output, long long now_ms)
cdef int _write(Writer body, bytes text) except -1
