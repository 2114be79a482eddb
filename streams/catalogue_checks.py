"""Whether the catalogue can be meant: ids and names are used once, and what counts and keeps names types that there are."""

import re
from typing import Final

from streams.configfile import NAME, did_you_mean, in_range, in_ranges, require
from streams.core.aggregates import AGGREGATES_MAX
from streams.core.catalogue import CHANNELS, fold
from streams.core.rules import FIRST_TYPE, Bounds, Catalogue

__all__ = ["MAX_WEIGHT", "check_catalogue"]

_PROPERTY: Final = re.compile(r"[\w.$-]{1,64}")
_CATALOGUE: Final[dict[str, tuple[float, float]]] = {"custom_weight": (0, 10_000), "minor_units": (1, 1_000_000)}
MAX_WEIGHT: Final = 10_000.0
_MAX_COUNTERS: Final = 32


def check_catalogue(catalogue: Catalogue) -> None:
    """The catalogue is sound; else `ConfigError` with file and path."""
    file = "catalogue.yaml"
    in_ranges(file, catalogue, _CATALOGUE)
    require(bool(catalogue.types), file, "types", "must hold at least one event")
    ids: dict[int, str] = {}
    names: dict[str, str] = {}
    for number, entry in enumerate(catalogue.types):
        path = f"types[{number}]"
        require(FIRST_TYPE <= entry.id <= 255, file, f"{path}.id", f"must be between {FIRST_TYPE} and 255, got {entry.id}")
        require(entry.id not in ids, file, f"{path}.id", f"{entry.id} is already the id of {ids.get(entry.id)}")
        ids[entry.id] = entry.name
        require(
            bool(NAME.fullmatch(entry.name)),
            file,
            f"{path}.name",
            "must be lower case letters, digits and underscores, at most 64, beginning with a letter",
        )
        own: set[str] = set()
        spellings: set[str] = set()
        for index, name in enumerate((entry.name, *entry.aliases)):
            spot = f"{path}.aliases[{index - 1}]" if index else f"{path}.name"
            key = fold(name)
            require(bool(key) and len(name) <= 256, file, spot, "must be a name of at most 256 characters")
            require(key not in names, file, spot, f"`{name}` is already a name of {names.get(key)}")
            require(name not in spellings, file, spot, f"`{name}` stands here twice")
            spellings.add(name)
            own.add(key)
        names |= dict.fromkeys(own, entry.name)
        if entry.channel is not None:
            hint = did_you_mean(entry.channel, CHANNELS)
            require(entry.channel in CHANNELS, file, f"{path}.channel", f"must be one of {', '.join(CHANNELS)}, got {entry.channel}{hint}")
            require(entry.name.startswith(f"{entry.channel}_"), file, f"{path}.name", f"must begin with `{entry.channel}_`, its channel")
        amounts = (entry.amount,) if isinstance(entry.amount, str) else entry.amount or ()
        require(
            entry.amount is None or (bool(amounts) and all(map(_PROPERTY.fullmatch, amounts))),
            file,
            f"{path}.amount",
            "must be the name of a property",
        )
        require(entry.sign == 1 or entry.amount is not None, file, f"{path}.sign", "has no effect without an amount")
        in_range(file, f"{path}.weight", entry.weight, 0, MAX_WEIGHT)
    for field in catalogue.properties.__struct_fields__:
        spellings_of = getattr(catalogue.properties, field)
        require(
            bool(spellings_of) and all(map(_PROPERTY.fullmatch, spellings_of)), file, f"properties.{field}", "must be names of properties"
        )
    _counters(catalogue, ids, names)
    _aggregates(catalogue)


def _aggregates(catalogue: Catalogue) -> None:
    file, types = "catalogue.yaml", {entry.name for entry in catalogue.types}
    most = AGGREGATES_MAX
    require(len(catalogue.aggregates) <= most, file, "aggregates", f"must be {most} at most: each takes room in every user")
    ids, names = dict[int, str](), dict[str, str]()
    for number, aggregate in enumerate(catalogue.aggregates):
        path = f"aggregates[{number}]"
        require(1 <= aggregate.id <= 255, file, f"{path}.id", f"must be between 1 and 255, got {aggregate.id}")
        require(aggregate.id not in ids, file, f"{path}.id", f"{aggregate.id} is already the id of {ids.get(aggregate.id)}")
        require(bool(NAME.fullmatch(aggregate.name)), file, f"{path}.name", "must be lower case letters, digits and underscores")
        require(aggregate.name not in names, file, f"{path}.name", f"`{aggregate.name}` is already a name")
        ids[aggregate.id] = names[aggregate.name] = aggregate.name
        hint = did_you_mean(aggregate.event, types)
        require(aggregate.event in types, file, f"{path}.event", f"must be the name of a type, got {aggregate.event}{hint}")
        spellings = aggregate.spellings
        require(bool(spellings) and all(map(_PROPERTY.fullmatch, spellings)), file, f"{path}.of", "must be the name of a property")


def _counters(catalogue: Catalogue, ids: dict[int, str], names: dict[str, str]) -> None:
    file, types = "catalogue.yaml", {entry.name for entry in catalogue.types}
    require(len(catalogue.counters) <= _MAX_COUNTERS, file, "counters", f"must be {_MAX_COUNTERS} at most: each takes room in every user")
    for number, counter in enumerate(catalogue.counters):
        path = f"counters[{number}]"
        require(FIRST_TYPE <= counter.id <= 255, file, f"{path}.id", f"must be between {FIRST_TYPE} and 255, got {counter.id}")
        require(counter.id not in ids, file, f"{path}.id", f"{counter.id} is already the id of {ids.get(counter.id)}")
        require(bool(NAME.fullmatch(counter.name)), file, f"{path}.name", "must be lower case letters, digits and underscores")
        require(
            fold(counter.name) not in names, file, f"{path}.name", f"`{counter.name}` is already a name of {names.get(fold(counter.name))}"
        )
        ids[counter.id] = names[fold(counter.name)] = counter.name
        hint = did_you_mean(counter.event, types)
        require(counter.event in types, file, f"{path}.event", f"must be the name of a type, got {counter.event}{hint}")
        require(bool(counter.where), file, f"{path}.where", "must hold a condition: without one the type itself is the counter")
        for name, condition in counter.where.items():
            require(bool(_PROPERTY.fullmatch(name)), file, f"{path}.where.{name}", "must be the name of a property")
            if isinstance(condition, Bounds):
                low, high = condition.at_least, condition.at_most
                require(low is not None or high is not None, file, f"{path}.where.{name}", "must have at_least, at_most or both")
                require(low is None or high is None or low <= high, file, f"{path}.where.{name}", "no number is so large and so small")
            require(condition != (), file, f"{path}.where.{name}", "must name one value at least")
