# What business.py is to the C compiler; interpreted, this file is not read.

cimport cython

from streams.core.activity cimport Activity
from streams.core.audience cimport Audience
from streams.core.sums cimport Sums

cdef long long _DAY_MS, _HOUR_MS, _ENGAGED_MS, _VISIT_MS_MAX
cdef int _WHOLE, _FIRST_HOUR, _OPEN_DAYS, _DIRECT, _REFERRAL
cdef unsigned long long _PAGE, _INTERACTION, _SHARE, _ORDER, _REFUND, _CONVERSION, _CART, _KEY
cdef unsigned long long _SIGN_UP, _CANCEL, _OPT_IN, _OPT_OUT, _ACTIVATE, _ANSWER
cdef unsigned long long _SENT, _DELIVERED, _OPENED, _CLICKED, _MESSAGE
cdef int _R_ACTIVE, _R_ORDERED, _R_CONVERTED, _PAGE_VIEWS, _VISITS, _SALES


@cython.final
cdef class Business:
    cdef readonly Sums sums
    cdef unsigned long long[::1] roles
    cdef long long[::1] channels, points
    cdef long long _gap_ms, _cart_ms, _activation_ms, _named_limit
    cdef object _surveys
    cdef set _nps, _share_sources
    cdef dict _sources, _category_codes, _keep, _named, _places, _known_categories, _spelled
    cdef tuple _categories
    cdef list _named_log
    cdef Audience _audience
    cdef long long _day
    cdef int _hour
    cdef unsigned long long _country, _device, _channel, _category

    cpdef unite(self, Activity activity, Activity other)
    cdef _unvisit(self, Activity activity, long long began_ms)
    cdef _engage(self, Activity activity, long long began_ms, int n)
    cpdef mark(self)
    cpdef undo(self)
    @cython.locals(hashes=dict, spelled=tuple, fields=dict)
    cpdef tuple take(self)
    cdef tuple _spell(self, unsigned long long key)
    @cython.locals(roles=cython.ulonglong)
    cpdef count(self, Activity activity, int type_id, long long at_ms, long long amount, bint active, object properties, object context)
    @cython.locals(country=cython.ulonglong, device=cython.ulonglong, place=tuple)
    cdef object _place(self, Activity activity, int type_id, object context)
    cdef tuple _read(self, object context)
    cdef unsigned long long _read_category(self, str text) except? 1000000
    @cython.locals(last_ms=cython.longlong, day=cython.longlong, hour=cython.int, began_ms=cython.longlong)
    cdef _visit(self, Activity activity, long long at_ms, unsigned long long roles, tuple source, bint told)
    cdef _act(self, Activity activity, int type_id, long long at_ms, unsigned long long roles, object properties)
    @cython.locals(signed_ms=cython.longlong, day=cython.longlong, hour=cython.int)
    cdef _sign_up(self, Activity activity, long long at_ms, unsigned long long roles)
    cdef _money(self, Activity activity, long long amount, unsigned long long roles, object properties)
    cdef _message(self, Activity activity, int type_id, unsigned long long roles, object properties)
    @cython.locals(back=cython.int)
    cdef _answer(self, Activity activity, long long at_ms, object properties)
    @cython.locals(at=cython.Py_ssize_t, back=cython.int, ring=cython.ulonglong, bit=cython.ulonglong)
    cdef _say(self, Activity activity, object properties)
    @cython.locals(sums=Sums, day=cython.longlong, hour=cython.int)
    cdef void _add(self, int measure, long long n)
    cdef _name(self, str text, long long n)
    @cython.locals(back=cython.int)
    cdef _spread_feature(self, Activity activity, str name, unsigned long long ring, int sign)


cdef unsigned long long _hash(str text) except? 1000000
