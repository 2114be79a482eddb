"""Canaries (scenario 34) at the server: what people type, and what is secret, comes back in no log, figure, header or error."""

import logging
from pathlib import Path

import msgspec
import pytest

from streams.serve.access import Access
from streams.serve.accounts import Accounts
from streams.settings import Settings
from tests.served import serving, settings_of, settled
from tests.stack import Kafka, Redis

pytestmark = pytest.mark.services

CANARY = "canary-email@example.org"
TOKEN = "canary-token-0123456789"
PASSWORD = "canary-password-sentence"


@pytest.fixture
async def settings(kafka: Kafka, redis: Redis, tmp_path: Path) -> Settings:
    return await settled(tmp_path, kafka, redis)


async def test_nothing_that_was_typed_and_no_secret_comes_back(
    settings: Settings, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Every class of refusal, with a marker in each text field; then everything that the server says is read."""
    caplog.set_level(logging.DEBUG)
    Accounts(tmp_path / "users.yaml").put("viewer", ["viewer"], PASSWORD)
    env = {"STREAMS_SERVE_TOKEN": TOKEN, "STREAMS_USERS": str(tmp_path / "users.yaml")}
    said: list[str] = []
    async with serving(settings, Access.of("0.0.0.0", env)) as served:
        key = {"authorization": f"Bearer {TOKEN}"}
        for partition in range(settings.rules.partitions):
            await served.server._redis.hset(f"{{{settings.rules.app_id}:{partition}}}:users", CANARY, b"\xff not a state")
        for method, path, options in (
            ("GET", f"/{CANARY}", {"headers": key}),
            ("GET", f"/v1/users/{CANARY}", {"headers": key}),
            ("GET", f"/v1/users/{CANARY}x/why", {"headers": key}),
            ("GET", f"/v1/users/{CANARY}x/export", {"headers": key}),
            ("GET", f"/v1/alerts?cursor={CANARY}", {"headers": key}),
            ("GET", f"/v1/dead?reason={CANARY}", {"headers": key}),
            ("GET", f"/v1/dead/{CANARY}/0/0", {"headers": key}),
            ("POST", f"/v1/alerts/{CANARY}/note", {"headers": key, "json": {"text": CANARY}}),
            ("POST", "/v1/dead:replay", {"headers": key, "json": {"reason": CANARY}}),
            ("POST", "/v1/users:batch", {"headers": key, "json": {"user_ids": CANARY}}),
            ("GET", f"/v1/stream?after={CANARY}", {"headers": key}),
            ("GET", f"/v1/stream?kinds={CANARY}", {"headers": {"authorization": f"Bearer {CANARY}"}}),
            ("GET", "/v1/session", {"headers": {"cookie": f"streams_session={CANARY}"}}),
            ("POST", "/login", {"data": {"name": CANARY, "password": CANARY}}),
            ("POST", "/login", {"data": {"name": "viewer", "password": PASSWORD}}),
            ("GET", f"/login/{CANARY}", {}),
            ("PUT", f"/v1/{CANARY}", {"headers": key}),
        ):
            status, body, headers = await served._ask(method, path, **options)
            assert status >= 400 or path == "/login", path
            said += [f"{path.replace(CANARY, '')}: {body}", str(headers)]
        said.append((await served.get("/metrics", headers=key))[1])
    said += [record.getMessage() for record in caplog.records if not record.name.startswith(("aiohttp", "asyncio"))]
    said += [str(record.exc_info) for record in caplog.records if record.exc_info]
    for secret in (CANARY, TOKEN, PASSWORD):
        assert [line for line in said if secret in line] == [], secret


def test_no_secret_stands_in_what_settings_and_access_say_of_themselves(tmp_path: Path) -> None:
    away = settings_of(tmp_path, "127.0.0.1:1", f"redis://:{PASSWORD}@127.0.0.1:1/0")
    access = Access.of("0.0.0.0", {"STREAMS_SERVE_TOKEN": TOKEN})
    for said in (repr(away), str(away), away.redis_place, repr(access), str(vars(access)), repr(msgspec.structs.asdict(away)["kafka"])):
        assert PASSWORD not in said
        assert TOKEN not in said
