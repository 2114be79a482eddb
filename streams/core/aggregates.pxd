# What aggregates.py is to the C compiler; interpreted, this file is not read.

cimport cython

cdef Py_ssize_t _TEXTS, _HASHES, _NUMBER, _TEXT, _ENTRY, _HASHED, _SLOT
cdef unsigned long long _LOW, _COUNT_MAX


@cython.final
cdef class Aggregates:
    cdef readonly Py_ssize_t used
    cdef Py_ssize_t _count
    cdef unsigned long long[::1] _ids, _kinds, _words
    cdef long long[::1] _signed

    @cython.locals(slot=cython.Py_ssize_t)
    cpdef int clear(self) except -1
    cpdef int add(self, long long at_ms, tuple values) except -1
    @cython.locals(base=cython.Py_ssize_t)
    cpdef void add_number(self, Py_ssize_t slot, long long at_ms, long long value)
    @cython.locals(base=cython.Py_ssize_t, a=cython.ulonglong, b=cython.ulonglong, c=cython.ulonglong, fresh=cython.bint)
    cpdef void add_text(self, Py_ssize_t slot, long long at_ms, tuple text, unsigned long long hashed)
    @cython.locals(base=cython.Py_ssize_t)
    cdef bint _begin(self, Py_ssize_t slot) except -1
    @cython.locals(words="unsigned long long[::1]")
    cdef int _compare(self, Py_ssize_t at, unsigned long long a, unsigned long long b, unsigned long long c) noexcept
    cdef int _put(self, Py_ssize_t at, unsigned long long a, unsigned long long b, unsigned long long c) except -1
    @cython.locals(words="unsigned long long[::1]", first=cython.Py_ssize_t, entries=cython.Py_ssize_t, at=cython.Py_ssize_t, i=cython.Py_ssize_t, least=cython.Py_ssize_t, head=cython.ulonglong, n=cython.ulonglong, one=cython.ulonglong)
    cdef void _see(self, Py_ssize_t base, unsigned long long a, unsigned long long b, unsigned long long c)
    @cython.locals(n=cython.Py_ssize_t, at=cython.Py_ssize_t, i=cython.Py_ssize_t, one=cython.ulonglong)
    cdef void _hash(self, Py_ssize_t base, unsigned long long hashed)
    cdef unsigned long long _hash_at(self, Py_ssize_t base, Py_ssize_t i) noexcept
    @cython.locals(at=cython.Py_ssize_t, shift=cython.int, low=cython.ulonglong)
    cdef int _set_hash(self, Py_ssize_t base, Py_ssize_t i, unsigned long long hashed) except -1
    @cython.locals(base=cython.Py_ssize_t, signed="long long[::1]")
    cpdef number(self, Py_ssize_t slot)
    @cython.locals(base=cython.Py_ssize_t, signed="long long[::1]")
    cpdef text(self, Py_ssize_t slot)
    cdef tuple _text_at(self, Py_ssize_t at)
    @cython.locals(i=cython.Py_ssize_t, at=cython.Py_ssize_t)
    cdef dict _entries(self, Py_ssize_t base)
    @cython.locals(i=cython.Py_ssize_t)
    cdef list _hashes(self, Py_ssize_t base)
    @cython.locals(slot=cython.Py_ssize_t, base=cython.Py_ssize_t, i=cython.Py_ssize_t)
    cpdef int merge(self, Aggregates other) except -1
    cdef int _merge_numbers(self, Aggregates other, Py_ssize_t base) except -1
    @cython.locals(at=cython.Py_ssize_t, i=cython.Py_ssize_t)
    cdef int _merge_texts(self, Aggregates other, Py_ssize_t base) except -1
    @cython.locals(slot=cython.Py_ssize_t, total=cython.Py_ssize_t)
    cpdef Py_ssize_t size(self) noexcept
    cdef Py_ssize_t _extent(self, unsigned long long head) noexcept
    @cython.locals(slot=cython.Py_ssize_t, base=cython.Py_ssize_t, i=cython.Py_ssize_t, entries=cython.Py_ssize_t, hashed=cython.Py_ssize_t, head=cython.ulonglong)
    cpdef Py_ssize_t write(self, unsigned long long[::1] image, Py_ssize_t at) except -1
    @cython.locals(slot=cython.Py_ssize_t, base=cython.Py_ssize_t, i=cython.Py_ssize_t, entries=cython.Py_ssize_t, hashes=cython.Py_ssize_t, kept=cython.Py_ssize_t, head=cython.ulonglong)
    cpdef Py_ssize_t read(self, unsigned long long[::1] image, Py_ssize_t at, Py_ssize_t end, Py_ssize_t stored) except -2
    @cython.locals(slot=cython.Py_ssize_t)
    cdef Py_ssize_t _slot_of(self, unsigned long long head) noexcept
