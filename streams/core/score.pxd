# What score.py is to the C compiler; interpreted, this file is not read.

cimport cython
from libc.math cimport floor

from streams.core.user cimport User


cpdef long long hundredths(double value)
@cython.locals(i=cython.Py_ssize_t, kind=cython.Py_ssize_t)
cdef dict _named(User user, Py_ssize_t window)
@cython.locals(i=cython.Py_ssize_t, kind=cython.Py_ssize_t, points=cython.double, rest=cython.longlong, share=cython.longlong, ranked=list, top=list, named=list)
cdef list _contributions(User user)
cdef str _name(User user, Py_ssize_t kind)
