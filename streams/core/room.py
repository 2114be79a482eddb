"""How many words a state takes at the most, and how many of them one event can add: the sum of what its parts say of themselves."""

from typing import Final

from streams.core import activity, aggregates, membership, pending, profile, slots, ties
from streams.core.rules import FIRST_TYPE, Catalogue

__all__ = ["FIXED", "HEADER_MAX", "IDS_MAX", "LOST_TYPES", "SAID", "TYPES", "WORDS_MAX", "event_words", "least_words", "room_words"]

#: Words of every state, and of what was last emitted: the layout is in `streams.core.state`.
FIXED: Final = 24
SAID: Final = 2
#: Words before the profile.
HEADER_MAX: Final = FIXED + SAID + slots.SIZE_MAX + pending.SIZE_MAX
#: A larger state is none, whatever the rules say.
WORDS_MAX: Final = 8192
#: Ids that can be remembered: their number has twelve bits.
IDS_MAX: Final = 4095
#: Numbers of types.
TYPES: Final = 256

_OWN_TYPES: Final = FIRST_TYPE - 1
#: Types that the catalogue does not have any more, of which old states may still hold counters.
LOST_TYPES: Final = 64
#: Words of an event beside those that the parts say: its id; counters of itself, its amount and its session; panes of these three, and of
#: the session's time and marks.
_EVENT: Final = 1 + 3 + 5
#: A filtered counter is in both.
_COUNTER: Final = 2
#: Panes given up at once when the state is full, so that a full state does not widen its panes again with every event.
_ROOM: Final = 32


def event_words(catalogue: Catalogue) -> int:
    """Words that one event can add: of a type with every role, with values that are all new, and an account that its user joins."""
    parts = profile.EVENT_MAX + activity.EVENT_MAX + membership.SIZE_MAX + aggregates.EVENT_MAX * len(catalogue.aggregates)
    return _EVENT + _COUNTER * len(catalogue.counters) + parts


def room_words(catalogue: Catalogue) -> int:
    """Words that are free after a full state has made room."""
    return max(_ROOM, event_words(catalogue))


def least_words(catalogue: Catalogue, dedup_ids: int) -> int:
    """Words that a state must be allowed: whatever else is there, every type fits once into the counters and once into the panes."""
    types = min(TYPES, _OWN_TYPES + len(catalogue.types) + len(catalogue.counters) + LOST_TYPES)
    parts = HEADER_MAX + profile.SIZE_MAX + activity.SIZE_MAX + ties.SIZE_MAX + membership.SIZE_MAX + dedup_ids
    aggregated = sum(aggregates.words_of(each) for each in catalogue.aggregates)
    return parts + aggregated + 2 * types + room_words(catalogue)
