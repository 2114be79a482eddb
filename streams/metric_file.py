"""metrics.yaml: what the types of the business rules cannot say, checked against the catalogue. The first fault found is raised."""

from typing import Any, Final

from streams.configfile import did_you_mean, to_struct
from streams.core.activity import FEATURES_MAX
from streams.core.business_rules import GAP_DAYS, BusinessRules
from streams.core.measures import CHANNEL_NAMES
from streams.core.rules import Catalogue
from streams.errors import ConfigError

__all__ = ["business_rules"]

_FILE: Final = "metrics.yaml"
#: Path -> lowest and highest value, both allowed.
_RANGES: Final[dict[str, tuple[float, float]]] = {
    "silence_days": (1, GAP_DAYS),
    "cart_days": (0.01, 365),
    "activation.days": (0.01, 365),
    "keep_days": (63, 3_650),  # a month, the silence before it, and the day on which its first user was active
    "keep_hours_days": (2, 63),
    "named_limit": (10, 1_000_000),
    "publish_s": (0.1, 86_400),
}
#: Names that are told apart at the most: each is a sum more for every day, hour and partition.
_NAMES: Final = 100


def business_rules(content: dict[str, Any], catalogue: Catalogue, *, own: bool) -> BusinessRules:
    """The business rules that metrics.yaml holds. `own` off: the file is the shipped one beside a catalogue that may lack some of its
    events; those are never seen. Raises `ConfigError` that names file and path."""
    rules = to_struct(content, BusinessRules, _FILE)
    for path, (low, high) in _RANGES.items():
        value: Any = rules
        for name in path.split("."):
            value = getattr(value, name)
        if not low <= value <= high:
            raise ConfigError(f"must be between {low:g} and {high:g}, got {value:g}", file=_FILE, path=path)
    known = {entry.name for entry in catalogue.types}
    for setting, events in rules.events().items():
        for event in events if own else ():
            if event not in known:
                raise ConfigError(f"`{event}` is not an event of catalogue.yaml{did_you_mean(event, known)}", file=_FILE, path=setting)
    for event, points in rules.interactions.items():
        if not 0 <= points <= 1_000:
            raise ConfigError(f"must be between 0 and 1000, got {points:g}", file=_FILE, path=f"interactions.{event}")
    sources = set(CHANNEL_NAMES) - {"unknown", "other"}
    for source, channel in rules.channels.items():
        if channel not in sources:
            raise ConfigError(f"`{channel}` is not a channel{did_you_mean(channel, sources)}", file=_FILE, path=f"channels.{source}")
    _apart("page_categories", rules.page_categories, _NAMES)
    _apart("features", rules.features, FEATURES_MAX)
    if any(not 2 <= scale <= 100 for scale in rules.surveys.csat_scales):
        raise ConfigError("the highest answer of a scale is 2 to 100", file=_FILE, path="surveys.csat_scales")
    return rules


def _apart(path: str, names: tuple[str, ...], most: int) -> None:
    """Names that are told apart are at most `most`, printable, and each stands once."""
    if len(names) > most:
        raise ConfigError(f"at most {most} can be told apart, got {len(names)}", file=_FILE, path=path)
    seen: set[str] = set()
    for number, name in enumerate(names):
        at = f"{path}[{number}]"
        if not name or len(name) > 64 or "|" in name or not name.isprintable():
            raise ConfigError("must be 1 to 64 printable characters without `|`", file=_FILE, path=at)
        if name.casefold() in seen or name.casefold() in ("unknown", "other"):
            raise ConfigError(f"`{name}` stands here already, whatever its case, or has a meaning of its own", file=_FILE, path=at)
        seen.add(name.casefold())
