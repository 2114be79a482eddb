# What kin.py is to the C compiler; interpreted, this file is not read.

from streams.core.step.folds cimport Folds


cdef class Kin(Folds):
    pass
