# What event.py is to the C compiler; interpreted, this file is not read.

cimport cython

from streams.core.identity cimport Identities
from streams.core.reader cimport PropertyReader, Reads, Said


cdef class _Kind:
    cdef int type_id, machine_id, sign
    cdef bint verb
    cdef public bint group, links
    cdef Reads reads


cdef class Decoder:
    cdef object _names
    cdef PropertyReader _reader
    cdef Identities _identities
    cdef object _groups
    cdef dict _kinds, _verbs, _calls
    cdef _Kind _unknown
    cdef int _unknown_id
    cdef readonly int linked
    cdef Py_ssize_t _value_bytes, _depth, _properties, _many_bytes
    cdef long long _future_ms, _correction_ms, _oldest_ms, _newest_ms

    @cython.locals(start=Py_ssize_t, i=Py_ssize_t, values=list, payloads=list)
    cpdef list decode(self, records)
    cpdef decode_one(self, record)
    @cython.locals(value=bytes, joined=bytes, payloads=list)
    cdef list _together(self, list values)
    cdef _screen(self, bytes value)
    @cython.locals(kind=_Kind, text=bytes, said=Said, type_id=int)
    cdef _event(self, record, bytes value, payload)
    @cython.locals(kind=_Kind)
    cdef _Kind _named(self, str call, str event, channel)
    cdef _Kind _kind(self, entry, event)
    @cython.locals(at_ms=cython.longlong, ahead_ms=cython.longlong)
    cdef _when(self, timestamp, sent_at, received_at, long long appended_ms, bint event_clock)
    @cython.locals(found=_Kind)
    cdef _Kind _on_channel(self, event, channel, sent_from, _Kind kind)


cdef _unnamed(call)

cdef tuple _stamp(record)

@cython.locals(days=cython.longlong, seconds=cython.longlong, micros=cython.longlong)
cdef long long _millis(moment) except? -1

@cython.locals(total=Py_ssize_t, byte=cython.uchar)
cdef Py_ssize_t _opens(bytes value)

@cython.locals(total=Py_ssize_t, byte=cython.uchar)
cdef Py_ssize_t _colons(bytes value)
