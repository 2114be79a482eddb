"""What an application in Redis was made with: its number of partitions and the meaning of its event ids never change again."""

from typing import Any, Final

import msgspec
from redis.asyncio import Redis
from redis.asyncio.client import Pipeline

from streams.core.catalogue import fold
from streams.core.rules import Catalogue, Rules
from streams.errors import ConfigError
from streams.settings import Settings

__all__ = ["changed_meaning", "claim_meta", "meta_key", "read_meta"]

_PARTITIONS: Final = b"partitions"
_CATALOGUE: Final = b"catalogue"


def meta_key(app_id: str) -> str:
    """A hash: `partitions` (decimal), `catalogue` (JSON object: id -> name)."""
    return f"{app_id}:meta"


async def claim_meta(redis: Redis, settings: Settings) -> None:
    """Redis and `settings` agree on partitions and event ids. New ids are written down, so is everything at the very first start.

    Raises `ConfigError` when they disagree; then nothing was written. `redis` must answer bytes.
    """
    rules = settings.rules

    async def agree(pipe: Pipeline) -> None:
        partitions, meanings = await read_meta(pipe, rules.app_id)
        disagreement = differing_partitions(rules, partitions) or changed_meaning(rules.catalogue, meanings)
        if disagreement:
            raise disagreement
        # An id that left the catalogue stays written down: states still hold it.
        known = meanings | {str(entry.id): entry.name for entry in rules.catalogue.types}
        known |= {str(counter.id): counter.name for counter in rules.catalogue.counters}
        pipe.multi()  # type: ignore[no-untyped-call]
        catalogue = msgspec.json.encode(known, order="deterministic")
        pipe.hset(meta_key(rules.app_id), mapping={_PARTITIONS: str(rules.partitions).encode(), _CATALOGUE: catalogue})

    await redis.transaction(agree, meta_key(rules.app_id))


async def read_meta(redis: Any, app_id: str) -> tuple[int | None, dict[str, str]]:
    """Number of partitions (None: a new application) and the meaning of each id."""
    partitions, catalogue = await redis.hmget(meta_key(app_id), [_PARTITIONS, _CATALOGUE])
    meanings = msgspec.json.decode(catalogue, type=dict[str, str]) if catalogue else {}
    return int(partitions) if partitions else None, meanings


def differing_partitions(rules: Rules, partitions: int | None) -> ConfigError | None:
    """Why `partitions` of Redis and of the rules cannot go together."""
    if partitions is None or partitions == rules.partitions:
        return None
    message = f"must stay {partitions}, the number that {rules.app_id} began with in Redis, got {rules.partitions}"
    return ConfigError(f"{message}: users would move away from their history", file="topics.yaml", path="partitions")


def changed_meaning(catalogue: Catalogue, meanings: dict[str, str]) -> ConfigError | None:
    """Which id means another event than it did. A new name is no new meaning as long as the old one stays among the aliases."""
    named = [(f"types[{number}].id", each.id, each.name, (each.name, *each.aliases)) for number, each in enumerate(catalogue.types)]
    named += [(f"counters[{number}].id", each.id, each.name, (each.name,)) for number, each in enumerate(catalogue.counters)]
    for path, ident, name, names in named:
        before = meanings.get(str(ident))
        if before is not None and fold(before) not in {fold(each) for each in names}:
            message = f"{ident} has meant {before} in stored states, and cannot mean {name}"
            keep = f", or keep {before} as an alias" if path.startswith("types") else ""
            return ConfigError(f"{message}: take a free number{keep}", file="catalogue.yaml", path=path)
    return None
