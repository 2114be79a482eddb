# What reader.py is to the C compiler; interpreted, this file is not read.

cimport cython


cdef class Reads:
    cdef public object parser
    cdef public list flags, amounts, fields, filters, aggregates, referrers
    cdef public bint source, campaign
    cdef public dict known


cdef class Said:
    cdef public bint machine
    cdef public object amount, refused, properties
    cdef public str source


cdef class PropertyReader:
    cdef int _minor_units
    cdef object _most_minor
    cdef dict _spellings, _contexts, _hosts
    cdef object _counters, _aggregates

    @cython.locals(found=Said)
    cpdef Said said(self, Reads reads, bytes text)
    cdef Said _say(self, Reads reads, tuple values)
    cdef _make(self, Reads reads, tuple values)
    cdef tuple _seen(self, Reads reads, tuple values)
    cdef _plan(self, value)
    cpdef campaign(self, properties, ident)
    @cython.locals(key=tuple)
    cpdef context(self, sent, bint with_source, str said)
    cdef _context(self, tuple key)
    cdef str _where_from(self, value, url)
    cdef str _host(self, str url)
