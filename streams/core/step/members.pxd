# What members.py is to the C compiler; interpreted, this file is not read.

from streams.core.step.routes cimport Routes


cdef class Members(Routes):
    pass
