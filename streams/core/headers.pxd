# What headers.py is to the C compiler; interpreted, this file is not read.

cpdef header(record, str name)
cpdef traceparent(record)
cpdef well_formed(context)
