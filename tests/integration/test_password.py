"""A Kafka that answers and does not let us in: no waiting changes a password, so everything says so and ends."""

import asyncio
import os
import sys
from pathlib import Path

import pytest

from streams.shell.refusals import turned_away
from tests.served import secured
from tests.stack import Kafka, Redis

pytestmark = [pytest.mark.services, pytest.mark.asyncio(loop_scope="module")]

WRONG = "canary-another-password"


@pytest.mark.parametrize("command", ["check", "worker", "serve --port 0 --collect-port 0", "collect --port 0", "dead list"])
async def test_a_wrong_password_ends_with_a_line_that_says_what_to_look_at(
    command: str, kafka: Kafka, redis: Redis, tmp_path: Path
) -> None:
    settings = await secured(tmp_path, kafka, redis)
    env = os.environ | {"STREAMS_BROKER": settings.broker, "STREAMS_REDIS": redis.url, "STREAMS_CONFIG": str(tmp_path)}
    env |= {"STREAMS_INSTANCE": "w1", "STREAMS_KAFKA_PASSWORD": WRONG}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "streams", *command.split(), env=env, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    async with asyncio.timeout(60):  # ends hangs only
        said = (await process.communicate())[0].decode()
    assert process.returncode == 2, said
    assert f"{settings.broker} does not let us in (it does not know the user streams, or the password is another one)" in said
    assert "STREAMS_KAFKA_PASSWORD" in said
    assert WRONG not in said


async def test_only_who_answers_can_turn_away(kafka: Kafka, redis: Redis, tmp_path: Path) -> None:
    client = (await secured(tmp_path, kafka, redis)).kafka.client()
    assert await turned_away([kafka.secured], client) is None
    assert await turned_away(["127.0.0.1:1"], client | {"sasl_plain_password": WRONG}) is None
    assert await turned_away(["127.0.0.1:1", kafka.secured], client | {"sasl_plain_password": WRONG}) is not None
    unheard = await turned_away([kafka.secured], client | {"sasl_mechanism": "SCRAM-SHA-512"})
    assert unheard is not None
    assert unheard.startswith("UnsupportedSaslMechanism")
