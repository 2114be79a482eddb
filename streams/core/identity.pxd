# What identity.py is to the C compiler; interpreted, this file is not read.

cimport cython


cdef class Identities:
    cdef Py_ssize_t _bytes
    cdef frozenset _blocked
    cdef unsigned long long _lengths
    cdef str _starts

    cpdef of(self, user_id, anonymous_id)
    cpdef str linked(self, str raw_id, other_id, bint anonymous)
    @cython.locals(size=Py_ssize_t)
    cpdef str refusal(self, str raw_id)


@cython.locals(sign=Py_UCS4)
cdef bint _graphic(str text)

@cython.locals(
    seed=cython.ulonglong, low=cython.ulonglong, m=cython.ulonglong, h=cython.ulonglong, k=cython.ulonglong,
    size=Py_ssize_t, whole=Py_ssize_t, i=Py_ssize_t,
)
cpdef unsigned int murmur2(bytes data)

cpdef int home_partition(str raw_id, int partitions)
