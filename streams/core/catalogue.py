"""Event names of many trackers, looked up in one catalogue."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from streams.core.rules import Catalogue, EventType

__all__ = ["CALLS", "CHANNELS", "VERBS", "Names", "fold"]

#: Calls of the Segment spec other than `track`, and the catalogue name that each is counted as.
CALLS: Final[Mapping[str, str]] = MappingProxyType(
    {"page": "page_view", "screen": "screen_view", "identify": "identify", "alias": "alias", "group": "group"}
)

CHANNELS: Final = ("email", "sms", "push", "webpush", "inapp")
VERBS: Final = ("send", "delivery", "open", "click", "bounce", "complaint", "unsubscribe", "conversion", "abort")

_DROPPED: Final = str.maketrans("", "", " _-\t")


def fold(name: str) -> str:
    """The form in which names are compared: no regard to case, spaces, underscores and dashes."""
    return name.translate(_DROPPED).casefold()


class Names:
    """Finds the entry of an event by its name or an alias, and by channel and verb for campaign events (`open` on `email`)."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._entries: dict[str, EventType] = {}
        self._verbs: set[str] = set()
        for entry in catalogue.types:
            for name in (entry.name, *entry.aliases):
                key = fold(name)
                self._entries.setdefault(key, entry)
                if entry.channel and key.startswith(entry.channel):
                    self._verbs.add(key.removeprefix(entry.channel))

    def find(self, name: str, channel: str | None = None) -> EventType | None:
        """The entry called `name` on `channel`, else the entry called `name`, else None."""
        key = fold(name)
        if channel:
            entry = self._entries.get(fold(channel) + key)
            if entry is not None and entry.channel == fold(channel):
                return entry
        return self._entries.get(key)

    def is_verb(self, name: str) -> bool:
        """Whether some channel has an event called `name`, so that the channel decides what was meant."""
        return fold(name) in self._verbs

    def machine(self, entry: EventType) -> EventType | None:
        """The entry that counts what a machine did in the place of a person (`email_open` -> `email_machine_open`), if there is one."""
        if not entry.channel or not entry.name.startswith(f"{entry.channel}_"):
            return None
        verb = entry.name.removeprefix(f"{entry.channel}_")
        return self._entries.get(fold(f"{entry.channel}_machine_{verb}"))

    def call(self, kind: str) -> EventType | None:
        """The entry for a Segment call other than `track`."""
        return self._entries.get(fold(CALLS[kind]))
