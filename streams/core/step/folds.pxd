# What folds.py is to the C compiler; interpreted, this file is not read.

from streams.core.step.members cimport Members


cdef class Folds(Members):
    pass
