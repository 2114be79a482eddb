"""How many examples a property is tried on."""

import os
from typing import Final

__all__ = ["examples"]

#: Interpreted and traced, an example costs tens of times as much, and the same property has just held for the compiled core.
_ONE_IN: Final = 6 if os.environ.get("STREAMS_INTERPRETED") == "1" else 1
_LEAST: Final = 4


def examples(most: int) -> int:
    """`most`, or a part of it where an example costs much more."""
    return max(min(most, _LEAST), most // _ONE_IN)
