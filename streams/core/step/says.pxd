# What says.py is to the C compiler; interpreted, this file is not read.

from streams.core.business cimport Business
from streams.core.state cimport State
from streams.core.user cimport User


cdef class Says:
    cdef readonly object rules, inputs, envelopes, fold_event, plan, head, partition, loaded, parameters, quality, desk, ticks, sampler
    cdef public object learned, horizon
    cdef readonly User user
    cdef readonly State shipped
    cdef readonly Business business
    cdef public dict users, due, guards, rejects
    cdef public list outputs, fates, apart, sendings
    cdef public set asked
    cdef public long long entry_ms, timers_ms
