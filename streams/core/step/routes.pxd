# What routes.py is to the C compiler; interpreted, this file is not read.

from streams.core.step.says cimport Says


cdef class Routes(Says):
    pass
