"""The API does what its document says: schemathesis asks every route all sorts of things, by the document and against it."""

import asyncio
import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as thorough
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance, status_code_conformance

from streams.core.identity import home_partition
from streams.core.user import User
from streams.settings import Settings
from streams.shell.heads import Keys
from tests.served import alert, produce, serving, settled
from tests.stack import Kafka, Redis

pytestmark = pytest.mark.services

#: Streams end when the reader goes: they are read in tests of their own.
ENDLESS = {"/v1/stream", "/v1/inspector"}
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
#: What is there to be asked for.
THERE = {"user_id": "u", "alert_id": "a1"}
THOROUGH = thorough(
    max_examples=12, deadline=None, derandomize=True, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
)


@pytest.fixture
async def settings(kafka: Kafka, redis: Redis, tmp_path: Path) -> Settings:
    mine = await settled(tmp_path, kafka, redis)
    await produce(mine, mine.rules.topics.alerts, [(0, "u", alert("a1", "u"), 0)])
    return mine


def somebody(settings: Settings) -> bytes:
    """A stored state."""
    user = User(settings.rules)
    user.load("u", None)
    user.fold(settings.rules.catalogue.types[0].id, time.time_ns() // 1_000_000 - 3_600_000, 1, 0, 0, 0, 0)
    return user.dump()


def operations(document: dict[str, Any]) -> Iterator[Any]:
    for found in schemathesis.openapi.from_dict(document).get_all_operations():
        operation = found.ok()
        if operation.path not in ENDLESS:
            yield operation


def ask(operation: Any, mode: GenerationMode, url: str) -> None:
    """Some requests of one operation: no server error, nothing that the document does not say."""

    @given(case=operation.as_strategy(generation_mode=mode))
    @THOROUGH
    def asked(case: Any) -> None:
        case.validate_response(case.call(base_url=url), checks=CHECKS)
        # Once more about something that is there: what is drawn never is.
        there = {name: value for name, value in THERE.items() if name in (case.path_parameters or {})}
        if there:
            case.path_parameters = {**case.path_parameters, **there}
            case.validate_response(case.call(base_url=url), checks=CHECKS)

    # Nothing about a request without parameters can be wrong.
    with contextlib.suppress(Unsatisfiable):
        asked()


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::hypothesis.errors.HypothesisWarning")
async def test_every_answer_is_one_that_the_document_names(settings: Settings) -> None:
    async with serving(settings) as served:
        users = Keys.of(settings.rules.app_id, home_partition("u", 2)).users.decode()
        await served.server._redis.hset(users, "u", somebody(settings))
        _, document, _ = await served.get("/openapi.json")
        asked = list(operations(document))
        for operation in asked:
            for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
                await asyncio.to_thread(ask, operation, mode, served.url)
        assert len(asked) >= 20
