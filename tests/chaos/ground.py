"""The servers that scenarios stand on: one Kafka and one Redis for all, and private ones for those that kill them."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

from tests.chaos.harness import Stage
from tests.stack import Kafka, Redis

__all__ = ["Ground"]


class Ground(NamedTuple):
    """Shared servers, and a folder for everything that a scenario leaves."""

    kafka: Kafka
    redis: Redis
    folder: Path

    @asynccontextmanager
    async def stage(self, name: str, *, overrides: Mapping[str, Mapping[str, Any]] | None = None, **places: str) -> AsyncIterator[Stage]:
        """A stage with its topics made; its workers are dead when the block ends. `places`: broker, redis_url, direct, direct_redis."""
        where = {"broker": self.kafka.bootstrap, "redis_url": self.redis.url} | places
        async with Stage(name, self.folder, overrides=overrides, **where) as stage:
            yield stage

    @asynccontextmanager
    async def own_redis(self, name: str, settings: Mapping[str, str | int] | None = None) -> AsyncIterator[Redis]:
        server = Redis(self.folder / f"{name}-redis", settings=settings)
        try:
            yield await server.started()
        finally:
            server.kill()

    @asynccontextmanager
    async def own_kafka(self, name: str, **options: Any) -> AsyncIterator[Kafka]:
        server = Kafka(self.folder / f"{name}-kafka", **options)
        try:
            yield await server.started()
        finally:
            server.kill()
