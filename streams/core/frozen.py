"""What all rules are made of."""

import msgspec

__all__ = ["Frozen"]


class Frozen(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Strict and frozen: an unknown or missing field is an error that names its path."""
