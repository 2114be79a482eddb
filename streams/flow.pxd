# What flow.py is to the C compiler; interpreted, this file is not read.

from streams.core.step.kin cimport Kin


cdef class _Step(Kin):
    pass
