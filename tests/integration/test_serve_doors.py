"""The doors of the page and the API (scenario 35): every route against every role, sessions, forged requests, tries, links, a proxy."""

import re
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from streams.serve.access import COOKIE, Access
from streams.serve.accounts import Accounts
from streams.serve.headers import CSP
from streams.serve.roles import MATRIX, ROLES, Doors
from streams.serve.sessions import Session
from streams.settings import Settings
from streams.settings_files import Proxy
from tests.served import Served, serving, settled
from tests.stack import Kafka, Redis

pytestmark = pytest.mark.services

TOKEN = "a-long-enough-token-0123"
WITH_TOKEN = {"STREAMS_SERVE_TOKEN": TOKEN}
PASSWORD = "correct horse battery"


@pytest.fixture
async def settings(kafka: Kafka, redis: Redis, tmp_path: Path) -> Settings:
    return await settled(tmp_path, kafka, redis)


@pytest.fixture
def users(tmp_path: Path) -> Path:
    """A file with one person of each role, named like it."""
    file = tmp_path / "users.yaml"
    for role in ROLES:
        Accounts(file).put(role, [role], PASSWORD)
    return file


@pytest.fixture
async def served(settings: Settings, users: Path) -> AsyncIterator[Served]:
    async with serving(settings, Access.of("0.0.0.0", {"STREAMS_USERS": str(users)} | WITH_TOKEN)) as mine:
        yield mine


def cookie_of(headers: Mapping[str, str]) -> dict[str, str]:
    """The session of an answer as a browser sends it back."""
    return {"cookie": headers["set-cookie"].split(";")[0]}


async def signed_in(served: Served, name: str, password: str = PASSWORD) -> dict[str, str]:
    """Headers of a browser in which `name` has signed in, with the token against forged requests."""
    status, _, headers = await served.post("/login", data={"name": name, "password": password})
    assert status == 200
    _, me, _ = await served.get("/v1/session", headers=cookie_of(headers))
    return cookie_of(headers) | {"x-csrf-token": me["csrf"]}


async def status_of(served: Served, method: str, path: str, headers: Mapping[str, str] | None = None) -> int:
    """Without reading the body, which for a stream never ends."""
    async with served.client.request(method, served.url + path, headers=headers, allow_redirects=False) as answer:
        return answer.status


def known_to(router: Any) -> list[tuple[str, str]]:
    """Method and path of every route of a router, also of those inside it."""
    found = []
    for route in router.routes:
        inner = getattr(route, "original_router", None)
        if inner is not None:
            found += known_to(inner)
        else:
            found += [(method, route.path) for method in sorted(route.methods) if method != "HEAD"]
    return found


def routes(served: Served) -> list[tuple[str, str, str]]:
    """Name in the matrix, method, and a path that leads there, for all that the router knows."""
    return [(f"{method} {path}", method, re.sub(r"{[^}]*}", "x", path)) for method, path in known_to(served.server.app)]


async def test_every_route_stands_in_the_matrix(served: Served) -> None:
    """A route without an entry is closed to everybody: put it into streams/serve/roles.py with the role that may use it."""
    assert [name for name, _, _ in routes(served) if name not in MATRIX] == []
    for name, method, path in routes(served):
        found = Doors().find(method, path)
        assert found is not None
        assert found[0] == name, f"{name} stands behind {found[0]}: put it before"
    # Files of the sign-in page are open, though their route is not.
    known = {name for name, _, _ in routes(served)} | {"GET /page/style.css", "GET /page/icon.svg"}
    assert [name for name in MATRIX if name not in known] == []


async def test_without_a_session_nothing_answers_but_health_and_what_signing_in_needs(served: Served) -> None:
    for name, method, path in routes(served):
        door, status = MATRIX[name], await status_of(served, method, path)
        if name == "GET /":
            assert status == 303
        elif door.role is not None:
            assert status in (401, 403), name
    for method, path in (("GET", "/nothing"), ("PUT", "/v1/alerts"), ("GET", "/docs"), ("GET", "/page/app.js"), ("DELETE", "/")):
        assert await status_of(served, method, path) in (401, 303), path
    for path in ("/health", "/login", "/page/style.css", "/page/icon.svg"):
        assert await status_of(served, "GET", path) == 200


@pytest.mark.parametrize("role", ROLES)
async def test_each_role_may_what_the_matrix_says_and_nothing_else(served: Served, role: str) -> None:
    browser = await signed_in(served, role)
    for name, method, path in routes(served):
        door = MATRIX[name]
        if door.role is None or name == "POST /logout":
            continue
        allowed = door.role in (role, "viewer")
        assert (await status_of(served, method, path, browser) not in (401, 403)) is allowed, name


