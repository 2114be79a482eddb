"""Topics that belong to one test, on a broker that all tests share."""

import asyncio
import itertools
import os
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import UnknownTopicOrPartitionError

from tests.server import READY_TIMEOUT_S

__all__ = ["Topics"]


class Topics:
    """Topics of one test: every name begins with a prefix of its own, so tests share a broker. `drop()` deletes what was created."""

    _numbers = itertools.count(1)

    def __init__(self, bootstrap: str, test: str = "test") -> None:
        self.bootstrap = bootstrap
        self.prefix = f"{re.sub(r'[^a-z0-9]+', '-', test.lower())[:60]}.{os.getpid()}-{next(self._numbers)}."
        self.created: list[str] = []

    def name(self, short: str) -> str:
        return self.prefix + short

    async def create(
        self, short: str | Sequence[str], *, partitions: int = 1, config: Mapping[str, str] | None = None, replication: int = 1
    ) -> list[str]:
        """The topics exist and every partition has a leader; returns their full names. `config` is the topic's own (retention.ms, ...)."""
        names = [self.name(each) for each in ([short] if isinstance(short, str) else short)]
        admin = AIOKafkaAdminClient(bootstrap_servers=self.bootstrap)
        await admin.start()
        try:
            wanted = [NewTopic(name, partitions, replication, topic_configs=dict(config or {})) for name in names]
            answer = await admin.create_topics(wanted)
            wrong = [error for error in answer.topic_errors if error[1]]
            assert not wrong, f"topics were not created: {wrong}"
            self.created += names
            async with asyncio.timeout(READY_TIMEOUT_S):
                while not all(_led(topic, partitions) for topic in await admin.describe_topics(names)):
                    await asyncio.sleep(0.02)
        finally:
            await admin.close()
        return names

    async def drop(self) -> None:
        admin = AIOKafkaAdminClient(bootstrap_servers=self.bootstrap)
        await admin.start()
        try:
            if self.created:
                with suppress(UnknownTopicOrPartitionError):
                    await admin.delete_topics(self.created)
        finally:
            self.created = []
            await admin.close()


def _led(topic: Mapping[str, Any], partitions: int) -> bool:
    leaders = [partition["leader"] for partition in topic["partitions"]]
    return topic["error_code"] == 0 and len(leaders) == partitions and min(leaders) >= 0