async def test_what_changes_something_wants_the_word_of_this_session(served: Served) -> None:
    """Another site can make a browser send the cookie, at most; never the header."""
    browser = await signed_in(served, "operator")
    cookie = {"cookie": browser["cookie"]}
    other = await signed_in(served, "viewer")
    for name, method, path in routes(served):
        if MATRIX[name].changes and MATRIX[name].role is not None:
            for forged in (cookie, cookie | {"x-csrf-token": ""}, cookie | {"x-csrf-token": other["x-csrf-token"]}):
                assert await status_of(served, method, path, forged) == 403, name
    foreign = browser | {"origin": "https://evil.example"}
    assert await status_of(served, "POST", "/logout", foreign) == 403
    assert await status_of(served, "POST", "/login", {"origin": "https://evil.example"}) == 403
    assert await status_of(served, "POST", "/logout", browser | {"sec-fetch-site": "cross-site"}) == 403
    assert await status_of(served, "GET", "/v1/session", browser) == 200


async def test_signing_in_gives_a_cookie_that_scripts_and_other_sites_cannot_use(served: Served) -> None:
    status, _, headers = await served.post("/login", data={"name": "ada", "password": "wrong"})
    assert (status, "set-cookie" in headers) == (401, False)
    status, body, headers = await served.post("/login", data={"name": "viewer", "password": PASSWORD})
    assert (status, 'content="0;url=/"' in body, PASSWORD in str(headers)) == (200, True, False)
    parts = {part.strip().lower() for part in headers["set-cookie"].split(";")}
    assert {"httponly", "samesite=strict", "path=/", "max-age=43200"} <= parts
    assert "secure" not in parts  # plain HTTP to this machine's own name; some browsers take no other cookie there
    behind = {"host": "streams.example"}
    _, _, headers = await served.post("/login", data={"name": "viewer", "password": PASSWORD}, headers=behind)
    assert "secure" in {part.strip().lower() for part in headers["set-cookie"].split(";")}


async def test_a_planted_session_is_worth_nothing_after_signing_in(served: Served) -> None:
    """Fixation: the word is made anew, and the one that came along ends."""
    planted = {"cookie": f"{COOKIE}=planted-by-somebody-else"}
    _, _, headers = await served.post("/login", data={"name": "viewer", "password": PASSWORD}, headers=planted)
    first = cookie_of(headers)
    assert first != planted
    assert await status_of(served, "GET", "/v1/session", planted) == 401
    _, _, headers = await served.post("/login", data={"name": "viewer", "password": PASSWORD}, headers=first)
    assert await status_of(served, "GET", "/v1/session", first) == 401
    assert await status_of(served, "GET", "/v1/session", cookie_of(headers)) == 200


async def test_signing_out_ends_the_session_on_every_replica(settings: Settings, users: Path, served: Served) -> None:
    browser = await signed_in(served, "viewer")
    async with serving(settings, Access.of("0.0.0.0", {"STREAMS_USERS": str(users)})) as replica:
        assert await status_of(replica, "GET", "/v1/session", browser) == 200
        assert await status_of(served, "POST", "/logout", browser) == 204
        assert await status_of(served, "GET", "/v1/session", browser) == 401
    async with serving(settings, Access.of("0.0.0.0", {"STREAMS_USERS": str(users)})) as replica:
        assert await status_of(replica, "GET", "/v1/session", browser) == 401


async def test_whoever_is_taken_out_or_gets_another_password_is_out_at_once(served: Served, users: Path) -> None:
    viewer, operator = await signed_in(served, "viewer"), await signed_in(served, "operator")
    Accounts(users).remove("viewer")
    Accounts(users).put("operator", ["viewer"], "another good sentence")
    assert await status_of(served, "GET", "/v1/session", viewer) == 401
    assert await status_of(served, "GET", "/v1/session", operator) == 401


async def test_after_ten_wrong_tries_in_a_minute_the_right_password_is_not_listened_to(served: Served) -> None:
    for _ in range(10):
        assert (await served.post("/login", data={"name": "viewer", "password": "wrong"}))[0] == 401
    status, body, headers = await served.post("/login", data={"name": "viewer", "password": PASSWORD}, headers={"accept-language": "de"})
    assert (status, headers["retry-after"], "Zu viele Versuche" in body) == (429, "60", True)


async def test_tries_that_succeed_are_not_counted(served: Served) -> None:
    for _ in range(12):
        assert (await served.post("/login", data={"name": "viewer", "password": PASSWORD}))[0] == 200


async def test_the_token_lets_programs_in_and_is_a_password_too(served: Served) -> None:
    assert await status_of(served, "GET", "/v1/alerts", {"authorization": f"Bearer {TOKEN}"}) == 200
    assert await status_of(served, "GET", "/v1/alerts", {"authorization": f"Bearer {TOKEN[:-1]}x"}) == 401
    browser = await signed_in(served, "", TOKEN)
    _, me, _ = await served.get("/v1/session", headers=browser)
    assert (me["name"], me["roles"], me["via"], me["can_leave"]) == ("token", ["operator", "privacy", "viewer"], "session", True)


async def test_a_link_signs_in_once(settings: Settings) -> None:
    async with serving(settings, Access.of("127.0.0.1", {}, link=True)) as served:
        assert await status_of(served, "GET", "/v1/alerts") == 401
        code = await served.server.link()
        status, _, headers = await served.get(f"/login/{code}")
        assert status == 200
        assert await status_of(served, "GET", "/v1/alerts", cookie_of(headers)) == 200
        status, body, headers = await served.get(f"/login/{code}")
        assert (status, "has been used" in body, "set-cookie" in headers) == (401, True, False)


async def test_a_link_is_over_after_five_minutes(settings: Settings) -> None:
    async with serving(settings, Access.of("127.0.0.1", {}, link=True)) as served:
        code = await served.server.link()
        (key,) = [key async for key in served.server._redis.scan_iter(f"*{settings.rules.app_id}:serve*link:*")]
        assert 0 < await served.server._redis.ttl(key) <= 300
        await served.server._redis.delete(key)
        assert (await served.get(f"/login/{code}"))[0] == 401


async def test_nothing_in_redis_signs_anybody_in(served: Served) -> None:
    """Neither the word of a cookie nor that of a link lies there, only their hashes."""
    browser = await signed_in(served, "viewer")
    word = browser["cookie"].partition("=")[2]
    keys = [key.decode() async for key in served.server._redis.scan_iter("*:serve}*")]
    assert any(":session:" in key for key in keys)
    assert not any(word in key for key in keys)


async def test_sessions_of_one_person_are_bounded(served: Served) -> None:
    """Twenty browsers; the oldest sessions end."""
    for _ in range(25):
        await served.server.sessions.begin(Session("viewer", (), "link"), None)
    assert len([key async for key in served.server._redis.scan_iter("*:serve}:session:*") if app_of(served) in key.decode()]) == 20


async def test_a_session_that_ended_takes_no_place(served: Served) -> None:
    """Whoever signs in and out again and again on one machine stays signed in on another one."""
    stays = await served.server.sessions.begin(Session("viewer", ROLES, "link"), None)
    for _ in range(25):
        word = await served.server.sessions.begin(Session("viewer", ROLES, "link"), None)
        await served.server.sessions.end(word)
    assert await served.server.sessions.find(stays) is not None


def app_of(served: Served) -> str:
    return served.server._settings.rules.app_id


async def test_a_trusted_proxy_says_who_it_is(settings: Settings) -> None:
    proxy = Proxy(addresses=("127.0.0.1/32",))
    async with serving(settings, Access.of("127.0.0.1", {}, proxy=proxy)) as served:
        says = {"x-forwarded-user": "ada", "x-forwarded-groups": "operator"}
        _, me, _ = await served.get("/v1/session", headers=says)
        assert (me["name"], me["roles"], me["via"], me["can_leave"]) == ("ada", ["operator", "viewer"], "proxy", False)
        assert await status_of(served, "GET", "/v1/session") == 401
        assert await status_of(served, "POST", "/logout", says) == 403
        assert await status_of(served, "POST", "/logout", says | {"x-csrf-token": me["csrf"]}) == 204


async def test_a_foreign_name_and_a_foreign_site_get_nothing(settings: Settings) -> None:
    async with serving(settings) as open_here:
        assert (await open_here.get("/v1/alerts", headers={"host": "evil.example"}))[0] == 421
        forged = {"origin": "https://evil.example"}
        assert (await open_here.post("/v1/users:batch", json={"user_ids": []}, headers=forged))[0] == 403
        assert (await open_here.get("/login"))[2]["location"] == "/"


async def test_what_is_not_there_and_what_breaks_say_nothing(served: Served) -> None:
    """No path, no name, no trace in a 404 or a 500; and no script of anybody else in any policy."""
    browser = await signed_in(served, "viewer")
    status, problem, _ = await served.get("/secret-of-somebody", headers=browser)
    assert (status, problem["detail"]) == (404, "there is nothing here")
    key = "{%s:%d}:users"
    for partition in (0, 1):
        await served.server._redis.hset(key % (served.server._settings.rules.app_id, partition), "broken", b"\xff not a state")
    status, problem, _ = await served.get("/v1/users/broken", headers=browser)
    assert (status, problem["detail"]) == (500, "this cannot be told; the log says why")
    assert "unsafe" not in CSP


async def test_without_redis_nobody_is_let_in_by_guessing(settings: Settings, users: Path) -> None:
    import msgspec

    away = msgspec.structs.replace(settings, redis="redis://127.0.0.1:1/0")
    async with serving(away, Access.of("0.0.0.0", {"STREAMS_USERS": str(users)} | WITH_TOKEN), ready=False) as served:
        assert await status_of(served, "GET", "/v1/alerts", {"cookie": f"{COOKIE}=x"}) == 503
        assert (await served.post("/login", data={"name": "viewer", "password": PASSWORD}))[0] == 503
        assert await status_of(served, "GET", "/v1/alerts", {"authorization": f"Bearer {TOKEN}"}) == 200
